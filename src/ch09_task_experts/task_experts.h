// Chapter 9.1 - stage 2: the task experts S_l of each layer                       [paper fact 3]
//
// Fact: task-relevant experts are identified in the middle layers. Ours: by which of these rules
//
//   usage      Delta_l[e] = mean over English task prompts of u_l[e]
//                         - mean over general English text of u_l[e]
//              S_l = { e : Delta_l[e] > tau }                   (arXiv 2510.04694; tau is a key)
//   esft       the fewest experts whose token-selection ratios sum to at least p of the total
//              of the layer            (Wang et al., ESFT, arXiv 2407.01906; normalised per layer)
//   contrast   the rule of `usage` on prompts answered correctly minus prompts answered wrongly
//
// and that a layer where none passes gets the n with the largest score, and none all E experts: a
// set of all experts has no mass to compare.
// Tests: tests/ch09_task_experts/task_experts_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch07_divergence/answers.h"
#include "ch07_divergence/routing_stats.h"
#include "support/config.h"

namespace ramoe {

enum class ExpertRule { usage, esft, contrast };
constexpr auto names(ExpertRule) {
  return std::array{"usage", "esft", "contrast"};
}

struct ExpertConfig {
  ExpertRule rule = ExpertRule::usage;
  double tau = 0.1;         // threshold of usage and contrast
  double cumulative = 0.5;  // p of esft
  int fallback = 2;         // n, if no expert passes

  void list(FieldList& fields);
};

/// Scores and selected experts of every layer.
struct TaskExperts {
  std::string task;
  PerLayer score;                         // (L,E)
  std::vector<std::vector<int>> experts;  // S_l, ascending
};

/// The rule on the mean usage of some texts and of those that they are compared with (none for
/// esft): both (L,E).
TaskExperts select_experts(const std::string& task, const ExpertConfig& config,
                           const PerLayer& usage, const PerLayer& reference);

/// Stage 2 of one task on its English training prompts. `names`: emoji names per line of general
/// English text. Error: contrast, and all prompts are answered correctly or all wrongly.
template <class T>
TaskExperts find_task_experts(Model<T>& model, const Prompts& prompts, const ParallelData& data,
                              const std::string& task, const ExpertConfig& config, int names,
                              const AnswerOptions& options);
/// How many texts that routes and answers for all tasks.
std::size_t texts_to_select(const ParallelData& data, const ExpertConfig& config, int names);

/// Routing mass of the task experts by layer: sum of q_l[e] over e in S_l. (L)
std::vector<double> mass_of(const PerLayer& q, const std::vector<std::vector<int>>& experts);

Json to_json(const TaskExperts& experts);
/// Error naming the source and what is missing or does not fit (layers, experts out of range).
TaskExperts task_experts_from_json(const Json& json, const std::string& where, int layers,
                                   int experts);

}  // namespace ramoe
