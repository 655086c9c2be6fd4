// Formats - digits and separators as a number; the rules are in extractors.h
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "formats/language_customs.h"

namespace ramoe {

/// Digits as ASCII and the separators between them: one more group than separators.
struct NumberRun {
  std::vector<std::string> groups;
  std::vector<char> separators;    // their kinds, see separator_kind()
  std::size_t begin = 0, end = 0;  // its place in the text
  bool negative = false;

  /// Removes the sign and all groups before the last `keep`.
  void keep_last(std::size_t keep);
  /// Whether the run ends with a separator and two digits, as an amount of money does.
  bool has_cents() const;
};

/// '.' and ',': either meaning; 'd': decimal; 't': thousands; ' ': blanks and apostrophes; 0: not a
/// separator.
char separator_kind(char32_t c);

/// The longest run of digits and single separators that ends with the last digit of the text; no
/// groups if there is none. The sign is not read.
NumberRun last_number_run(std::u32string_view text);

/// The readings of a run as decimals without extra zeros; none if it is not a single number.
std::vector<std::string> readings_of(const NumberRun& run, const NumberCustoms& customs);

}  // namespace ramoe
