// Formats - extractors: what an output says, read as exact text, last number or choice letter
//
// The expected answer and the output are read by the same rule, in the row's language
// (language_customs.h); they agree if they share a reading.
//
// exact          The whole text after normalise_answer (NFC, lower case, white space).
//
// last_number    The last number of the text; of the last \boxed{...} if there is one. A number is
//   a run of decimal digits of any script, with single separators between digits, and a sign.
//     .  ,  and their fullwidth forms, ،    thousands or decimals:
//        both in one number                the later one is the decimal sign   1.234,5 = 1234.5
//        the same one several times        thousands, if groups have three digits 1,234,567, or
//                                          as in India with commas             12,34,567
//        once, not before three digits     decimals                            18.0 = 18  0,5
//        once, before three digits and     where the language is known to write a decimal point
//        after one to three, not from 0    (en, hi, zh, sw ...), that: 1,234 = 1234. Elsewhere
//                                          both, 1234 and 1.234, and either may agree with the
//                                          answer; before 000 thousands alone
//     blanks (also no-break and thin), apostrophes   thousands, if groups have three digits
//     U+066B and U+066C                    Arabic decimal and thousands sign, nothing else
//     /  between two Persian digits        the decimal sign, in Persian; $ is one in Cape Verde
//   Runs that fit no rule are lists, dates or times: their last group counts (12.5.2020 is 2020).
//   The sign is a hyphen, an en dash or a minus sign, directly before the digits, or before a
//   currency or percent sign (-US$5, -R$ 5, -%18), or between "=" and a blank. It is none
//   behind a digit, a bracket or a letter (3-5, T-34), unless the letter is of a script without
//   blanks (答案是-5) or ends a currency before an amount (CHF-5.00). In Arabic, Persian, Hebrew
//   and the like it may end the text (٥-). An em dash and brackets (5) are no sign.
//   LaTeX's {,} \, \! between digits are separators too, and direction marks are not seen.
//   Digits with units of East Asia are one number: 1万8000 is 18000, 3만 5000 is 35000.
//   Not read: fractions (3/4 is 4), exponents (1e3 is 3), number words, Chinese numerals, lakh.
//   Values are compared as decimals, not as doubles.
//
// choice_letter  The first letter A to J, plain, fullwidth or enclosed, that stands alone: neither
//   neighbour is a letter of a script with capitals, a digit, or a hyphen or apostrophe with such a
//   letter behind it (but Turkish B'dir, Zulu ngu-B), and it is no part of an abbreviation (U.S.A).
//   Capitals count anywhere; a small letter only if the text has no other letter or digit, in
//   brackets as in (b), before a bracket at the start of a line, or alone behind a colon. Not a
//   choice is a letter that is a word of the language, at the start of a sentence and before a
//   word: A in English, Portuguese, Hungarian ..., unless that word is "is" or the like (A seems
//   right, A es correcta). English I is a pronoun before any word.
//   So "Between A and C: C" is A: the first letter decides.
//   If there is none, the letters that number choices elsewhere are read (choice_alphabets.h): ب
//   ข ख খ 乙 ㄴ are B, Γ is C; and the names of English letters, बी, বি. A Cyrillic letter is the
//   Latin one that it looks like (В is B); compared with a Cyrillic answer it is itself.
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

/// What the text may say in a language (a row's code, language_customs.h): nothing, one reading, or
/// two of an ambiguous number. A choice is read as A to J. Of exact there is one reading, empty for
/// an empty text.
std::vector<std::string> readings(Extractor extractor, std::string_view lang,
                                  std::string_view text);

/// Whether the two texts share a reading; two choices of one script must be the same letter.
bool is_same_answer(Extractor extractor, std::string_view lang, std::string_view answer,
                    std::string_view output);
/// The same as the rule that an example carries.
AnswerRule answer_rule(Extractor extractor);

}  // namespace ramoe
