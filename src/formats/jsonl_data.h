// Formats - the user's own parallel questions, with the interface that the stages use
//
// Rows with the same task and id in English and other languages are one item (jsonl_rows.h). An
// item is in the same split in all its languages: the one that its rows name, or else dealt by seed
//
//   adapt_train   adapt_share      stages 1 to 3
//   adapt_valid   valid_share      choices, such as a learning rate
//   test          the rest         only the comparison
//
// Items with the same question in a language, under other ids or tasks, always share a split: no
// test question is trained on. General text (the reference of stage 2, and the divergence curve)
// comes from text files; languages without a file get the emoji names of their language packs.
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

/// An item whose answer in a language differs from the English one.
struct OtherAnswer {
  std::string where, id, lang, english, target;
};

class JsonlData : public ParallelData {
 public:
  /// Reads all files. Error, with file and line if there is one: whatever jsonl_rows.h refuses, an
  /// item twice in a language or without English, rows of an item in different splits, a test
  /// question in training, a target without a training or test item of a task, no target, or a
  /// language with neither general text nor pack.
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
  /// Items whose answer shares no reading with the English one, in the order of ids and languages.
  /// Only numbers and choices whose two rows have the same extractor: exact answers are words,
  /// which differ between languages.
  const std::vector<OtherAnswer>& other_answers() const { return other_answers_; }

 private:
  struct Item {
    std::string id, task, where;  // the place of its first row
    std::map<std::string, Example> by_language;
    bool has_split = false;
    Split split = Split::test;
    std::size_t same = 0;  // index of an item that must share its split, or its own
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
