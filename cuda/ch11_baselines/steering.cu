// Chapter 11.2 on the GPU - Routing Steering: a warp per token, its sums in double
#include "ch11_baselines/steering.h"

#include "cuda/support/reduce.cuh"
#include "cuda/support/rows.cuh"

namespace ramoe {

using cuda::launch;
using cuda::my_lane;
using cuda::my_row;
using cuda::row_at;
using cuda::warp_per_row;
using cuda::warp_sum;

namespace {

/// No expert is twice in the list.
__global__ void steer_soft_kernel(float* z, const int* experts, int count, double strength, int N,
                                  int E) {
  wait_for_earlier_kernels();
  const int n = my_row(), lane = my_lane();
  if (n >= N) return;  // the whole warp
  float* z_n = row_at(z, n, E);
  double sum = 0, squares = 0;
  for (int e = lane; e < E; e += 32) sum += double(z_n[e]);
  const double mean = warp_sum(sum) / E;
  for (int e = lane; e < E; e += 32) squares += (double(z_n[e]) - mean) * (double(z_n[e]) - mean);
  const double push = strength * sqrt(warp_sum(squares) / E);
  __syncwarp();  // all have read
  for (int j = lane; j < count; j += 32) z_n[experts[j]] = float(double(z_n[experts[j]]) + push);
}

__global__ void steer_hard_kernel(float* z, const int* experts, const float* noise, int count,
                                  int N, int E) {
  wait_for_earlier_kernels();
  const int n = my_row(), lane = my_lane();
  if (n >= N) return;
  float* z_n = row_at(z, n, E);
  // The largest as the definition finds it: NaN if it comes first, and otherwise passed over.
  float largest = -INFINITY;
  for (int e = lane; e < E; e += 32)
    if (z_n[e] > largest) largest = z_n[e];
  largest = cuda::warp_max(largest);
  if (const float first = z_n[0]; first != first) largest = first;
  const float above = nextafterf(largest, INFINITY);
  __syncwarp();
  for (int j = lane; j < count; j += 32) {
    const float wanted = largest + 1e-6f * noise[j];
    z_n[experts[j]] = above < wanted ? wanted : above;
  }
}

}  // namespace

template <>
void steer_soft(GpuFloat* z, const GpuInt* experts, int count, double strength, int N, int E) {
  launch<steer_soft_kernel>(warp_per_row(N), z, experts, count, strength, N, E);
}

template <>
void steer_hard(GpuFloat* z, const GpuInt* experts, const GpuFloat* noise, int count, int N,
                int E) {
  launch<steer_hard_kernel>(warp_per_row(N), z, experts, noise, count, N, E);
}

}  // namespace ramoe
