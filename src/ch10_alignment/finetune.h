// Chapter 10.5 - fine-tuning: the same loop for SFT and RA-MoE
//
// A batch holds training pairs of similar length, and each epoch has a new order. Cross-entropy is
// taken on the target-language answers. The rows of a step are a pure function of (seed, step).
// Tests: tests/ch10_alignment/finetune_test.cpp
#pragma once

#include <functional>

#include "ch06_languages/batches.h"
#include "ch06_languages/prompts.h"
#include "ch10_alignment/alignment_choices.h"

namespace ramoe {

/// Encodes pairs and adds their types. Error: a pair that is not in the taxonomy.
std::vector<FinetuneExample> finetune_examples(const std::vector<ExamplePair>& pairs,
                                               const std::vector<ClassifiedPair>& taxonomy,
                                               const Prompts& prompts);

/// `count` of the examples, drawn by seed and kept in their order; all of them if `count` is 0 or
/// there are no more than `count`. With the same seed, a smaller draw is part of a larger one.
std::vector<FinetuneExample> draw_examples(const std::vector<FinetuneExample>& examples, int count,
                                           std::uint64_t seed);

/// The batches of an epoch, in order. The rows of a step depend on the product batch * accumulate,
/// not on the two factors.
class FinetuneBatches {
 public:
  FinetuneBatches(const std::vector<FinetuneExample>& examples, int batch, int accumulate, int pad,
                  int bos, std::uint64_t seed);
  /// Batch number step * accumulate + micro, where steps are counted across epochs. The last step
  /// of an epoch may have fewer rows, so some of its batches may have none.
  TrainingBatch batch(std::int64_t number);

 private:
  const std::vector<FinetuneExample>& examples_;
  int batch_, accumulate_, pad_, bos_;
  std::int64_t per_epoch_, epoch_ = -1;
  std::uint64_t seed_;
  std::vector<std::vector<TrainingSequence>> steps_;  // rows of the epoch's steps
};

/// Trains until config.steps steps are done; `extra` may be nullptr (SFT). `watch` is called after
/// each step; the loop ends if it returns false.
template <class T>
void finetune(Trainer<T>& trainer, FinetuneBatches& batches, const TrainConfig& config,
              ExtraLoss<T>* extra, const std::function<bool(int step, const StepReport&)>& watch);

}  // namespace ramoe
