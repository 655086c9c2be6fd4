// Chapter 4.1 - the router: which K of E experts each token visits
//
//   in   z (N,E)  router logits                          N tokens, E experts
//   out  p (N,E)  softmax over all E experts, rows sum to 1
//        chosen (N,K)  the K largest p of a row, largest first, ties to the lower expert
//        gate (N,K)    p of the chosen experts; renormalised to sum 1 if the family does so
//
// Logits, probabilities and choices are distinct types, so that a statistic of p cannot be computed
// from z by mistake. Two losses regularise the router; their gradients go to z directly.
// Tests: tests/ch04_moe/router_test.cpp
#pragma once

#include <vector>

#include "ch01_tensor/vector_ops.h"
#include "ch02_autograd/basic_ops.h"

namespace ramoe {

/// Router logits of one layer. The gradients of all routing losses go to z.
template <class T>
struct RouterLogits {
  Tensor<T> z;  // (N,E)
};
/// softmax(z) over all experts, which alignment, divergence and balance read. Has no gradient.
template <class T>
struct RouterProbabilities {
  const T* p;  // (N,E)
};
/// The experts each token visits.
template <class T>
struct ChosenExperts {
  const Index<T>* expert;  // (N,K)
};

/// chosen and gate from p. gate = p, or with `renormalise` p / sum of the chosen p.
template <class T>
void route_forward(Index<T>* chosen, T* gate, const T* p, bool renormalise, int N, int E, int K);
/// dz[n,:] += the gradient of gate = softmax, selection and, with `renormalise`, renormalisation.
template <class T>
void route_backward(T* dz, const T* p, const Index<T>* chosen, const T* gate, const T* dgate,
                    bool renormalise, int N, int E, int K);

/// p = softmax(z), then the choices; a GPU does both in one launch.
template <class T>
void softmax_route_forward(T* p, Index<T>* chosen, T* gate, const T* z, bool renormalise, int N,
                           int E, int K) {
  softmax_forward(p, z, N, E);
  route_forward(chosen, gate, p, renormalise, N, E, K);
}
template <>
void softmax_route_forward(GpuFloat* p, GpuInt* chosen, GpuFloat* gate, const GpuFloat* z,
                           bool renormalise, int N, int E, int K);

/// The balance loss is made of the operations below. For one layer, over its M scored rows:
///   L = E sum_e f[e] P[e]
///   f[e] = (number of scored rows that chose e) / M
///   P[e] = sum_n p[n,e] / M
/// f sums to K, as in Hugging Face's implementation, so L = K at perfect balance
/// (f[e] = K/E, P[e] = 1/E). f counts as a constant, because choices have no derivative.
///
/// In the pooled form, f and P are taken over the rows of all layers at once, as in Hugging Face's
/// load_balancing_loss_func: f is the mean of the layers' f, P the mean of their P. A layer that
/// favours an expert can then be offset by another layer that avoids it.
///
/// choices[e] += number of scored rows that chose e.
template <class T>
void add_choices(Index<T>* choices, const Index<T>* chosen, const Flag<T>* scored, int N, int K);
/// f[e] = choices[e] / rows, 0 if rows is 0. For one batch, or for all batches of a step.
template <class T>
void choice_shares(T* f, const Index<T>* choices, double rows, int E);
/// total[e] += sum of p[n,e] over the scored rows n, in order.
template <class T>
void add_probabilities(Beside<T, double>* total, const T* p, const Flag<T>* scored, int N, int E);
/// loss = E sum_e f[e] total[e] / rows. total is summed over the scored rows of `layers` layers:
/// rows = layers M.
template <class T>
void balance_forward(T* loss, const T* f, const Beside<T, double>* total, Count<T> scored_rows,
                     int layers, int E);
/// The routing of a layer, as the balance loss reads it: p (N,E), chosen (N,K).
template <class T>
struct RoutedLayer {
  const T* p;
  const Index<T>* chosen;
  int K;
};
/// What the balance loss sums up of L layers: total and, if f is not null, choices, f and the loss.
/// A GPU does it in one launch.
template <class T>
void sum_routing(T* loss, T* f, Beside<T, double>* total, Index<T>* choices,
                 const RoutedLayer<T>* layers, int L, const Flag<T>* scored, Count<T> scored_rows,
                 int N, int E) {
  clear(total, std::size_t(E));
  for (int l = 0; l < L; ++l) add_probabilities(total, layers[l].p, scored, N, E);
  if (!f) return;
  clear(choices, std::size_t(E));
  for (int l = 0; l < L; ++l) add_choices<T>(choices, layers[l].chosen, scored, N, layers[l].K);
  choice_shares(f, choices, double(L) * scored_rows, E);
  balance_forward(loss, f, total, scored_rows, L, E);
}
template <>
void sum_routing(GpuFloat* loss, GpuFloat* f, Gpu<double>* total, GpuInt* choices,
                 const RoutedLayer<GpuFloat>* layers, int L, const GpuByte* scored,
                 const GpuInt* scored_rows, int N, int E);
/// dp[n,e] = dloss E f[e] / M / layers, then through the softmax into dz. M = scored_rows.
/// accumulate: false overwrites dz, with 0 in the other rows.
template <class T>
void balance_backward(T* dz, const T* p, const T* f, const Flag<T>* scored, const T* dloss,
                      Count<T> scored_rows, int layers, int N, int E, bool accumulate = true);

/// The gradient of one of these layers.
template <class T>
struct BalanceGradient {
  T* dz;
  const T* p;
  bool accumulate;
};
/// The backward of `count` of the layers; a GPU does it in one launch.
template <class T>
void balances_backward(const BalanceGradient<T>* all, int count, const T* f, const Flag<T>* scored,
                       const T* dloss, Count<T> scored_rows, int layers, int N, int E) {
  for (const auto* b = all; b != all + count; ++b)
    balance_backward<T>(b->dz, b->p, f, scored, dloss, scored_rows, layers, N, E, b->accumulate);
}
template <>
void balances_backward(const BalanceGradient<GpuFloat>* all, int count, const GpuFloat* f,
                       const GpuByte* scored, const GpuFloat* dloss, const GpuInt* scored_rows,
                       int layers, int N, int E);

/// z-loss (Zoph et al., arXiv 2202.08906): the mean over the scored rows of lse[n]^2, with
/// lse[n] = log sum_e exp(z[n,e]). lse (N) is kept for backward.
template <class T>
void z_loss_forward(T* loss, T* lse, const T* z, const Flag<T>* scored, Count<T> scored_rows, int N,
                    int E);
/// dz[n,e] += dloss 2 lse[n] p[n,e] / M; or =, as in balance_backward.
template <class T>
void z_loss_backward(T* dz, const T* lse, const T* p, const Flag<T>* scored, const T* dloss,
                     Count<T> scored_rows, int N, int E, bool accumulate = true);

/// The routing of one layer in one forward pass.
template <class T>
struct Routing {
  int layer = -1, N = 0, E = 0, K = 0;
  Tensor<T> input;  // (N,C) the router's input
  RouterLogits<T> logits;
  RouterProbabilities<T> probabilities{};
  ChosenExperts<T> chosen{};
  Tensor<T> gate;  // (N,K)
};

/// Changes router logits before the softmax, for inference only: it steers a model without training
/// it (chapter 11).
template <class T>
class RouterHook {
 public:
  virtual ~RouterHook() = default;
  /// z (N,E) of MoE layer `i`, counted from 0.
  virtual void change(T* z, int i, int N, int E) const = 0;
};

/// The router of a layer on the tape, from the logits of x: probabilities, choices, gates. `hook`
/// may change the logits of MoE layer `i` before the softmax. Error: a hook on a tape that records.
template <class T>
Routing<T> route(Tape<T>& tape, const Tensor<T>& x, const RouterLogits<T>& logits, int K,
                 bool renormalise, const RouterHook<T>* hook = nullptr, int i = 0);
/// The same for z = x w, in fp32.
template <class T>
Routing<T> route(Tape<T>& tape, const Tensor<T>& x, const Tensor<T>& w, int K, bool renormalise) {
  return route(tape, x, RouterLogits<T>{linear_fp32(tape, x, w)}, K, renormalise);
}

/// The losses on the tape, scalars. scored (N) is 1 for the tokens that enter statistics (neither
/// padding nor BOS), and scored_rows is their number. Without such tokens the losses are 0.
/// `step_f` (E) is the f of all batches of a step; nullptr: f of this batch alone. With step_f, the
/// mean of the batches' losses, weighted by their scored rows, is the loss of the whole step, and
/// the same holds for the gradients, because L is linear in P once f is fixed.
template <class T>
Tensor<T> balance_loss(Tape<T>& tape, const Routing<T>& routing, const Flag<T>* scored,
                       Count<T> scored_rows, const T* step_f = nullptr);
template <class T>
Tensor<T> pooled_balance_loss(Tape<T>& tape, const std::vector<Routing<T>>& layers,
                              const Flag<T>* scored, Count<T> scored_rows,
                              const T* step_f = nullptr);
template <class T>
Tensor<T> z_loss(Tape<T>& tape, const Routing<T>& routing, const Flag<T>* scored,
                 Count<T> scored_rows);

}  // namespace ramoe
