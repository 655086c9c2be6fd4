// The operations of chapter 10.1 for float. They are a thousandth of a step: only sums of doubles
// are kept as they are in the definition, and gradients are floats.
#include "ch10_alignment/divergences.h"

#include <algorithm>
#include <vector>

#include "ch01_tensor/tensor.h"

namespace ramoe {

template <>
void sequence_mean_forward<float>(double* q, const float* p, const int* rows, const int* begin,
                                  int S, int E) {
  for (int s = 0; s < S; ++s) {
    double* q_s = row(q, s, E);
    const int T = begin[s + 1] - begin[s];
    std::fill(q_s, q_s + E, 0.0);
    for (int i = begin[s]; i < begin[s + 1]; ++i)
      for (int e = 0; e < E; ++e) q_s[e] += double(row(p, rows[i], E)[e]) / T;
  }
}

template <>
void sequence_mean_backward(float* dz, const float* p, const float* g, const int* rows,
                            const int* begin, const float* dloss, int parts, int S, int E) {
  for (int s = 0; s < S; ++s) {
    const float scale = *dloss / float(parts) / float(begin[s + 1] - begin[s]);
    const float* g_s = row(g, s, E);
    for (int i = begin[s]; i < begin[s + 1]; ++i) {
      const float* p_t = row(p, rows[i], E);
      float* dz_t = row(dz, rows[i], E);
      float mean = 0;  // in this order: E is small, and the sum is the definition's
      for (int e = 0; e < E; ++e) mean += p_t[e] * g_s[e];
      for (int e = 0; e < E; ++e) dz_t[e] += scale * p_t[e] * (g_s[e] - mean);
    }
  }
}

template <>
void alignment_divergence_forward<float>(double* D, float* g, const double* q_star, const double* q,
                                         const unsigned char* in_support,
                                         const AlignmentMeasure& measure, int S, int E) {
  std::vector<double> exact(static_cast<std::size_t>(S) * static_cast<std::size_t>(E));
  alignment_divergence_forward(D, exact.data(), q_star, q, in_support, measure, S, E);
  std::transform(exact.begin(), exact.end(), g, [](double value) { return float(value); });
}

template <>
void alignment_mean_forward(float* loss, const double* D, int parts, int M, int S) {
  double mean;
  alignment_mean_forward(&mean, D, parts, M, S);
  *loss = float(mean);
}

}  // namespace ramoe
