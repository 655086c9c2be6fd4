// Chapter 12.1 - evaluation: accuracy on the test split, and on what English knows
//
// Accuracy is that of chapter 7.3 on test, which no target language has seen at any stage.
// `given_english` is the accuracy on the test items that the base model answers correctly in
// English: the transfer that alignment claims to help.
// Tests: tests/ch12_experiments/evaluation_test.cpp
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "ch06_languages/parallel_data.h"
#include "ch07_divergence/answers.h"

namespace ramoe {

/// Accuracy of one language and task.
struct Score {
  std::string lang, task;
  int n = 0, n_english = 0;                // items; items that the base model knows in English
  double accuracy = 0, given_english = 0;  // NaN of no item
  /// Share of outputs that follow the instruction by the verifier (task follow; otherwise
  /// accuracy).
  double verified = 0;
};

/// What is evaluated: languages and tasks in the order of the scores.
struct EvaluationPlan {
  std::vector<std::string> languages, tasks;
  Split split = Split::test;
  AnswerOptions answers;
};

/// Scores of a model on a split. `english_correct` holds the ids that count for given_english.
std::vector<Score> evaluate(Model<float>& model, const Prompts& prompts, const ParallelData& data,
                            const EvaluationPlan& plan,
                            const std::set<std::string>& english_correct,
                            std::vector<std::pair<Example, Answer>>* answers = nullptr);

/// The ids of the split that the model answers correctly in English, in the plan's tasks.
std::set<std::string> correct_in_english(Model<float>& model, const Prompts& prompts,
                                         const ParallelData& data, const EvaluationPlan& plan);

/// A share of no item is null.
Json to_json(const Score& score);

}  // namespace ramoe
