// Chapter 10.3 - the choices of stage 3: which examples, layers, experts and tokens are aligned
//
// Each choice of the method is one key, so an ablation changes a single key. Four defaults follow
// the facts: the ci examples, the layers of the alignment zone, the task experts, and the English
// side of the frozen base model. Ours: lambda, its schedule, the default that the prompt's tokens
// are compared, and all values besides the defaults, which are there for ablations, as controls
// (english_side = shuffled or own, signal = hidden) or as extensions (span = last or tokens,
// support = chosen).
// Tests: tests/ch10_alignment/alignment_choices_test.cpp
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "ch05_training/trainer.h"
#include "ch06_languages/counterparts.h"
#include "ch07_divergence/divergence.h"
#include "ch08_taxonomy/taxonomy.h"
#include "ch10_alignment/alignment_loss.h"

namespace ramoe {

enum class LambdaSchedule { constant, warmup, decay };
constexpr auto names(LambdaSchedule) {
  return std::array{"constant", "warmup", "decay"};
}
/// What is aligned: how the tokens are routed, or as a control the state that the router reads.
enum class AlignedSignal { routing, hidden };
constexpr auto names(AlignedSignal) {
  return std::array{"routing", "hidden"};
}
/// chosen: the K experts that the side which is followed uses most, sequence by sequence; of a
/// single token, those that it visits.
enum class AlignedExperts { task, all, random, chosen };
constexpr auto names(AlignedExperts) {
  return std::array{"task", "all", "random", "chosen"};
}
enum class AlignedLayers { zone, all, early, late, random };
constexpr auto names(AlignedLayers) {
  return std::array{"zone", "all", "early", "late", "random"};
}
enum class AlignedExamples { ci, cc_ci, all, random };
constexpr auto names(AlignedExamples) {
  return std::array{"ci", "cc_ci", "all", "random"};
}
/// The side that is followed: English of the frozen base model or of the current model; as controls
/// English of another item of the task, drawn by seed, or the target itself, both of the base.
enum class EnglishSide { base, current, shuffled, own };
constexpr auto names(EnglishSide) {
  return std::array{"base", "current", "shuffled", "own"};
}
/// Means over the prompt, the answer or both; the last prompt token alone; or each prompt token
/// with its English counterpart (chapter 6.13).
enum class AlignedTokens { prompt, answer, both, last, tokens };
constexpr auto names(AlignedTokens) {
  return std::array{"prompt", "answer", "both", "last", "tokens"};
}
enum class GradientScope { all, router };
constexpr auto names(GradientScope) {
  return std::array{"all", "router"};
}

struct AlignmentConfig {
  double lambda = 1;
  LambdaSchedule lambda_schedule = LambdaSchedule::constant;
  AlignedSignal signal = AlignedSignal::routing;
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
  PromptTokens target_prompt = {}, english_prompt = {};
  /// False: of the pool. Neither answer nor type may be read; `target` and `english` are prompts.
  bool labelled = true;
  TrainingSequence self = {};  // the target prompt with the base model's own answer
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
/// drawn by seed; for `chosen` as for `task`: chosen_experts() depend on what is followed.
ExpertSets alignment_support(AlignedExperts which, const ExpertSets& task_experts, int experts,
                             std::uint64_t seed);
/// The K largest of each layer's q, ascending; ties go to the lower expert. Empty layers stay so.
ExpertSets chosen_experts(const PerLayer& q, int K);
/// Which examples are aligned: the ci examples, the cc and ci examples, all examples, or as many as
/// there are ci examples, drawn by seed. Those of the pool always are: without their answers nobody
/// knows of which type they are.
std::vector<bool> aligned_examples(AlignedExamples which,
                                   const std::vector<FinetuneExample>& examples,
                                   std::uint64_t seed);
/// lambda at a step of `steps`: constant, warmup (rises from 0 over the first half of the steps),
/// or decay (falls to 0 over all of them).
double lambda_at(const AlignmentConfig& config, int step, int steps);
/// The tokens that are compared, in a sequence whose first `prompt` tokens are the prompt; for
/// `tokens` all of the prompt, one by one.
TokenSpan aligned_span(AlignedTokens which, int prompt);

/// Error: keys that make no sense together.
void check_alignment(const AlignmentConfig& config);

}  // namespace ramoe
