// The operations of chapter 1.6 for float: blocked over threads and vectorised.
#include "ch01_tensor/vector_ops.h"

#include <algorithm>
#include <bit>
#include <vector>

#include "ch01_tensor/tensor.h"
#include "fast/simd.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

constexpr int kBlock = 16384;  // elements of work worth a thread's attention

/// parallel_for over [0, n) elements in blocks of kBlock.
template <class Body>
void for_elements(std::size_t n, const Body& body) {
  const int blocks = static_cast<int>((n + kBlock - 1) / kBlock);
  parallel_for(blocks, 1, [&](int block, int) {
    const std::size_t begin = static_cast<std::size_t>(block) * kBlock;
    body(begin, static_cast<int>(std::min<std::size_t>(kBlock, n - begin)));
  });
}

RAMOE_INLINE void add_block(float* out, const float* a, const float* b, int n) {
  for (int i = 0; i < n; ++i) out[i] = a[i] + b[i];
}

RAMOE_INLINE void widen_block(float* y, const std::uint16_t* x, int n) {
  for (int i = 0; i < n; ++i) y[i] = std::bit_cast<float>(std::uint32_t(x[i]) << 16);
}

RAMOE_INLINE void axpy_block(float* y, float a, const float* x, int n) {
  for (int i = 0; i < n; ++i) y[i] += a * x[i];
}

RAMOE_INLINE void softmax_rows(float* p, const float* z, int rows, int E) {
  for (int n = 0; n < rows; ++n, p += E, z += E) {
    const float top = largest(z, E);
    for (int e = 0; e < E; ++e) p[e] = exp_of(z[e] - top);
    const float scale = 1.0f / sum(p, E);
    for (int e = 0; e < E; ++e) p[e] *= scale;
  }
}

RAMOE_INLINE void softmax_backward_rows(float* dz, const float* p, const float* dp, int rows,
                                        int E) {
  for (int n = 0; n < rows; ++n, dz += E, p += E, dp += E) softmax_gradient_row(dz, p, dp, E);
}

RAMOE_INLINE double squares_block(const float* x, int n) {
  double lane[16] = {}, tail = 0;
  int i = 0;
  for (; i + 16 <= n; i += 16)
    for (int l = 0; l < 16; ++l) lane[l] += double(x[i + l]) * double(x[i + l]);
  for (; i < n; ++i) tail += double(x[i]) * double(x[i]);
  for (const double value : lane) tail += value;
  return tail;
}

}  // namespace

template <>
void add_forward(float* out, const float* a, const float* b, std::size_t n) {
  for_elements(n, [&](std::size_t i, int m) { simd<add_block>(out + i, a + i, b + i, m); });
}

template <>
void copy_values(float* y, const float* x, std::size_t n) {
  for_elements(n, [&](std::size_t i, int m) { std::copy_n(x + i, m, y + i); });
}

template <>
void widen(float* y, const std::uint16_t* x, std::size_t n) {
  for_elements(n, [&](std::size_t i, int m) { simd<widen_block>(y + i, x + i, m); });
}

template <>
void add_value(float* y, double a, std::size_t n, bool accumulate) {
  const float value = static_cast<float>(a);
  for (std::size_t i = 0; i < n; ++i) y[i] = accumulate ? y[i] + value : value;
}

template <>
void axpy(float* y, double a, const float* x, std::size_t n) {
  const float factor = static_cast<float>(a);
  for_elements(n, [&](std::size_t i, int m) { simd<axpy_block>(y + i, factor, x + i, m); });
}

template <>
void add_bias_forward(float* y, const float* bias, int N, int C) {
  parallel_for(N, rows_per_block(C), [&](int begin, int end) {
    for (int n = begin; n < end; ++n) simd<axpy_block>(row(y, n, C), 1.0f, bias, C);
  });
}

template <>
void add_bias_backward(float* dbias, const float* dy, int N, int C, bool accumulate) {
  if (!accumulate) std::fill_n(dbias, C, 0.0f);
  for (int n = 0; n < N; ++n) simd<axpy_block>(dbias, 1.0f, row(dy, n, C), C);
}

template <>
void softmax_forward(float* p, const float* z, int N, int E) {
  parallel_for(N, rows_per_block(E), [&](int begin, int end) {
    simd<softmax_rows>(row(p, begin, E), row(z, begin, E), end - begin, E);
  });
}

template <>
void softmax_backward(float* dz, const float* p, const float* dp, int N, int E) {
  parallel_for(N, rows_per_block(E), [&](int begin, int end) {
    simd<softmax_backward_rows>(row(dz, begin, E), row(p, begin, E), row(dp, begin, E), end - begin,
                                E);
  });
}

template <>
double sum_of_squares(const float* x, std::size_t n) {
  const std::size_t blocks = (n + kBlock - 1) / kBlock;
  thread_local std::vector<double> of_block;
  of_block.resize(blocks);
  double* const sums = of_block.data();
  for_elements(n, [&](std::size_t i, int m) { sums[i / kBlock] = simd<squares_block>(x + i, m); });
  double total = 0;
  for (std::size_t block = 0; block < blocks; ++block) total += sums[block];
  return total;
}

}  // namespace ramoe
