// Support - parsing of JSON text for all readers; every error names the place in the file.
//
// nlohmann's parser takes a NUL byte for the end of the text and would silently ignore the rest. So
// NUL bytes are an error, and files in UTF-16 or UTF-32 get a message of their own.
// Tests: tests/support/json_test.cpp
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <string_view>

#include "support/error.h"
#include "support/files.h"

namespace ramoe {

/// Error if a file begins with a byte order mark of UTF-16 or UTF-32.
void check_json_encoding(std::string_view text, const std::string& path);

/// Error with the place if the text holds a NUL byte. `line` is the line number of the text
/// in the file `path`; 0: the text is the whole file, and its encoding is checked as well.
void check_json_bytes(std::string_view text, const std::string& path, long line = 0);

/// Parses the text. Json keeps the order of keys, nlohmann::json sorts them; `watch` is the
/// parser's callback. Error: see check_json_bytes, or invalid JSON, with path, line and column.
template <class Value = Json>
Value parse_json(std::string_view text, const std::string& path = "text", long line = 0,
                 const typename Value::parser_callback_t& watch = nullptr);

/// The same without a check: is_discarded() tells whether the text is not JSON.
Json json_or_discarded(std::string_view text);

}  // namespace ramoe

// The parser and the writer are compiled once, in json.cpp, and not by each file that uses them.
namespace nlohmann {
template <>
std::string ordered_json::dump(int indent, char blank, bool ascii, error_handler_t handler) const;
template <>
std::string json::dump(int indent, char blank, bool ascii, error_handler_t handler) const;
}  // namespace nlohmann
