// Chapter 4.2 - dispatch and experts: tokens sorted by expert, none dropped
//
//   plan     the (token, choice) pairs sorted by expert, in token order within an expert
//   experts  y = down( silu(x gate) * (x up) ) for the rows of each expert
//   combine  out[n] = sum_k gate[n,k] y[slot of (n,k)], summed in the order of k
//
// A slot is a place in the sorted order; names give the direction: token_from_slot,
// slot_from_choice. Weights: gate_up (E,C,2H), gate in the first H columns; down (E,H,C).
//
// What makes them fast, in the order of the gain (forward, `ramoe bench --only=ideas`, one thread,
// docs/speed.md): rows sorted by expert, so that an expert's weights meet all its rows in one fast
// product, 70 times token by token; blocks of rows that pass through the whole chain in the cache,
// 1.06 times that by themselves. The blocks also spare memory: of forward nothing but gate and up
// is kept, the rest is computed again in backward (docs/log.md has the gain in a whole step).
// Tests: tests/ch04_moe/experts_test.cpp
#pragma once

#include "ch04_moe/router.h"

namespace ramoe {

/// Who goes where. Rows with real[n] == 0 (padding) visit no expert: their choices have slot -1.
struct DispatchPlan {
  int slots = 0;                    // number of dispatched (token, choice) pairs
  int* offset = nullptr;            // (E+1)  slots of expert e are [offset[e], offset[e+1])
  int* token_from_slot = nullptr;   // (slots)
  int* choice_from_slot = nullptr;  // (slots)  n * K + k
  int* slot_from_choice = nullptr;  // (N,K)
};

/// Fills a plan whose arrays hold E+1 and three times N*K values, by a counting sort.
void plan_dispatch(DispatchPlan& plan, const int* chosen, const unsigned char* real, int N, int E,
                   int K);

/// out (N,C) = or += sum over the chosen of gate * y[slot], in the order of k. gate null: all 1.
template <class T>
void combine(T* out, const T* y, const T* gate, const int* slot_from_choice, int N, int K, int C,
             bool accumulate = false);

struct ExpertDims {
  int N, E, K, C, H;
  Precision precision = Precision::fp32;  // of the products
};

/// y (slots,C): every slot's row of x (N,C) through its expert. gu (slots,2H) is kept for backward.
template <class T>
void experts_forward(T* y, T* gu, const T* x, const T* gate_up, const T* down,
                     const DispatchPlan& plan, const ExpertDims& d);

/// What backward reads of the mixture's inputs; gate (N,K).
template <class T>
struct ExpertsInput {
  const T *x, *gate_up, *down, *gate;
};
/// The gradients of the experts' weights, or null. fresh: what stands there is overwritten.
template <class T>
struct ExpertsGradient {
  T *gate_up, *down;
  bool gate_up_fresh = false, down_fresh = false;
};
/// For out = combine(experts_forward(x), gate), given dout (N,C):
///   dxs (slots,C) = the gradient of each slot's row of x, by itself;  dgate += ;  dw as it says
/// Null gradients are skipped. `partials` holds partial_sums(plan, d) times the 3 C H weights of an
/// expert: the shares of a busy expert's later slots, added in their order, whoever computed them.
template <class T>
void experts_backward(T* dxs, T* dgate, const ExpertsGradient<T>& dw, T* partials,
                      const ExpertsInput<T>& in, const T* gu, const T* dout,
                      const DispatchPlan& plan, const ExpertDims& d);
int partial_sums(const DispatchPlan& plan, const ExpertDims& d);

/// The mixture by its definition, token by token: out[n] = sum_k gate[n,k]
/// expert_{chosen[n,k]}(x[n]).
template <class T>
void experts_forward_plain(T* out, const T* x, const T* gate_up, const T* down, const T* gate,
                           const int* chosen, const unsigned char* real, int N, int K, int C,
                           int H);

/// The mixture on the tape: x (N,C) through the experts of `routing` -> (N,C); 0 for padding.
/// Multiplies in tape.precision().
template <class T>
Tensor<T> experts(Tape<T>& tape, const Tensor<T>& x, const Routing<T>& routing,
                  const Tensor<T>& gate_up, const Tensor<T>& down, const unsigned char* real);

/// s (N,1) gate logits, y (N,C): out = sigmoid(s) * y, the gate of qwen2_moe's shared expert.
template <class T>
Tensor<T> sigmoid_gate(Tape<T>& tape, const Tensor<T>& s, const Tensor<T>& y);

}  // namespace ramoe
