// Chapter 10.3 - the alignment term of stage 3: which examples, layers, experts, tokens
//
//   L = L_SFT(all types) + lambda L_align(ci) + alpha L_balance
//
// L_align is the mean over the aligned examples of the whole step, however its rows are cut into
// batches (chapter 5.3).
//
// Every choice of the method is one key here, so that an ablation changes one key. The defaults
// follow the facts: ci examples, the alignment zone, the task experts, the frozen base model's
// English side. Tests: tests/ch10_alignment/alignment_term_test.cpp
#pragma once

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
  double mass_weight = 1, allocation_weight = 1;  // of mass_allocation
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

/// What the stages before found for a model.
struct StageResults {
  Zone zone;
  std::map<std::string, std::vector<std::vector<int>>> experts;  // by task: S_l of every layer
};

/// The layers M that a key chooses: zone, all, early (as many as the zone, from the first), late,
/// random (as many, by seed).
std::vector<int> alignment_layers(AlignedLayers which, Zone zone, int layers, std::uint64_t seed);
/// S_l of every layer: task, all experts, or random ones of the same number.
std::vector<std::vector<int>> alignment_support(AlignedExperts which,
                                                const std::vector<std::vector<int>>& task_experts,
                                                int experts, std::uint64_t seed);
/// Which examples are aligned: ci, cc+ci, all, or random ones, as many as there are ci.
std::vector<bool> aligned_examples(AlignedExamples which,
                                   const std::vector<FinetuneExample>& examples,
                                   std::uint64_t seed);
/// lambda at a step of `steps`: constant, warmup (rises over the first half), decay (falls to 0).
double lambda_at(const AlignmentConfig& config, int step, int steps);

class AlignmentTerm : public ExtraLoss<float> {
 public:
  /// `model` must be the base model still: its routing of the English sides is computed here and
  /// kept. TrainingSequence::example of a batch is the number of its example.
  AlignmentTerm(Model<float>& model, const AlignmentConfig& config, const StageResults& stages,
                const std::vector<FinetuneExample>& examples, int steps, std::uint64_t seed);

  /// The aligned examples of the batch.
  int count(const TrainingBatch& batch) const override;
  Tensor<float> add(Tape<float>& tape, const TrainingBatch& batch,
                    const ForwardResult<float>& forward, int step) override;

  const std::vector<int>& layers() const { return layers_; }
  int aligned_count() const;
  /// L_align of the last batch before lambda; 0 if it had no aligned example.
  double last_value() const { return last_value_; }

 private:
  std::vector<SequenceRouting> english_routing(const std::vector<int>& examples) const;

  Model<float>& model_;
  AlignmentConfig config_;
  AlignmentMeasure measure_;
  int steps_;
  std::vector<int> layers_;
  std::map<std::string, std::vector<std::vector<int>>> support_;  // by task
  const std::vector<FinetuneExample>& examples_;
  std::vector<bool> aligned_;
  std::vector<PerLayer> q_star_;  // per example; empty where not aligned
  double last_value_ = 0;
};

}  // namespace ramoe
