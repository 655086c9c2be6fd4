// Formats - what the extractors know about languages: forms of numbers, letters that are words
//
// A row names its language by a code. ISO 639 codes of two or three letters are known, with or
// without script and region: hi, hin_Deva, es-MX. Nothing is known about other codes.
// The lists are ours; tests/formats/number_forms_test.cpp compares the first with CLDR.
#pragma once

#include <string>
#include <string_view>

namespace ramoe {

/// The short code of a known language ("hi" for "hin_Deva"), or else the first part of the code in
/// lower case.
std::string primary_language(std::string_view lang);

struct NumberCustoms {
  bool point = false;           // decimal point, and comma for thousands: 1,234 = 1234
  char32_t decimal_sign = 0;    // another one: / with Persian digits, $ in Cape Verde (5$25)
  bool sign_behind = false;     // a minus may follow the last digit
  bool three_decimals = false;  // money has three decimals: 5.000 may be 5
  bool groups_of_two = false;   // 12 34 56
};
/// All false if nothing is known, so that 1,234 may be either number.
NumberCustoms number_customs(std::string_view lang);

/// The capital letters that are words of the language, such as "AI" in English.
std::u32string letters_that_are_words(std::string_view lang);

}  // namespace ramoe
