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
void route_forward(Index<T>* chosen, T* gate, const T* p, bool renormalise, int N, int E, int K);
/// dz[n,:] += d/dz of gate, for gate = softmax then selection, then renormalisation if any.
template <class T>
void route_backward(T* dz, const T* p, const Index<T>* chosen, const T* gate, const T* dgate,
                    bool renormalise, int N, int E, int K);

/// The balance loss is made of four operations. For one layer, over the M scored rows:
///   L = E * sum_e f[e] P[e],   f[e] = share of (token, choice) pairs on e times K,  P[e] = mean
///   p[n,e]
/// f sums to K, as in Hugging Face's implementation, so L = K at perfect balance (f = K/E, P =
/// 1/E). f counts as constant (choices have no derivative).
///
/// Pooled, f and P are taken over the rows of all L layers at once, as Hugging Face's
/// load_balancing_loss_func does: f = mean of the layers' f, P = mean of their P. One layer that
/// favours an expert may so be offset by another that avoids it.
///
/// choices[e] += how many scored rows chose e.
template <class T>
void add_choices(Index<T>* choices, const Index<T>* chosen, const Flag<T>* scored, int N, int K);
/// f[e] = choices[e] / rows, 0 if there are none: of a batch, or of the batches of a step.
template <class T>
void choice_shares(T* f, const Index<T>* choices, double rows, int E);
/// total[e] += sum of p[n,e] over the scored rows, in the order of the rows.
template <class T>
void add_probabilities(Beside<T, double>* total, const T* p, const Flag<T>* scored, int N, int E);
/// loss = E sum_e f[e] total[e] / rows / layers: the share of one of `layers` layers, whose rows
/// all of total is over.
template <class T>
void balance_forward(T* loss, const T* f, const Beside<T, double>* total, double rows, int layers,
                     int E);
/// dp[n,e] = dloss E f[e] / M / layers, taken through the softmax to dz.
template <class T>
void balance_backward(T* dz, const T* p, const T* f, const Flag<T>* scored, const T* dloss,
                      int scored_rows, int layers, int N, int E);

/// z-loss (Zoph et al., arXiv 2202.08906), mean over the scored rows of logsumexp_e(z[n,e])^2.
/// lse (N) is kept for backward.
template <class T>
void z_loss_forward(T* loss, T* lse, const T* z, const Flag<T>* scored, int scored_rows, int N,
                    int E);
/// dz[n,e] += dloss 2 lse[n] p[n,e] / M
template <class T>
void z_loss_backward(T* dz, const T* lse, const T* p, const Flag<T>* scored, const T* dloss,
                     int scored_rows, int N, int E);

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

/// The losses on the tape, scalars. scored (N) is 1 for tokens that enter statistics, neither
/// padding nor BOS, and scored_rows is their number. Without such tokens the losses are 0.
/// `step_f` (E) is f where this batch is one of several in a step: f of all of them, nullptr for f
/// of this batch alone. Then the mean of the batches' losses, weighted by their scored rows, is
/// the loss of the step, and so for the gradients: L is linear in P once f is that of the step.
template <class T>
Tensor<T> balance_loss(Tape<T>& tape, const Routing<T>& routing, const Flag<T>* scored,
                       int scored_rows, const T* step_f = nullptr);
template <class T>
Tensor<T> pooled_balance_loss(Tape<T>& tape, const std::vector<Routing<T>>& layers,
                              const Flag<T>* scored, int scored_rows, const T* step_f = nullptr);
template <class T>
Tensor<T> z_loss(Tape<T>& tape, const Routing<T>& routing, const Flag<T>* scored, int scored_rows);

}  // namespace ramoe
