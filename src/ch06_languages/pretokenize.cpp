#include "ch06_languages/pretokenize.h"

#include "ch06_languages/unicode.h"
#include "support/error.h"

namespace ramoe {
namespace {

enum class Kind { word, number, space, other };

struct Seen {
  Kind kind;
  std::size_t bytes;
};

Seen look(std::string_view text, std::size_t at) {
  const CodePoint c = read_utf8(text, at);
  switch (char_class(c.value)) {
    case CharClass::letter:
    case CharClass::mark:
      return {Kind::word, c.bytes};
    case CharClass::number:
      return {Kind::number, c.bytes};
    case CharClass::white_space:
      return {Kind::space, c.bytes};
    case CharClass::other:
      break;
  }
  return {Kind::other, c.bytes};
}

/// \s+(?!\S)|\s+ : all the space up to the end of the text, or all but the last character of it
/// (which then leads the next piece if it is a blank); a single one stands alone.
std::size_t scan_space(std::string_view text, std::size_t at) {
  std::size_t end = at, last = at;
  while (end < text.size()) {
    const Seen seen = look(text, end);
    if (seen.kind != Kind::space) return (last == at ? end : last) - at;
    last = end;
    end += seen.bytes;
  }
  return end - at;
}

/// kWordsPattern, alternative by alternative.
std::size_t scan_words(std::string_view text, std::size_t at) {
  std::size_t end = at;
  Seen seen = look(text, end);
  if (text[at] == ' ' && at + 1 < text.size()) {  // the " ?" of the first three alternatives
    const Seen next = look(text, at + 1);
    if (next.kind != Kind::space) {
      seen = next;
      ++end;
    }
  }
  if (seen.kind == Kind::space) return scan_space(text, at);
  const Kind kind = seen.kind;
  do {
    end += seen.bytes;
    if (kind == Kind::number || end >= text.size()) break;
    seen = look(text, end);
  } while (seen.kind == kind);
  return end - at;
}

struct Known {
  const char* pattern;
  PieceScanner scanner;
};
constexpr Known kKnown[] = {{kWordsPattern, scan_words}};

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
