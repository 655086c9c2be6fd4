// Support - numbers as text, the same in messages, sentences and pages
//
// "n/a" is what was not measured.
// Tests: tests/support/text_test.cpp
#pragma once

#include <string>

namespace ramoe {

/// Exactly `decimals` after the point, for columns; "-" only before something that is not 0; "n/a"
/// for NaN and infinity.
std::string fixed_number(double value, int decimals);
/// The same without trailing zeros.
std::string short_number(double value, int decimals = 2);
/// fixed_number with a "+" before what is above 0.
std::string signed_number(double value, int decimals);

}  // namespace ramoe
