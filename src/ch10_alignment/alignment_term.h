// Chapter 10.5 - the alignment term of stage 3                                     [paper fact 4]
//
//   L = L_SFT(all types) + lambda L_align(ci) + alpha L_balance
//
// L_align is the mean over all aligned examples of a step; with span = tokens, over all aligned
// tokens. It does not depend on how the rows of the step are split into batches (chapter 5.4).
//
// With a pool (an extension, ours and not the paper's) a step has rows for the alignment alone,
// prompts without answers, and its other rows are not aligned (chapter 10.6).
// Tests: tests/ch10_alignment/alignment_term_test.cpp
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ch10_alignment/followed_side.h"

namespace ramoe {

template <class T>
class AlignmentTerm : public ExtraLoss<T> {
 public:
  /// `model` must still hold the base weights: unless english_side = current, its routing of the
  /// sides that are followed is computed here and kept. TrainingBatch::example of a row is the
  /// index of its example in `examples`. Error: an example of a task without task experts, and as
  /// for check_alignment() and followed_sides().
  AlignmentTerm(Model<T>& model, const AlignmentConfig& config, const StageResults& stages,
                const std::vector<FinetuneExample>& examples, int steps, std::uint64_t seed);

  /// The number of aligned examples in the batch; with span = tokens, of their aligned tokens.
  int count(const TrainingBatch& batch) const override;
  /// With signal = hidden a step is never replayed, and with a schedule of lambda no step for
  /// another.
  std::optional<std::vector<double>> place(Tape<T>& tape, const TrainingBatch& batch,
                                           int step) override;
  Tensor<T> add(Tape<T>& tape, const TrainingBatch& batch, const ForwardResult<T>& forward,
                int step) override;

  const std::vector<int>& layers() const { return layers_; }
  /// L_align of the last batch, without the factor lambda; valid until the tape is reset. It has no
  /// data if the batch had no aligned example or lambda was 0.
  const Tensor<T>& last() const { return last_; }

 private:
  /// What the places of one example follow, and the experts that are compared there.
  struct Followed {
    std::vector<PerLayer> q_star;    // by place
    std::vector<ExpertSets> chosen;  // by place; only with support = chosen
  };
  std::vector<Followed> follow(const std::vector<int>& examples) const;
  Routing<T> with_router_alone(Tape<T>& tape, const Routing<T>& routing) const;

  Model<T>& model_;
  AlignmentConfig config_;
  int steps_;
  std::vector<int> layers_;
  std::map<std::string, ExpertSets> support_;  // by task
  const std::vector<FinetuneExample>& examples_;
  std::vector<bool> aligned_;
  std::vector<FollowedSide> sides_;  // by example
  std::vector<Followed> followed_;   // by example; empty if not aligned or not kept
  // Of the batch that was placed:
  double lambda_ = 0;
  std::vector<Followed> current_;
  std::vector<AlignedSequence> sequences_;
  TokenBatch tokens_;
  PlacedAlignment<T> placed_;
  Tensor<T> last_;
};

}  // namespace ramoe
