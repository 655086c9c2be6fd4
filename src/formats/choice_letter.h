// Formats - the chosen letter of a text; the rules are in extractors.h
#pragma once

#include <string_view>

#include "formats/choice_alphabets.h"

namespace ramoe {

/// The choice in the text; its latin is 0 if there is none.
Choice choice_letter(std::string_view lang, std::u32string_view text);

}  // namespace ramoe
