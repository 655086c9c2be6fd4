// Chapter 10.2 - the alignment loss on the tape: forward and backward by hand
//
//   L_align = 1/|B_ci| sum_{i in B_ci} 1/|M| sum_{l in M} D_l(q*_il, q_il)
//
// Forward computes D and g = dD/dq for each example and layer; backward turns g into dz through the
// softmax. Nothing of this is left to automatic differentiation.
// Tests: tests/ch10_alignment/alignment_loss_test.cpp
#pragma once

#include <vector>

#include "ch07_divergence/routing_stats.h"
#include "ch10_alignment/divergences.h"

namespace ramoe {

/// dz[t,j] += scale/T p[t,j] (g[j] - sum_k p[t,k] g[k]) over the rows listed (T of them).
template <class T>
void alignment_backward(T* dz, const T* p, const T* g, const int* rows, int count, T scale, int E);

/// One row of the batch to be aligned.
struct AlignedSequence {
  int b = 0;                                               // row of the batch
  TokenSpan span;                                          // its tokens that are compared
  const PerLayer* q_star = nullptr;                        // (L,E) the English side
  const std::vector<std::vector<int>>* support = nullptr;  // S_l of its task, for every layer
};

/// L_align for the sequences; a tensor without data if there are none. `layers` is M; of the batch
/// only tokens that count are looked at (neither padding nor BOS).
/// Error: a sequence without any counted token in its span.
template <class T>
Tensor<T> alignment_loss(Tape<T>& tape, const std::vector<Routing<T>>& routing,
                         const TokenBatch& batch, const std::vector<AlignedSequence>& sequences,
                         const std::vector<int>& layers, const AlignmentMeasure& measure);

}  // namespace ramoe
