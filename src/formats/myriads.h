// Formats - numbers with units of Chinese, Japanese and Korean; the rules are in extractors.h
#pragma once

#include <string>
#include <string_view>

namespace ramoe {

/// The text with numbers of digits and units (千 万 億 ...) as plain digits: 1万8000 as 18000.
std::u32string without_myriads(std::u32string_view text);

}  // namespace ramoe
