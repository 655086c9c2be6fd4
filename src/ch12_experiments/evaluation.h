// Chapter 12.1 - evaluation: accuracy on the test split, and on items known in English
//
// Accuracy is that of chapter 7.3 on test, whose items no stage has seen in a target language.
// `given_english` is the accuracy on the test items that the base model answers correctly in
// English. It measures the transfer that alignment claims to improve.
// Tests: tests/ch12_experiments/evaluation_test.cpp
#pragma once

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
  double accuracy = 0, given_english = 0;  // NaN if there are no items
  /// Share of outputs that follow the instruction according to the verifier (task follow; otherwise
  /// equal to accuracy).
  double verified = 0;
};

/// What is evaluated: languages and tasks in the order of the scores.
struct EvaluationPlan {
  std::vector<std::string> languages, tasks;
  Split split = Split::test;
  AnswerOptions answers;
};

/// Scores of a model on a split. `english_correct` holds the ids that count for given_english.
/// `hook` steers the model (chapter 11.2); `answers` receives the examples and their answers.
template <class T>
std::vector<Score> evaluate(Model<T>& model, const Prompts& prompts, const ParallelData& data,
                            const EvaluationPlan& plan,
                            const std::set<std::string>& english_correct,
                            const RouterHook<T>* hook = nullptr,
                            std::vector<std::pair<Example, Answer>>* answers = nullptr);

/// The ids of the split that the model answers correctly in English, in the plan's tasks.
template <class T>
std::set<std::string> correct_in_english(Model<T>& model, const Prompts& prompts,
                                         const ParallelData& data, const EvaluationPlan& plan);

}  // namespace ramoe
