#include "formats/choice_letter.h"

#include <string>

#include "formats/language_customs.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

/// Words that can follow the English choice A, but not the article; is_verb() adds verbs in -s.
constexpr std::u32string_view kBehindEnglishA =
    U" and are as at because but by can cannot could did had if in is isn't it might may must not "
    U"of on or should since so than that the then though to was wasn't were when which while will "
    U"with would ";
constexpr std::u32string_view kNoVerbs =
    U" always basis bus gas lens less news plus previous serious series species this various ";
/// Words such as "is" after a choice, in other languages where A, E, А, В or С is also a word.
constexpr std::u32string_view kBehindChoice =
    U" es está parece sería era fue porque y o é foi seria ou è sembra sarebbe perché est était "
    U"semble serait parce et és sembla este pare pentru sau și jest ponieważ lub je jer protože "
    U"nebo alebo ili ali są është shi ce ne ni yw sy is je är er "
    U"является верно верен верна правильно подходит потому или и є правильно вірно або "
    U"है हैं হবে সঠিক ";
/// Words after a letter in a script without blanks, or joined to the letter.
constexpr std::u32string_view kJoinedBehind[] = {U"입니다", U"이다", U"이에요", U"예요", U"번",
                                                 U"项",     U"項",   U"是",     U"为",   U"為",
                                                 U"正",     U"对",   U"對",     U"ครับ",  U"ค่ะ"};
constexpr std::u32string_view kJoinedBefore[] = {U"ข้อ", U"คือ", U"ตอบ", U"เลือก", U"ແມ່ນ", U"ຂໍ້",
                                                 U"ຄື",  U"គឺ",  U"是",  U"为",   U"為",  U"选",
                                                 U"選", U"案", U"项",  U"項",   U"答"};

bool is_joint(char32_t c) {
  return c == U'\'' || c == U'-' || c == 0x2019 || c == 0x2010 || c == 0x2011;
}

bool is_blank(char32_t c) {
  return char_class(c) == CharClass::white_space;
}

bool holds_word(std::u32string_view list, const std::u32string& word) {
  return list.find(U" " + word + U" ") != std::u32string_view::npos;
}

/// A text that gives 0 for characters beyond its ends.
class Text {
 public:
  Text(std::string_view lang, std::u32string_view text)
      : lang_(lang),
        primary_(primary_language(lang)),
        words_(letters_that_are_words(lang)),
        text_(plain_letters(text)) {
    for (const char32_t c : text_) characters_ += is_letter(c) || digit_value(c) >= 0;
  }

  std::ptrdiff_t size() const { return static_cast<std::ptrdiff_t>(text_.size()); }
  char32_t at(std::ptrdiff_t i) const {
    return i < 0 || i >= size() ? 0 : text_[static_cast<std::size_t>(i)];
  }

  /// The choice of the letter at i: only of Latin letters, or only of all others.
  Choice at_place(std::ptrdiff_t i, bool latin) const {
    const char32_t c = at(i);
    const bool is_latin = is_latin_letter(c);
    if (is_latin != latin || !is_letter(c)) return {};
    const bool small = may_be_small(c);
    const Choice choice = choice_of(lang_, small ? capital(c) : c);
    if (choice.latin == 0) return {};
    if (small && !is_marked_out(i)) return {};
    if (!is_alone(i) || (!small && is_word(i))) return {};
    return choice;
  }

  /// The choice that is named by the whole word at i.
  Choice named_at(std::ptrdiff_t i) const {
    if (!is_letter(at(i)) || goes_on(i, -1)) return {};
    std::ptrdiff_t end = i;
    while (is_letter(at(end))) ++end;
    if (end - i > 4) return {};
    const std::size_t begin = static_cast<std::size_t>(i);
    const Choice choice =
        choice_named(lang_, std::u32string_view(text_).substr(begin, std::size_t(end - i)));
    return choice.latin != 0 && ends_sentence(end - 1) ? choice : Choice{};
  }

 private:
  static bool may_be_small(char32_t c) {
    return (c >= U'a' && c <= U'j') || (c >= 0x03B1 && c <= 0x03B5) || (c >= 0x0430 && c <= 0x044F);
  }
  static char32_t capital(char32_t c) { return c - 32; }

  bool goes_on(std::ptrdiff_t i, int step) const {
    const char32_t next = at(i + step);
    return char_class(next) == CharClass::mark || are_of_one_script(at(i), next);
  }

  /// Whether the letter at i is not part of a word or number.
  bool is_alone(std::ptrdiff_t i) const {
    if (are_of_one_script(at(i), U'A')) return !continues(i, -1) && !continues(i, 1);
    const std::u32string_view text = text_, before = text.substr(0, static_cast<std::size_t>(i)),
                              behind = text.substr(static_cast<std::size_t>(i) + 1);
    bool begins = !goes_on(i, -1), ends = !goes_on(i, 1);
    for (const std::u32string_view word : kJoinedBefore) begins |= before.ends_with(word);
    for (const std::u32string_view word : kJoinedBehind)
      ends |= behind.starts_with(word) && char_class(behind[0]) != CharClass::mark;
    return begins && ends;
  }

  /// Whether a word in a script with capitals continues from i in the given direction.
  bool continues(std::ptrdiff_t i, int step) const {
    const auto is_cased = [](char32_t c) { return are_of_one_script(c, U'A'); };
    const char32_t next = at(i + step), second = at(i + 2 * step);
    if (is_cased(next) || digit_value(next) >= 0 || char_class(next) == CharClass::mark)
      return true;
    if (next == U'.') return is_cased(second) && !is_cased(at(i + 3 * step));
    if (!is_joint(next) || !is_cased(second)) return false;
    return !is_inflection(i, step);
  }

  /// Whether the hyphen or apostrophe next to the letter at i only inflects it: Turkish B'dir,
  /// Hungarian B-nek, Zulu ngu-B.
  bool is_inflection(std::ptrdiff_t i, int step) const {
    const bool apostrophe = at(i + step) == U'\'' || at(i + step) == 0x2019;
    if (primary_ == "tr" || primary_ == "az") return apostrophe && step > 0;
    if (primary_ == "zu" || primary_ == "xh") return !apostrophe && step < 0;
    std::ptrdiff_t letters = 0;
    while (is_letter(at(i + 2 + letters))) ++letters;
    return primary_ == "hu" && !apostrophe && step > 0 && letters <= 4;
  }

  bool starts_sentence(std::ptrdiff_t i) const {
    constexpr std::u32string_view kOpening = U"\"'“„«‘*_#(¿¡", kClosing = U".!?…。।؟";
    for (--i; i >= 0 && (is_blank(at(i)) || kOpening.find(at(i)) != kOpening.npos); --i)
      if (at(i) == U'\n') return true;
    return i < 0 || kClosing.find(at(i)) != kClosing.npos;
  }

  /// Whether no word follows the letter, or only a word such as "is".
  bool ends_sentence(std::ptrdiff_t i) const {
    const std::u32string next = word_after(i);
    return next.empty() || holds_word(kBehindChoice, next);
  }

  /// The word after i and its blanks, in lower case; empty if there is none.
  std::u32string word_after(std::ptrdiff_t i) const {
    std::u32string word;
    if (!is_blank(at(++i))) return word;
    while (is_blank(at(i)) && at(i) != U'\n') ++i;
    for (; is_letter(at(i)) || (at(i) == U'\'' && !word.empty()); ++i) word += to_lower(at(i));
    return word;
  }

  /// Whether the capital at i is a word of the language and not a choice: "A dog", "В этом".
  bool is_word(std::ptrdiff_t i) const {
    const char32_t c = at(i);
    const std::u32string next = word_after(i);
    if (next.empty()) return false;
    if (is_also_a_word(c)) return !holds_word(kBehindChoice, next);
    if (words_.find(c) == std::u32string::npos) return false;
    if (primary_ != "en") return starts_sentence(i) && !holds_word(kBehindChoice, next);
    if (c == U'I') return is_latin_letter(next[0]);
    return starts_sentence(i) && is_latin_letter(next[0]) && !is_verb(next);
  }

  /// Whether an English word cannot follow the article "a": "is", "seems".
  static bool is_verb(const std::u32string& word) {
    if (holds_word(kBehindEnglishA, word)) return true;
    return word.size() > 2 && word.ends_with(U"s") && !word.ends_with(U"ss") &&
           !word.ends_with(U"us") && !word.ends_with(U"'s") && !holds_word(kNoVerbs, word);
  }

  /// Whether a small letter is marked as a choice: it is the only letter of the text, in brackets,
  /// like b) at the start of a line or after a colon, or alone after a colon.
  bool is_marked_out(std::ptrdiff_t i) const {
    const char32_t open = at(i - 1), close = at(i + 1);
    if (characters_ == 1 || (open == U'(' && close == U')') || (open == U'[' && close == U']') ||
        (open == U'{' && close == U'}'))
      return true;
    std::ptrdiff_t before = i - 1;
    while (is_blank(at(before)) && at(before) != U'\n') --before;
    if (close == U')' && (before < 0 || at(before) == U'\n' || at(before) == U':')) return true;
    return at(before) == U':' && before < i && !is_letter(close) && digit_value(close) < 0 &&
           word_after(i).empty();
  }

  std::string lang_, primary_;
  std::u32string words_, text_;
  int characters_ = 0;
};

}  // namespace

Choice choice_letter(std::string_view lang, std::u32string_view given) {
  const Text text(lang, given);
  for (const bool latin : {true, false})  // Latin letters first, wherever they are
    for (std::ptrdiff_t i = 0; i < text.size(); ++i) {
      Choice choice = text.at_place(i, latin);
      if (choice.latin == 0 && !latin) choice = text.named_at(i);
      if (choice.latin != 0) return choice;
    }
  return {};
}

}  // namespace ramoe
