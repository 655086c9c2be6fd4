// Chapter 6.7 - parallel data: what the stages of the method need, whatever it was made from
//
//   example   one item asked in one language: question, answer, how an output is read
//   pair      the same item in English and in a target language
//   split     adapt_train and adapt_valid for stages 1 to 3, test for the comparison
//
// Corpus (corpus.h) makes such data from language packs, JsonlData (jsonl_data.h) reads one's own.
// Chapters 7 to 12 and the commands see this interface alone.
#pragma once

#include <array>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "support/choices.h"

namespace ramoe {

inline constexpr const char* english = "en";

enum class Split { base, adapt_train, adapt_valid, test };
constexpr auto names(Split) {
  return std::array{"base", "adapt_train", "adapt_valid", "test"};
}

/// Whether an output says the same as the expected answer, in a language. Data that need other
/// rules than the one of our tasks bring them along (formats/extractors.h).
using AnswerRule = bool (*)(std::string_view lang, std::string_view answer,
                            std::string_view output);
/// The same text after normalise_answer: NFC, lower case, white space.
bool is_same_text(std::string_view lang, std::string_view answer, std::string_view output);

/// One item asked in one language. An id names the item in all languages and among all tasks.
struct Example {
  std::string id, task, lang, question, answer;
  bool local = false;  // a fact about a territory where lang is official (Corpus)
  AnswerRule is_same = is_same_text;

  /// Whether the output answers the question, by its rule.
  bool is_answered_by(const std::string& output) const { return is_same(lang, answer, output); }
};

/// One item in English and in a target language.
struct ExamplePair {
  Example english, target;
};

/// The same text in English and in a target language.
struct TextPair {
  std::string english, target;
};

/// Constant after construction; may be read by several threads.
class ParallelData {
 public:
  virtual ~ParallelData() = default;

  /// English and the targets, in the order in which they are shown.
  virtual std::vector<std::string> languages() const = 0;
  virtual std::vector<std::string> tasks_by_name() const = 0;
  /// The items of an adapt or test split in one language; test items are in no other split of any
  /// language but for Corpus's local facts. Error: unknown language or task, Split::base.
  virtual std::vector<Example> examples(const std::string& lang, const std::string& task,
                                        Split split) const = 0;
  /// examples() of a target beside the same items in English.
  virtual std::vector<ExamplePair> pairs(const std::string& lang, const std::string& task,
                                         Split split) const = 0;
  /// General parallel text of a target language. `names`: emoji names in a line, where the text is
  /// made of those. Error: there is none for the language.
  virtual std::vector<TextPair> general_text(const std::string& lang, int names) const = 0;
  /// General English text, the reference of stage 2.
  virtual std::vector<std::string> english_text(int names) const = 0;
  /// Whether an output does what the example asks, by a verifier where the task has one that is
  /// more lenient than its answer; otherwise whether it is correct.
  virtual bool is_verified(const Example& example, const std::string& output) const;
  /// Changes with anything that changes an example, a text or a split.
  virtual std::string checksum() const = 0;

  /// Other names of a language than its code, where the data know any.
  virtual std::vector<std::string> names_of(const std::string& lang) const;

  /// The code of a language given by code or name (names_language). Error: as require_language.
  std::string language_code(const std::string& given) const;
  /// languages() without English.
  std::vector<std::string> targets() const;
  /// Error: not a language (a task) of this data, with the nearest and those there are.
  void require_language(const std::string& lang) const;
  void require_task(const std::string& task) const;
};

}  // namespace ramoe
