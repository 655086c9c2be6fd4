// Chapter 6.3 - byte-pair encoding: text to token ids and back, without loss
//
// A token is a string of bytes; every single byte is one, so nothing is unknown. Each piece of text
// (pretokenize.h) starts as its bytes; the adjacent pair whose merge was learnt first (lowest rank,
// leftmost on ties) becomes one token, until no merge applies.
//   decode(encode(x)) == x for any bytes x, valid UTF-8 or not, unless the tokenizer normalises to
//   NFC.
// Same ids as the PyPI package `tokenizers` for any valid UTF-8 (tokenizer_json_test.cpp).
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ch06_languages/pretokenize.h"

namespace ramoe {

/// Two tokens that become one. A merge's rank is its place in the list.
struct Merge {
  int left, right, result;
};

/// A token recognised in the text before anything else, so that merges never see it.
struct AddedToken {
  int id;
  bool special;  ///< a control token: only matched if the caller asks, and skipped by decode_text
};

/// All that makes a tokenizer; plain data, what a tokenizer.json holds.
struct TokenizerParts {
  std::vector<std::string> tokens;  ///< (V) bytes of token id; distinct, none empty
  std::vector<Merge> merges;
  std::vector<AddedToken> added;
  std::string pattern = kWordsPattern;
  bool nfc = false;                  ///< bring text to NFC first
  int bos = -1, eos = -1, pad = -1;  ///< -1: there is none
};

/// Ids of the special tokens of a tokenizer that we train (choice).
inline constexpr int kBos = 0, kEos = 1, kPad = 2, kSpecials = 3;
inline constexpr const char* kSpecialTexts[kSpecials] = {"<|bos|>", "<|eos|>", "<|pad|>"};

/// What encode does with text that spells a special token.
enum class SpecialText {
  plain,   ///< encode its characters: text from outside cannot inject control tokens
  tokens,  ///< make it that token, as `tokenizers` does
};

/// Ranks of pairs: an open hash table, since this lookup is all that encoding does.
class MergeTable {
 public:
  struct Found {
    int rank, result;  ///< rank -1: no such merge
  };
  explicit MergeTable(const std::vector<Merge>& merges);
  Found find(int left, int right) const;

 private:
  struct Slot {
    std::uint64_t pair;
    Found found;
  };
  std::size_t place(std::uint64_t pair) const;
  std::vector<Slot> slots_;  // a power of two, at most half full
};

/// The definition: merge the lowest-rank pair, leftmost first, until there is none. O(n^2).
std::vector<int> bpe_merge_plain(std::vector<int> ids, const MergeTable& merges);

/// The same result by a heap of candidate pairs over a linked list. O(n log n).
std::vector<int> bpe_merge(const std::vector<int>& ids, const MergeTable& merges);

/// Immutable once made; encode and decode may be called from several threads.
class Tokenizer {
 public:
  /// Error: a token twice or empty, an id out of range, a byte without a token, unknown pattern, a
  /// merge whose result is not its two parts joined.
  explicit Tokenizer(TokenizerParts parts);

  /// No bos or eos is put around the ids; that is the caller's matter.
  std::vector<int> encode(std::string_view text, SpecialText special = SpecialText::plain) const;
  /// The bytes of the tokens, special ones included. Error: an id outside 0..V-1.
  std::string decode(const std::vector<int>& ids) const;
  /// The same without special tokens: what a reader should see.
  std::string decode_text(const std::vector<int>& ids) const;

  int vocab_size() const { return static_cast<int>(parts_.tokens.size()); }
  /// Error if the tokenizer has none.
  int bos() const;
  int eos() const;
  int pad() const;
  bool is_special(int id) const;
  /// Bytes of a token. Error: an id outside 0..V-1.
  const std::string& token(int id) const;
  /// Id of the token with exactly these bytes, or -1.
  int find_token(const std::string& bytes) const;
  const TokenizerParts& parts() const { return parts_; }

 private:
  friend class CachedEncoder;
  using Cache = std::unordered_map<std::string, std::vector<int>>;
  void check_parts() const;
  std::vector<int> encode(std::string_view text, SpecialText special, Cache* cache) const;
  void encode_plain(std::string_view text, Cache* cache, std::vector<int>& ids) const;
  void encode_piece(std::string_view piece, Cache* cache, std::vector<int>& ids) const;
  const AddedToken* added_at(std::string_view text, std::size_t at, SpecialText special) const;

  TokenizerParts parts_;
  MergeTable merges_;
  PieceScanner scanner_;
  std::unordered_map<std::string, int> id_from_token_;
  std::vector<char> special_;                // (V)
  std::array<int, 256> id_from_byte_;        // token of a single byte
  std::array<bool, 256> added_starts_ = {};  // bytes that an added token begins with
};

/// Encodes many texts: remembers the ids of each piece it has met. One per thread; the tokenizer
/// must outlive it. Same ids as Tokenizer::encode.
class CachedEncoder {
 public:
  explicit CachedEncoder(const Tokenizer& tokenizer) : tokenizer_(tokenizer) {}
  std::vector<int> encode(std::string_view text, SpecialText special = SpecialText::plain) {
    return tokenizer_.encode(text, special, &cache_);
  }

 private:
  const Tokenizer& tokenizer_;
  Tokenizer::Cache cache_;
};

}  // namespace ramoe
