// Chapter 4.2 - dispatch and experts: tokens sorted by expert, none dropped
//
//   plan     the (token, choice) pairs sorted by expert, in token order within an expert
//   experts  y = down( silu(x gate) * (x up) ) for the rows of each expert
//   combine  out[n] = sum_k gate[n,k] y[slot of (n,k)], summed in the order of k
//
// A slot is a position in the sorted order. Names such as token_from_slot and slot_from_choice say
// which index is looked up from which. Weights: gate_up (E,C,2H), gate in the first H columns;
// down (E,H,C).
//
// What makes them fast, largest gain first (forward, `ramoe bench --only=ideas`, one thread,
// docs/speed.md):
//   rows sorted by expert: one fast product per expert       70 times token by token
//   blocks of rows that stay in the cache for the chain      1.06 times that
// The blocks also save memory: forward keeps only gate and up, and backward computes the rest again
// (docs/log.md has the gain in a whole step).
// Tests: tests/ch04_moe/experts_test.cpp
#pragma once

#include "ch03_transformer/layer_ops.h"
#include "ch04_moe/router.h"

namespace ramoe {

/// Which token visits which expert. Rows with is_token[n] == 0 (padding) visit none: their choices
/// have slot -1. The arrays have room for all N*K slots; offset[E] of them are used.
template <class T>
struct DispatchPlan {
  Index<T>* offset = nullptr;            // (E+1)  slots of expert e are [offset[e], offset[e+1])
  Index<T>* token_from_slot = nullptr;   // (N*K)
  Index<T>* choice_from_slot = nullptr;  // (N*K)  n * K + k
  Index<T>* slot_from_choice = nullptr;  // (N,K)
};

/// Fills the arrays of a plan with a counting sort.
template <class T>
void plan_dispatch(const DispatchPlan<T>& plan, const Index<T>* chosen, const Flag<T>* is_token,
                   int N, int E, int K);

/// out (N,C) = or += sum_k gate[n,k] y[slot of (n,k)], in the order of k. gate null: all 1.
template <class T>
void combine(T* out, const T* y, const T* gate, const Index<T>* slot_from_choice, int N, int K,
             int C, bool accumulate = false);

/// out = x + the sum above, for x (N,C) in other memory; a GPU adds them in one launch.
template <class T>
void combine_plus(T* out, const T* x, const T* y, const T* gate, const Index<T>* slot_from_choice,
                  int N, int K, int C) {
  combine(out, y, gate, slot_from_choice, N, K, C);
  add_forward(out, x, out, std::size_t(N) * std::size_t(C));
}
template <>
void combine_plus(GpuFloat* out, const GpuFloat* x, const GpuFloat* y, const GpuFloat* gate,
                  const GpuInt* slot_from_choice, int N, int K, int C);

struct ExpertDims {
  int N, E, K, C, H;
  Precision precision = Precision::fp32;  // of the products
};

/// y (N*K,C): the output of each slot's expert for its row of x (N,C). gu (N*K,2H): gate and up,
/// kept for backward.
template <class T>
void experts_forward(T* y, T* gu, const T* x, const T* gate_up, const T* down,
                     const DispatchPlan<T>& plan, const ExpertDims& d);

/// The inputs of the mixture that backward reads; gate (N,K).
template <class T>
struct ExpertsInput {
  const T *x, *gate_up, *down, *gate;
};
/// The gradients of the experts' weights, or null. fresh: old values are overwritten; dgate_fresh
/// says so of the gates' gradient.
template <class T>
struct ExpertsGradient {
  T *gate_up, *down;
  bool gate_up_fresh = false, down_fresh = false, dgate_fresh = false;
};
/// For out = combine(experts_forward(x), gate), given dout (N,C):
///   dxs (N*K,C) = the gradient of each slot's row of x, not yet summed over the K slots
///   dgate and dw = or += ... as their flags say; padding has dgate 0
/// Null gradients are skipped. `scratch` holds experts_scratch<T>(d) values.
template <class T>
void experts_backward(T* dxs, T* dgate, const ExpertsGradient<T>& dw, T* scratch,
                      const ExpertsInput<T>& in, const T* gu, const T* dout,
                      const DispatchPlan<T>& plan, const ExpertDims& d);
/// The number of scratch values that experts_backward needs; enough for any routing.
template <class T>
std::size_t experts_scratch(const ExpertDims& d);

/// out[n,:] = sigmoid(s[n]) y[n,:], for s (N), y (N,C).
template <class T>
void sigmoid_gate_forward(T* out, const T* s, const T* y, int N, int C);
/// dy += g dout,  ds += g (1 - g) dout . y,  g = sigmoid(s)
template <class T>
void sigmoid_gate_backward(T* ds, T* dy, const T* s, const T* y, const T* dout, int N, int C);

/// The shared expert of qwen2_moe, which every token visits: sigmoid(s) swiglu(gu) down, for
/// gu (N,2H), s (N), down (H,C). `kept`: shared_values() that forward leaves to backward.
template <class T>
struct SharedInput {
  const T *gu, *s, *down;
  T* kept;
  int H;
};
/// Its gradients or null; those of gu and s are overwritten, and that of down if it is fresh.
/// `scratch` holds shared_values().
template <class T>
struct SharedGradient {
  T *gu, *s, *down;
  bool down_fresh;
  T* scratch;
};
/// Values for act (N,H) and the output before its gate (N,C). A GPU scales act by the gate instead,
/// which is narrower, and needs no output.
template <class T>
std::size_t shared_values(int N, int C, int H) {
  return std::size_t(N) * std::size_t(Lives<T>::on_gpu ? H : H + C);
}

/// out = plus + experts + shared expert, for plus (N,C). y (N*K,C): memory whose values are lost;
/// gu as in experts_forward. A GPU computes both activations in one launch.
template <class T>
void experts_shared_forward(T* out, T* y, T* gu, const T* plus, const ExpertsInput<T>& in,
                            const SharedInput<T>& shared, const DispatchPlan<T>& plan,
                            const ExpertDims& d) {
  const int N = d.N, C = d.C, H = shared.H;
  const std::size_t count = std::size_t(N) * std::size_t(C);
  T *act = shared.kept, *y_shared = act + std::size_t(N) * std::size_t(H), *gated = y;
  experts_forward(y, gu, in.x, in.gate_up, in.down, plan, d);
  combine<T>(out, y, in.gate, plan.slot_from_choice, N, d.K, C);
  swiglu_forward(act, shared.gu, N, H);
  gemm(Gemm<T>{GemmForm::NN, N, C, H, act, H, shared.down, C, y_shared, C, false, d.precision});
  sigmoid_gate_forward(gated, shared.s, y_shared, N, C);
  add_forward(out, out, gated, count);
  add_forward(out, plus, out, count);
}
template <>
void experts_shared_forward(GpuFloat* out, GpuFloat* y, GpuFloat* gu, const GpuFloat* plus,
                            const ExpertsInput<GpuFloat>& in, const SharedInput<GpuFloat>& shared,
                            const DispatchPlan<GpuFloat>& plan, const ExpertDims& d);
/// experts_backward, and from the same dout the gradients of the shared expert.
template <class T>
void experts_shared_backward(T* dxs, T* dgate, const ExpertsGradient<T>& dw,
                             const SharedGradient<T>& dshared, T* scratch,
                             const ExpertsInput<T>& in, const SharedInput<T>& shared, const T* gu,
                             const T* dout, const DispatchPlan<T>& plan, const ExpertDims& d) {
  const int N = d.N, C = d.C, H = shared.H;
  const std::size_t count_act = std::size_t(N) * std::size_t(H);
  const T *act = shared.kept, *y_shared = act + count_act;
  T *dact = dshared.scratch, *dy = dact + count_act;
  // out = plus + experts + sigmoid(s) y
  clear(dy, std::size_t(N) * std::size_t(C));
  if (dshared.s) clear(dshared.s, std::size_t(N));
  sigmoid_gate_backward(dshared.s, dy, shared.s, y_shared, dout, N, C);
  // y = act down:  ddown += act^T dy,  dact = dy down^T
  const Precision p = d.precision;
  if (dshared.down)
    gemm(Gemm<T>{GemmForm::TN, H, C, N, act, H, dy, C, dshared.down, C, !dshared.down_fresh, p});
  if (dshared.gu) {
    gemm(Gemm<T>{GemmForm::NT, N, H, C, dy, C, shared.down, C, dact, H, false, p});
    swiglu_backward(dshared.gu, shared.gu, dact, N, H, false);
  }
  experts_backward(dxs, dgate, dw, scratch, in, gu, dout, plan, d);
}
template <>
void experts_shared_backward(GpuFloat* dxs, GpuFloat* dgate, const ExpertsGradient<GpuFloat>& dw,
                             const SharedGradient<GpuFloat>& dshared, GpuFloat* scratch,
                             const ExpertsInput<GpuFloat>& in, const SharedInput<GpuFloat>& shared,
                             const GpuFloat* gu, const GpuFloat* dout,
                             const DispatchPlan<GpuFloat>& plan, const ExpertDims& d);

/// The shared expert on the tape: its weights gate_up (C,2H), gate (C,1), down (H,C), and what
/// router_logits() makes of them, gu (N,2H) = x gate_up and s (N,1) = x gate.
template <class T>
struct SharedExpert {
  Tensor<T> gate_up, gate, down;
  Tensor<T> gu{}, s{};
  std::array<Linear<T>, 2> of_x() const { return {Linear<T>{gate_up}, Linear<T>{gate, {}, true}}; }
};
/// z = x w, in fp32. If there is a shared expert, its products of x are in the same list.
template <class T>
RouterLogits<T> router_logits(Tape<T>& tape, const Tensor<T>& x, const Tensor<T>& w,
                              SharedExpert<T>& shared);

/// The mixture on the tape: x (N,C) through the experts of `routing` -> (N,C); 0 for padding.
/// If `plus` (N,C) has data, it is added, and then so is the shared expert if there is one. The
/// products run in tape.precision(). The sum is in the memory of `over` (N,C) if that has data,
/// which are lost.
template <class T>
Tensor<T> experts(Tape<T>& tape, const Tensor<T>& x, const Routing<T>& routing,
                  const Tensor<T>& gate_up, const Tensor<T>& down, const Flag<T>* is_token,
                  const Tensor<T>& plus = {}, const SharedExpert<T>& shared = {},
                  const Tensor<T>& over = {});

/// s (N,1) gate logits, y (N,C): out = sigmoid(s) * y, the gate of qwen2_moe's shared expert.
template <class T>
Tensor<T> sigmoid_gate(Tape<T>& tape, const Tensor<T>& s, const Tensor<T>& y);

}  // namespace ramoe
