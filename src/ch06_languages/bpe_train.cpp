#include "ch06_languages/bpe_train.h"

#include <algorithm>
#include <map>
#include <queue>
#include <unordered_map>
#include <unordered_set>

#include "support/error.h"
#include "support/stop.h"

namespace ramoe {
namespace {

using Pair = std::pair<int, int>;

struct Word {
  std::vector<int> ids;
  long count;
};

/// The tokenizer during training. No token is learnt twice, though "ab"+"c" and "a"+"bc" spell the
/// same: every merge is applied in all words at once, so the same bytes between two borders of
/// tokens are always cut in the same way. Nor does a merged pair come back.
struct Growing {
  TokenizerParts parts;

  Growing() {
    for (int id = 0; id < kSpecials; ++id) {
      parts.tokens.push_back(kSpecialTexts[id]);
      parts.added.push_back({id, true});
    }
    for (int byte = 0; byte < 256; ++byte)
      parts.tokens.push_back(std::string(1, static_cast<char>(byte)));
    parts.bos = kBos;
    parts.eos = kEos;
    parts.pad = kPad;
  }

  /// Lists the merge and adds its token, whose id is returned.
  int merge(Pair pair) {
    const auto text = [&](int id) { return parts.tokens[static_cast<std::size_t>(id)]; };
    const int result = static_cast<int>(parts.tokens.size());
    parts.tokens.push_back(text(pair.first) + text(pair.second));
    parts.merges.push_back({pair.first, pair.second, result});
    return result;
  }

  bool full(int vocab_size) const { return static_cast<int>(parts.tokens.size()) >= vocab_size; }
};

/// The distinct pieces as bytes, in an order that does not depend on the order of the lines.
std::vector<Word> count_words(const std::vector<WeightedLine>& lines, int vocab_size) {
  check(vocab_size >= kSmallestVocab, "vocab_size is ", vocab_size, ", but ", kSpecials,
        " special tokens and 256 bytes need at least ", kSmallestVocab, ".");
  const PieceScanner scanner = find_scanner(kWordsPattern);
  std::map<std::string, long, std::less<>> counts;
  for (const auto& [line, count] : lines) {
    stop_point();
    check(count >= 0, "a line counts ", count, " times; give 0 or more: '", line, "'");
    for (const std::string_view piece : pretokenize(line, scanner)) {
      const auto found = counts.find(piece);
      if (found != counts.end()) {
        found->second += count;
      } else {
        counts.emplace(piece, count);
      }
    }
  }
  std::vector<Word> words;
  for (const auto& [piece, count] : counts) {
    Word word{{}, count};
    for (const char c : piece) word.ids.push_back(kSpecials + static_cast<unsigned char>(c));
    words.push_back(std::move(word));
  }
  return words;
}

/// Replaces the occurrences of the pair from left to right, without overlaps.
void replace_pair(std::vector<int>& ids, Pair pair, int result) {
  std::size_t written = 0;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    if (i + 1 < ids.size() && ids[i] == pair.first && ids[i + 1] == pair.second) {
      ids[written++] = result;
      ++i;
    } else {
      ids[written++] = ids[i];
    }
  }
  ids.resize(written);
}

struct PairHash {
  std::size_t operator()(Pair p) const {
    const auto key = static_cast<std::uint64_t>(static_cast<std::uint32_t>(p.first)) << 32 |
                     static_cast<std::uint32_t>(p.second);
    return static_cast<std::size_t>((key * 0x9E3779B97F4A7C15u) >> 20);
  }
};

/// Counts of pairs, updated word by word, and the words in which each pair may occur.
class PairCounts {
 public:
  explicit PairCounts(std::vector<Word> words) : words_(std::move(words)) {
    std::unordered_set<Pair, PairHash> seen;
    for (std::size_t w = 0; w < words_.size(); ++w) stop_point(), add_word(w, +1, seen);
    offer(seen);
  }

  /// The most frequent pair, and its count; 0 if there is none.
  std::pair<Pair, long> best() {
    while (!heap_.empty()) {
      const Entry top = heap_.top();
      const long now = counts_[top.pair];
      if (now == top.count) return {top.pair, now};
      heap_.pop();  // outdated, since counts fall between offers: insert it again
      if (now > 0) heap_.push({now, top.pair});
    }
    return {{0, 0}, 0};
  }

  void apply(Pair pair, int result) {
    // The list may hold duplicates and words that no longer have the pair. Sorting removes the
    // first; the second are left unchanged below.
    std::vector<std::size_t> places = std::move(places_[pair]);
    places_.erase(pair);
    std::sort(places.begin(), places.end());
    places.erase(std::unique(places.begin(), places.end()), places.end());
    std::unordered_set<Pair, PairHash> lost, seen;
    for (const std::size_t w : places) {
      stop_point();
      add_word(w, -1, lost);
      replace_pair(words_[w].ids, pair, result);
      add_word(w, +1, seen);
    }
    offer(seen);
  }

 private:
  struct Entry {
    long count;
    Pair pair;
    bool operator<(const Entry& other) const {  // the top: highest count, then lowest ids
      return count != other.count ? count < other.count : pair > other.pair;
    }
  };

  void add_word(std::size_t w, long sign, std::unordered_set<Pair, PairHash>& touched) {
    const Word& word = words_[w];
    for (std::size_t i = 0; i + 1 < word.ids.size(); ++i) {
      const Pair pair = {word.ids[i], word.ids[i + 1]};
      counts_[pair] += sign * word.count;
      if (sign < 0) continue;
      std::vector<std::size_t>& places = places_[pair];
      if (places.empty() || places.back() != w) places.push_back(w);
      touched.insert(pair);
    }
  }

  /// Inserts pairs whose count may have grown, in any order: the order of the heap is total.
  void offer(const std::unordered_set<Pair, PairHash>& pairs) {
    for (const Pair& pair : pairs) {
      if (const long count = counts_[pair]; count > 0) heap_.push({count, pair});
    }
  }

  std::vector<Word> words_;
  std::unordered_map<Pair, long, PairHash> counts_;
  std::unordered_map<Pair, std::vector<std::size_t>, PairHash> places_;
  std::priority_queue<Entry> heap_;
};

}  // namespace

Tokenizer train_bpe(const std::vector<WeightedLine>& lines, int vocab_size) {
  PairCounts counts(count_words(lines, vocab_size));
  Growing growing;
  while (!growing.full(vocab_size)) {
    const auto [pair, count] = counts.best();
    if (count < 2) break;
    counts.apply(pair, growing.merge(pair));
  }
  return Tokenizer(std::move(growing.parts));
}

Tokenizer train_bpe(const std::vector<std::string>& lines, int vocab_size) {
  std::vector<WeightedLine> weighted;
  weighted.reserve(lines.size());
  for (const std::string& line : lines) weighted.emplace_back(line, 1);
  return train_bpe(weighted, vocab_size);
}

Tokenizer train_bpe_plain(const std::vector<WeightedLine>& lines, int vocab_size) {
  std::vector<Word> words = count_words(lines, vocab_size);
  Growing growing;
  while (!growing.full(vocab_size)) {
    std::map<Pair, long> counts;
    for (const Word& word : words) {
      for (std::size_t i = 0; i + 1 < word.ids.size(); ++i) {
        counts[{word.ids[i], word.ids[i + 1]}] += word.count;
      }
    }
    Pair best = {0, 0};
    long best_count = 0;
    for (const auto& [pair, count] : counts) {  // ascending ids: of a tie the lowest ids win
      if (count > best_count) best_count = count, best = pair;
    }
    if (best_count < 2) break;
    const int result = growing.merge(best);
    for (Word& word : words) replace_pair(word.ids, best, result);
  }
  return Tokenizer(std::move(growing.parts));
}

}  // namespace ramoe
