// Chapter 11.3 - four methods, one training run
//
// A method chooses what is trained and which loss is added. All else is the same (data, steps,
// learning rate and batches, chapter 10.5), so that two runs differ in the method alone:
//
//   method   trains         loss beside cross-entropy on the target-language answers
//   sft      everything     none
//   ramoe    everything     lambda times the alignment loss (chapter 10)
//   rise     some experts   none (chapter 11.1)
//   sara     everything     1.5 times the Jensen-Shannon divergence between the routing of the two
//                           sides, averaged over all examples and the layers of the zone
//
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

enum class Method { sft, ramoe, rise, sara };
constexpr auto names(Method) {
  return std::array{"sft", "ramoe", "rise", "sara"};
}

struct MethodConfig {
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

/// What the earlier stages found, and the examples to train on.
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
