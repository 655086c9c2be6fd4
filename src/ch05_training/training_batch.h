// Chapter 5.3 - the batches of training, and their padding to common sizes
//
// A GPU replays a recorded step only for a batch of the same sizes (chapter 1.8): B rows of T
// tokens, R of which have targets. Batches of texts hardly ever have them. So a GPU pads a batch to
// common sizes, its bucket:
//
//   T, R   4, 8, 12, 16, and from there four sizes to a doubling: 20, 24, 28, 32, 40, 48, 56, ...
//   B      a power of two up to the rows of a full batch, and from there a multiple of them
//
// What is added enters no result: its tokens visit no expert and are not scored, its targets are
// kIgnore. On a GPU a sum over more rows may be cut in other places, so its bits are those of the
// padded batch, whether its step is replayed or not. The processor pads nothing.
//
// A batch of more than kMostCommonTokens tokens in its bucket stays as it is: such a step computes
// longer than its kernels take to start, and padding would cost more than a recording saves.
// Tests: tests/ch05_training/training_batch_test.cpp
#pragma once

#include <vector>

#include "ch04_moe/model.h"

namespace ramoe {

/// A batch with targets. Row logit_rows[i] of the batch predicts target[i], or nothing if that is
/// kIgnore.
struct TrainingBatch {
  TokenBatch tokens;
  std::vector<int> logit_rows, target;
  std::vector<int> prompt;   // (B) number of leading tokens that are prompt
  std::vector<int> example;  // (B) index of each sequence's example, for extra losses; or -1
  /// How many targets are scored.
  int targets() const;
};

/// A sequence whose first `prompt` tokens are the prompt; all tokens after them are targets
/// (prompt >= 1; 1 trains on everything after BOS).
struct TrainingSequence {
  std::vector<int> tokens;
  int prompt = 1;
  int example = -1;
};
TrainingBatch make_training_batch(const std::vector<TrainingSequence>& sequences, int pad, int bos);

/// Tokens of the largest bucket, B * T.
inline constexpr int kMostCommonTokens = 16384;

/// The smallest common size that is n or more; 0 for 0.
int common_size(int n);

/// The batch in its bucket; `rows` are those of a full batch, `pad` as in make_batch. The batch
/// itself if its bucket would be too large.
TrainingBatch padded_to_common_sizes(const TrainingBatch& batch, int rows, int pad);

}  // namespace ramoe
