// Chapter 11.3 - five methods, one training run
//
// A method chooses what is trained and which loss is added. All else is the same (data, steps,
// learning rate and batches, chapter 10.6), so that two runs differ in the method alone:
//
//   method   trains         loss beside cross-entropy on the target-language answers
//   sft      everything     none
//   ramoe    everything     lambda times the alignment loss (chapter 10)
//   rise     some experts   none (chapter 11.1)
//   sara     everything     1.5 times the Jensen-Shannon divergence between the routing of the two
//                           sides, averaged over all examples and the layers of the zone
//   self_    everything     none; beside the labelled rows of sft as many prompts of the pool, with
//   training                the base model's own greedy answers (stage 1) as if they were right
//
// A pool of prompts without answers (chapter 10.6) is an extension, ours and not the paper's: ramoe
// aligns it too. self_training is the control that learns from the same pool by cross-entropy
// alone; signal = hidden, english_side = shuffled and own (chapter 10.3) are further ones.
// Source of sara: arXiv 2606.25821. Ours: its English side is that of the frozen base model, as for
// ramoe. Routing Steering (chapter 11.2) trains nothing: it changes how the base model or the model
// of sft answers. Tests: tests/ch11_baselines/method_test.cpp
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ch10_alignment/alignment_term.h"
#include "ch10_alignment/finetune.h"
#include "ch11_baselines/rise.h"

namespace ramoe {

enum class Method { sft, ramoe, rise, sara, self_training };
constexpr auto names(Method) {
  return std::array{"sft", "ramoe", "rise", "sara", "self_training"};
}

struct MethodConfig {
  std::string pool = "0";
  double rise_share = 0.25;
  double sara_weight = 1.5;

  void list(FieldList& fields);
};

/// A run: the method with all its keys.
struct MethodRun {
  Method method = Method::ramoe;
  MethodConfig keys;
  AlignmentConfig alignment;
  TrainConfig train;
  std::uint64_t seed = 1;
  std::string language;  // the target
};

/// Error: keys that make no sense together, such as a pool for a method that does not read it.
void check_method(const MethodRun& run);

/// What the earlier stages found, and the examples to train on, those of the pool behind the
/// others (draw_with_pool).
struct MethodInputs {
  const StageResults& stages;
  const std::vector<FinetuneExample>& examples;  // must outlive the training
  std::function<UsageByLanguage()> usage;        // of the base model; only rise calls it
};

/// Sets what the optimiser may change: everything, or for rise the chosen experts.
template <class T>
void choose_trained(Model<T>& model, const MethodRun& run, const MethodInputs& inputs);

/// The loss beside cross-entropy; nullptr for none. `model` still holds the base weights.
template <class T>
std::unique_ptr<ExtraLoss<T>> extra_loss(Model<T>& model, const MethodRun& run,
                                         const MethodInputs& inputs);

/// The rows beside the labelled ones: prompts for the alignment, or pairs of self-training.
BesideRows beside_rows(const MethodRun& run, const std::vector<FinetuneExample>& examples);

/// The training of a model by a method. The model holds the base weights at first.
template <class T>
class MethodTraining {
 public:
  MethodTraining(Model<T>& model, const MethodRun& run, const MethodInputs& inputs);

  /// For loading a checkpoint, before run(), and for saving one.
  Trainer<T>& trainer() { return trainer_; }
  /// Trains until all steps are done or `after_step` returns false. Returns whether all are done.
  bool run(const std::function<bool(int step, const StepReport&)>& after_step);

 private:
  TrainConfig config_;
  std::unique_ptr<ExtraLoss<T>> extra_;
  Trainer<T> trainer_;
  FinetuneBatches batches_;
};

}  // namespace ramoe
