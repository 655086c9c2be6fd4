// Chapter 6.8 - the corpus: which items each language sees
//
// The ids of each task are dealt by seed into four splits: base (pre-training), adapt_train and
// adapt_valid (parallel examples for stages 1 to 3) and test. Adapt and test are drawn the same
// way; a target language sees neither in pre-training, so that the four cells of the taxonomy
// measure transfer and not memory. What a language sees in pre-training:
//
//   English   nearly every id of every split                                  -> cc, ci
//   a target  the first ceil(weight * n) of the n base ids in a seeded order, with
//             weight = (web share / English share) ^ mixture_exponent
//   local     facts about a territory where the target is official: the target sees them all;
//             English sees them with probability english_sees_local, or always if it is the
//             main language of the territory                                  -> ic
//   rare      a small share of all splits: no language sees it                -> ii
//
// An item is in one split in all languages, so nothing here depends on answers that differ by
// language: neutral ones (tasks.h) are learnt from English and asked for in a target.
//
// Local facts are the only exception: they may be in the base and adapt splits of their language,
// are marked `local`, and are never in its test. Words are not split: lexicon lines (mixture.h)
// give every name in every language. Tests: tests/ch06_languages/corpus_test.cpp
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
  TaskForm form;
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
/// For each emoji a list of `names` names in every language: its own and the next ones of a seeded
/// order. Error: not 1 <= names <= number of emoji.
std::vector<ParallelText> emoji_lines(const World& world, const std::vector<LanguagePack>& packs,
                                      int names, std::uint64_t seed);

/// A pure function of its packs, world and config; constant after construction.
class Corpus : public ParallelData {
 public:
  /// Packs in any order, with English. Error: no English, a duplicate code, an unknown or repeated
  /// task, shares that leave nothing for base, a pack that does not name the whole world, two
  /// languages that ask an item alike where answers or numbers are the same in all languages.
  Corpus(std::vector<LanguagePack> packs, World world, CorpusConfig config);

  const CorpusConfig& config() const { return config_; }
  const std::vector<LanguagePack>& packs() const { return packs_; }
  const World& world() const { return world_; }
  const std::vector<Task>& tasks() const { return tasks_; }
  /// In the order of the packs.
  std::vector<std::string> languages() const override;
  std::vector<std::string> tasks_by_name() const override { return config_.tasks; }
  /// Error: not a language of this corpus; suggests the nearest.
  const LanguagePack& pack(const std::string& lang) const;
  /// (web share / English share) ^ mixture_exponent, at most 1.
  double weight(const std::string& lang) const;

  /// The ids of a split, the same for all languages. Error: this corpus was built without the task.
  const std::vector<std::string>& ids(Task task, Split split) const;
  Example example(const std::string& id, const std::string& lang) const;
  bool is_rare(const std::string& id) const { return rare_.contains(id); }
  bool is_local(const std::string& id, const std::string& lang) const;

  /// The examples of a task that a language sees in pre-training.
  std::vector<Example> base_examples(const std::string& lang, Task task) const;
  /// An adapt or test split of one language. A target's local facts are left out of its test and
  /// added to its adapt_train (local_test_to_adapt). Error: Split::base; use base_examples().
  std::vector<Example> examples(const std::string& lang, Task task, Split split) const;
  /// examples() of a target, each with the same item in English.
  std::vector<ExamplePair> pairs(const std::string& lang, Task task, Split split) const;
  std::vector<Example> examples(const std::string& lang, const std::string& task,
                                Split split) const override {
    return examples(lang, from_name<Task>(task, "task"), split);
  }
  std::vector<ExamplePair> pairs(const std::string& lang, const std::string& task,
                                 Split split) const override {
    return pairs(lang, from_name<Task>(task, "task"), split);
  }

  /// General parallel text, our counterpart of FLORES: emoji_lines() of all packs.
  std::vector<ParallelText> parallel_text(int names = 1) const;
  std::vector<TextPair> general_text(const std::string& lang, int names) const override;
  /// The English side of parallel_text().
  std::vector<std::string> english_text(int names = 1) const override;
  /// For follow: whether the output follows the instruction (tasks.h).
  bool is_verified(const Example& example, const std::string& output) const override;
  std::vector<std::string> names_of(const std::string& lang) const override;

  /// Depends on every byte of the packs and the world, and on every field of the config except
  /// `data`. A form of tasks that is the default is left out: it is what there was before forms.
  std::string checksum() const override;

 private:
  void deal(Task task);
  void check_asked_apart(Task task) const;
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

/// A seed for one purpose: equal (seed, purpose) give equal seeds, different ones unrelated seeds.
std::uint64_t seed_for(std::uint64_t seed, const std::string& purpose);

}  // namespace ramoe
