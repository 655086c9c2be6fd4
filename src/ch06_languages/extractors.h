// Chapter 6.7 - extractors: what an output says, read as exact text, last number or choice letter
//
// The expected answer and the output are read by the same rule; they agree if they share a reading.
//
// exact          The whole text after normalise_answer (NFC, lower case, white space).
//
// last_number    The last number of the text; of the last \boxed{...} if there is one. A number is
//   a run of decimal digits of any script, with single separators between digits, and a sign that
//   stands directly before it (or before its currency sign) and not behind a digit, ) or Latin
//   letter.
//     .  ,  and their Arabic and fullwidth forms    thousands or decimals:
//        both in one number                the later one is the decimal sign   1.234,5 = 1234.5
//        the same one several times        thousands, if groups have three digits 1,234,567
//        once, not before three digits     decimals                            18.0 = 18  0,5
//        once, before three digits and     both: 1,234 may be 1234 or 1.234, and either reading
//        after one to three, not from 0    may agree with the answer; before 000 thousands alone
//     blanks (also no-break and thin), apostrophes   thousands, if groups have three digits
//     U+066B and U+066C                    Arabic decimal and thousands sign, nothing else
//   Runs that fit no rule are lists, dates or times: their last group counts (12.5.2020 is 2020).
//   LaTeX's {,} \, \! between digits are separators too. Not read: fractions (3/4 is 4), exponents
//   (1e3 is 3), number words, Chinese numerals. Values are compared as decimals, not as doubles.
//
// choice_letter  The first letter A to J, plain or fullwidth, that stands alone: neither neighbour
//   is a Latin letter, a digit, or a hyphen or apostrophe with a Latin letter behind it, and it is
//   no part of an abbreviation (e.g. U.S.A). Capitals count anywhere; a small letter only if the
//   text has no other letter or digit, or in brackets as in (b). Not a choice: A at the start of a
//   sentence before a Latin word other than "is", "was" or "because" (an article), and I before a
//   Latin word (a pronoun). So "Between A and C: C" is A: the first letter decides.
//
// The rules are ours. Tests: tests/ch06_languages/extractors_test.cpp
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

namespace ramoe {

enum class Extractor { exact, last_number, choice_letter };
inline constexpr std::array all_extractors = {Extractor::exact, Extractor::last_number,
                                              Extractor::choice_letter};
std::string name_of(Extractor extractor);
std::vector<std::string> extractor_names();
/// Error: unknown name, with the nearest.
Extractor parse_extractor(const std::string& name);

/// What the text may say: nothing, one reading, or two of an ambiguous number. Of exact there is
/// one, empty for an empty text.
std::vector<std::string> readings(Extractor extractor, std::string_view text);

/// Whether the two texts share a reading.
bool is_same_answer(Extractor extractor, std::string_view answer, std::string_view output);

}  // namespace ramoe
