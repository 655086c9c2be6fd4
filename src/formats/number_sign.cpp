#include "formats/number_sign.h"

#include <algorithm>

#include "support/unicode.h"

namespace ramoe {
namespace {

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

}  // namespace

bool is_minus(char32_t c) {
  return c == U'-' || (c >= 0x2010 && c <= 0x2013) || c == 0x207B || c == 0x2212 || c == 0x2796 ||
         c == 0xFE63 || c == 0xFF0D;
}

bool is_currency_sign(char32_t c) {
  constexpr std::u32string_view kOthers =
      U"$\u058F\u060B\u07FE\u07FF\u09F2\u09F3\u09FB\u0AF1\u0BF9\u0E3F\u17DB\uA838\uFDFC\uFE69\uFF04"
      U"\uFFE0\uFFE1\uFFE5\uFFE6";
  return (c >= 0x00A2 && c <= 0x00A5) || (c >= 0x20A0 && c <= 0x20C1) ||
         kOthers.find(c) != std::u32string_view::npos;
}

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

}  // namespace ramoe
