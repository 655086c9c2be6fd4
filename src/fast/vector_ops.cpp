#include "ch01_tensor/vector_ops.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ch01_tensor/simd.h"
#include "ch01_tensor/tensor.h"
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

template <class T>
RAMOE_INLINE void add_body(T* out, const T* a, const T* b, int n) {
  for (int i = 0; i < n; ++i) out[i] = a[i] + b[i];
}
RAMOE_SIMD void add_block(float* out, const float* a, const float* b, int n) {
  add_body(out, a, b, n);
}
void add_block(double* out, const double* a, const double* b, int n) {
  add_body(out, a, b, n);
}

template <class T>
RAMOE_INLINE void axpy_body(T* y, T a, const T* x, int n) {
  for (int i = 0; i < n; ++i) y[i] += a * x[i];
}
RAMOE_SIMD void axpy_block(float* y, float a, const float* x, int n) {
  axpy_body(y, a, x, n);
}
void axpy_block(double* y, double a, const double* x, int n) {
  axpy_body(y, a, x, n);
}

template <class T>
RAMOE_INLINE void softmax_body(T* p, const T* z, int rows, int E) {
  for (int n = 0; n < rows; ++n, p += E, z += E) {
    const T top = largest(z, E);
    for (int e = 0; e < E; ++e) p[e] = exp_of(z[e] - top);
    const T scale = T(1) / sum(p, E);
    for (int e = 0; e < E; ++e) p[e] *= scale;
  }
}
RAMOE_SIMD void softmax_rows(float* p, const float* z, int rows, int E) {
  softmax_body(p, z, rows, E);
}
void softmax_rows(double* p, const double* z, int rows, int E) {
  softmax_body(p, z, rows, E);
}

template <class T>
RAMOE_INLINE void softmax_backward_body(T* dz, const T* p, const T* dp, int rows, int E) {
  for (int n = 0; n < rows; ++n, dz += E, p += E, dp += E) {
    const T mean = dot(p, dp, E);
    for (int e = 0; e < E; ++e) dz[e] += p[e] * (dp[e] - mean);
  }
}
RAMOE_SIMD void softmax_backward_rows(float* dz, const float* p, const float* dp, int rows, int E) {
  softmax_backward_body(dz, p, dp, rows, E);
}
void softmax_backward_rows(double* dz, const double* p, const double* dp, int rows, int E) {
  softmax_backward_body(dz, p, dp, rows, E);
}

template <class T>
RAMOE_INLINE double squares_body(const T* x, int n) {
  double lane[16] = {}, tail = 0;
  int i = 0;
  for (; i + 16 <= n; i += 16)
    for (int l = 0; l < 16; ++l) lane[l] += double(x[i + l]) * double(x[i + l]);
  for (; i < n; ++i) tail += double(x[i]) * double(x[i]);
  for (const double value : lane) tail += value;
  return tail;
}
RAMOE_SIMD double squares_block(const float* x, int n) {
  return squares_body(x, n);
}
double squares_block(const double* x, int n) {
  return squares_body(x, n);
}

}  // namespace

template <class T>
void add_forward(T* out, const T* a, const T* b, std::size_t n) {
  for_elements(n, [&](std::size_t i, int m) { add_block(out + i, a + i, b + i, m); });
}

template <class T>
void copy_values(T* y, const T* x, std::size_t n) {
  for_elements(n, [&](std::size_t i, int m) { std::copy_n(x + i, m, y + i); });
}

template <class T>
void axpy(T* y, T a, const T* x, std::size_t n) {
  for_elements(n, [&](std::size_t i, int m) { axpy_block(y + i, a, x + i, m); });
}

template <class T>
void add_bias_forward(T* y, const T* bias, int N, int C) {
  parallel_for(N, rows_per_block(C), [&](int begin, int end) {
    for (int n = begin; n < end; ++n) axpy_block(row(y, n, C), T(1), bias, C);
  });
}

template <class T>
void add_bias_backward(T* dbias, const T* dy, int N, int C) {
  for (int n = 0; n < N; ++n) axpy_block(dbias, T(1), row(dy, n, C), C);
}

template <class T>
void softmax_forward(T* p, const T* z, int N, int E) {
  parallel_for(N, rows_per_block(E), [&](int begin, int end) {
    softmax_rows(row(p, begin, E), row(z, begin, E), end - begin, E);
  });
}

template <class T>
void softmax_forward_plain(T* p, const T* z, int N, int E) {
  for (int n = 0; n < N; ++n) {
    const T* z_n = row(z, n, E);
    T* p_n = row(p, n, E);
    T top = z_n[0], total = 0;
    for (int e = 1; e < E; ++e) top = std::max(top, z_n[e]);
    for (int e = 0; e < E; ++e) total += p_n[e] = std::exp(z_n[e] - top);
    for (int e = 0; e < E; ++e) p_n[e] /= total;
  }
}

template <class T>
void softmax_backward(T* dz, const T* p, const T* dp, int N, int E) {
  parallel_for(N, rows_per_block(E), [&](int begin, int end) {
    softmax_backward_rows(row(dz, begin, E), row(p, begin, E), row(dp, begin, E), end - begin, E);
  });
}

template <class T>
double sum_of_squares(const T* x, std::size_t n) {
  const std::size_t blocks = (n + kBlock - 1) / kBlock;
  thread_local std::vector<double> of_block;
  of_block.resize(blocks);
  double* const sums = of_block.data();
  for_elements(n, [&](std::size_t i, int m) { sums[i / kBlock] = squares_block(x + i, m); });
  double total = 0;
  for (std::size_t block = 0; block < blocks; ++block) total += sums[block];
  return total;
}

template <class T>
bool all_finite(const T* x, std::size_t n) {
  for (std::size_t i = 0; i < n; ++i)
    if (!std::isfinite(x[i])) return false;
  return true;
}

#define RAMOE_INSTANTIATE(T)                                        \
  template void add_forward(T*, const T*, const T*, std::size_t);   \
  template void copy_values(T*, const T*, std::size_t);             \
  template void axpy(T*, T, const T*, std::size_t);                 \
  template void add_bias_forward(T*, const T*, int, int);           \
  template void add_bias_backward(T*, const T*, int, int);          \
  template void softmax_forward(T*, const T*, int, int);            \
  template void softmax_forward_plain(T*, const T*, int, int);      \
  template void softmax_backward(T*, const T*, const T*, int, int); \
  template double sum_of_squares(const T*, std::size_t);            \
  template bool all_finite(const T*, std::size_t);
RAMOE_INSTANTIATE(float)
RAMOE_INSTANTIATE(double)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
