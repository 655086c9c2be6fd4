// Fast - cross-entropy: the loss of every stage. Declared in layer_ops.h.
#include <algorithm>
#include <cmath>

#include "ch01_tensor/simd.h"
#include "ch01_tensor/tensor.h"
#include "ch03_transformer/layer_ops.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

template <class T>
RAMOE_INLINE void loss_body(T* loss, T* lse, const T* z, const int* target, int rows, int V) {
  for (int n = 0; n < rows; ++n, z += V) {
    loss[n] = lse[n] = 0;
    if (target[n] == kIgnore) continue;
    lse[n] = log_sum_exp(z, V);
    loss[n] = lse[n] - z[target[n]];
  }
}
RAMOE_SIMD void loss_rows(float* loss, float* lse, const float* z, const int* target, int rows,
                          int V) {
  loss_body(loss, lse, z, target, rows, V);
}
void loss_rows(double* loss, double* lse, const double* z, const int* target, int rows, int V) {
  loss_body(loss, lse, z, target, rows, V);
}

template <class T>
RAMOE_INLINE void loss_backward_body(T* dz, const T* z, const T* lse, const int* target, T scale,
                                     int rows, int V, bool add) {
  for (int n = 0; n < rows; ++n, z += V, dz += V) {
    if (!add)
      for (int v = 0; v < V; ++v) dz[v] = 0;
    if (target[n] == kIgnore) continue;
    const T lse_n = lse[n];
    for (int v = 0; v < V; ++v) dz[v] += scale * exp_of(z[v] - lse_n);
    dz[target[n]] -= scale;
  }
}
RAMOE_SIMD void loss_backward_rows(float* dz, const float* z, const float* lse, const int* target,
                                   float scale, int rows, int V, bool add) {
  loss_backward_body(dz, z, lse, target, scale, rows, V, add);
}
void loss_backward_rows(double* dz, const double* z, const double* lse, const int* target,
                        double scale, int rows, int V, bool add) {
  loss_backward_body(dz, z, lse, target, scale, rows, V, add);
}

}  // namespace

template <class T>
void cross_entropy_forward(T* loss, T* lse, const T* z, const int* target, int N, int V) {
  parallel_for(N, rows_per_block(V), [&](int begin, int end) {
    loss_rows(loss + begin, lse + begin, row(z, begin, V), target + begin, end - begin, V);
  });
}

template <class T>
void cross_entropy_forward_plain(T* loss, T* lse, const T* z, const int* target, int N, int V) {
  for (int n = 0; n < N; ++n) {
    loss[n] = lse[n] = 0;
    if (target[n] == kIgnore) continue;
    const T* z_n = row(z, n, V);
    const T top = *std::max_element(z_n, z_n + V);
    T total = 0;
    for (int v = 0; v < V; ++v) total += std::exp(z_n[v] - top);
    lse[n] = top + std::log(total);
    loss[n] = lse[n] - z_n[target[n]];
  }
}

template <class T>
void cross_entropy_backward(T* dz, const T* z, const T* lse, const int* target, T scale, int N,
                            int V, bool accumulate) {
  parallel_for(N, rows_per_block(V), [&](int begin, int end) {
    loss_backward_rows(row(dz, begin, V), row(z, begin, V), lse + begin, target + begin, scale,
                       end - begin, V, accumulate);
  });
}

#define RAMOE_INSTANTIATE(T)                                                         \
  template void cross_entropy_forward(T*, T*, const T*, const int*, int, int);       \
  template void cross_entropy_forward_plain(T*, T*, const T*, const int*, int, int); \
  template void cross_entropy_backward(T*, const T*, const T*, const int*, T, int, int, bool);
RAMOE_INSTANTIATE(float)
RAMOE_INSTANTIATE(double)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
