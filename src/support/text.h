// Support - numbers as text, the same in messages, sentences and pages
//
// "n/a" stands for values that were not measured.
// Tests: tests/support/text_test.cpp
#pragma once

#include <string>

namespace ramoe {

/// Exactly `decimals` digits after the point, for columns; never "-0"; "n/a" for NaN and infinity.
std::string fixed_number(double value, int decimals);
/// The same without trailing zeros.
std::string short_number(double value, int decimals = 2);
/// fixed_number with a "+" before positive numbers.
std::string signed_number(double value, int decimals);

}  // namespace ramoe
