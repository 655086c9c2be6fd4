// CUDA - sums over the threads of a warp and of a block
//
// The order of the additions depends on the number of threads alone, so a sum has the same bits at
// every run.
#pragma once

#include "cuda/support/launch.h"

namespace ramoe::cuda {

constexpr unsigned kAllLanes = 0xffffffff;

struct Sum {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a + b;
  }
  template <class T>
  __device__ static T nothing() {
    return T(0);
  }
};
struct Max {
  template <class T>
  __device__ T operator()(T a, T b) const {
    return a > b ? a : b;
  }
  template <class T>
  __device__ static T nothing() {
    return -T(INFINITY);
  }
};

/// Every lane gets the values of all 32 folded: after each step it holds twice as many neighbours.
template <class Fold, class T>
__device__ T warp_fold(T value) {
#pragma unroll
  for (int bits = 16; bits > 0; bits /= 2)
    value = Fold{}(value, __shfl_xor_sync(kAllLanes, value, bits));
  return value;
}
template <class T>
__device__ T warp_sum(T value) {
  return warp_fold<Sum>(value);
}
template <class T>
__device__ T warp_max(T value) {
  return warp_fold<Max>(value);
}
/// The sum over the lanes up to this one.
__device__ inline int sum_upto(int value) {
#pragma unroll
  for (int step = 1; step < 32; step *= 2) {
    const int lower = __shfl_up_sync(kAllLanes, value, unsigned(step));
    if (int(threadIdx.x % 32) >= step) value += lower;
  }
  return value;
}

/// Every thread gets the values of the block folded; the block is (x), a multiple of 32 threads.
template <class Fold, class T>
__device__ T block_fold(T value) {
  __shared__ T of_warp[32];
  const int lane = int(threadIdx.x % 32), warp = int(threadIdx.x / 32);
  const int warps = int(blockDim.x / 32);
  value = warp_fold<Fold>(value);
  __syncthreads();  // of_warp may still be read by the call before
  if (lane == 0) of_warp[warp] = value;
  __syncthreads();
  return warp_fold<Fold>(lane < warps ? of_warp[lane] : Fold::template nothing<T>());
}
template <class T>
__device__ T block_sum(T value) {
  return block_fold<Sum>(value);
}
template <class T>
__device__ T block_max(T value) {
  return block_fold<Max>(value);
}

/// p = softmax(z) for one row of E <= 32 Each values, by a warp. Lane l has e = l + 32 i in p[i], 0
/// beyond E. A row is read once, all of it asked for before any is waited for. The row maximum is
/// subtracted first.
template <int Each>
__device__ void softmax_row(float (&p)[Each], const float* z, int E, int lane) {
  float most = -INFINITY, sum = 0;
#pragma unroll
  for (int i = 0; i < Each; ++i) p[i] = lane + 32 * i < E ? z[lane + 32 * i] : -INFINITY;
#pragma unroll
  for (int i = 0; i < Each; ++i) most = max(most, p[i]);
  most = warp_max(most);
#pragma unroll
  for (int i = 0; i < Each; ++i) sum += p[i] = expf(p[i] - most);
  const float scale = 1 / warp_sum(sum);  // at most 1
#pragma unroll
  for (int i = 0; i < Each; ++i) p[i] *= scale;
}

}  // namespace ramoe::cuda
