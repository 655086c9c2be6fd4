// Chapter 6.3 - added tokens: strings cut out of the text before any merge
//
// As in the PyPI package `tokenizers`: of the tokens that start at the leftmost place the longest
// wins; a match is then either taken or passed over whole, never replaced by a shorter one.
// Those with `normalized` are looked for in the text after normalisation (and are normalised
// themselves), the others before, so there are two sets.
#pragma once

#include <array>
#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace ramoe {

/// A token recognised in the text before anything else, so that merges never see it.
struct AddedToken {
  int id;
  bool special;              ///< a control token: see SpecialText; skipped by decode_text
  bool normalized = false;   ///< looked for after normalisation
  bool single_word = false;  ///< not inside a word: no \w beside it
  bool lstrip = false;   ///< takes the white space before it along; decode does not bring it back
  bool rstrip = false;   ///< the same for the white space behind it
  bool in_vocab = true;  ///< model.vocab lists it too, so that merges may make it
};

/// Finds the tokens of one set in a text. Immutable once made.
class AddedTokenSet {
 public:
  /// `text` is what to look for, `token` what it stands for. Two with the same text: the first.
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
  /// Cuts the text; specials are plain unless `with_special`. Error: white space claimed twice.
  std::vector<Part> split(std::string_view text, bool with_special) const;

 private:
  const Entry* longest_at(std::string_view text, std::size_t at) const;
  std::vector<Entry> entries_;         // sorted by text: a trie, walked by halving
  std::array<bool, 256> starts_ = {};  // bytes that an entry begins with
};

}  // namespace ramoe
