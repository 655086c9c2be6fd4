// Chapter 3.2 - cross-entropy, the loss of every stage: the definition. Declared in layer_ops.h.
#include <algorithm>
#include <cmath>

#include "ch01_tensor/tensor.h"
#include "ch03_transformer/layer_ops.h"

namespace ramoe {

template <>
void cross_entropy_forward(double* loss, double* lse, const double* z, const int* target,
                           int scored, int N, int V) {
  double total = 0;
  for (int n = 0; n < N; ++n) {
    lse[n] = 0;
    if (target[n] == kIgnore) continue;
    const double* z_n = row(z, n, V);
    const double top = *std::max_element(z_n, z_n + V);
    double sum = 0;
    for (int v = 0; v < V; ++v) sum += std::exp(z_n[v] - top);
    lse[n] = top + std::log(sum);
    total += lse[n] - z_n[target[n]];
  }
  loss[0] = scored > 0 ? total / scored : 0;
}

template <>
void cross_entropy_backward(double* dz, const double* z, const double* lse, const int* target,
                            const double* dloss, int scored, int N, int V, bool accumulate) {
  // loss = 1/scored sum_n ( log sum_v exp(z[n,v]) - z[n,target[n]] )
  if (!accumulate) std::fill_n(dz, std::size_t(N) * std::size_t(V), 0.0);
  for (int n = 0; n < N; ++n) {
    if (target[n] == kIgnore) continue;
    for (int v = 0; v < V; ++v) {
      const double p = std::exp(row(z, n, V)[v] - lse[n]);
      row(dz, n, V)[v] += dloss[0] / scored * (p - (v == target[n] ? 1 : 0));
    }
  }
}

}  // namespace ramoe
