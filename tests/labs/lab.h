// What the tests of the labs share: failures that say what was expected, what was found, and what
// that usually means; and derivatives by finite differences.
#pragma once

#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "support/compare.h"

namespace ramoe {

using Doubles = std::vector<double>;

/// "{1, 2.5, nan}", of long lists the beginning.
template <class Values>
std::string listed(const Values& values) {
  std::string text = "{";
  for (std::size_t i = 0; i < values.size() && i < 24; ++i)
    text += cat(i > 0 ? ", " : "", double(values[i]));
  return text + (values.size() > 24 ? ", ...}" : "}");
}

/// Fails unless the values are those expected; `means`: what a difference usually comes from.
template <class Values>
void expect_values(const Values& found, const Doubles& expected, const std::string& means,
                   double tolerance = 1e-12, int line = __builtin_LINE(),
                   const char* file = __builtin_FILE()) {
  const std::string wrong = difference(found, expected, tolerance, tolerance);
  if (wrong.empty()) return;
  ADD_FAILURE_AT(file, line) << wrong << "\n  expected " << listed(expected) << "\n  found    "
                             << listed(found) << "\n  usually: " << means;
}
inline void expect_value(double found, double expected, const std::string& means,
                         double tolerance = 1e-12, int line = __builtin_LINE(),
                         const char* file = __builtin_FILE()) {
  expect_values(Doubles{found}, {expected}, means, tolerance, line, file);
}
inline void expect_numbers(const std::vector<int>& found, const std::vector<int>& expected,
                           const std::string& means, int line = __builtin_LINE(),
                           const char* file = __builtin_FILE()) {
  expect_values(found, Doubles(expected.begin(), expected.end()), means, 0, line, file);
}

/// dL/dx by central differences: (L(x + h) - L(x - h)) / 2h for each element.
inline Doubles slopes(const std::function<double(const Doubles&)>& L, Doubles x) {
  Doubles result;
  for (double& element : x) {
    const double old = element, h = 1e-5 * std::max(1.0, std::abs(old));
    element = old + h;
    const double above = L(x);
    element = old - h;
    result.push_back((above - L(x)) / (2 * h));
    element = old;
  }
  return result;
}
/// sum_i c[i] y[i], which makes one number of an output.
inline double weighed(const Doubles& c, const Doubles& y) {
  double sum = 0;
  for (std::size_t i = 0; i < y.size(); ++i) sum += c[i] * y[i];
  return sum;
}
constexpr double kSlope = 1e-7;  // how near differences come to a derivative

}  // namespace ramoe
