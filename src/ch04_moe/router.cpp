#include "ch04_moe/router.h"

#include <algorithm>
#include <cmath>
#include <type_traits>
#include <vector>

#include "ch01_tensor/simd.h"
#include "ch01_tensor/vector_ops.h"
#include "ch02_autograd/basic_ops.h"
#include "support/parallel.h"

namespace ramoe {

namespace {

/// One row. A list of the K largest so far is kept in order; an expert goes in front of those that
/// it exceeds, so equals stand in the order of their numbers.
template <class T>
void choose(int* chosen, T* gate, const T* p, int E, int K) {
  for (int e = 0; e < E; ++e) {
    int place = std::min(e, K);
    while (place > 0 && p[e] > gate[place - 1]) --place;
    if (place == K) continue;
    for (int k = std::min(e, K - 1); k > place; --k) {
      chosen[k] = chosen[k - 1];
      gate[k] = gate[k - 1];
    }
    chosen[place] = e;
    gate[place] = p[e];
  }
}

}  // namespace

template <class T>
void route_forward(int* chosen, T* gate, const T* p, bool renormalise, int N, int E, int K) {
  parallel_for(N, rows_per_block(4 * E), [&](int begin, int end) {
    for (int n = begin; n < end; ++n) {
      T* gate_n = row(gate, n, K);
      choose(row(chosen, n, K), gate_n, row(p, n, E), E, K);
      if (!renormalise) continue;
      T total = 0;
      for (int k = 0; k < K; ++k) total += gate_n[k];
      for (int k = 0; k < K; ++k) gate_n[k] /= total;
    }
  });
}

template <class T>
void route_forward_plain(int* chosen, T* gate, const T* p, bool renormalise, int N, int E, int K) {
  for (int n = 0; n < N; ++n) {
    const T* p_n = row(p, n, E);
    int* chosen_n = row(chosen, n, K);
    T* gate_n = row(gate, n, K);
    for (int k = 0; k < K; ++k) {
      int best = -1;
      for (int e = 0; e < E; ++e)
        if ((best < 0 || p_n[e] > p_n[best]) &&
            std::find(chosen_n, chosen_n + k, e) == chosen_n + k)
          best = e;
      chosen_n[k] = best;
      gate_n[k] = p_n[best];
    }
    if (!renormalise) continue;
    T total = 0;
    for (int k = 0; k < K; ++k) total += gate_n[k];
    for (int k = 0; k < K; ++k) gate_n[k] /= total;
  }
}

template <class T>
void route_backward(T* dz, const T* p, const int* chosen, const T* gate, const T* dgate,
                    bool renormalise, int N, int E, int K) {
  parallel_for(N, rows_per_block(4 * E), [&](int begin, int end) {
    for (int n = begin; n < end; ++n) {
      const T *p_n = row(p, n, E), *gate_n = row(gate, n, K), *dgate_n = row(dgate, n, K);
      const int* chosen_n = row(chosen, n, K);
      T* dz_n = row(dz, n, E);
      T mean = 0;  // sum_k gate[k] dgate[k]
      for (int k = 0; k < K; ++k) mean += gate_n[k] * dgate_n[k];
      if (renormalise) {
        // gate = exp(z_k) / sum over chosen: a softmax over the chosen logits alone
        for (int k = 0; k < K; ++k) dz_n[chosen_n[k]] += gate_n[k] * (dgate_n[k] - mean);
      } else {
        // gate = p of the chosen: dz[j] += p[j] (dp[j] - sum_k p[k] dp[k]), dp = 0 off the chosen
        for (int k = 0; k < K; ++k) dz_n[chosen_n[k]] += gate_n[k] * dgate_n[k];
        for (int e = 0; e < E; ++e) dz_n[e] -= p_n[e] * mean;
      }
    }
  });
}

namespace {
int count_rows(const unsigned char* counts, int N) {
  return static_cast<int>(
      std::count_if(counts, counts + N, [](unsigned char c) { return c != 0; }));
}

/// L = E sum_e f[e] P[e] with P[e] the mean p[n,e] over the rows that count of all L layers.
template <class T>
double balance_with_shares(const T* f, const T* const* p, const unsigned char* counts, int L, int N,
                           int E) {
  const double M = double(L) * count_rows(counts, N);
  if (M == 0) return 0;
  std::vector<double> P(static_cast<std::size_t>(E), 0.0);
  for (int l = 0; l < L; ++l)
    for (int n = 0; n < N; ++n) {
      if (!counts[n]) continue;
      for (int e = 0; e < E; ++e) P[std::size_t(e)] += double(row(p[l], n, E)[e]);
    }
  double loss = 0;
  for (int e = 0; e < E; ++e) loss += double(f[e]) * P[std::size_t(e)] / M;
  return E * loss;
}
}  // namespace

void add_choices(double* choices, const int* chosen, const unsigned char* counts, int N, int K) {
  for (int n = 0; n < N; ++n) {
    if (!counts[n]) continue;
    for (int k = 0; k < K; ++k) choices[row(chosen, n, K)[k]] += 1;
  }
}

template <class T>
double pooled_balance_forward(T* f, const T* const* p, const int* const* chosen,
                              const unsigned char* counts, int L, int N, int E, int K) {
  const double M = double(L) * count_rows(counts, N);
  std::vector<double> choices(static_cast<std::size_t>(E), 0.0);
  for (int l = 0; l < L; ++l) add_choices(choices.data(), chosen[l], counts, N, K);
  for (int e = 0; e < E; ++e)
    f[e] = M > 0 ? static_cast<T>(choices[std::size_t(e)]) / static_cast<T>(M) : T(0);
  return balance_with_shares(f, p, counts, L, N, E);
}

template <class T>
double balance_forward(T* f, const T* p, const int* chosen, const unsigned char* counts, int N,
                       int E, int K) {
  return pooled_balance_forward(f, &p, &chosen, counts, 1, N, E, K);
}

template <class T>
void balance_backward(T* dz, const T* p, const T* f, const unsigned char* counts, T scale, int N,
                      int E) {
  const int M = count_rows(counts, N);
  for (int n = 0; n < N; ++n) {
    if (!counts[n]) continue;
    const T* p_n = row(p, n, E);
    T mean = 0;
    for (int e = 0; e < E; ++e) mean += p_n[e] * f[e];
    const T factor = scale * static_cast<T>(E) / static_cast<T>(M);
    for (int e = 0; e < E; ++e) row(dz, n, E)[e] += factor * p_n[e] * (f[e] - mean);
  }
}

namespace {
RAMOE_SIMD void log_sum_exp_rows(float* lse, const float* z, int rows, int E) {
  for (int n = 0; n < rows; ++n) lse[n] = log_sum_exp(row(z, n, E), E);
}
void log_sum_exp_rows(double* lse, const double* z, int rows, int E) {
  for (int n = 0; n < rows; ++n) lse[n] = log_sum_exp(row(z, n, E), E);
}
}  // namespace

template <class T>
double z_loss_forward(T* lse, const T* z, const unsigned char* counts, int N, int E) {
  parallel_for(N, rows_per_block(4 * E), [&](int begin, int end) {
    log_sum_exp_rows(lse + begin, row(z, begin, E), end - begin, E);
  });
  const int M = count_rows(counts, N);
  double loss = 0;  // in the order of the rows
  for (int n = 0; n < N; ++n)
    if (counts[n]) loss += double(lse[n]) * double(lse[n]);
  return M > 0 ? loss / M : 0;
}

template <class T>
void z_loss_backward(T* dz, const T* lse, const T* p, const unsigned char* counts, T scale, int N,
                     int E) {
  const int M = count_rows(counts, N);
  for (int n = 0; n < N; ++n) {
    if (!counts[n]) continue;
    const T factor = scale * T(2) * lse[n] / static_cast<T>(M);
    for (int e = 0; e < E; ++e) row(dz, n, E)[e] += factor * row(p, n, E)[e];
  }
}

// ---- On the tape --------------------------------------------------------------------------------

template <class T>
Routing<T> route(Tape<T>& tape, const Tensor<T>& x, const Tensor<T>& w, int K, bool renormalise,
                 const RouterHook<T>* hook, int i) {
  Routing<T> r;
  r.N = x.rows();
  r.E = w.columns();
  r.K = K;
  check(K >= 1 && K <= r.E, "the router cannot choose ", K, " of ", r.E,
        " experts; num_experts_per_tok must be from 1 to num_experts.");
  r.input = x;
  r.logits.z = linear_fp32(tape, x, w);
  check(!hook || !tape.recording(), "router logits are changed by a hook in inference alone.");
  if (hook) hook->change(r.logits.z.data, i, r.N, r.E);
  const std::size_t N = std::size_t(r.N);
  T* p = tape.template keep<T>(N * std::size_t(r.E));
  int* chosen = tape.template keep<int>(N * std::size_t(K));
  softmax_forward(p, r.logits.z.data, r.N, r.E);
  r.probabilities.p = p;
  r.chosen.expert = chosen;
  r.gate = tape.output({r.N, K}, r.logits.z);
  route_forward(chosen, r.gate.data, p, renormalise, r.N, r.E, K);
  const Tensor<T> z = r.logits.z, gate = r.gate;
  tape.record(gate, [&tape = tape, z, gate, p, chosen, renormalise, K] {
    route_backward(tape.grad(z), p, chosen, gate.data, tape.grad(gate), renormalise, z.rows(),
                   z.columns(), K);
  });
  return r;
}

template <class T>
Tensor<T> balance_loss(Tape<T>& tape, const Routing<T>& r, const unsigned char* counts,
                       const T* step_f) {
  const Tensor<T> z = r.logits.z, loss = tape.output(Shape{}, z);
  T* f = tape.template keep<T>(static_cast<std::size_t>(r.E));
  const T* p = r.probabilities.p;
  if (step_f) std::copy_n(step_f, r.E, f);
  loss.data[0] =
      static_cast<T>(step_f ? balance_with_shares(f, &p, counts, 1, r.N, r.E)
                            : balance_forward(f, p, r.chosen.expert, counts, r.N, r.E, r.K));
  tape.record(loss, [&tape = tape, z, loss, f, p, counts] {
    balance_backward(tape.grad(z), p, f, counts, tape.grad(loss)[0], z.rows(), z.columns());
  });
  return loss;
}

template <class T>
Tensor<T> pooled_balance_loss(Tape<T>& tape, const std::vector<Routing<T>>& layers,
                              const unsigned char* counts, const T* step_f) {
  check(!layers.empty(), "the balance loss needs the routing of at least one layer.");
  const Routing<T>& r = layers[0];
  const int L = static_cast<int>(layers.size());
  T* f = tape.template keep<T>(static_cast<std::size_t>(r.E));
  std::vector<const T*> p;
  std::vector<const int*> chosen;
  for (const Routing<T>& layer : layers) {
    p.push_back(layer.probabilities.p);
    chosen.push_back(layer.chosen.expert);
  }
  if (step_f) std::copy_n(step_f, r.E, f);
  const T loss = static_cast<T>(
      step_f ? balance_with_shares(f, p.data(), counts, L, r.N, r.E)
             : pooled_balance_forward(f, p.data(), chosen.data(), counts, L, r.N, r.E, r.K));
  // Backward needs no values but f: one small tensor per layer, whose sum is the loss.
  Tensor<T> total;
  for (const Routing<T>& layer : layers) {
    const Tensor<T> z = layer.logits.z, share = tape.output(Shape{}, z);
    share.data[0] = loss / static_cast<T>(L);
    const T* p_l = layer.probabilities.p;
    tape.record(share, [&tape = tape, z, share, f, p_l, counts, L] {
      balance_backward(tape.grad(z), p_l, f, counts, tape.grad(share)[0] / static_cast<T>(L),
                       z.rows(), z.columns());
    });
    total = weighted_sum<T>(tape, {{total, 1.0}, {share, 1.0}});
  }
  return total;
}

template <class T>
Tensor<T> z_loss(Tape<T>& tape, const Routing<T>& r, const unsigned char* counts) {
  const Tensor<T> z = r.logits.z, loss = tape.output(Shape{}, z);
  T* lse = tape.template keep<T>(static_cast<std::size_t>(r.N));
  const T* p = r.probabilities.p;
  loss.data[0] = static_cast<T>(z_loss_forward(lse, z.data, counts, r.N, r.E));
  tape.record(loss, [&tape = tape, z, loss, lse, p, counts] {
    z_loss_backward(tape.grad(z), lse, p, counts, tape.grad(loss)[0], z.rows(), z.columns());
  });
  return loss;
}

#define RAMOE_INSTANTIATE(T)                                                                       \
  template void route_forward(int*, T*, const T*, bool, int, int, int);                            \
  template void route_forward_plain(int*, T*, const T*, bool, int, int, int);                      \
  template void route_backward(T*, const T*, const int*, const T*, const T*, bool, int, int, int); \
  template double balance_forward(T*, const T*, const int*, const unsigned char*, int, int, int);  \
  template void balance_backward(T*, const T*, const T*, const unsigned char*, T, int, int);       \
  template double pooled_balance_forward(T*, const T* const*, const int* const*,                   \
                                         const unsigned char*, int, int, int, int);                \
  template Tensor<T> pooled_balance_loss(Tape<T>&, const std::vector<Routing<T>>&,                 \
                                         const unsigned char*, const T*);                          \
  template double z_loss_forward(T*, const T*, const unsigned char*, int, int);                    \
  template void z_loss_backward(T*, const T*, const T*, const unsigned char*, T, int, int);        \
  template Routing<T> route(Tape<T>&, const Tensor<T>&, const Tensor<T>&, int, bool,               \
                            const RouterHook<T>*, int);                                            \
  template Tensor<T> balance_loss(Tape<T>&, const Routing<T>&, const unsigned char*, const T*);    \
  template Tensor<T> z_loss(Tape<T>&, const Routing<T>&, const unsigned char*);
RAMOE_INSTANTIATE(float)
RAMOE_INSTANTIATE(double)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
