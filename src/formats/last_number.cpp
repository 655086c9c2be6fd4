#include "formats/last_number.h"

#include <algorithm>

#include "formats/language_customs.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

// ---- Digits and separators as a number ----------------------------------------------------------

/// Hyphens, dashes up to the en dash and minus signs, but not the em dash.
bool is_minus(char32_t c) {
  return c == U'-' || (c >= 0x2010 && c <= 0x2013) || c == 0x207B || c == 0x2212 || c == 0x2796 ||
         c == 0xFE63 || c == 0xFF0D;
}

/// The symbols of general category Sc.
bool is_currency_sign(char32_t c) {
  constexpr std::u32string_view kOthers =
      U"$\u058F\u060B\u07FE\u07FF\u09F2\u09F3\u09FB\u0AF1\u0BF9\u0E3F\u17DB\uA838\uFDFC\uFE69\uFF04"
      U"\uFFE0\uFFE1\uFFE5\uFFE6";
  return (c >= 0x00A2 && c <= 0x00A5) || (c >= 0x20A0 && c <= 0x20C1) ||
         kOthers.find(c) != std::u32string_view::npos;
}

/// '.' and ',': either meaning; 'd': decimal; 't': thousands; ' ': blanks and apostrophes; 0: not a
/// separator.
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

/// Digits as ASCII and the separators between them: one more group than separators.
struct NumberRun {
  std::vector<std::string> groups;
  std::vector<char> separators;    // their kinds, see separator_kind()
  std::size_t begin = 0, end = 0;  // its place in the text
  bool negative = false;

  /// Removes the sign and all groups before the last `keep`.
  void keep_last(std::size_t keep) {
    groups.erase(groups.begin(), groups.end() - static_cast<std::ptrdiff_t>(keep));
    separators.erase(separators.begin(), separators.end() - static_cast<std::ptrdiff_t>(keep - 1));
    negative = false;
  }
  /// Whether the run ends with a separator and two digits, as an amount of money does.
  bool has_cents() const {
    return groups.size() > 1 && groups.back().size() == 2 && separators.back() != ' ';
  }
};

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

/// The longest run of digits and single separators that ends with the last digit of the text; no
/// groups if there is none. The sign is not read.
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

/// The readings of a run as decimals without extra zeros; none if it is not a single number.
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

// ---- The sign -----------------------------------------------------------------------------------

bool is_inline_blank(char32_t c) {
  return c != U'\n' && char_class(c) == CharClass::white_space;
}

bool is_percent(char32_t c) {
  return c == U'%' || c == 0x066A || c == 0xFF05 || c == 0x2030;
}

/// Whether c is a letter of a script without blanks: Thai to Tibetan, Burmese, Khmer, kana and Han.
bool writes_no_blanks(char32_t c) {
  return (c >= 0x0E00 && c <= 0x0FFF) || (c >= 0x1000 && c <= 0x109F) ||
         (c >= 0x1780 && c <= 0x17FF) || (c >= 0x3005 && c <= 0x30FF) ||
         (c >= 0x3400 && c <= 0x9FFF) || (c >= 0x20000 && c <= 0x3FFFF);
}

bool is_part_of_currency(char32_t c) {
  return is_letter(c) || is_currency_sign(c) || is_percent(c) || c == U'.' || c == U'/' ||
         c == 0x202F;
}

/// Whether a word looks like a currency: it has a currency sign (US$, GH₵), is a percent sign, or
/// is a short abbreviation (EUR, Rp, Ksh, kr, رس) and not an ordinary word.
bool is_currency(std::u32string_view word) {
  int letters = 0, capitals = 0, small_vowels = 0, points = 0;
  for (const char32_t c : word) {
    if (is_currency_sign(c) || (is_percent(c) && word.size() == 1)) return true;
    if (writes_no_blanks(c) || is_percent(c)) return false;
    letters += char_class(c) == CharClass::letter;
    points += c == U'.';
    capitals += to_lower(c) != c;
    small_vowels += std::u32string_view(U"aeiou").find(c) != std::u32string_view::npos;
  }
  if (letters == 0) return false;
  const char32_t first = word[0];
  if (first >= 0x0590 && first < 0x2E80) return letters <= (points > 1 ? 8 : 4);  // no capitals
  if (word.size() > 6) return false;
  if (first >= 0x0370) return false;  // Greek and Cyrillic abbreviations follow the number
  if (to_lower(first) == first) return word == U"kr" || word == U"kr." || word == U"zł";
  return letters <= 2 || capitals > 1 || small_vowels == 0;
}

/// The start of the word of currency characters that ends before `end`.
std::size_t currency_begin(std::u32string_view text, std::size_t end) {
  while (end > 0 && is_part_of_currency(text[end - 1])) --end;
  return end;
}

/// Whether the sign at index i is a real sign and not a hyphen, a range or a subtraction.
bool stands_free(std::u32string_view text, std::size_t i, bool has_cents) {
  if (i == 0) return true;
  const char32_t before = text[i - 1];
  if (is_currency_sign(before) || is_letter(before)) {
    if (writes_no_blanks(before)) return true;
    const std::size_t begin = currency_begin(text, i);
    const std::u32string_view word = text.substr(begin, i - begin);
    const bool behind_digit = begin > 0 && digit_value(text[begin - 1]) >= 0;
    if (begin > 0 && text[begin - 1] == 0x00B0) return true;               // °C-18
    if (is_currency_sign(before)) return !behind_digit;                    // $-5, but 5€-10€
    const bool money = word.size() > 1 && has_cents && is_currency(word);  // CHF-5.00
    return !behind_digit && (money || word.ends_with(U"CFA"));
  }
  return char_class(before) != CharClass::number && before != U')' && before != U']' &&
         before != U'}' && !is_percent(before) && before != 0x00B0;
}

/// Whether the sign at i follows "=", as in "= - 5": it then counts despite the blank after it.
bool follows_equals(std::u32string_view text, std::size_t i) {
  while (i > 0 && is_inline_blank(text[i - 1])) --i;
  return i > 0 && (text[i - 1] == U'=' || text[i - 1] == 0xFF1D);
}

bool has_sign_behind(std::u32string_view text, std::size_t end) {
  if (end >= text.size() || !is_minus(text[end])) return false;
  std::size_t next = end + 1;
  while (next < text.size() && is_inline_blank(text[next])) ++next;
  return next >= text.size() ||
         (char_class(text[next]) == CharClass::other && !is_minus(text[next])) ||
         text[next] == U'\n';
}

/// Whether the text around the run makes it negative.
bool is_negative(std::u32string_view text, const NumberRun& run, const NumberCustoms& customs) {
  if (customs.sign_behind && has_sign_behind(text, run.end)) return true;
  std::size_t at = run.begin;
  if (at == 0) return false;
  if (is_minus(text[at - 1])) return stands_free(text, at - 1, run.has_cents());
  if (is_inline_blank(text[at - 1])) --at;
  if (at == 0) return false;
  if (is_minus(text[at - 1])) {  // a blank after the sign: only a no-break one joins it
    const bool joined = text[at] == 0x00A0 || text[at] == 0x202F;
    return (joined && stands_free(text, at - 1, run.has_cents())) || follows_equals(text, at - 1);
  }
  const std::size_t begin = currency_begin(text, at);
  return begin > 0 && begin < at && is_minus(text[begin - 1]) &&
         is_currency(text.substr(begin, at - begin)) && stands_free(text, begin - 1, false);
}

// ---- The text around it -------------------------------------------------------------------------

/// The text without invisible characters, and with the LaTeX forms of separators and signs
/// ({,} \, \! \$ \%) replaced by plain ones.
std::u32string plain_text(std::u32string_view text) {
  std::u32string plain;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const std::u32string_view rest = text.substr(i, 3);
    if (rest.size() == 3 && rest[0] == U'{' && separator_kind(rest[1]) != 0 && rest[2] == U'}') {
      plain += rest[1];
      i += 2;
    } else if (rest.size() >= 2 && rest[0] == U'\\' && (rest[1] == U',' || rest[1] == U'!')) {
      plain += U' ';
      i += 1;
    } else if (rest.size() >= 2 && rest[0] == U'\\' && (rest[1] == U'$' || rest[1] == U'%')) {
      continue;
    } else if (!is_invisible(text[i])) {
      plain += text[i];
    }
  }
  return plain;
}

/// The content of the last \boxed{...}, or the whole text.
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

/// Replaces the language's own decimal sign between two digits by the Arabic one; a slash only
/// between Persian digits.
void read_decimal_sign(std::u32string& text, char32_t sign) {
  for (std::size_t i = 1; i + 1 < text.size(); ++i) {
    const bool between = digit_value(text[i - 1]) >= 0 && digit_value(text[i + 1]) >= 0;
    const bool persian = text[i - 1] >= 0x06F0 && text[i - 1] <= 0x06F9;
    if (text[i] == sign && between && (persian || sign != U'/')) text[i] = 0x066B;
  }
}

}  // namespace

std::vector<std::string> last_number(std::string_view lang, std::u32string_view text) {
  const NumberCustoms customs = number_customs(lang);
  std::u32string plain = without_myriads(plain_text(boxed(text)));
  if (customs.decimal_sign != 0) read_decimal_sign(plain, customs.decimal_sign);
  NumberRun run = last_number_run(plain);
  if (run.groups.empty()) return {};
  run.negative = is_negative(plain, run, customs);
  // "in 2020 1,234 people": an earlier number may have joined the run, so cut it at blanks first.
  for (std::vector<std::string> found; run.groups.size() > 1;) {
    found = readings_of(run, customs);
    if (!found.empty()) return found;
    const auto blank = std::find(run.separators.begin(), run.separators.end(), ' ');
    const bool has_blank = blank != run.separators.end();
    run.keep_last(has_blank ? static_cast<std::size_t>(run.separators.end() - blank) : 1);
  }
  return readings_of(run, customs);
}

}  // namespace ramoe
