// Chapter 9.1 - stage 2: the task experts S_l of each layer                       [paper fact 3]
//
// Fact: task-relevant experts are identified in the middle layers. Ours: the rule, one of these
//
//   usage      Delta_l[e] = mean over English task prompts of u_l[e]
//                         - mean over general English text of u_l[e]
//              S_l = { e : Delta_l[e] > tau }                   (arXiv 2510.04694; tau is a key)
//   esft       the fewest experts whose token-selection ratios sum to at least p of the total
//              of the layer            (Wang et al., ESFT, arXiv 2407.01906; normalised per layer)
//   contrast   as usage, but prompts answered correctly minus prompts answered wrongly
//
// Also ours: a layer in which no expert passes gets the n experts with the largest score, and no
// layer gets all E experts, because the mass of all experts is always 1.
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

/// Applies the rule to the mean usage of some texts and to `reference`, that of the texts they are
/// compared with (empty for esft). Both are (L,E).
TaskExperts select_experts(const std::string& task, const ExpertConfig& config,
                           const PerLayer& usage, const PerLayer& reference);

/// Stage 2 for one task, on its English training prompts. `names`: emoji names per line of general
/// English text. Error: the rule is contrast, and all prompts are answered correctly, or all
/// wrongly.
template <class T>
TaskExperts find_task_experts(Model<T>& model, const Prompts& prompts, const ParallelData& data,
                              const std::string& task, const ExpertConfig& config, int names,
                              const AnswerOptions& options);
/// How many texts find_task_experts() routes and answers for all tasks together.
std::size_t texts_to_select(const ParallelData& data, const ExpertConfig& config, int names);

/// Routing mass of the task experts by layer: sum of q_l[e] over e in S_l. (L)
std::vector<double> mass_of(const PerLayer& q, const std::vector<std::vector<int>>& experts);

/// From experts.json. Error, with the source: a key is missing, the number of layers differs, a
/// layer has no experts, or an expert is out of range.
TaskExperts task_experts_from_json(const Json& json, const std::string& where, int layers,
                                   int experts);

}  // namespace ramoe
