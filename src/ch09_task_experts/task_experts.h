// Chapter 9 - stage 2: the task experts of each layer                             [paper fact 3]
//
// That task-relevant experts are identified in the middle layers is the paper's; the rules are:
//
//   usage      Delta_l[e] = mean over English task prompts of u_l[e]
//                         - mean over general English text of u_l[e]
//              S_l = { e : Delta_l[e] > tau }                   (arXiv 2510.04694; tau is a key)
//   esft       the fewest experts whose token-selection ratios sum to at least p of the total
//              of the layer            (Wang et al., ESFT, arXiv 2407.01906; normalised per layer)
//   contrast   the rule of `usage` on prompts answered correctly minus prompts answered wrongly
//
// If a rule gives no expert in a layer, the n with the largest score are taken (our choice); it
// never gives all experts: the E-1 largest at most, since a set of all experts has no mass to
// compare. Tests: tests/ch09_task_experts/task_experts_test.cpp
#pragma once

#include <string>
#include <vector>

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

/// Mean usage of some texts and of the texts they are compared with (empty for esft): both (L,E).
TaskExperts select_experts(const std::string& task, const ExpertConfig& config, const PerLayer& usage,
                           const PerLayer& reference);

Json to_json(const TaskExperts& experts);
/// Error naming the source and what is missing or does not fit (layers, experts out of range).
TaskExperts task_experts_from_json(const Json& json, const std::string& where, int layers,
                                   int experts);

}  // namespace ramoe
