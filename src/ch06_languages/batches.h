// Chapter 6.11 - from documents to batches, with little padding
//
// The documents of eight steps are drawn together, sorted by length and cut into eight batches,
// which are then shuffled: the rows of a batch have similar lengths, so there is little padding.
// The rows of step s are a pure function of (seed, s, batch * accumulate). `accumulate` cuts them
// into pieces; if an epoch ends with fewer rows, the last pieces have fewer rows or none.
// Tests: tests/ch06_languages/batches_test.cpp
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ch05_training/trainer.h"
#include "ch06_languages/bpe.h"
#include "ch06_languages/mixture.h"
#include "ch06_languages/prompts.h"

namespace ramoe {

/// Cuts sequences into batches of similar length, max `batch` rows each, in seeded order.
std::vector<std::vector<TrainingSequence>> bucket_by_length(std::vector<TrainingSequence> sequences,
                                                            std::size_t batch, std::uint64_t seed);
/// Piece number `micro` of the rows of a step, cut into pieces of `batch` rows; empty if the step
/// has fewer rows.
TrainingBatch piece_of_step(const std::vector<TrainingSequence>& rows, int batch, int micro,
                            int pad, int bos);

/// Pre-training batches from the mixture. Targets are the tokens of the answer; with
/// `question_targets` also those of the question (every token after BOS).
class MixtureBatches {
 public:
  MixtureBatches(const Mixture& mixture, const Tokenizer& tokenizer, int batch, int accumulate,
                 bool question_targets, std::uint64_t seed);
  /// Batch step * accumulate + micro. The rows of eight steps are drawn together, so the
  /// constructor refuses more than 2^20 rows a step.
  TrainingBatch batch(std::int64_t number);

 private:
  static constexpr int kGroup = 8;
  const Mixture& mixture_;
  const Tokenizer& tokenizer_;
  Prompts prompts_;
  CachedEncoder encoder_;
  int batch_, accumulate_;
  bool question_targets_;
  std::uint64_t seed_;
  std::int64_t group_ = -1;                           // the eight steps in steps_
  std::vector<std::vector<TrainingSequence>> steps_;  // their rows
};

/// Lines to train a tokenizer on: all lexicon lines and the mixture's first `documents` documents.
std::vector<std::string> tokenizer_lines(const Mixture& mixture, int documents);

}  // namespace ramoe
