// Support - text as code points: UTF-8, four classes of characters, digits, lower case, NFC
//
// Invalid UTF-8 is never an error: every maximal part of a sequence that cannot be completed is
// read as one U+FFFD (Unicode 3.9, "substitution of maximal subparts"; as in browsers and Python).
// Surrogates, overlong forms and values above U+10FFFF are invalid.
// The tables are Unicode's, see unicode_version(); the algorithms are those of the standard: UAX
// #15 for NFC, chapter 3.12 for Hangul. Tests: tests/support/unicode_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ramoe {

/// Such as "16.0.0".
std::string unicode_version();

/// A character of a text and its length in bytes (at least 1). Invalid bytes: U+FFFD, !valid.
struct CodePoint {
  char32_t value;
  std::size_t bytes;
  bool valid;
};

/// The character at byte `at` < text.size().
CodePoint read_utf8(std::string_view text, std::size_t at);

/// Appends c; surrogates and values above U+10FFFF are written as U+FFFD.
void append_utf8(std::string& out, char32_t c);

std::u32string decode_utf8(std::string_view text);
std::string encode_utf8(std::u32string_view text);

/// General categories L*, M*, N*, the property White_Space, and all others. They do not overlap.
enum class CharClass : std::uint8_t { other, letter, mark, number, white_space };
CharClass char_class(char32_t c);

/// The value of a decimal digit (general category Nd) of any script, or -1.
int digit_value(char32_t c);

/// Whether \w of a regular expression matches c: letters, marks, decimal and letter-like numbers,
/// connectors such as '_', joiners (Unicode TR 18, annex C).
bool is_word(char32_t c);

/// Letters and marks of all scripts.
bool is_letter(char32_t c);
/// Letters of the Latin script, with accents too.
bool is_latin_letter(char32_t c);

/// Whether c is invisible: direction marks, joiners, soft hyphens, variation selectors.
bool is_invisible(char32_t c);

/// Simple (one to one, language-independent) lower case; c itself if it has none.
char32_t to_lower(char32_t c);

/// Canonical composition (NFC). Invalid bytes become U+FFFD.
std::string to_nfc(std::string_view text);

/// Two answers match exactly if this form of them is equal: NFC, lower case, each run of
/// White_Space as one blank, no blanks at the ends. Applying it twice changes nothing.
std::string normalise_answer(std::string_view text);

}  // namespace ramoe
