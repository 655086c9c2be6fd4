#include "ch06_languages/last_number.h"

#include <algorithm>
#include <array>

#include "ch06_languages/unicode.h"

namespace ramoe {
namespace {

/// The zeros of the scripts whose digits are read; nine digits follow each.
constexpr std::array<char32_t, 19> kZeros = {0x0030, 0x0660, 0x06F0, 0x0966, 0x09E6, 0x0A66, 0x0AE6,
                                             0x0B66, 0x0BE6, 0x0C66, 0x0CE6, 0x0D66, 0x0E50, 0x0ED0,
                                             0x0F20, 0x1040, 0x17E0, 0x1810, 0xFF10};

/// Separators by what they mean: '.' and ',' either, 'd' decimal, 't' thousands, ' ' blanks; 0: no
/// separator.
char separator_kind(char32_t c) {
  switch (c) {
    case U'.':
    case 0xFF0E:
      return '.';
    case U',':
    case 0xFF0C:
      return ',';
    case 0x066B:
      return 'd';
    case 0x066C:
      return 't';
    case U' ':
    case 0x00A0:
    case 0x2009:
    case 0x202F:
    case U'\'':
    case 0x2019:
      return ' ';
    default:
      return 0;
  }
}

bool is_minus(char32_t c) {
  return c == U'-' || c == 0x2212 || c == 0xFF0D;
}

bool is_currency(char32_t c) {
  return c == U'$' || (c >= 0x00A2 && c <= 0x00A5) || (c >= 0x20A0 && c <= 0x20C0) || c == 0x0E3F ||
         c == 0xFF04 || c == 0xFFE5;
}

/// Digits as ASCII and the separators between them: one more group than separators.
struct Run {
  std::vector<std::string> groups;
  std::vector<char> separators;
  bool negative = false;

  void drop_all_but_last(std::size_t keep) {
    groups.erase(groups.begin(), groups.end() - static_cast<std::ptrdiff_t>(keep));
    separators.erase(separators.begin(), separators.end() - static_cast<std::ptrdiff_t>(keep - 1));
    negative = false;
  }
};

/// LaTeX's ways to write a separator, {,} \, \!, as the separator alone.
std::u32string without_latex(std::u32string_view text) {
  std::u32string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::u32string_view rest = text.substr(i);
    if (rest.size() >= 3 && rest[0] == U'{' && separator_kind(rest[1]) != 0 && rest[2] == U'}') {
      plain += rest[1];
      i += 2;
    } else if (rest.size() >= 2 && rest[0] == U'\\' && (rest[1] == U',' || rest[1] == U'!')) {
      plain += U' ';
      i += 1;
    } else {
      plain += text[i];
    }
  }
  return plain;
}

/// What the last \boxed{...} holds, or the whole text.
std::u32string_view boxed(std::u32string_view text) {
  constexpr std::u32string_view kOpen = U"\\boxed{";
  const std::size_t at = text.rfind(kOpen);
  if (at == std::u32string_view::npos) return text;
  const std::u32string_view inside = text.substr(at + kOpen.size());
  int depth = 1;
  for (std::size_t i = 0; i < inside.size(); ++i) {
    depth += inside[i] == U'{' ? 1 : inside[i] == U'}' ? -1 : 0;
    if (depth == 0) return inside.substr(0, i);
  }
  return inside;
}

/// Whether what stands before place `at` gives the number a minus.
bool is_negative(std::u32string_view text, std::size_t at) {
  if (at > 0 && is_currency(text[at - 1])) --at;
  if (at == 0 || !is_minus(text[at - 1])) return false;
  if (at == 1) return true;
  const char32_t before = text[at - 2];
  return !is_latin_letter(before) && digit_value(before) < 0 && before != U')';
}

/// The longest run of digits and single separators that ends with the last digit of the text.
Run last_run(std::u32string_view text) {
  Run run;
  std::size_t end = text.size();
  while (end > 0 && digit_value(text[end - 1]) < 0) --end;
  std::size_t at = end;
  while (at > 0) {
    std::string group;
    while (at > 0 && digit_value(text[at - 1]) >= 0)
      group += static_cast<char>('0' + digit_value(text[--at]));
    std::reverse(group.begin(), group.end());
    run.groups.push_back(group);
    const char kind = at > 1 ? separator_kind(text[at - 1]) : char(0);
    if (kind == 0 || digit_value(text[at - 2]) < 0) break;
    run.separators.push_back(kind);
    --at;
  }
  if (run.groups.empty()) return run;
  // A bare fraction: ".5" at the start or behind a blank.
  if (at > 0 && separator_kind(text[at - 1]) == '.' && run.groups.size() == 1 &&
      (at == 1 || char_class(text[at - 2]) == CharClass::white_space || is_minus(text[at - 2]) ||
       is_currency(text[at - 2]))) {
    run.groups.push_back("0");
    run.separators.push_back('.');
    --at;
  }
  std::reverse(run.groups.begin(), run.groups.end());
  std::reverse(run.separators.begin(), run.separators.end());
  run.negative = is_negative(text, at);
  return run;
}

/// Whether the first `count` groups are one whole number written with thousands separators.
bool are_thousands(const Run& run, std::size_t count) {
  if (count < 2) return true;
  if (run.groups[0].size() > 3 || run.groups[0][0] == '0') return false;
  return std::all_of(run.groups.begin() + 1, run.groups.begin() + std::ptrdiff_t(count),
                     [](const std::string& group) { return group.size() == 3; });
}

std::string decimal(const Run& run, std::size_t whole_groups) {
  std::string whole, fraction;
  for (std::size_t g = 0; g < run.groups.size(); ++g)
    (g < whole_groups ? whole : fraction) += run.groups[g];
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  fraction.erase(fraction.find_last_not_of('0') + 1);
  if (whole.empty()) whole = "0";
  if (!fraction.empty()) whole += "." + fraction;
  return run.negative && whole != "0" ? "-" + whole : whole;
}

/// The readings of a run; none if it is no single number.
std::vector<std::string> readings_of(const Run& run) {
  const std::size_t n = run.groups.size();
  if (n == 1) return {decimal(run, 1)};
  const char last = run.separators.back();
  const auto of_last_kind = std::count(run.separators.begin(), run.separators.end(), last);
  // All separators but perhaps the last must be of one kind.
  const std::size_t firsts = n - 2;
  for (std::size_t i = 1; i < firsts; ++i)
    if (run.separators[i] != run.separators[0]) return {};
  if (firsts > 0 && run.separators[0] == 'd') return {};
  const bool may_be_decimal = of_last_kind == 1 && last != 't' && last != ' ';
  const bool may_be_thousands = last != 'd' && of_last_kind == std::ptrdiff_t(n) - 1;
  std::vector<std::string> found;
  if (may_be_thousands && are_thousands(run, n)) found.push_back(decimal(run, n));
  const bool round = !found.empty() && run.groups.back() == "000";  // 10,000 is not ten
  if (may_be_decimal && !round && are_thousands(run, n - 1)) found.push_back(decimal(run, n - 1));
  return found;
}

}  // namespace

int digit_value(char32_t c) {
  for (const char32_t zero : kZeros)
    if (c >= zero && c <= zero + 9) return static_cast<int>(c - zero);
  return -1;
}

bool is_latin_letter(char32_t c) {
  return (c >= U'a' && c <= U'z') || (c >= U'A' && c <= U'Z') ||
         (c >= 0x00C0 && c <= 0x024F && c != 0x00D7 && c != 0x00F7) || (c >= 0x1E00 && c <= 0x1EFF);
}

std::vector<std::string> last_number(std::u32string_view text) {
  const std::u32string plain = without_latex(boxed(text));
  Run run = last_run(plain);
  if (run.groups.empty()) return {};
  // "in 2020 1,234 people": words before may have joined the run, so it is cut at its blanks first.
  for (std::vector<std::string> found; run.groups.size() > 1;) {
    found = readings_of(run);
    if (!found.empty()) return found;
    const auto blank = std::find(run.separators.begin(), run.separators.end(), ' ');
    const bool has_blank = blank != run.separators.end();
    run.drop_all_but_last(has_blank ? static_cast<std::size_t>(run.separators.end() - blank) : 1);
  }
  return {decimal(run, 1)};
}

}  // namespace ramoe
