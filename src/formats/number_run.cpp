#include "formats/number_run.h"

#include <algorithm>

#include "formats/number_sign.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

/// Whether the first `count` groups are a whole number with thousands separators: groups of three,
/// with commas also the Indian 12,34,567.
bool are_thousands(const NumberRun& run, std::size_t count, const NumberCustoms& customs) {
  if (count < 2) return true;
  if (run.groups[0].size() > 3 || run.groups[0][0] == '0') return false;
  const auto are_of = [&](std::size_t first, std::size_t last, std::size_t digits) {
    return std::all_of(run.groups.begin() + std::ptrdiff_t(first),
                       run.groups.begin() + std::ptrdiff_t(last),
                       [digits](const std::string& group) { return group.size() == digits; });
  };
  if (are_of(1, count, 3)) return true;
  if (run.groups[0].size() > 2) return false;
  if (customs.groups_of_two && run.separators[0] == ' ' && are_of(1, count, 2)) return true;
  const bool commas = run.separators[0] == ',' || run.separators[0] == 't';
  return commas && count > 2 && are_of(1, count - 1, 2) && are_of(count - 1, count, 3);
}

std::string decimal(const NumberRun& run, std::size_t whole_groups) {
  std::string whole, fraction;
  for (std::size_t g = 0; g < run.groups.size(); ++g)
    (g < whole_groups ? whole : fraction) += run.groups[g];
  whole.erase(0, std::min(whole.find_first_not_of('0'), whole.size()));
  fraction.erase(fraction.find_last_not_of('0') + 1);
  if (whole.empty()) whole = "0";
  if (!fraction.empty()) whole += "." + fraction;
  return run.negative && whole != "0" ? "-" + whole : whole;
}

/// Whether the separator at index `at`, before the only group, begins a bare fraction such as ".5".
bool is_bare_fraction(std::u32string_view text, std::size_t at) {
  const char kind = separator_kind(text[at]);
  if (kind != '.' && kind != 'd') return false;
  return at == 0 || char_class(text[at - 1]) == CharClass::white_space || is_minus(text[at - 1]) ||
         is_currency_sign(text[at - 1]);
}

}  // namespace

char separator_kind(char32_t c) {
  switch (c) {
    case U'.':
    case 0xFF0E:  // fullwidth, small
    case 0xFE52:
      return '.';
    case U',':
    case 0xFF0C:
    case 0xFE50:
    case 0x060C:  // the Arabic comma
      return ',';
    case 0x066B:
      return 'd';
    case 0x066C:
    case 0x2E41:  // the reversed comma, of Adlam
      return 't';
    case U' ':
    case 0x00A0:
    case 0x202F:
    case 0x205F:
    case U'\'':
    case U'`':
    case 0x00B4:
    case 0x02BC:
    case 0x2018:
    case 0x2019:
    case 0xFF07:
      return ' ';
    default:
      return c >= 0x2000 && c <= 0x200A ? ' ' : char(0);
  }
}

void NumberRun::keep_last(std::size_t keep) {
  groups.erase(groups.begin(), groups.end() - static_cast<std::ptrdiff_t>(keep));
  separators.erase(separators.begin(), separators.end() - static_cast<std::ptrdiff_t>(keep - 1));
  negative = false;
}

bool NumberRun::has_cents() const {
  return groups.size() > 1 && groups.back().size() == 2 && separators.back() != ' ';
}

NumberRun last_number_run(std::u32string_view text) {
  NumberRun run;
  run.end = text.size();
  while (run.end > 0 && digit_value(text[run.end - 1]) < 0) --run.end;
  std::size_t at = run.end;
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
  if (run.groups.size() == 1 && at > 0 && is_bare_fraction(text, at - 1)) {
    run.groups.push_back("0");
    run.separators.push_back('d');
    --at;
  }
  run.begin = at;
  std::reverse(run.groups.begin(), run.groups.end());
  std::reverse(run.separators.begin(), run.separators.end());
  return run;
}

std::vector<std::string> readings_of(const NumberRun& run, const NumberCustoms& customs) {
  const std::size_t n = run.groups.size();
  if (n == 1) return {decimal(run, 1)};
  const char last = run.separators.back();
  const auto of_last_kind = std::count(run.separators.begin(), run.separators.end(), last);
  // All separators except the last must be of one kind.
  const std::size_t firsts = n - 2;
  for (std::size_t i = 1; i < firsts; ++i)
    if (run.separators[i] != run.separators[0]) return {};
  if (firsts > 0 && run.separators[0] == 'd') return {};
  const bool may_be_decimal = of_last_kind == 1 && last != 't' && last != ' ';
  const bool may_be_thousands = last != 'd' && of_last_kind == std::ptrdiff_t(n) - 1;
  const bool known = customs.point && n == 2;  // the language decides the meaning of a single one
  std::vector<std::string> found;
  if (may_be_thousands && !(known && last == '.') && are_thousands(run, n, customs))
    found.push_back(decimal(run, n));
  // 10,000 is not ten, except where money has three decimals.
  const bool round = run.groups.back() == "000" && !customs.three_decimals;
  const bool settled = !found.empty() && (known || round);
  if (may_be_decimal && !settled && are_thousands(run, n - 1, customs))
    found.push_back(decimal(run, n - 1));
  return found;
}

}  // namespace ramoe
