// Chapter 1.6 - elementwise operations, softmax and reductions: the definitions
#include "ch01_tensor/vector_ops.h"

#include <algorithm>
#include <bit>
#include <cmath>

#include "ch01_tensor/tensor.h"

namespace ramoe {

template <>
void add_forward(double* out, const double* a, const double* b, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) out[i] = a[i] + b[i];
}

template <>
void copy_values(double* y, const double* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] = x[i];
}

template <>
void widen(double* y, const std::uint16_t* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] = std::bit_cast<float>(std::uint32_t(x[i]) << 16);
}

template <>
void add_value(double* y, double a, std::size_t n, bool accumulate) {
  for (std::size_t i = 0; i < n; ++i) y[i] = accumulate ? y[i] + a : a;
}

template <>
void axpy(double* y, double a, const double* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i) y[i] += a * x[i];
}

template <>
void add_bias_forward(double* y, const double* bias, int N, int C) {
  for (int n = 0; n < N; ++n)
    for (int j = 0; j < C; ++j) row(y, n, C)[j] += bias[j];
}

template <>
void add_bias_backward(double* dbias, const double* dy, int N, int C, bool accumulate) {
  // y[n,j] += bias[j]
  if (!accumulate) std::fill_n(dbias, C, 0.0);
  for (int n = 0; n < N; ++n)
    for (int j = 0; j < C; ++j) dbias[j] += row(dy, n, C)[j];
}

template <>
void softmax_forward(double* p, const double* z, int N, int E) {
  for (int n = 0; n < N; ++n) {
    const double* z_n = row(z, n, E);
    double* p_n = row(p, n, E);
    const double top = *std::max_element(z_n, z_n + E);
    double total = 0;
    for (int e = 0; e < E; ++e) total += p_n[e] = std::exp(z_n[e] - top);
    for (int e = 0; e < E; ++e) p_n[e] /= total;
  }
}

template <>
void softmax_backward(double* dz, const double* p, const double* dp, int N, int E) {
  // p[j] = exp(z[j]) / sum_k exp(z[k]):  dp[k]/dz[j] = p[k] ([k == j] - p[j])
  for (int n = 0; n < N; ++n) softmax_gradient_row(row(dz, n, E), row(p, n, E), row(dp, n, E), E);
}

template <>
double sum_of_squares(const double* x, std::size_t n) {
  double total = 0;
  for (std::size_t i = 0; i < n; ++i) total += x[i] * x[i];
  return total;
}

}  // namespace ramoe
