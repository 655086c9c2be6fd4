// CUDA - sums over the rows of a matrix, for the gradients of biases and norm weights
//
//   out[c] = or += sum_n value(n, c)        N rows, C columns
//
// A block has 32 columns and up to kRowsOfBlock rows. Its 8 warps take every eighth row, so that
// each load of a warp is one stretch of memory; their sums meet in shared memory. Of the blocks
// with the same columns the last one adds up the sums of all, in order: the same bits at every run.
#pragma once

#include <algorithm>

#include "cuda/support/comes_last.cuh"
#include "cuda/support/launch.h"
#include "cuda/support/rows.cuh"
#include "cuda/support/scratch.h"

namespace ramoe::cuda {

constexpr int kRowsOfBlock = 128;

/// The sum over the 8 warps of a block, in order, for warp 0.
template <class T>
__device__ T sum_of_warps(T sum, int lane, int warp) {
  constexpr int kWarps = 8;
  __shared__ T sums[kWarps][32];
  __syncthreads();  // the sums of the call before have been read
  sums[warp][lane] = sum;
  __syncthreads();
  for (int w = 1; w < kWarps && warp == 0; ++w) sum += sums[w][lane];
  return sum;
}

/// The sum of column c over the rows first, first + step, ... before `end`. Nothing else ends the
/// loop, so that the compiler can ask for several rows before it adds the first.
__device__ inline float sum_column(const float* rows, int first, int end, int step, int c, int C) {
  float sum = 0;
#pragma unroll 8
  for (int b = first; b < end; b += step) sum += row_at(rows, b, C)[c];
  return sum;
}

/// `Value` is called with (n, c) in the kernel.
template <class Value>
__global__ void sum_columns_kernel(float* out, float* partial, unsigned* arrived, Value value,
                                   int N, int C, bool accumulate) {
  wait_for_earlier_kernels();
  constexpr int kWarps = 8;
  const int lane = int(threadIdx.x), warp = int(threadIdx.y);
  const int c = int(blockIdx.y) * 32 + lane, first = int(blockIdx.x) * kRowsOfBlock;
  float sum = 0;
  if (c < C) {
#pragma unroll 8
    for (int n = first + warp; n < min(first + kRowsOfBlock, N); n += kWarps) sum += value(n, c);
  }
  sum = sum_of_warps(sum, lane, warp);
  float* const mine = partial + std::size_t(blockIdx.x) * std::size_t(C) + std::size_t(c);
  if (warp == 0 && c < C) *mine = sum;
  if (!comes_last(arrived + blockIdx.y, gridDim.x)) return;
  sum = 0;
  if (c < C) sum = sum_column(partial, warp, int(gridDim.x), kWarps, c, C);
  sum = sum_of_warps(sum, lane, warp);
  if (warp == 0 && c < C) out[c] = accumulate ? out[c] + sum : sum;
}

/// out[c] = or += the partial sums of `blocks` blocks: every 32nd by one warp, then over the warps
/// in order.
static __global__ void add_partial_kernel(float* out, const float* partial, int blocks, int C,
                                          bool accumulate) {
  wait_for_earlier_kernels();
  constexpr int kWarps = 32;
  __shared__ float sums[kWarps][32];
  const int lane = int(threadIdx.x), warp = int(threadIdx.y), c = int(blockIdx.x) * 32 + lane;
  float sum = 0;
  if (c < C) sum = sum_column(partial, warp, blocks, kWarps, c, C);
  sums[warp][lane] = sum;
  __syncthreads();
  if (warp > 0 || c >= C) return;
  for (int w = 1; w < kWarps; ++w) sum += sums[w][lane];
  out[c] = accumulate ? out[c] + sum : sum;
}
inline void add_partial(GpuFloat* out, const float* partial, int blocks, int C, bool accumulate) {
  launch<add_partial_kernel>({blocks_for(std::size_t(C), 32), {32, 32}}, out, partial, blocks, C,
                             accumulate);
}

/// out[c] = or += sum_n value(n, c)
template <class Value>
void add_columns(GpuFloat* out, const Value& value, int N, int C, bool accumulate = true) {
  const unsigned blocks = std::max(1u, blocks_for(std::size_t(N), kRowsOfBlock));
  const unsigned groups = blocks_for(std::size_t(C), 32);
  check(groups <= unsigned(kArrivals), "sums of ", C, " columns; expected at most ", 32 * kArrivals,
        ".");
  Scratch scratch;
  float* partial = scratch.take<float>(blocks * std::size_t(C));
  launch<sum_columns_kernel<Value>>({{blocks, groups}, {32, 8}}, out, partial, arrivals(), value, N,
                                    C, accumulate);
}

}  // namespace ramoe::cuda
