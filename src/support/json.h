// Support - parsing of JSON text for all readers; every error names the place in the file.
//
// nlohmann's parser takes a NUL byte for the end of the text and would silently ignore the rest. So
// NUL bytes are an error, and files in UTF-16 or UTF-32 get a message of their own.
// Tests: tests/support/json_test.cpp
#pragma once

#include <cstddef>
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

/// The Error of a parser that stopped at byte `byte`, counted from 1.
[[noreturn]] void fail_json(std::string_view text, const std::string& path, long line,
                            std::size_t byte);

/// Parses the text. Json keeps the order of keys, nlohmann::json sorts them; `watch` is the
/// parser's callback. Error: see check_json_bytes, or invalid JSON, with path, line and column.
template <class Value = Json>
Value parse_json(std::string_view text, const std::string& path, long line = 0,
                 const typename Value::parser_callback_t& watch = nullptr) {
  check_json_bytes(text, path, line);
  try {
    return Value::parse(text, watch);
  } catch (const typename Value::parse_error& error) {
    fail_json(text, path, line, error.byte);
  } catch (const typename Value::exception&) {
    fail(path, ": a number in it is too large for JSON; restore the file or make it again.");
  }
}

}  // namespace ramoe
