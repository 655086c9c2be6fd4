// Chapter 6.6 - parallel data: what the stages of the method need, from any source
//
//   example   one item in one language: question, answer, how an output is read
//   pair      the same item in English and in a target language
//   split     adapt_train and adapt_valid for stages 1 to 3, test for the comparison
//
// Corpus (corpus.h) makes such data from language packs, JsonlData (jsonl_data.h) reads the user's
// own. Chapters 7 to 12 and the commands use only this interface.
#pragma once

#include <array>
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

/// Whether an output says the same as the expected answer, in a language. Data that need a rule
/// other than that of our tasks set their own (formats/extractors.h).
using AnswerRule = bool (*)(std::string_view lang, std::string_view answer,
                            std::string_view output);
/// Whether the texts are equal after normalise_answer: NFC, lower case, white space.
bool is_same_text(std::string_view lang, std::string_view answer, std::string_view output);

/// One item in one language. Its id is the same in all languages and unique among all tasks.
struct Example {
  std::string id, task, lang, question, answer;
  bool local = false;  // a fact about a territory where lang is official (Corpus)
  AnswerRule is_same = is_same_text;

  /// Whether the output answers the question by the rule of this example.
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

  /// English and the targets, in display order.
  virtual std::vector<std::string> languages() const = 0;
  virtual std::vector<std::string> tasks_by_name() const = 0;
  /// The items of an adapt or test split in one language. Test items are in no other split of any
  /// language, except the local facts of Corpus. Error: unknown language or task, Split::base.
  virtual std::vector<Example> examples(const std::string& lang, const std::string& task,
                                        Split split) const = 0;
  /// examples() of a target, each with the same item in English.
  virtual std::vector<ExamplePair> pairs(const std::string& lang, const std::string& task,
                                         Split split) const = 0;
  /// General parallel text of a target language. `names`: names per line if the text consists of
  /// emoji names. Error: there is no text for the language.
  virtual std::vector<TextPair> general_text(const std::string& lang, int names) const = 0;
  /// General English text, the reference of stage 2.
  virtual std::vector<std::string> english_text(int names) const = 0;
  /// Whether an output does what the example asks: by the verifier of the task, if it has one that
  /// is more lenient than the answer; otherwise whether the output is correct.
  virtual bool is_verified(const Example& example, const std::string& output) const;
  /// Depends on everything that determines the examples, texts and splits.
  virtual std::string checksum() const = 0;

  /// Names of a language besides its code, if the data know any.
  virtual std::vector<std::string> names_of(const std::string& lang) const;

  /// The code of a language given by code or name (names_language). Error: see require_language.
  std::string language_code(const std::string& given) const;
  /// languages() without English.
  std::vector<std::string> targets() const;
  /// Error: not a language (a task) of this data; lists the known ones and suggests the nearest.
  void require_language(const std::string& lang) const;
  void require_task(const std::string& task) const;
};

}  // namespace ramoe
