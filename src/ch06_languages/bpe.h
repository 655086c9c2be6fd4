// Chapter 6.3 - byte-pair encoding: text to token ids and back without loss
//
// A token is a string of bytes; every single byte is a token, so no text is unknown. Each piece of
// text (pretokenize.h) starts as its bytes. Then the adjacent pair whose merge was learnt first
// (lowest rank, leftmost on ties) becomes one token, until no merge applies.
//   decode(encode(x)) == x for any bytes x, valid UTF-8 or not
// with three exceptions, all from real files: a tokenizer that normalises gives NFC(x), with U+FFFD
// for invalid bytes; a byte without a token (GPT-NeoX has none for the 13 bytes that UTF-8 never
// uses) is read as U+FFFD; white space that an added token strips is lost. The ids are those of the
// PyPI package `tokenizers` for valid UTF-8 (tokenizer_json_test.cpp). If the tokenizer normalises,
// they are also those for invalid bytes that Python decoded with errors="replace".
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ch06_languages/added_tokens.h"
#include "ch06_languages/pretokenize.h"

namespace ramoe {

/// Two tokens that become one. The rank of a merge is its index in the list.
struct Merge {
  int left, right, result;
};

/// The data of a tokenizer, as in a tokenizer.json.
struct TokenizerParts {
  /// (V) bytes of each token id. Empty: a hole, an id without a token. An added token may have the
  /// same bytes as an ordinary one ("  " in GPT-NeoX); all others are distinct.
  std::vector<std::string> tokens;
  std::vector<Merge> merges;
  std::vector<AddedToken> added;
  std::string pattern = kWordsPattern;
  bool nfc = false;                     ///< bring text to NFC first
  bool ignore_merges = false;           ///< a piece that is a token is encoded as it
  int bos = -1, eos = -1, pad = -1;     ///< -1: there is none
  std::vector<int> before, after;       ///< ids that with_specials puts around a text
  std::string post_processor = "null";  ///< the JSON of these, kept for saving
};

/// Ids of the special tokens of a tokenizer that we train (choice).
inline constexpr int kBos = 0, kEos = 1, kPad = 2, kSpecials = 3;
inline constexpr const char* kSpecialTexts[kSpecials] = {"<|bos|>", "<|eos|>", "<|pad|>"};

/// How encode treats text that spells a special token.
enum class SpecialText {
  plain,   ///< encode its characters: external text cannot inject control tokens
  tokens,  ///< encode it as that token, as `tokenizers` does
};

/// Ranks of pairs. An open hash table, since encoding spends its time in this lookup.
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

/// The definition: merge the pair of lowest rank, leftmost first, until none is left. O(n^2).
std::vector<int> bpe_merge_plain(std::vector<int> ids, const MergeTable& merges);

/// The same result with a heap of candidate pairs over a linked list. O(n log n).
std::vector<int> bpe_merge(const std::vector<int>& ids, const MergeTable& merges);

/// Immutable once made; encode and decode may be called from several threads.
class Tokenizer {
 public:
  /// Error: a duplicate token, an id out of range or of a hole, no token for a byte that UTF-8
  /// uses, an unknown pattern, a merge whose result is not its two parts joined.
  explicit Tokenizer(TokenizerParts parts);

  /// No bos or eos is put around the ids (add_special_tokens=False of `tokenizers`).
  std::vector<int> encode(std::string_view text, SpecialText special = SpecialText::plain) const;
  /// The ids with those around them that the file's TemplateProcessing adds, if it has one: the
  /// result of add_special_tokens=True of `tokenizers`.
  std::vector<int> with_specials(const std::vector<int>& ids) const;
  /// The bytes of the tokens, with special ones; a hole has none. Error: an id outside 0..V-1, such
  /// as a padded row of a model with a larger vocab_size.
  std::string decode(const std::vector<int>& ids) const;
  /// The same without special tokens, for readers.
  std::string decode_text(const std::vector<int>& ids) const;

  int vocab_size() const { return static_cast<int>(parts_.tokens.size()); }
  /// Error if the tokenizer has none.
  int bos() const;
  int eos() const;
  int pad() const;
  bool is_special(int id) const;
  /// Bytes of a token. Error: an id outside 0..V-1.
  const std::string& token(int id) const;
  /// Id of the token with exactly these bytes, or -1. Ordinary tokens come before added ones.
  int find_token(const std::string& bytes) const;
  const TokenizerParts& parts() const { return parts_; }

 private:
  friend class CachedEncoder;
  using Cache = std::unordered_map<std::string, std::vector<int>>;
  void check_parts() const;
  void index_added();
  void index_tokens();
  std::vector<int> encode(std::string_view text, SpecialText special, Cache* cache) const;
  void encode_plain(std::string_view text, SpecialText special, Cache* cache,
                    std::vector<int>& ids) const;
  void encode_piece(std::string_view piece, Cache* cache, std::vector<int>& ids) const;
  std::vector<int> merge_piece(std::string_view piece) const;

  TokenizerParts parts_;
  MergeTable merges_;
  PieceScanner scanner_;
  std::unordered_map<std::string, int> id_from_token_;
  std::vector<char> special_, ordinary_;  // (V) flags; ordinary: merges may produce it
  std::array<int, 256> id_from_byte_;     // token of a single byte, -1: none
  AddedTokenSet raw_, normalized_;        // searched before and after normalisation
};

/// Encodes many texts with a cache of the ids of each piece. Use one per thread; the tokenizer must
/// outlive it. Gives the same ids as Tokenizer::encode.
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
