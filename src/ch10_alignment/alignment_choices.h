// Chapter 10.3 - the choices of stage 3: which examples, layers, experts and tokens are aligned
//
// Each choice of the method is one key, so an ablation changes a single key. Four defaults follow
// the facts: the ci examples, the layers of the alignment zone, the task experts, and the English
// side of the frozen base model. Ours: lambda, its schedule, the default that the prompt's tokens
// are compared, and all values besides the defaults, which are there for ablations.
// Tests: tests/ch10_alignment/alignment_choices_test.cpp
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ch05_training/trainer.h"
#include "ch07_divergence/divergence.h"
#include "ch08_taxonomy/taxonomy.h"
#include "ch10_alignment/alignment_loss.h"

namespace ramoe {

enum class LambdaSchedule { constant, warmup, decay };
constexpr auto names(LambdaSchedule) {
  return std::array{"constant", "warmup", "decay"};
}
enum class AlignedExperts { task, all, random };
constexpr auto names(AlignedExperts) {
  return std::array{"task", "all", "random"};
}
enum class AlignedLayers { zone, all, early, late, random };
constexpr auto names(AlignedLayers) {
  return std::array{"zone", "all", "early", "late", "random"};
}
enum class AlignedExamples { ci, cc_ci, all, random };
constexpr auto names(AlignedExamples) {
  return std::array{"ci", "cc_ci", "all", "random"};
}
enum class EnglishSide { base, current };
constexpr auto names(EnglishSide) {
  return std::array{"base", "current"};
}
enum class AlignedTokens { prompt, answer, both };
constexpr auto names(AlignedTokens) {
  return std::array{"prompt", "answer", "both"};
}
enum class GradientScope { all, router };
constexpr auto names(GradientScope) {
  return std::array{"all", "router"};
}

struct AlignmentConfig {
  double lambda = 1;
  LambdaSchedule lambda_schedule = LambdaSchedule::constant;
  AlignmentForm divergence = AlignmentForm::lumped;
  double mass_weight = 1, allocation_weight = 1;  // for mass_allocation
  AlignedExperts support = AlignedExperts::task;
  AlignedLayers layers = AlignedLayers::zone;
  AlignedExamples examples = AlignedExamples::ci;
  EnglishSide english_side = EnglishSide::base;
  AlignedTokens span = AlignedTokens::prompt;
  GradientScope gradient_scope = GradientScope::all;

  void list(FieldList& fields);
};

/// A training pair as stage 3 reads it.
struct FinetuneExample {
  std::string id, task;
  PairType type = PairType::ii;
  TrainingSequence target, english;
};

/// What the earlier stages found for a model.
struct StageResults {
  Zone zone;
  std::map<std::string, ExpertSets> experts;  // by task
};

/// The aligned layers: those of the zone, all layers, or as many as the zone has (the first ones,
/// the last ones, or some drawn by seed).
std::vector<int> alignment_layers(AlignedLayers which, Zone zone, int layers, std::uint64_t seed);
/// The support of each layer: its task experts, all experts, or as many as it has task experts,
/// drawn by seed.
ExpertSets alignment_support(AlignedExperts which, const ExpertSets& task_experts, int experts,
                             std::uint64_t seed);
/// Which examples are aligned: the ci examples, the cc and ci examples, all examples, or as many as
/// there are ci examples, drawn by seed.
std::vector<bool> aligned_examples(AlignedExamples which,
                                   const std::vector<FinetuneExample>& examples,
                                   std::uint64_t seed);
/// lambda at a step of `steps`: constant, warmup (rises from 0 over the first half of the steps),
/// or decay (falls to 0 over all of them).
double lambda_at(const AlignmentConfig& config, int step, int steps);
/// The tokens that are compared, in a sequence whose first `prompt` tokens are the prompt.
TokenSpan aligned_span(AlignedTokens which, int prompt);

}  // namespace ramoe
