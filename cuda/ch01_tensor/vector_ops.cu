// Chapter 1.6 on the GPU - elementwise operations, softmax and reductions
//
// Elementwise: thread i of the grid has value i. Neighbours read neighbours, so the 32 loads of a
// warp are one stretch of memory.
// Rows: a warp walks along a row and its lanes exchange what they found.
#include "ch01_tensor/vector_ops.h"

#include "cuda/support/columns.cuh"
#include "cuda/support/reduce.cuh"

namespace ramoe {

using cuda::add_columns;
using cuda::blocks_for;
using cuda::launch;
using cuda::warp_max;
using cuda::warp_sum;

namespace {

constexpr unsigned kThreads = 256;
constexpr unsigned kWarps = 8;  // of a block, each with a row

cuda::Grid one_each(std::size_t n) {
  return {blocks_for(n, kThreads), kThreads};
}
cuda::Grid warp_per_row(int N) {
  return {blocks_for(std::size_t(N), kWarps), {32, kWarps}};
}

__device__ std::size_t my_index() {
  return std::size_t(blockIdx.x) * blockDim.x + threadIdx.x;
}
__device__ int my_row() {
  return int(blockIdx.x * kWarps + threadIdx.y);
}

__global__ void add_kernel(float* out, const float* a, const float* b, std::size_t n) {
  if (const std::size_t i = my_index(); i < n) out[i] = a[i] + b[i];
}

__global__ void copy_kernel(float* y, const float* x, std::size_t n) {
  if (const std::size_t i = my_index(); i < n) y[i] = x[i];
}

__global__ void add_value_kernel(float* y, float a, std::size_t n) {
  if (const std::size_t i = my_index(); i < n) y[i] += a;
}

__global__ void axpy_kernel(float* y, float a, const float* x, std::size_t n) {
  if (const std::size_t i = my_index(); i < n) y[i] += a * x[i];
}

__global__ void add_bias_kernel(float* y, const float* bias, std::size_t n, int C) {
  if (const std::size_t i = my_index(); i < n) y[i] += bias[i % std::size_t(C)];
}

__global__ void softmax_kernel(float* p, const float* z, int N, int E) {
  const int n = my_row(), lane = int(threadIdx.x);
  if (n >= N) return;  // the whole warp
  const float* z_n = z + std::size_t(n) * std::size_t(E);
  float* p_n = p + std::size_t(n) * std::size_t(E);
  float most = -INFINITY, sum = 0;
  for (int e = lane; e < E; e += 32) most = max(most, z_n[e]);
  most = warp_max(most);
  for (int e = lane; e < E; e += 32) sum += expf(z_n[e] - most);
  sum = warp_sum(sum);
  for (int e = lane; e < E; e += 32) p_n[e] = expf(z_n[e] - most) / sum;
}

/// dz[n,j] += p[n,j] (dp[n,j] - sum_k p[n,k] dp[n,k])
__global__ void softmax_backward_kernel(float* dz, const float* p, const float* dp, int N, int E) {
  const int n = my_row(), lane = int(threadIdx.x);
  if (n >= N) return;
  const std::size_t at = std::size_t(n) * std::size_t(E);
  float mean = 0;
  for (int e = lane; e < E; e += 32) mean += p[at + unsigned(e)] * dp[at + unsigned(e)];
  mean = warp_sum(mean);
  for (int e = lane; e < E; e += 32)
    dz[at + unsigned(e)] += p[at + unsigned(e)] * (dp[at + unsigned(e)] - mean);
}

struct Rows {
  const float* x;
  int C;
  __device__ float operator()(int n, int c) const {
    return x[std::size_t(n) * std::size_t(C) + std::size_t(c)];
  }
};

}  // namespace

template <>
void add_forward(GpuFloat* out, const GpuFloat* a, const GpuFloat* b, std::size_t n) {
  launch<add_kernel>(one_each(n), out, a, b, n);
}

template <>
void copy_values(GpuFloat* y, const GpuFloat* x, std::size_t n) {
  launch<copy_kernel>(one_each(n), y, x, n);
}

template <>
void add_value(GpuFloat* y, double a, std::size_t n) {
  launch<add_value_kernel>(one_each(n), y, float(a), n);
}

template <>
void axpy(GpuFloat* y, double a, const GpuFloat* x, std::size_t n) {
  launch<axpy_kernel>(one_each(n), y, float(a), x, n);
}

template <>
void add_bias_forward(GpuFloat* y, const GpuFloat* bias, int N, int C) {
  const std::size_t n = std::size_t(N) * std::size_t(C);
  launch<add_bias_kernel>(one_each(n), y, bias, n, C);
}

template <>
void add_bias_backward(GpuFloat* dbias, const GpuFloat* dy, int N, int C) {
  add_columns(dbias, Rows{cuda::raw(dy), C}, N, C);
}

template <>
void softmax_forward(GpuFloat* p, const GpuFloat* z, int N, int E) {
  launch<softmax_kernel>(warp_per_row(N), p, z, N, E);
}

template <>
void softmax_backward(GpuFloat* dz, const GpuFloat* p, const GpuFloat* dp, int N, int E) {
  launch<softmax_backward_kernel>(warp_per_row(N), dz, p, dp, N, E);
}

}  // namespace ramoe
