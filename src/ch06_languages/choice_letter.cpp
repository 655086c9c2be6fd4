#include "ch06_languages/choice_letter.h"

#include <algorithm>
#include <array>

#include "ch06_languages/last_number.h"
#include "ch06_languages/unicode.h"

namespace ramoe {
namespace {

constexpr char32_t kFirst = U'A', kLast = U'J';

/// Fullwidth forms of ASCII as ASCII.
char32_t narrow(char32_t c) {
  return c >= 0xFF01 && c <= 0xFF5E ? c - 0xFEE0 : c;
}

bool is_joint(char32_t c) {
  return c == U'\'' || c == U'-' || c == 0x2019 || c == 0x2010 || c == 0x2011;
}

bool is_blank(char32_t c) {
  return char_class(c) == CharClass::white_space;
}

/// A text whose characters beyond its ends read as 0.
class Text {
 public:
  explicit Text(std::u32string_view text) {
    for (const char32_t c : text) text_ += narrow(c);
  }
  std::ptrdiff_t size() const { return static_cast<std::ptrdiff_t>(text_.size()); }
  char32_t at(std::ptrdiff_t i) const {
    return i < 0 || i >= size() ? 0 : text_[static_cast<std::size_t>(i)];
  }

  /// Whether a word goes on from i in the given direction.
  bool continues(std::ptrdiff_t i, int step) const {
    const char32_t next = at(i + step), second = at(i + 2 * step);
    if (is_latin_letter(next) || digit_value(next) >= 0 || char_class(next) == CharClass::mark)
      return true;
    if (next == U'.') return is_latin_letter(second) && !is_latin_letter(at(i + 3 * step));
    return is_joint(next) && is_latin_letter(second);
  }

  bool starts_sentence(std::ptrdiff_t i) const {
    for (--i; i >= 0 && (is_blank(at(i)) || at(i) == U'"' || at(i) == 0x201C); --i)
      if (at(i) == U'\n') return true;
    return i < 0 || at(i) == U'.' || at(i) == U'!' || at(i) == U'?';
  }

  /// The Latin word behind the blanks behind i; empty if something else stands there.
  std::u32string word_after(std::ptrdiff_t i) const {
    std::u32string word;
    if (!is_blank(at(++i))) return word;
    while (is_blank(at(i)) && at(i) != U'\n') ++i;
    for (; is_latin_letter(at(i)); ++i) word += to_lower(at(i));
    return word;
  }

 private:
  std::u32string text_;
};

bool is_word(const Text& text, std::ptrdiff_t i) {
  const std::u32string next = text.word_after(i);
  if (next.empty()) return false;
  if (text.at(i) == U'I') return true;
  return text.at(i) == U'A' && text.starts_sentence(i) && next != U"is" && next != U"was" &&
         next != U"because";
}

bool in_brackets(const Text& text, std::ptrdiff_t i) {
  const char32_t open = text.at(i - 1), close = text.at(i + 1);
  return (open == U'(' && close == U')') || (open == U'[' && close == U']') ||
         (open == U'{' && close == U'}');
}

}  // namespace

std::vector<std::string> choice_letter(std::u32string_view given) {
  const Text text(given);
  int characters = 0;
  for (std::ptrdiff_t i = 0; i < text.size(); ++i) {
    const CharClass kind = char_class(text.at(i));
    characters += kind == CharClass::letter || kind == CharClass::number;
  }
  for (std::ptrdiff_t i = 0; i < text.size(); ++i) {
    char32_t c = text.at(i);
    const bool small = c >= kFirst + 32 && c <= kLast + 32;
    if (small && (characters == 1 || in_brackets(text, i))) c -= 32;
    if (c < kFirst || c > kLast) continue;
    if (text.continues(i, -1) || text.continues(i, 1) || (!small && is_word(text, i))) continue;
    return {std::string(1, static_cast<char>(c))};
  }
  return {};
}

}  // namespace ramoe
