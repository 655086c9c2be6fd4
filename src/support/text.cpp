#include "support/text.h"

#include <cmath>
#include <cstdio>

namespace ramoe {
namespace {

bool is_zero(const std::string& digits) {
  return digits.find_first_of("123456789") == std::string::npos;
}

}  // namespace

std::string fixed_number(double value, int decimals) {
  if (!std::isfinite(value)) return "n/a";
  char text[400];
  std::snprintf(text, sizeof text, "%.*f", decimals, value);
  std::string out = text;
  if (out[0] == '-' && is_zero(out)) out.erase(0, 1);
  return out;
}

std::string short_number(double value, int decimals) {
  std::string out = fixed_number(value, decimals);
  if (out.find('.') == std::string::npos) return out;
  while (out.back() == '0') out.pop_back();
  if (out.back() == '.') out.pop_back();
  return out;
}

std::string signed_number(double value, int decimals) {
  const std::string text = fixed_number(value, decimals);
  return value > 0 && std::isfinite(value) && !is_zero(text) ? "+" + text : text;
}

}  // namespace ramoe
