#include "ch04_moe/router.h"

#include <algorithm>
#include <cmath>
#include <vector>

namespace ramoe {

template <>
void route_forward(int* chosen, double* gate, const double* p, bool renormalise, int N, int E,
                   int K) {
  for (int n = 0; n < N; ++n) {
    const double* p_n = row(p, n, E);
    int* chosen_n = row(chosen, n, K);
    double *gate_n = row(gate, n, K), total = 0;
    for (int k = 0; k < K; ++k) {  // the largest p of those not chosen yet
      int best = -1;
      for (int e = 0; e < E; ++e)
        if ((best < 0 || p_n[e] > p_n[best]) &&
            std::find(chosen_n, chosen_n + k, e) == chosen_n + k)
          best = e;
      chosen_n[k] = best;
      total += gate_n[k] = p_n[best];
    }
    if (renormalise)
      for (int k = 0; k < K; ++k) gate_n[k] /= total;
  }
}

template <>
void route_backward(double* dz, const double* p, const int* chosen, const double* gate,
                    const double* dgate, bool renormalise, int N, int E, int K) {
  // gate[k] = p[chosen[k]]. Renormalised, it is the softmax over the chosen z alone.
  std::vector<double> p_chosen(static_cast<std::size_t>(E)), dp(static_cast<std::size_t>(E));
  for (int n = 0; n < N; ++n) {
    const double* p_n = row(p, n, E);
    if (renormalise) {
      std::fill(p_chosen.begin(), p_chosen.end(), 0.0);
      for (int k = 0; k < K; ++k) p_chosen[std::size_t(row(chosen, n, K)[k])] = row(gate, n, K)[k];
      p_n = p_chosen.data();
    }
    std::fill(dp.begin(), dp.end(), 0.0);
    for (int k = 0; k < K; ++k) dp[std::size_t(row(chosen, n, K)[k])] = row(dgate, n, K)[k];
    softmax_gradient_row(row(dz, n, E), p_n, dp.data(), E);
  }
}

template <>
void add_choices<double>(int* choices, const int* chosen, const unsigned char* scored, int N,
                         int K) {
  for (int n = 0; n < N; ++n)
    for (int k = 0; scored[n] && k < K; ++k) choices[row(chosen, n, K)[k]] += 1;
}

template <>
void choice_shares(double* f, const int* choices, double rows, int E) {
  for (int e = 0; e < E; ++e) f[e] = rows > 0 ? choices[e] / rows : 0;
}

template <>
void add_probabilities(double* total, const double* p, const unsigned char* scored, int N, int E) {
  for (int n = 0; n < N; ++n)
    for (int e = 0; scored[n] && e < E; ++e) total[e] += row(p, n, E)[e];
}

template <>
void balance_forward(double* loss, const double* f, const double* total, int scored_rows,
                     int layers, int E) {
  const double rows = double(layers) * scored_rows;
  *loss = 0;
  for (int e = 0; rows > 0 && e < E; ++e) *loss += E * f[e] * total[e] / rows;
}

template <>
void balance_backward(double* dz, const double* p, const double* f, const unsigned char* scored,
                      const double* dloss, int scored_rows, int layers, int N, int E,
                      bool accumulate) {
  if (!accumulate) clear(dz, std::size_t(N) * std::size_t(E));
  // loss = E sum_e f[e] P[e] / layers,  P[e] = mean over the scored rows of p[n,e]
  for (int n = 0; n < N; ++n)
    if (scored[n])
      softmax_gradient_row(row(dz, n, E), row(p, n, E), f, E, *dloss * E / scored_rows / layers);
}

template <>
void z_loss_forward(double* loss, double* lse, const double* z, const unsigned char* scored,
                    int scored_rows, int N, int E) {
  *loss = 0;
  for (int n = 0; n < N; ++n) {
    const double* z_n = row(z, n, E);
    const double top = *std::max_element(z_n, z_n + E);
    double total = 0;
    for (int e = 0; e < E; ++e) total += std::exp(z_n[e] - top);
    lse[n] = top + std::log(total);
    if (scored[n]) *loss += lse[n] * lse[n] / scored_rows;
  }
}

template <>
void z_loss_backward(double* dz, const double* lse, const double* p, const unsigned char* scored,
                     const double* dloss, int scored_rows, int N, int E, bool accumulate) {
  if (!accumulate) clear(dz, std::size_t(N) * std::size_t(E));
  // loss = mean of lse^2,  d lse / dz = softmax(z) = p
  for (int n = 0; n < N; ++n)
    for (int e = 0; scored[n] && e < E; ++e)
      row(dz, n, E)[e] += *dloss * 2 * lse[n] / scored_rows * row(p, n, E)[e];
}

// ---- On the tape --------------------------------------------------------------------------------

template <class T>
Routing<T> route(Tape<T>& tape, const Tensor<T>& x, const RouterLogits<T>& logits, int K,
                 bool renormalise, const RouterHook<T>* hook, int i) {
  Routing<T> r;
  r.N = x.rows();
  r.E = logits.z.columns();
  r.K = K;
  check(K >= 1 && K <= r.E, "the router cannot choose ", K, " of ", r.E,
        " experts; num_experts_per_tok must be from 1 to num_experts.");
  r.input = x;
  r.logits = logits;
  check(!hook || !tape.recording(), "router logits are changed by a hook in inference alone.");
  if (hook) hook->change(r.logits.z.data, i, r.N, r.E);
  const std::size_t N = std::size_t(r.N);
  T* p = tape.template keep<T>(N * std::size_t(r.E));
  Index<T>* chosen = tape.template keep<Index<T>>(N * std::size_t(K));
  r.probabilities.p = p;
  r.chosen.expert = chosen;
  r.gate = tape.output({r.N, K}, r.logits.z);
  softmax_route_forward(p, chosen, r.gate.data, r.logits.z.data, renormalise, r.N, r.E, K);
  const Tensor<T> z = r.logits.z, gate = r.gate;
  tape.record(gate, [&tape = tape, z, gate, p, chosen, renormalise, K] {
    route_backward(tape.grad(z), p, chosen, gate.data, tape.grad(gate), renormalise, z.rows(),
                   z.columns(), K);
  });
  return r;
}

namespace {

/// The balance loss of L layers together.
template <class T>
Tensor<T> balance_over(Tape<T>& tape, const Routing<T>* layers, int L, const Flag<T>* scored,
                       Count<T> scored_rows, const T* step_f) {
  const int N = layers[0].N, E = layers[0].E;
  T* f = tape.template keep<T>(std::size_t(E));
  auto* total = tape.template keep<Beside<T, double>>(std::size_t(E));
  auto* choices = tape.template keep<Index<T>>(std::size_t(E));
  const std::size_t count = std::size_t(L);
  auto* const routed = tape.template keep_host<RoutedLayer<T>>(count);
  auto* const logits = tape.template keep_host<Tensor<T>>(count);
  auto* const gradients = tape.template keep_host<BalanceGradient<T>>(count);
  Tensor<T> any_gradient;
  for (int l = 0; l < L; ++l) {
    routed[l] = {layers[l].probabilities.p, layers[l].chosen.expert, layers[l].K};
    logits[l] = layers[l].logits.z;
    if (logits[l].node >= 0) any_gradient = logits[l];
  }
  const Tensor<T> loss = tape.output(Shape{}, any_gradient);
  sum_routing<T>(loss.data, step_f ? nullptr : f, total, choices, routed, L, scored, scored_rows, N,
                 E);
  if (step_f) {
    copy_values(f, step_f, std::size_t(E));
    balance_forward(loss.data, f, total, scored_rows, L, E);
  }
  tape.record(
      loss, [&tape = tape, loss, routed, logits, gradients, f, scored, scored_rows, L, N, E] {
        int wanted = 0;
        for (int l = 0; l < L; ++l) {
          bool fresh;
          if (T* dz = tape.grad(logits[l], fresh)) gradients[wanted++] = {dz, routed[l].p, !fresh};
        }
        balances_backward<T>(gradients, wanted, f, scored, tape.grad(loss), scored_rows, L, N, E);
      });
  return loss;
}

}  // namespace

template <class T>
Tensor<T> balance_loss(Tape<T>& tape, const Routing<T>& r, const Flag<T>* scored,
                       Count<T> scored_rows, const T* step_f) {
  return balance_over(tape, &r, 1, scored, scored_rows, step_f);
}

template <class T>
Tensor<T> pooled_balance_loss(Tape<T>& tape, const std::vector<Routing<T>>& layers,
                              const Flag<T>* scored, Count<T> scored_rows, const T* step_f) {
  check(!layers.empty(), "the balance loss needs the routing of at least one layer.");
  return balance_over(tape, layers.data(), static_cast<int>(layers.size()), scored, scored_rows,
                      step_f);
}

template <class T>
Tensor<T> z_loss(Tape<T>& tape, const Routing<T>& r, const Flag<T>* scored, Count<T> scored_rows) {
  const Tensor<T> z = r.logits.z, loss = tape.output(Shape{}, z);
  T* lse = tape.template keep<T>(static_cast<std::size_t>(r.N));
  const T* p = r.probabilities.p;
  z_loss_forward(loss.data, lse, z.data, scored, scored_rows, r.N, r.E);
  tape.record(loss, [&tape = tape, z, loss, lse, p, scored, scored_rows] {
    bool fresh;
    T* dz = tape.grad(z, fresh);
    z_loss_backward<T>(dz, lse, p, scored, tape.grad(loss), scored_rows, z.rows(), z.columns(),
                       !fresh);
  });
  return loss;
}

#define RAMOE_INSTANTIATE(T)                                                                       \
  template Routing<T> route(Tape<T>&, const Tensor<T>&, const RouterLogits<T>&, int, bool,         \
                            const RouterHook<T>*, int);                                            \
  template Tensor<T> balance_loss(Tape<T>&, const Routing<T>&, const Flag<T>*, Count<T>,           \
                                  const T*);                                                       \
  template Tensor<T> pooled_balance_loss(Tape<T>&, const std::vector<Routing<T>>&, const Flag<T>*, \
                                         Count<T>, const T*);                                      \
  template Tensor<T> z_loss(Tape<T>&, const Routing<T>&, const Flag<T>*, Count<T>);
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
