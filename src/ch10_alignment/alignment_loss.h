// Chapter 10.2 - the alignment loss on the tape
//
//   L_align = 1/S sum_s 1/M sum_l D( q*_sl, q_sl )         S aligned sequences, M aligned layers
//
//   for each layer l:  q (S,E)          = mean of p_l over the rows of each sequence
//                      D (S), g (S,E)   = divergence of q from q*, and dD/dq
//   backward:          dz_l (N,E)      += g taken through the mean and the softmax
//
// The operations are those of chapter 10.1; here the batch is laid out for them.
// Tests: tests/ch10_alignment/alignment_loss_test.cpp
#pragma once

#include <vector>

#include "ch07_divergence/routing_stats.h"
#include "ch10_alignment/divergences.h"

namespace ramoe {

/// The experts S_l of every layer, ascending.
using ExpertSets = std::vector<std::vector<int>>;

/// One row of the batch to be aligned.
struct AlignedSequence {
  int b = 0;                            // row of the batch
  TokenSpan span;                       // its tokens that are compared
  const PerLayer* q_star = nullptr;     // (L,E) the English side
  const ExpertSets* support = nullptr;  // of its task, for every layer
};

/// L_align for the sequences; a tensor without data if there are none. `layers` are the M aligned
/// ones. Only scored tokens are looked at: neither padding nor BOS. Error: no layer; a sequence
/// without a scored token in its span; an empty support, or one with an expert that is none.
template <class T>
Tensor<T> alignment_loss(Tape<T>& tape, const std::vector<Routing<T>>& routing,
                         const TokenBatch& batch, const std::vector<AlignedSequence>& sequences,
                         const std::vector<int>& layers, const AlignmentMeasure& measure);

}  // namespace ramoe
