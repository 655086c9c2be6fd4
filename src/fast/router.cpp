// The router of chapter 4.1 for float: blocked over threads.
#include "ch04_moe/router.h"

#include <algorithm>

#include "fast/simd.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

/// One row. A list of the K largest so far is kept in order; an expert goes in front of those that
/// it exceeds, so equals stand in the order of their numbers.
void choose(int* chosen, float* gate, const float* p, int E, int K) {
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

RAMOE_INLINE void log_sum_exp_rows(float* lse, const float* z, int rows, int E) {
  for (int n = 0; n < rows; ++n) lse[n] = log_sum_exp(row(z, n, E), E);
}

}  // namespace

template <>
void route_forward(int* chosen, float* gate, const float* p, bool renormalise, int N, int E,
                   int K) {
  parallel_for(N, rows_per_block(4 * E), [&](int begin, int end) {
    for (int n = begin; n < end; ++n) {
      float* gate_n = row(gate, n, K);
      choose(row(chosen, n, K), gate_n, row(p, n, E), E, K);
      if (!renormalise) continue;
      float total = 0;
      for (int k = 0; k < K; ++k) total += gate_n[k];
      for (int k = 0; k < K; ++k) gate_n[k] /= total;
    }
  });
}

template <>
void route_backward(float* dz, const float* p, const int* chosen, const float* gate,
                    const float* dgate, bool renormalise, int N, int E, int K) {
  parallel_for(N, rows_per_block(4 * E), [&](int begin, int end) {
    for (int n = begin; n < end; ++n) {
      const float *p_n = row(p, n, E), *gate_n = row(gate, n, K), *dgate_n = row(dgate, n, K);
      const int* chosen_n = row(chosen, n, K);
      float* dz_n = row(dz, n, E);
      float mean = 0;  // sum_k gate[k] dgate[k]
      for (int k = 0; k < K; ++k) mean += gate_n[k] * dgate_n[k];
      if (renormalise) {
        for (int k = 0; k < K; ++k) dz_n[chosen_n[k]] += gate_n[k] * (dgate_n[k] - mean);
      } else {
        // dp = 0 off the chosen
        for (int k = 0; k < K; ++k) dz_n[chosen_n[k]] += gate_n[k] * dgate_n[k];
        for (int e = 0; e < E; ++e) dz_n[e] -= p_n[e] * mean;
      }
    }
  });
}

template <>
void add_choices<float>(int* choices, const int* chosen, const unsigned char* scored, int N,
                        int K) {
  add_choices<double>(choices, chosen, scored, N, K);
}

template <>
void choice_shares(float* f, const int* choices, double rows, int E) {
  for (int e = 0; e < E; ++e)
    f[e] = rows > 0 ? static_cast<float>(choices[e]) / static_cast<float>(rows) : 0.0f;
}

template <>
void add_probabilities(double* total, const float* p, const unsigned char* scored, int N, int E) {
  for (int n = 0; n < N; ++n) {
    if (!scored[n]) continue;
    for (int e = 0; e < E; ++e) total[e] += double(row(p, n, E)[e]);
  }
}

template <>
void balance_forward(float* loss, const float* f, const double* total, int scored_rows, int layers,
                     int E) {
  const double rows = double(layers) * scored_rows;
  double sum = 0;
  for (int e = 0; rows > 0 && e < E; ++e) sum += double(f[e]) * total[e] / rows;
  *loss = static_cast<float>(E * sum);
}

template <>
void balance_backward(float* dz, const float* p, const float* f, const unsigned char* scored,
                      const float* dloss, int scored_rows, int layers, int N, int E,
                      bool accumulate) {
  if (!accumulate) clear(dz, std::size_t(N) * std::size_t(E));
  const float scale = *dloss / static_cast<float>(layers);
  const float factor = scale * static_cast<float>(E) / static_cast<float>(scored_rows);
  for (int n = 0; n < N; ++n) {
    if (!scored[n]) continue;
    const float* p_n = row(p, n, E);
    float mean = 0;
    for (int e = 0; e < E; ++e) mean += p_n[e] * f[e];
    for (int e = 0; e < E; ++e) row(dz, n, E)[e] += factor * p_n[e] * (f[e] - mean);
  }
}

template <>
void z_loss_forward(float* loss, float* lse, const float* z, const unsigned char* scored,
                    int scored_rows, int N, int E) {
  parallel_for(N, rows_per_block(4 * E), [&](int begin, int end) {
    simd<log_sum_exp_rows>(lse + begin, row(z, begin, E), end - begin, E);
  });
  double total = 0;  // in the order of the rows
  for (int n = 0; n < N; ++n)
    if (scored[n]) total += double(lse[n]) * double(lse[n]);
  *loss = static_cast<float>(scored_rows > 0 ? total / scored_rows : 0.0);
}

template <>
void z_loss_backward(float* dz, const float* lse, const float* p, const unsigned char* scored,
                     const float* dloss, int scored_rows, int N, int E, bool accumulate) {
  if (!accumulate) clear(dz, std::size_t(N) * std::size_t(E));
  for (int n = 0; n < N; ++n) {
    if (!scored[n]) continue;
    const float factor = *dloss * 2.0f * lse[n] / static_cast<float>(scored_rows);
    for (int e = 0; e < E; ++e) row(dz, n, E)[e] += factor * row(p, n, E)[e];
  }
}

}  // namespace ramoe
