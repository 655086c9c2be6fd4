// Chapter 8 - stage 1: cc / ci / ic / ii                                        [paper fact 2]
//
// The frozen base model answers each training pair in English and in the target language:
//
//                       target correct    target wrong
//     English correct        cc                ci      known in English but not in the target
//     English wrong          ic                ii
//
//   rho_ci = N_ci / N        over the N training pairs of a language and task
//
// Fact: the four types. Ours: how an answer is decoded and compared (chapter 7.3).
// Tests: tests/ch08_taxonomy/taxonomy_test.cpp
#pragma once

#include <array>
#include <map>
#include <string>
#include <vector>

#include "ch07_divergence/answers.h"

namespace ramoe {

enum class PairType { cc, ci, ic, ii };
constexpr auto names(PairType) {
  return std::array{"cc", "ci", "ic", "ii"};
}
PairType pair_type(bool english_correct, bool target_correct);

/// A classified pair with both outputs, as taxonomy.jsonl stores it.
struct ClassifiedPair {
  std::string id, lang, task;
  PairType type = PairType::ii;
  std::string english_output, target_output;
  bool local = false;
};

/// Classifies pairs with the frozen base model. An English question that occurs for several
/// languages is answered once.
template <class T>
class Classifier {
 public:
  Classifier(Model<T>& model, const Prompts& prompts, const AnswerOptions& options)
      : model_(model), prompts_(prompts), options_(options) {}
  std::vector<ClassifiedPair> classify(const std::vector<ExamplePair>& pairs);

 private:
  Model<T>& model_;
  Prompts prompts_;
  AnswerOptions options_;
  std::map<std::string, Answer> english_;  // by id
};

/// How many pairs of each type.
struct TypeCounts {
  std::array<int, 4> count{};
  int total() const { return count[0] + count[1] + count[2] + count[3]; }
  int of(PairType type) const { return count[static_cast<std::size_t>(type)]; }
  /// rho of a type; 0 if there are no pairs.
  double share(PairType type) const { return total() ? double(of(type)) / total() : 0.0; }
};
/// The counts for the pairs of a language and task; an empty name means any.
TypeCounts count_types(const std::vector<ClassifiedPair>& pairs, const std::string& lang = "",
                       const std::string& task = "");

/// Stage 1 on all training pairs, ordered by language and then by task.
template <class T>
std::vector<ClassifiedPair> classify_training_pairs(Model<T>& model, const Prompts& prompts,
                                                    const ParallelData& data,
                                                    const AnswerOptions& options);
/// How many questions classify_training_pairs() asks; in English, each item counts once.
std::size_t questions_to_classify(const ParallelData& data);

/// taxonomy.jsonl: one pair per line.
void write_taxonomy(const std::string& path, const std::vector<ClassifiedPair>& pairs);
/// Error, with the number of the line: it is malformed, lacks a key, or has an unknown type.
std::vector<ClassifiedPair> read_taxonomy(const std::string& path);

}  // namespace ramoe
