// Chapter 6.4 - learning the merges of byte-pair encoding from text
//
// Vocabulary: ids 0..2 <|bos|> <|eos|> <|pad|>, then byte b as id 3 + b, then one token per merge
// in the order learnt. Each step merges the most frequent pair of neighbours inside the pieces of
// pretokenize.h; on ties the pair with the lowest ids (left, then right). The same lines in any
// order give the same tokenizer. Source: Sennrich, Haddow, Birch 2016 (arXiv 1508.07909),
// on bytes as in GPT-2. The order of ids and the rule for ties are our choices.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ch06_languages/bpe.h"

namespace ramoe {

/// The smallest vocabulary: the special tokens and the bytes.
inline constexpr int kSmallestVocab = kSpecials + 256;

/// A line and how often it counts (>= 0).
using WeightedLine = std::pair<std::string, long>;

/// Learns until there are vocab_size tokens or no pair of neighbours occurs twice, so a short text
/// gives a smaller vocabulary. Error: vocab_size < kSmallestVocab, a negative count.
Tokenizer train_bpe(const std::vector<WeightedLine>& lines, int vocab_size);
Tokenizer train_bpe(const std::vector<std::string>& lines, int vocab_size);

/// The definition: counts all pairs again for each merge. Slow; tests compare train_bpe with it.
Tokenizer train_bpe_plain(const std::vector<WeightedLine>& lines, int vocab_size);

}  // namespace ramoe
