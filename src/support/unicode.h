// Support - text as code points: UTF-8, four classes of characters, digits, lower case, NFC
//
// Broken UTF-8 is never an error: every maximal part of a sequence that cannot be completed reads
// as one U+FFFD (Unicode 3.9, "substitution of maximal subparts"; what browsers and Python do).
// Surrogates, overlong forms and values above U+10FFFF are broken.
// The tables are Unicode's, see unicode_version(); the algorithms are those of the standard: NFC is
// UAX #15, Hangul chapter 3.12. Tests: tests/support/unicode_test.cpp
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace ramoe {

/// "16.0.0" or so.
std::string unicode_version();

/// A character read from text, and the bytes it took (at least 1). Broken bytes: U+FFFD, !valid.
struct CodePoint {
  char32_t value;
  std::size_t bytes;
  bool valid;
};

/// The character at byte `at` < text.size().
CodePoint read_utf8(std::string_view text, std::size_t at);

/// Appends c; what is not a character (surrogates, above U+10FFFF) is written as U+FFFD.
void append_utf8(std::string& out, char32_t c);

std::u32string decode_utf8(std::string_view text);
std::string encode_utf8(std::u32string_view text);

/// General categories L*, M*, N*, the property White_Space, and all the rest. They do not overlap.
enum class CharClass : std::uint8_t { other, letter, mark, number, white_space };
CharClass char_class(char32_t c);

/// The value of a decimal digit (general category Nd) of any script, or -1.
int digit_value(char32_t c);

/// Whether \w of a regular expression holds c: letters, marks, decimal and letter-like numbers,
/// connectors such as '_', joiners (Unicode TR 18, annex C).
bool is_word(char32_t c);

/// Letters and marks of all scripts.
bool is_letter(char32_t c);
/// Of the Latin script, accents included.
bool is_latin_letter(char32_t c);

/// Whether c shows nothing of itself: direction marks, joiners, soft hyphens, variation selectors.
bool is_invisible(char32_t c);

/// Simple (one to one, language-independent) lower case; c itself if it has none.
char32_t to_lower(char32_t c);

/// Canonical composition. Broken bytes come out as U+FFFD.
std::string to_nfc(std::string_view text);

/// What two answers must share to be an exact match: NFC, lower case, runs of White_Space as one
/// blank, none at the ends. Applying it twice changes nothing.
std::string normalise_answer(std::string_view text);

}  // namespace ramoe
