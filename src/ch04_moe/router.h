// Chapter 4.1 - the router: which K of E experts each token visits
//
//   in   z (N,E)  router logits                          N tokens, E experts
//   out  p (N,E)  softmax over all E experts, rows sum to 1
//        chosen (N,K)  the K largest p of a row, largest first, ties to the lower expert
//        gate (N,K)    p of the chosen experts; renormalised to sum 1 if the family says so
//
// Logits, probabilities and choices are distinct types: a statistic over p can not be computed over
// z by mistake. Two losses keep the router healthy; their gradients go to z directly.
// Tests: tests/ch04_moe/router_test.cpp
#pragma once

#include <vector>

#include "ch02_autograd/tape.h"

namespace ramoe {

/// Router logits of one layer; the gradient of every routing loss ends here.
template <class T>
struct RouterLogits {
  Tensor<T> z;  // (N,E)
};
/// softmax(z) over all experts: what alignment, divergence and balance look at. Values only.
template <class T>
struct RouterProbabilities {
  const T* p;  // (N,E)
};
/// The experts each token visits.
template <class T>
struct ChosenExperts {
  const Index<T>* expert;  // (N,K)
};

/// chosen and gate from p. gate = p, or p / sum of the chosen p if renormalise.
template <class T>
void route_forward(int* chosen, T* gate, const T* p, bool renormalise, int N, int E, int K);
/// The definition: K times the largest that is left.
template <class T>
void route_forward_plain(int* chosen, T* gate, const T* p, bool renormalise, int N, int E, int K);
/// dz[n,:] += d/dz of gate, for gate = softmax then selection, then renormalisation if any.
template <class T>
void route_backward(T* dz, const T* p, const int* chosen, const T* gate, const T* dgate,
                    bool renormalise, int N, int E, int K);

/// Balance loss of one layer over the rows with counts[n] != 0 (M of them):
///   L = E * sum_e f[e] P[e],   f[e] = share of (token, choice) pairs on e times K,  P[e] = mean
///   p[n,e]
/// f sums to K, as in Hugging Face's implementation, so L = K at perfect balance (f = K/E, P =
/// 1/E). f (E) is kept for backward, where it counts as constant (choices have no derivative).
template <class T>
double balance_forward(T* f, const T* p, const int* chosen, const unsigned char* counts, int N,
                       int E, int K);
/// dp[n,e] = scale E f[e] / M, taken through the softmax to dz.
template <class T>
void balance_backward(T* dz, const T* p, const T* f, const unsigned char* counts, T scale, int N,
                      int E);

/// The same with f and P taken over the rows of all L layers at once, as Hugging Face's
/// load_balancing_loss_func does: f = mean of the layers' f, P = mean of their P. One layer that
/// favours an expert may so be offset by another that avoids it. p and chosen are (L) pointers.
template <class T>
double pooled_balance_forward(T* f, const T* const* p, const int* const* chosen,
                              const unsigned char* counts, int L, int N, int E, int K);

/// choices[e] += how many rows that count chose e. Added up over the batches of a step and divided
/// by their rows (pooled: times L) it is f of the whole step.
void add_choices(double* choices, const int* chosen, const unsigned char* counts, int N, int K);

/// z-loss (Zoph et al., arXiv 2202.08906) over the rows that count: mean of logsumexp_e(z[n,e])^2.
/// lse (N) is kept for backward.
template <class T>
double z_loss_forward(T* lse, const T* z, const unsigned char* counts, int N, int E);
/// dz[n,e] += scale 2 lse[n] p[n,e] / M
template <class T>
void z_loss_backward(T* dz, const T* lse, const T* p, const unsigned char* counts, T scale, int N,
                     int E);

/// Everything a layer's router decided in one forward pass.
template <class T>
struct Routing {
  int layer = -1, N = 0, E = 0, K = 0;
  Tensor<T> input;  // (N,C) what the router read
  RouterLogits<T> logits;
  RouterProbabilities<T> probabilities{};
  ChosenExperts<T> chosen{};
  Tensor<T> gate;  // (N,K)
};

/// Changes router logits before the softmax, for inference alone: how a model is steered without
/// training it (chapter 11).
template <class T>
class RouterHook {
 public:
  virtual ~RouterHook() = default;
  /// z (N,E) of MoE layer `i`, counted from 0.
  virtual void change(T* z, int i, int N, int E) const = 0;
};

/// The router of a layer on the tape, in fp32: z = x w, probabilities, choices, gates. `hook` sees
/// the logits of MoE layer `i` first. Error: a hook on a tape that records.
template <class T>
Routing<T> route(Tape<T>& tape, const Tensor<T>& x, const Tensor<T>& w, int K, bool renormalise,
                 const RouterHook<T>* hook = nullptr, int i = 0);

/// The losses on the tape, scalars. counts (N) is 1 for tokens that enter statistics: neither
/// padding nor BOS. All are 0 without such tokens.
/// `step_f` (E) is f where this batch is one of several in a step: f of all of them, nullptr for f
/// of this batch alone. Then the mean of the batches' losses, weighted by their rows that count, is
/// the loss of the step, and so for the gradients: L is linear in P once f is that of the step.
template <class T>
Tensor<T> balance_loss(Tape<T>& tape, const Routing<T>& routing, const unsigned char* counts,
                       const T* step_f = nullptr);
template <class T>
Tensor<T> pooled_balance_loss(Tape<T>& tape, const std::vector<Routing<T>>& layers,
                              const unsigned char* counts, const T* step_f = nullptr);
template <class T>
Tensor<T> z_loss(Tape<T>& tape, const Routing<T>& routing, const unsigned char* counts);

}  // namespace ramoe
