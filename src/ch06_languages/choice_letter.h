// Chapter 6.7 - the chosen letter of a text; the rules are in extractors.h
#pragma once

#include <string>
#include <string_view>
#include <vector>

namespace ramoe {

/// "A" to "J", or nothing.
std::vector<std::string> choice_letter(std::u32string_view text);

}  // namespace ramoe
