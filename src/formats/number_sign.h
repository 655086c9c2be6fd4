// Formats - the sign of a number; the rules are in extractors.h
#pragma once

#include <string_view>

#include "formats/number_run.h"

namespace ramoe {

/// Hyphens, dashes up to the en dash and minus signs, but not the em dash.
bool is_minus(char32_t c);
/// The symbols of general category Sc.
bool is_currency_sign(char32_t c);

/// Whether the text around the run makes it negative.
bool is_negative(std::u32string_view text, const NumberRun& run, const NumberCustoms& customs);

}  // namespace ramoe
