// Chapter 10.6 - fine-tuning: the same loop for SFT and RA-MoE
//
// A batch holds training pairs of similar length, and each epoch has a new order. Cross-entropy is
// taken on the target-language answers. The rows of a step are a pure function of (seed, step).
//
// The pool (an extension, ours and not the paper's): parallel prompts without answers, which SFT
// has no use for and alignment has. They are pairs that the draw of training pairs left over. Rows
// of the pool stand beside the labelled rows of a step, which are those of SFT:
//
//   labelled rows   cross-entropy, router losses   as without a pool
//   beside          the alignment alone            prompts, drawn from pool and labelled pairs
//             or    cross-entropy, router losses   self-training: the base model's own answers
// Tests: tests/ch10_alignment/finetune_test.cpp
#pragma once

#include <functional>
#include <optional>

#include "ch06_languages/batches.h"
#include "ch06_languages/prompts.h"
#include "ch10_alignment/alignment_choices.h"

namespace ramoe {

/// Encodes pairs and adds their types, and the target prompts with the base model's answers of
/// stage 1. Error: a pair that is not in the taxonomy.
std::vector<FinetuneExample> finetune_examples(const std::vector<ExamplePair>& pairs,
                                               const std::vector<ClassifiedPair>& taxonomy,
                                               const Prompts& prompts);

/// `count` of the examples, drawn by seed and kept in their order; all of them if `count` is 0 or
/// there are no more than `count`. With the same seed, a smaller draw is part of a larger one.
std::vector<FinetuneExample> draw_examples(const std::vector<FinetuneExample>& examples, int count,
                                           std::uint64_t seed);

/// The size of a pool from its key: "0", "all" or a whole number. Error: anything else.
inline constexpr int kWholePool = 1 << 30;
int pool_size(const std::string& pool);
/// draw_examples(examples, count, seed), and behind them `pool` of those that it left over, drawn
/// by the same seed, without answers; as many as there are if these are fewer.
std::vector<FinetuneExample> draw_with_pool(const std::vector<FinetuneExample>& examples, int count,
                                            int pool, std::uint64_t seed);
/// How many of them are labelled; they come first.
std::size_t labelled_count(const std::vector<FinetuneExample>& examples);

/// Rows that stand beside the labelled ones of each step.
struct BesideRows {
  std::vector<TrainingSequence> sequences;  // prompts for the alignment, or pairs to learn
  bool aligned = false;  // for the alignment, and then the labelled rows are not aligned
};

/// Sequences in epochs, each in a new order, cut into steps of rows of similar length.
class EpochRows {
 public:
  /// `stream` tells apart what is drawn with the same seed.
  EpochRows(std::vector<TrainingSequence> sequences, std::size_t rows, std::uint64_t seed,
            std::uint64_t stream);
  /// The rows of a step, counted across epochs. The last step of an epoch may have fewer.
  const std::vector<TrainingSequence>& of_step(std::int64_t step);

 private:
  std::vector<TrainingSequence> sequences_;
  std::size_t rows_;
  std::uint64_t seed_, stream_;
  std::int64_t per_epoch_, epoch_ = -1;
  std::vector<std::vector<TrainingSequence>> steps_;  // of the epoch
};

/// The batches of an epoch, in order. The rows of a step depend on the product batch * accumulate,
/// not on the two factors.
class FinetuneBatches {
 public:
  FinetuneBatches(const std::vector<FinetuneExample>& examples, int batch, int accumulate, int pad,
                  int bos, std::uint64_t seed, BesideRows beside = {});
  /// Batch number step * accumulate + micro, where steps are counted across epochs. The last step
  /// of an epoch may have fewer rows, so some of its batches may have none. A step's rows beside
  /// are as many as batch * accumulate, if there are that many, shared out over those of its
  /// batches that have labelled rows. Rows for the alignment are not scored: router losses leave
  /// them out.
  TrainingBatch batch(std::int64_t number);

 private:
  int batch_, accumulate_, pad_, bos_;
  EpochRows labelled_;
  std::optional<EpochRows> beside_;
  bool aligned_;
};

/// Trains until config.steps steps are done; `extra` may be nullptr (SFT). `watch` is called after
/// each step; the loop ends if it returns false.
template <class T>
void finetune(Trainer<T>& trainer, FinetuneBatches& batches, const TrainConfig& config,
              ExtraLoss<T>* extra, const std::function<bool(int step, const StepReport&)>& watch);

}  // namespace ramoe
