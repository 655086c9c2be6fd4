// Formats - extractors: read an output as exact text, last number or choice letter
//
// The expected answer and the output are read by the same rule, in the row's language
// (language_customs.h); they agree if they share a reading.
//
// exact          The whole text after normalise_answer (NFC, lower case, white space).
//
// last_number    The last number of the text, or of the last \boxed{...} if there is one. A number
//   is a run of decimal digits of any script, with single separators between digits, and a sign.
//     .  ,  and their fullwidth forms, ،
//        both in one number                the later one is the decimal sign: 1.234,5 = 1234.5
//        one of them several times         thousands, if groups have three digits: 1,234,567;
//                                          with commas also the Indian form: 12,34,567
//        once, not before three digits     decimals: 18.0 = 18, 0,5 = 0.5
//        once, before three digits and     if the language is known to write a decimal point (en,
//        after one to three that do not    hi, zh, sw ...): 1,234 = 1234 and 1.234 has decimals.
//        begin with 0                      Otherwise thousands if the three digits are 000, else
//                                          both 1234 and 1.234, and either may match the answer
//     blanks (also no-break and thin)      thousands, if groups have three digits
//     apostrophes                          the same
//     U+066B and U+066C                    the Arabic decimal sign and thousands sign
//     /  between two Persian digits        the decimal sign in Persian
//     $                                    the decimal sign in Cape Verde
//   Runs that fit no rule are lists, dates or times: their last group counts (12.5.2020 is 2020).
//   The sign is a hyphen, an en dash or a minus sign directly before the digits, before a currency
//   or percent sign (-US$5, -R$ 5, -%18), or between "=" and a blank. After a digit, a bracket or a
//   letter it is not a sign (3-5, T-34), unless the letter is of a script without blanks
//   (答案是-5) or ends a currency before an amount (CHF-5.00). In Arabic, Persian, Hebrew and
//   similar languages it may follow the digits (٥-). An em dash and brackets (5) are not signs.
//   LaTeX's {,} \, \! between digits are separators too; direction marks are ignored.
//   Digits with units of East Asia are one number: 1万8000 is 18000, 3만 5000 is 35000.
//   Not read: fractions (3/4 is 4), exponents (1e3 is 3), number words, Chinese numerals, lakh.
//   Values are compared as decimals, not as doubles.
//
// choice_letter  The first letter A to J, plain, fullwidth or enclosed, that stands alone: neither
//   neighbour is a digit, a letter of a script with capitals, or a hyphen or apostrophe followed by
//   such a letter (except Turkish B'dir, Zulu ngu-B), and it is not in an abbreviation (U.S.A).
//   Capitals count anywhere. A small letter counts only if the text has no other letter or digit,
//   in brackets such as (b), before a bracket at the start of a line, or alone after a colon.
//   A letter that is a word of the language is not a choice at the start of a sentence and before a
//   word, such as A in English, Portuguese, Hungarian ..., unless that word is like "is" (A seems
//   right, A es correcta). English I is a pronoun before any word.
//   So "Between A and C: C" is A: the first letter decides.
//   If there is no such letter, the letters of choices in other scripts are read
//   (choice_letter.h): ب ข ख খ 乙 ㄴ are B, Γ is C; and the names of English letters, बी, বি.
//   A Cyrillic letter counts as the Latin one that it looks like (В is B), but compared with a
//   Cyrillic answer it counts as itself.
//
// The rules are ours.
// Tests: tests/formats/extractors_test.cpp, same_answer_test.cpp, number_forms_test.cpp
#pragma once

#include <array>
#include <string>
#include <string_view>
#include <vector>

#include "ch06_languages/parallel_data.h"

namespace ramoe {

enum class Extractor { exact, last_number, choice_letter };
constexpr auto names(Extractor) {
  return std::array{"exact", "last_number", "choice_letter"};
}

/// The readings of the text in a language (a row's code, language_customs.h): none, one, or two for
/// an ambiguous number. A choice is read as A to J. `exact` has one reading, empty for an empty
/// text.
std::vector<std::string> readings(Extractor extractor, std::string_view lang,
                                  std::string_view text);

/// Whether the two texts share a reading; two choices of one script must be the same letter.
bool is_same_answer(Extractor extractor, std::string_view lang, std::string_view answer,
                    std::string_view output);
/// The same as the rule of an example.
AnswerRule answer_rule(Extractor extractor);

}  // namespace ramoe
