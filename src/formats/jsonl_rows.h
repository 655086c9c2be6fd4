// Formats - the user's own data as files: one JSON object per line
//
//   items    {"task": "mgsm", "id": "7", "lang": "sw", "question": "...", "answer": "18",
//             "extractor": "last_number", "split": "test"}     the last two are optional
//   general  {"id": "41", "lang": "sw", "text": "..."}
//
// Reading is strict: any other line is an Error with file, line and key.
// Tests: tests/formats/jsonl_rows_test.cpp
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "formats/extractors.h"

namespace ramoe {

/// A row of an items file and its place ("a.jsonl, line 3"). The id of the example is task/id.
struct ItemRow {
  std::string where;
  Example example;
  Extractor extractor = Extractor::exact;
  std::optional<Split> split;
};

struct TextRow {
  std::string where, id, lang, text;
};

/// Rows without their own extractor get `extractor`. Blank lines and a byte order mark are skipped.
/// Error: invalid JSON, a NUL, invalid UTF-8, not an object, a key that is unknown, missing,
/// duplicate or not a text, an empty text, a name (task, lang) with characters other than letters,
/// digits and _ - ., an unknown extractor or split, an answer that its extractor cannot read, or a
/// file without rows.
std::vector<ItemRow> read_item_rows(const std::string& path, Extractor extractor);
std::vector<TextRow> read_text_rows(const std::string& path);

}  // namespace ramoe
