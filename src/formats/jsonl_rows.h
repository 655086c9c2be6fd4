// Formats - one's own data as files: one JSON object a line
//
//   items    {"task": "mgsm", "id": "7", "lang": "sw", "question": "...", "answer": "18",
//             "extractor": "last_number", "split": "test"}     the last two may be left out
//   general  {"id": "41", "lang": "sw", "text": "..."}
//
// Read strictly: a line that is no such object is an Error with file, line and key.
// Tests: tests/formats/jsonl_rows_test.cpp
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "formats/extractors.h"

namespace ramoe {

/// A row of an items file and where it stands ("a.jsonl, line 3"). The example's id is task/id.
struct ItemRow {
  std::string where;
  Example example;
  Extractor extractor = Extractor::exact;
  std::optional<Split> split;
};

struct TextRow {
  std::string where, id, lang, text;
};

/// Rows without an extractor of their own get `extractor`. Blank lines and a byte order mark are no
/// rows. Error: broken JSON, a NUL, no UTF-8, no object, a key unknown, missing, twice or no text,
/// an empty text, a name (task, lang) with other than letters, digits and _ - ., an unknown
/// extractor or split, an answer that its extractor cannot read, no row at all.
std::vector<ItemRow> read_item_rows(const std::string& path, Extractor extractor);
std::vector<TextRow> read_text_rows(const std::string& path);

}  // namespace ramoe
