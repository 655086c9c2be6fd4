// Chapter 1.6 - elementwise operations, softmax and reductions
//
// op_forward(outputs, inputs, dims), op_backward(input gradients, ..., output gradient, dims).
// Every gradient accumulates (+=). The definitions, for double, are the loops in vector_ops.cpp;
// the fast versions, for float, are in src/fast/vector_ops.cpp.
// Tests: tests/ch01_tensor/vector_ops_test.cpp, tests/support/op_cases_ch01.h
#pragma once

#include <cmath>
#include <cstddef>

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/storage.h"

namespace ramoe {

/// out[i] = a[i] + b[i]
template <class T>
void add_forward(T* out, const T* a, const T* b, std::size_t n);

/// C = x + A B, for x (M,N) in other memory. A GPU adds x where it writes the product.
template <class T>
void gemm_plus(const Gemm<T>& g, const T* x) {
  gemm(g);
  add_forward(g.C, x, g.C, std::size_t(g.M) * std::size_t(g.N));
}
template <>
void gemm_plus(const Gemm<GpuFloat>& g, const GpuFloat* x);

/// y[i] = x[i]
template <class T>
void copy_values(T* y, const T* x, std::size_t n);

/// y[i] = the number that the BF16 x[i] is, exactly. For weights that are kept in half the memory.
template <class T>
void widen(T* y, const Bf16Of<T>* x, std::size_t n);

/// y[i] += a; or = a
template <class T>
void add_value(T* y, double a, std::size_t n, bool accumulate = true);

/// y[i] += a * x[i], a rounded to T; the backward of every sum.
template <class T>
void axpy(T* y, double a, const T* x, std::size_t n);

/// y[n,j] += bias[j]
template <class T>
void add_bias_forward(T* y, const T* bias, int N, int C);
/// dbias[j] += sum_n dy[n,j]; or = that sum
template <class T>
void add_bias_backward(T* dbias, const T* dy, int N, int C, bool accumulate = true);

/// Layers with biases: C = A B, and to its rows bias[i] is added if it is not null. None of the
/// products accumulates. A GPU adds the biases where it writes the products.
template <class T>
void gemm_bias_forward(const Gemm<T>* products, const T* const* bias, int count) {
  gemm_all(products, count);
  for (int i = 0; i < count; ++i)
    if (bias[i]) add_bias_forward(products[i].C, bias[i], products[i].M, products[i].N);
}
template <>
void gemm_bias_forward(const Gemm<GpuFloat>* products, const GpuFloat* const* bias, int count);
/// The arguments of add_bias_backward.
template <class T>
struct BiasBackward {
  T* dbias;
  const T* dy;
  int N, C;
  bool accumulate;
};
/// These sums of columns, and products as gemm_all has them. A GPU starts small ones as one launch.
template <class T>
void gemm_bias_backward(const Gemm<T>* products, int count, const BiasBackward<T>* bias, int sums) {
  for (const auto* b = bias; b != bias + sums; ++b)
    add_bias_backward(b->dbias, b->dy, b->N, b->C, b->accumulate);
  gemm_all(products, count);
}
template <>
void gemm_bias_backward(const Gemm<GpuFloat>* products, int count,
                        const BiasBackward<GpuFloat>* bias, int sums);

/// p[n,:] = softmax(z[n,:]) over E columns; the row maximum is subtracted first.
template <class T>
void softmax_forward(T* p, const T* z, int N, int E);
/// dz[n,j] += p[n,j] (dp[n,j] - sum_k p[n,k] dp[n,k])
template <class T>
void softmax_backward(T* dz, const T* p, const T* dp, int N, int E);

/// Takes the gradient g of a row of probabilities p = softmax(z) to its logits:
///   dz[j] += scale p[j] (g[j] - sum_k p[k] g[k])
/// Adding the same number to all g changes nothing, because the p sum to 1. The backward of the
/// softmax, the router, attention and the alignment loss use it. For float: src/fast/simd.h.
inline void softmax_gradient_row(double* dz, const double* p, const double* g, int E,
                                 double scale = 1) {
  double mean = 0;
  for (int k = 0; k < E; ++k) mean += p[k] * g[k];
  for (int j = 0; j < E; ++j) dz[j] += scale * p[j] * (g[j] - mean);
}

/// Sum of squares in double. The same bits for any number of threads: blocks have a fixed size.
template <class T>
double sum_of_squares(const T* x, std::size_t n);

/// True if every value is finite. For values on the host.
template <class T>
bool all_finite(const T* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    if (!std::isfinite(x[i])) return false;
  return true;
}

}  // namespace ramoe
