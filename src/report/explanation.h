// Report - one example seen from inside, number by number: what `ramoe explain` prints
//
// The numbers come from the functions that train and answer, in double: the model's own forward
// pass, attention_forward (chapter 3.3), route (4.1) and alignment_loss (10.2).
// Layers, heads and tokens are those of the model and the sequence: `ramoe explain` checks them.
// Tests: tests/report/explanation_test.cpp
#pragma once

#include <vector>

#include "ch10_alignment/alignment_choices.h"

namespace ramoe {

/// The router of one layer at one token.
struct RouterNumbers {
  std::vector<double> z, p;  // (E) logits, and their softmax over all experts
  std::vector<int> chosen;   // (K) largest p first
  std::vector<double> gate;  // (K) what the outputs of the chosen experts are multiplied by
};
/// Of MoE layer `i`, counted from 0, at token t of the sequence.
RouterNumbers router_numbers(Model<double>& model, const std::vector<int>& tokens, int i, int t);

/// One head of one layer at one token, which attends to tokens 0 to t.
struct AttentionNumbers {
  int kv = 0;                             // the key/value head that this head reads
  std::vector<double> q, out;             // (HS)
  std::vector<std::vector<double>> k, v;  // (t+1,HS)
  std::vector<double> s, p;               // (t+1) scores, and their softmax
};
AttentionNumbers attention_numbers(Model<double>& model, const std::vector<int>& tokens, int layer,
                                   int head, int t);

/// One aligned layer: the divergence of the target sentence's routing from that of the English one.
struct AlignedLayerNumbers {
  int layer = 0;                  // MoE layer, counted from 0
  std::vector<int> support;       // by default the task experts S_l
  std::vector<double> q_star, q;  // (E) mean routing of the English and of the target sentence
  double m_star = 0, m = 0;       // their sums over the support
  double D = 0;                   // divergence of q from q*
  std::vector<double> g;          // (E) dD/dq
  std::vector<double> p, dz;      // (E) at the token: softmax(z), and dL_align/dz
};
/// L_align of one example. dz counts what a layer's own logits do to L_align: the logits of all
/// other layers are held fixed.
struct AlignmentNumbers {
  std::vector<AlignedLayerNumbers> layers;
  int rows = 0;     // T, the tokens that are compared
  double loss = 0;  // L_align, without lambda
  /// Every dz of the aligned layers against (L(z+h) - L(z-h)) / 2h: how many there are, the largest
  /// |dz|, and the largest distance between the two.
  std::size_t checked = 0;
  double largest = 0, distance = 0;
};
/// Error: the example is not aligned with this configuration; token t is not one of those compared.
AlignmentNumbers alignment_numbers(Model<double>& model, const FinetuneExample& example,
                                   const AlignmentConfig& config, const StageResults& stages,
                                   std::uint64_t seed, int t);

}  // namespace ramoe
