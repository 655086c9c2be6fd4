// Chapter 11.1 - RISE: train a few experts that serve the target language, freeze the rest
//
// Routing Isolation-guided Subnetwork Enhancement (arXiv 2604.03592). It starts from the usage
// a[lang,e] of the experts of each layer (chapter 7.1). Mean and coefficient of variation CV are
// taken over the languages:
//
//   specificity  S = a[target] / mean a          Spec = S (1 + 10 a[target])
//   overlap      O = 1 / (1 + CV)                Ovlp = O (1 + 10 mean a)
//
//   depth of the layer     ranked by   share of the chosen experts
//   0     to 37.5 %        Spec        .35
//   37.5  to 62.5 %        Ovlp        .25
//   62.5  to 100  %        Spec        .40
//
// Only the chosen experts are trained; routers, attention and the rest stay frozen. Ours: the depth
// of layer i of L is (i + 1/2) / L, the experts of all layers of a part are ranked together, an
// expert that no language uses scores 0, and the number chosen is a share of all experts.
// Tests: tests/ch11_baselines/rise_test.cpp
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ch06_languages/parallel_data.h"
#include "ch06_languages/prompts.h"
#include "ch07_divergence/routing_stats.h"

namespace ramoe {

/// Usage by language, (L,E) each, on the same prompts.
using UsageByLanguage = std::map<std::string, PerLayer>;

struct RiseScores {
  PerLayer specific, overlapping;  // (L,E)
};
/// Error: the target is not among the languages, or there is only one.
RiseScores rise_scores(const UsageByLanguage& usage, const std::string& target);

/// The chosen experts of every MoE layer, ascending. They are about share * L * E in all: each part
/// of the depth has its share of this number, rounded, but at least one expert if it has layers.
std::vector<std::vector<int>> rise_experts(const RiseScores& scores, double share);

/// Freezes everything but the given experts; `experts` has one list for each MoE layer.
template <class T>
void train_only_experts(Model<T>& model, const std::vector<std::vector<int>>& experts);

/// The usage a for English and every target language, on the training prompts of some tasks.
template <class T>
UsageByLanguage usage_by_language(Model<T>& model, const Prompts& prompts, const ParallelData& data,
                                  const std::vector<std::string>& tasks);

}  // namespace ramoe
