// Fast - cross-entropy for float.
#include <cstddef>
#include <vector>

#include "ch01_tensor/tensor.h"
#include "ch03_transformer/layer_ops.h"
#include "fast/simd.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

RAMOE_INLINE void loss_rows(float* loss, float* lse, const float* z, const int* target, int rows,
                            int V) {
  for (int n = 0; n < rows; ++n, z += V) {
    loss[n] = lse[n] = 0;
    if (target[n] == kIgnore) continue;
    lse[n] = log_sum_exp(z, V);
    loss[n] = lse[n] - z[target[n]];
  }
}

RAMOE_INLINE void loss_backward_rows(float* dz, const float* z, const float* lse, const int* target,
                                     float scale, int rows, int V, bool add) {
  for (int n = 0; n < rows; ++n, z += V, dz += V) {
    if (!add)
      for (int v = 0; v < V; ++v) dz[v] = 0;
    if (target[n] == kIgnore) continue;
    const float lse_n = lse[n];
    for (int v = 0; v < V; ++v) dz[v] += scale * exp_of(z[v] - lse_n);
    dz[target[n]] -= scale;
  }
}

}  // namespace

template <>
void cross_entropy_forward(float* loss, float* lse, const float* z, const int* target, int scored,
                           int N, int V) {
  thread_local std::vector<float> of_row;
  of_row.resize(static_cast<std::size_t>(N));
  float* const losses = of_row.data();
  parallel_for(N, rows_per_block(V), [&](int begin, int end) {
    simd<loss_rows>(losses + begin, lse + begin, row(z, begin, V), target + begin, end - begin, V);
  });
  double total = 0;
  for (int n = 0; n < N; ++n) total += double(losses[n]);
  loss[0] = static_cast<float>(scored > 0 ? total / scored : 0.0);
}

template <>
void cross_entropy_backward(float* dz, const float* z, const float* lse, const int* target,
                            const float* dloss, int scored, int N, int V, bool accumulate) {
  const float scale = dloss[0] / static_cast<float>(scored);
  parallel_for(N, rows_per_block(V), [&](int begin, int end) {
    simd<loss_backward_rows>(row(dz, begin, V), row(z, begin, V), lse + begin, target + begin,
                             scale, end - begin, V, accumulate);
  });
}

}  // namespace ramoe
