// Chapter 6.7 - the last number of a text; the rules are in extractors.h
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ramoe {

/// The value of a decimal digit of any of the scripts that are read, or -1.
int digit_value(char32_t c);

/// Whether c is a letter of the Latin script, accents included.
bool is_latin_letter(char32_t c);

/// Its readings as decimals without idle zeros, such as "-1234.5": none without a number, two if
/// the separator is ambiguous.
std::vector<std::string> last_number(std::u32string_view text);

}  // namespace ramoe
