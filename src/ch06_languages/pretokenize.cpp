#include "ch06_languages/pretokenize.h"

#include "support/error.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

struct Seen {
  CharClass kind;
  std::size_t bytes;
};

Seen look(std::string_view text, std::size_t at) {
  const CodePoint c = read_utf8(text, at);
  return {char_class(c.value), c.bytes};
}

bool is_letter(CharClass kind) {
  return kind == CharClass::letter;
}
bool is_number(CharClass kind) {
  return kind == CharClass::number;
}
bool is_space(CharClass kind) {
  return kind == CharClass::white_space;
}
bool is_letter_or_mark(CharClass kind) {
  return kind == CharClass::letter || kind == CharClass::mark;
}
bool is_sign(CharClass kind) {  // [^\s\p{L}\p{M}\p{N}]
  return kind == CharClass::other;
}
bool is_sign_or_mark(CharClass kind) {  // [^\s\p{L}\p{N}]
  return kind == CharClass::other || kind == CharClass::mark;
}
bool is_line_break(char c) {
  return c == '\r' || c == '\n';
}

/// The end of the run of characters of a kind that starts at `at`; `at` if there is none.
std::size_t end_of_run(std::string_view text, std::size_t at, bool (*of_kind)(CharClass)) {
  while (at < text.size()) {
    const Seen seen = look(text, at);
    if (!of_kind(seen.kind)) break;
    at += seen.bytes;
  }
  return at;
}

/// \s+(?!\S)|\s+ : at the end of the text all the white space; elsewhere all but its last
/// character, which leads the next piece if it is a blank. A single character is a piece.
std::size_t scan_space(std::string_view text, std::size_t at) {
  std::size_t end = at, last = at;
  while (end < text.size()) {
    const Seen seen = look(text, end);
    if (!is_space(seen.kind)) return (last == at ? end : last) - at;
    last = end;
    end += seen.bytes;
  }
  return end - at;
}

/// " ?[kind]+": the end of the piece, or `at` if there is none.
std::size_t after_blank(std::string_view text, std::size_t at, bool (*of_kind)(CharClass)) {
  const std::size_t from = text[at] == ' ' ? at + 1 : at;
  const std::size_t end = end_of_run(text, from, of_kind);
  return end == from ? at : end;
}

/// kWordsPattern, alternative by alternative.
std::size_t scan_words(std::string_view text, std::size_t at) {
  std::size_t end = after_blank(text, at, is_letter_or_mark);
  if (end > at) return end - at;
  const std::size_t number = text[at] == ' ' ? at + 1 : at;
  if (number < text.size()) {
    const Seen seen = look(text, number);
    if (is_number(seen.kind)) return number + seen.bytes - at;
  }
  end = after_blank(text, at, is_sign);
  return end > at ? end - at : scan_space(text, at);
}

/// 's|'t|'re|'ve|'m|'ll|'d : bytes of the contraction at `at`, 0 if there is none.
std::size_t contraction(std::string_view text, std::size_t at, bool any_case) {
  if (text[at] != '\'') return 0;
  const auto letter = [&](std::size_t i) {
    const char c = i < text.size() ? text[i] : '\0';
    return any_case && c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  };
  switch (letter(at + 1)) {
    case 's':
    case 't':
    case 'm':
    case 'd':
      return 2;
    case 'r':
    case 'v':
      return letter(at + 2) == 'e' ? 3 : 0;
    case 'l':
      return letter(at + 2) == 'l' ? 3 : 0;
    default:
      return any_case && text.substr(at + 1).starts_with("\u017F") ? 3 : 0;
  }
}

std::size_t scan_gpt2(std::string_view text, std::size_t at) {
  if (const std::size_t bytes = contraction(text, at, false)) return bytes;
  for (const auto of_kind : {is_letter, is_number, is_sign_or_mark}) {
    if (const std::size_t end = after_blank(text, at, of_kind); end > at) return end - at;
  }
  return scan_space(text, at);
}

/// \s*[\r\n]+ : up to the last line break of the white space that starts at `at`, or nothing.
std::size_t scan_lines(std::string_view text, std::size_t at) {
  std::size_t end = end_of_run(text, at, is_space);
  while (end > at && !is_line_break(text[end - 1])) --end;
  return end - at;
}

/// kQwen2Pattern and kLlama3Pattern, which differ in the max number of digits in a piece.
std::size_t scan_qwen2(std::string_view text, std::size_t at, int most_digits) {
  if (const std::size_t bytes = contraction(text, at, true)) return bytes;
  const Seen first = look(text, at);
  if (is_letter(first.kind)) return end_of_run(text, at, is_letter) - at;
  if (is_number(first.kind)) {
    std::size_t end = at + first.bytes;
    for (int digits = 1; digits < most_digits && end < text.size(); ++digits) {
      const Seen seen = look(text, end);
      if (!is_number(seen.kind)) break;
      end += seen.bytes;
    }
    return end - at;
  }
  if (!is_line_break(text[at])) {  // [^\r\n\p{L}\p{N}]?\p{L}+
    const std::size_t from = at + first.bytes, end = end_of_run(text, from, is_letter);
    if (end > from) return end - at;
  }
  if (std::size_t end = after_blank(text, at, is_sign_or_mark); end > at) {
    while (end < text.size() && is_line_break(text[end])) ++end;
    return end - at;
  }
  if (const std::size_t bytes = scan_lines(text, at)) return bytes;
  return scan_space(text, at);
}

struct Known {
  const char* pattern;
  PieceScanner scanner;
};
constexpr Known kKnown[] = {
    {kWordsPattern, scan_words},
    {kGpt2Pattern, scan_gpt2},
    {kQwen2Pattern, [](std::string_view text, std::size_t at) { return scan_qwen2(text, at, 1); }},
    {kLlama3Pattern, [](std::string_view text, std::size_t at) { return scan_qwen2(text, at, 3); }},
};

}  // namespace

PieceScanner find_scanner(const std::string& pattern) {
  std::string known;
  for (const Known& k : kKnown) {
    if (pattern == k.pattern) return k.scanner;
    known += cat("\n  ", k.pattern);
  }
  fail("no scanner for the pre-tokenizer pattern\n  ", pattern, "\nknown patterns:", known,
       "\nadd a scanner to src/ch06_languages/pretokenize.cpp");
}

std::vector<std::string_view> pretokenize(std::string_view text, PieceScanner scanner) {
  std::vector<std::string_view> pieces;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t bytes = scanner(text, at);
    pieces.push_back(text.substr(at, bytes));
    at += bytes;
  }
  return pieces;
}

}  // namespace ramoe
