#include "ch06_languages/added_tokens.h"

#include <algorithm>

#include "support/error.h"
#include "support/unicode.h"

namespace ramoe {
namespace {

/// The character that ends before byte `end` > 0.
CodePoint character_before(std::string_view text, std::size_t end) {
  for (std::size_t bytes = 1; bytes <= std::min<std::size_t>(4, end); ++bytes) {
    const CodePoint c = read_utf8(text.substr(0, end), end - bytes);
    if (c.valid && c.bytes == bytes) return c;
  }
  return {0xFFFD, 1, false};
}

bool is_white_space(char32_t c) {
  return char_class(c) == CharClass::white_space;
}

/// Whether neither the character before `from` nor the one at `to` belongs to a word.
bool stands_alone(std::string_view text, std::size_t from, std::size_t to) {
  return (from == 0 || !is_word(character_before(text, from).value)) &&
         (to == text.size() || !is_word(read_utf8(text, to).value));
}

std::size_t skip_space_back(std::string_view text, std::size_t from, std::size_t least) {
  while (from > least) {
    const CodePoint c = character_before(text, from);
    if (!is_white_space(c.value)) break;
    from -= c.bytes;
  }
  return from;
}

std::size_t skip_space(std::string_view text, std::size_t to) {
  while (to < text.size()) {
    const CodePoint c = read_utf8(text, to);
    if (!is_white_space(c.value)) break;
    to += c.bytes;
  }
  return to;
}

}  // namespace

AddedTokenSet::AddedTokenSet(std::vector<Entry> entries) : entries_(std::move(entries)) {
  const auto less = [](const Entry& a, const Entry& b) { return a.text < b.text; };
  std::stable_sort(entries_.begin(), entries_.end(), less);
  const auto same = [](const Entry& a, const Entry& b) { return a.text == b.text; };
  entries_.erase(std::unique(entries_.begin(), entries_.end(), same), entries_.end());
  for (const Entry& e : entries_) starts_[static_cast<unsigned char>(e.text[0])] = true;
}

/// The longest entry that the text has at byte `at`, or null. Each step keeps the entries that
/// agree with the text in one more byte.
const AddedTokenSet::Entry* AddedTokenSet::longest_at(std::string_view text, std::size_t at) const {
  const auto byte_of = [](const std::string& entry, std::size_t depth) {
    return depth < entry.size() ? static_cast<unsigned char>(entry[depth]) : -1;
  };
  const Entry* longest = nullptr;
  auto first = entries_.begin(), last = entries_.end();
  for (std::size_t depth = 0; at + depth < text.size(); ++depth) {
    const int wanted = static_cast<unsigned char>(text[at + depth]);
    first = std::partition_point(first, last,
                                 [&](const Entry& e) { return byte_of(e.text, depth) < wanted; });
    last = std::partition_point(first, last,
                                [&](const Entry& e) { return byte_of(e.text, depth) == wanted; });
    if (first == last) break;
    if (first->text.size() == depth + 1) longest = &*first;
  }
  return longest;
}

std::vector<AddedTokenSet::Part> AddedTokenSet::split(std::string_view text,
                                                      bool with_special) const {
  std::vector<Part> parts;
  std::size_t done = 0;
  for (std::size_t at = 0; !entries_.empty() && at < text.size();) {
    const Entry* match =
        starts_[static_cast<unsigned char>(text[at])] ? longest_at(text, at) : nullptr;
    if (!match) {
      ++at;
      continue;
    }
    const AddedToken& token = match->token;
    std::size_t from = at, to = at + match->text.size();
    at = to;  // the search goes on after the match, accepted or not
    if (token.special && !with_special) continue;
    if (token.single_word && !stands_alone(text, from, to)) continue;
    // The match may overlap white space that the previous token (rstrip) has taken. It then belongs
    // to both tokens; a token with lstrip starts after the taken part instead.
    if (token.lstrip) from = std::max(done, skip_space_back(text, from, done));
    if (token.rstrip) to = skip_space(text, to);
    check(from <= to, "the added token \"", match->text,
          "\" (lstrip) lies within white space that the one before it (rstrip) has taken; "
          "`tokenizers` fails on such a text. Leave out some of the white space.");
    if (done < from) parts.push_back({nullptr, text.substr(done, from - done)});
    if (from < to) parts.push_back({&token, text.substr(from, to - from)});
    done = to;
  }
  if (done < text.size()) parts.push_back({nullptr, text.substr(done)});
  return parts;
}

}  // namespace ramoe
