// Chapter 10.2 - the alignment loss on the tape
//
//   L_align = 1/S sum_s 1/M sum_l D( q*_sl, q_sl )         S aligned sequences, M aligned layers
//
//   for each layer l:  q (S,E)          = mean of p_l over the rows of each sequence
//                      D (S), g (S,E)   = divergence of q from q*, and dD/dq
//   backward:          dz_l (N,E)      += g, propagated back through the mean and the softmax
//
// The control on hidden states compares what the routers read, h_l (N,C), in place of p_l:
//
//   L_hidden = 1/S sum_s 1/M sum_l 1/C sum_c ( h[s,c] - h*[s,c] )^2     h (S,C) the sequence means
//   backward:  dh[t,c] += dloss / (S M) 2/C ( h[s,c] - h*[s,c] ) 1/T_s  for the rows t of s
//
// The operations are those of chapter 10.1. This file lays out a batch for them.
// Tests: tests/ch10_alignment/alignment_loss_test.cpp
#pragma once

#include <vector>

#include "ch07_divergence/routing_stats.h"
#include "ch10_alignment/divergences.h"

namespace ramoe {

/// The experts S_l of every layer, ascending.
using ExpertSets = std::vector<std::vector<int>>;

/// Some tokens of a row of the batch whose mean routing is aligned.
struct AlignedSequence {
  int b = 0;                            // row of the batch
  TokenSpan span;                       // tokens of the row that are compared
  const PerLayer* q_star = nullptr;     // (L,E) the English side; for hidden_loss h* (L,C)
  const ExpertSets* support = nullptr;  // for each layer; hidden_loss has none
};

/// The sequences as arrays, placed where the values live.
template <class T>
struct PlacedAlignment {
  int S = 0;                                        // there is room for; 0: there are none
  Count<T> parts{};                                 // M times the sequences that there are
  const Index<T>*rows = nullptr, *begin = nullptr;  // (rows of all sequences), (S+1)
  const Beside<T, double>* q_star = nullptr;        // (M,S,E)
  const Flag<T>* in_support = nullptr;              // (M,S,E)
};
/// Of L MoE layers with E experts, `layers` are the M aligned ones. Only scored tokens count:
/// neither padding nor BOS. On a GPU there is room for a common number of sequences (chapter 5.3),
/// at least B; those that are not there have no rows. Error: no layers; a sequence without a scored
/// token in its span; a support that is empty or names an expert that does not exist.
template <class T>
PlacedAlignment<T> place(Tape<T>& tape, const TokenBatch& batch,
                         const std::vector<AlignedSequence>& sequences,
                         const std::vector<int>& layers, int L, int E);
/// L_align of what was placed; a tensor without data if there are no sequences.
template <class T>
Tensor<T> alignment_loss(Tape<T>& tape, const std::vector<Routing<T>>& routing,
                         const PlacedAlignment<T>& placed, const std::vector<int>& layers,
                         const AlignmentMeasure& measure);
/// Both in one.
template <class T>
Tensor<T> alignment_loss(Tape<T>& tape, const std::vector<Routing<T>>& routing,
                         const TokenBatch& batch, const std::vector<AlignedSequence>& sequences,
                         const std::vector<int>& layers, const AlignmentMeasure& measure);

/// L_hidden of the sequences, on the inputs of the routers; the same errors.
template <class T>
Tensor<T> hidden_loss(Tape<T>& tape, const std::vector<Routing<T>>& routing,
                      const TokenBatch& batch, const std::vector<AlignedSequence>& sequences,
                      const std::vector<int>& layers);

}  // namespace ramoe
