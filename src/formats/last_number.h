// Formats - the last number of a text, with units of Chinese, Japanese and Korean; the rules are in
// extractors.h
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ramoe {

/// The readings of the last number as decimals without extra zeros, such as "-1234.5": none if
/// there is no number, two if the separator is ambiguous in the language.
std::vector<std::string> last_number(std::string_view lang, std::u32string_view text);

/// The text with numbers of digits and units (千 万 億 ...) as plain digits: 1万8000 as 18000.
std::u32string without_myriads(std::u32string_view text);

}  // namespace ramoe
