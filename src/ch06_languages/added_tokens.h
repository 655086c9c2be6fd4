// Chapter 6.2 - added tokens: strings that are cut out of the text before any merge
//
// As in the PyPI package `tokenizers`: the leftmost match wins, and the longest of those that start
// there. A match is then accepted or skipped as a whole, never replaced by a shorter one.
// Tokens with `normalized` are searched in the text after normalisation (and are normalised
// themselves), the others before it, so there are two sets.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ramoe {

/// A token that is recognised in the text first, so that merges never see it.
struct AddedToken {
  int id;
  bool special;              ///< a control token: see SpecialText; skipped by decode_text
  bool normalized = false;   ///< searched after normalisation
  bool single_word = false;  ///< not inside a word: no \w next to it
  bool lstrip = false;       ///< takes the white space before it too; decode does not restore it
  bool rstrip = false;       ///< the same for the white space after it
  bool in_vocab = true;      ///< model.vocab lists it too, so merges may produce it
};

/// Finds the tokens of one set in a text. Immutable once made.
class AddedTokenSet {
 public:
  /// `text` is the string to search for. Of two entries with the same text the first counts.
  struct Entry {
    std::string text;
    AddedToken token;
  };
  AddedTokenSet() = default;
  explicit AddedTokenSet(std::vector<Entry> entries);

  /// A part of a text: an added token, or plain text between two.
  struct Part {
    const AddedToken* token;  // null: plain
    std::string_view text;    // not empty
  };
  /// Cuts the text; special tokens are plain text unless `with_special`. Error: two tokens claim
  /// the same white space.
  std::vector<Part> split(std::string_view text, bool with_special) const;

 private:
  const Entry* longest_at(std::string_view text, std::size_t at) const;
  std::vector<Entry> entries_;         // sorted by text: a trie, walked by binary search
  std::array<bool, 256> starts_ = {};  // bytes that an entry begins with
};

}  // namespace ramoe
