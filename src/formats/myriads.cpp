#include <algorithm>

#include "formats/last_number.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

struct Unit {
  char32_t sign;
  std::size_t zeros;
  std::u32string_view not_before;  // 千克 is a kilogram, 조각 a piece, 만큼 "as much as"
};
constexpr std::u32string_view kMeasures = U"克米瓦卡焦赫帕伏字比";
constexpr Unit kUnits[] = {{U'百', 2, U"分"},      {U'千', 3, kMeasures}, {U'万', 4, U""},
                           {U'萬', 4, U""},        {U'亿', 8, U""},       {U'億', 8, U""},
                           {U'兆', 12, kMeasures}, {U'백', 2, U""},       {U'천', 3, U"사"},
                           {U'만', 4, U"큼"},      {U'억', 8, U""},       {U'조', 12, U"각"}};

/// The number of zeros of the units from index i on; 0 if there is none. Moves i to their end.
std::size_t read_units(std::u32string_view text, std::size_t& i) {
  std::size_t zeros = 0;
  for (bool more = true; more && i < text.size();) {
    more = false;
    for (const Unit& unit : kUnits) {
      const char32_t next = i + 1 < text.size() ? text[i + 1] : 0;
      if (text[i] != unit.sign || unit.not_before.find(next) != std::u32string_view::npos) continue;
      zeros += unit.zeros;
      more = true;
      ++i;
      break;
    }
  }
  return zeros;
}

struct Part {
  std::u32string whole, fraction;
};

/// Whether there is a comma at index i before exactly three digits.
bool is_grouping(std::u32string_view text, std::size_t i) {
  if (text[i] != U',' && text[i] != 0xFF0C) return false;
  std::size_t end = i + 1;
  while (end < text.size() && digit_value(text[end]) >= 0) ++end;
  return end == i + 4;
}

/// Reads digits from index i on, without the commas between them, and a fraction. Moves i to the
/// end.
Part read_part(std::u32string_view text, std::size_t& i) {
  Part part;
  bool in_fraction = false;
  for (; i < text.size(); ++i) {
    const bool between = i + 1 < text.size() && digit_value(text[i + 1]) >= 0;
    if (const int digit = digit_value(text[i]); digit >= 0) {
      (in_fraction ? part.fraction : part.whole) += U'0' + static_cast<char32_t>(digit);
    } else if (between && !in_fraction && (text[i] == U'.' || text[i] == 0xFF0E)) {
      in_fraction = true;
    } else if (in_fraction || !is_grouping(text, i)) {
      break;
    }
  }
  return part;
}

/// The number that begins at index i, in plain digits; empty if it has no unit. Moves i to its end.
std::u32string read_myriads(std::u32string_view text, std::size_t& i) {
  std::u32string number;
  std::size_t room = 0;  // zeros of the last unit: the next part must be smaller
  for (std::size_t at = i; at < text.size() && digit_value(text[at]) >= 0;) {
    const bool first = number.empty();
    const std::size_t begin = at;
    Part part = read_part(text, at);
    const std::size_t zeros = read_units(text, at);
    const std::size_t length = part.whole.size() + zeros;
    const bool whole = part.fraction.empty();
    if (first ? zeros == 0 : length > room || !whole) break;
    // After a blank a part must have a unit or four digits: 1억 2345만, 3만 5000원.
    if (!first && text[begin - 1] == U' ' && zeros == 0 && part.whole.size() != 4) break;
    if (first) {
      const std::size_t moved = std::min(zeros, part.fraction.size());
      number = part.whole + part.fraction.substr(0, moved) + std::u32string(zeros - moved, U'0');
      part.fraction.erase(0, moved);
      if (!part.fraction.empty()) number += U"." + part.fraction;
    } else {
      number.resize(number.size() - length);
      number += part.whole + std::u32string(zeros, U'0');
    }
    room = zeros;
    i = at;
    if (zeros == 0 || !whole) break;
    if (at + 1 < text.size() && text[at] == U' ' && text[at - 1] >= 0xAC00) ++at;
  }
  return number;
}

}  // namespace

std::u32string without_myriads(std::u32string_view text) {
  std::u32string plain;
  for (std::size_t i = 0; i < text.size();) {
    const bool begins = digit_value(text[i]) >= 0 && (i == 0 || digit_value(text[i - 1]) < 0);
    const std::u32string number = begins ? read_myriads(text, i) : std::u32string();
    plain += number.empty() ? std::u32string(1, text[i++]) : number;
  }
  return plain;
}

}  // namespace ramoe
