// Formats - one's own parallel questions behind the interface of the stages
//
// Rows with the same task and id in English and other languages are one item (jsonl_rows.h). An
// item is in one split in all its languages: the one that its rows name, or else dealt by seed,
//
//   adapt_train   adapt_share      stages 1 to 3
//   adapt_valid   valid_share      choices, such as a learning rate
//   test          the rest         the comparison alone
//
// Items that ask the same question in a language, under other ids or tasks, always share a split:
// no test question is trained on. General text (the reference of stage 2, and the divergence
// curve) comes from text files; languages without get the emoji names of their language packs.
// Tests: tests/formats/jsonl_data_test.cpp
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ch06_languages/pack.h"
#include "formats/jsonl_rows.h"
#include "support/config.h"

namespace ramoe {

struct JsonlConfig {
  std::vector<std::string> data, general;
  std::string packs = "data";
  Extractor extractor = Extractor::exact;
  std::uint64_t split_seed = 1;
  double adapt_share = 0.5, valid_share = 0.1;

  void list(FieldList& f);
};

/// An item whose answer in a language reads otherwise than in English.
struct OtherAnswer {
  std::string where, id, lang, english, target;
};

class JsonlData : public ParallelData {
 public:
  /// Reads all files. Error, with file and line where there is one: whatever jsonl_rows.h refuses,
  /// an item twice in a language or without English, rows of an item in different splits, a test
  /// question in training, a target without any training or test item of a task, no target at all,
  /// a language with neither general text nor pack.
  explicit JsonlData(const JsonlConfig& config);

  std::vector<std::string> languages() const override { return languages_; }
  std::vector<std::string> tasks_by_name() const override { return tasks_; }
  std::vector<Example> examples(const std::string& lang, const std::string& task,
                                Split split) const override;
  std::vector<ExamplePair> pairs(const std::string& lang, const std::string& task,
                                 Split split) const override;
  std::vector<TextPair> general_text(const std::string& lang, int names) const override;
  std::vector<std::string> english_text(int names) const override;
  std::string checksum() const override { return checksum_; }
  /// Items whose answers share no reading with the English one, in the order of ids and languages:
  /// of numbers and choices, where both rows have the same extractor. Exact answers are words of
  /// their languages, and nothing can be said.
  const std::vector<OtherAnswer>& other_answers() const { return other_answers_; }

 private:
  struct Item {
    std::string id, task, where;  // where its first row stands
    std::map<std::string, Example> by_language;
    bool has_split = false;
    Split split = Split::test;
    std::size_t same = 0;  // an item that must be in the same split, or its own index
  };

  void read_items();
  void join_equal_questions();
  void deal();
  void check_cells() const;
  void read_general();
  void read_packs(const std::vector<std::string>& languages);
  std::size_t root_of(std::size_t item) const;
  std::vector<const Item*> items_of(const std::string& task, Split split) const;

  JsonlConfig config_;
  std::vector<Item> items_;  // by task and id
  std::vector<OtherAnswer> other_answers_;
  std::vector<std::string> languages_ = {english}, tasks_;
  std::vector<std::string> english_lines_;
  std::map<std::string, std::vector<TextPair>> general_;
  World world_;
  std::map<std::string, LanguagePack> packs_;  // of languages without general text
  std::string checksum_;
};

}  // namespace ramoe
