// Chapter 6.8 - the corpus: which item is seen where
//
// The ids of each task are dealt by seed into four splits: base (pre-training), adapt_train and
// adapt_valid (parallel examples for stages 1 to 3) and test. Adapt and test are exchangeable
// draws; a target language sees neither in pre-training, so that the four cells of the taxonomy
// measure what transferred, not what was memorised. What a language sees in pre-training:
//
//   English   nearly every id of every split                                  -> cc, ci
//   a target  of the base ids, the first ceil(weight * n) of a seeded order; weight =
//             (web share / English share) ^ mixture_exponent
//   local     facts about a territory where the target is official: seen there first, and by
//             English with probability english_sees_local, unless it is its main language  -> ic
//   rare      a small share of all splits: seen by nobody                     -> ii
//
// Local facts are the one exception: they may be in their language's base and adapt, carry `local`,
// and are never in its test. Words are another matter: lexicon lines (mixture.h) give every name in
// every language. Tests: tests/ch06_languages/corpus_test.cpp
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "ch06_languages/pack.h"
#include "ch06_languages/tasks.h"
#include "support/config.h"

namespace ramoe {

struct CorpusConfig {
  std::string data = "data";
  std::vector<std::string> languages = {"en", "zh", "es", "ar", "th", "hi", "sw"};
  std::vector<std::string> tasks = {"sums", "facts", "follow"};
  std::uint64_t data_seed = 1;
  double mixture_exponent = 0.3;
  int max_sum = 30;
  int longest_list = 3;
  double adapt_share = 0.22, valid_share = 0.06, test_share = 0.27;
  int follow_base = 2000, follow_adapt = 250, follow_valid = 80, follow_test = 300;
  double rare_share = 0.02;
  double english_sees_local = 0.8;
  bool local_test_to_adapt = true;

  void list(FieldList& f);
};

/// The same text in several languages, by language code.
struct ParallelText {
  std::string id;
  std::map<std::string, std::string> text;
};
/// For each emoji the list of its name and the next names - 1 of a seeded order, in every language.
/// Error: not 1 <= names <= number of emoji.
std::vector<ParallelText> emoji_lines(const World& world, const std::vector<LanguagePack>& packs,
                                      int names, std::uint64_t seed);

/// Deterministic from its packs, world and config; constant after construction.
class Corpus : public ParallelData {
 public:
  /// Packs in any order, English among them. Error: no English, a code twice, unknown or repeated
  /// task, shares that leave nothing for base, a pack that does not name the whole world.
  Corpus(std::vector<LanguagePack> packs, World world, CorpusConfig config);

  const CorpusConfig& config() const { return config_; }
  const std::vector<LanguagePack>& packs() const { return packs_; }
  const World& world() const { return world_; }
  const std::vector<Task>& tasks() const { return tasks_; }
  /// In the order of the packs.
  std::vector<std::string> languages() const override;
  std::vector<std::string> tasks_by_name() const override { return config_.tasks; }
  /// Error: not a language of this corpus, with the nearest.
  const LanguagePack& pack(const std::string& lang) const;
  /// (web share / English share) ^ mixture_exponent, at most 1.
  double weight(const std::string& lang) const;

  /// The ids of a split, whatever the language. Error: a task that this corpus was not built with.
  const std::vector<std::string>& ids(Task task, Split split) const;
  Example example(const std::string& id, const std::string& lang) const;
  bool is_rare(const std::string& id) const { return rare_.contains(id); }
  bool is_local(const std::string& id, const std::string& lang) const;

  /// What a language sees of a task in pre-training.
  std::vector<Example> base_examples(const std::string& lang, Task task) const;
  /// An adapt or test split of one language. Test leaves the language's local facts out;
  /// adapt_train gains them (local_test_to_adapt). Error: Split::base, which base_examples() gives.
  std::vector<Example> examples(const std::string& lang, Task task, Split split) const;
  /// examples() of a target beside the same items in English.
  std::vector<ExamplePair> pairs(const std::string& lang, Task task, Split split) const;
  std::vector<Example> examples(const std::string& lang, const std::string& task,
                                Split split) const override {
    return examples(lang, from_name<Task>(task, "task"), split);
  }
  std::vector<ExamplePair> pairs(const std::string& lang, const std::string& task,
                                 Split split) const override {
    return pairs(lang, from_name<Task>(task, "task"), split);
  }

  /// General parallel text, the part FLORES plays in the literature: emoji_lines() of all packs.
  std::vector<ParallelText> parallel_text(int names = 1) const;
  std::vector<TextPair> general_text(const std::string& lang, int names) const override;
  /// The English side of parallel_text().
  std::vector<std::string> english_text(int names = 1) const override;
  /// Of follow: whether the output follows the instruction (tasks.h).
  bool is_verified(const Example& example, const std::string& output) const override;
  std::vector<std::string> names_of(const std::string& lang) const override;

  /// Changes with any byte of the packs and the world, and with any field of the config but `data`.
  std::string checksum() const override;

 private:
  void deal(Task task);
  bool is_foreign(const std::string& id) const;

  std::vector<LanguagePack> packs_;
  World world_;
  CorpusConfig config_;
  std::vector<Task> tasks_;
  std::map<Task, std::array<std::vector<std::string>, every<Split>().size()>> ids_;
  std::set<std::string> rare_, unseen_by_english_;
};

/// Reads the world and the packs from config.data and builds the corpus.
Corpus load_corpus(const CorpusConfig& config);

/// A seed for one purpose: equal (seed, purpose) give equal seeds, others unrelated ones.
std::uint64_t seed_for(std::uint64_t seed, const std::string& purpose);

}  // namespace ramoe
