// Chapter 10.5 - fine-tuning: the same loop for SFT and RA-MoE
//
// Batches of similar length from the training pairs, a new order each epoch; the target-language
// answer is the target of cross-entropy. The rows of a step are a pure function of (seed, step).
// Tests: tests/ch10_alignment/finetune_test.cpp
#pragma once

#include <functional>

#include "ch06_languages/batches.h"
#include "ch06_languages/prompts.h"
#include "ch10_alignment/alignment_choices.h"

namespace ramoe {

/// Encodes pairs with their types. Error: a pair that the taxonomy does not hold.
std::vector<FinetuneExample> finetune_examples(const std::vector<ExamplePair>& pairs,
                                               const std::vector<ClassifiedPair>& taxonomy,
                                               const Prompts& prompts);

/// `count` of the examples (0: all of them), drawn by seed and in their old order; of one seed the
/// fewer are among the more. If there are no more than `count`, all.
std::vector<FinetuneExample> draw_examples(const std::vector<FinetuneExample>& examples, int count,
                                           std::uint64_t seed);

/// The batches of an epoch, in order. Every cut of batch * accumulate rows gives a step the same
/// rows.
class FinetuneBatches {
 public:
  FinetuneBatches(const std::vector<FinetuneExample>& examples, int batch, int accumulate, int pad,
                  int bos, std::uint64_t seed);
  /// Batch step * accumulate + micro, the steps counted through all epochs. The last step of an
  /// epoch may have fewer rows, and so pieces without any.
  TrainingBatch batch(std::int64_t number);

 private:
  const std::vector<FinetuneExample>& examples_;
  int batch_, accumulate_, pad_, bos_;
  std::int64_t per_epoch_, epoch_ = -1;
  std::uint64_t seed_;
  std::vector<std::vector<TrainingSequence>> steps_;  // rows of the epoch's steps
};

/// Trains until config.steps are done; `extra` may be nullptr (SFT). `watch` is called after each
/// step and ends the loop by returning false.
template <class T>
void finetune(Trainer<T>& trainer, FinetuneBatches& batches, const TrainConfig& config,
              ExtraLoss<T>* extra, const std::function<bool(int step, const StepReport&)>& watch);

}  // namespace ramoe
