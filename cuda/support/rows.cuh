// CUDA - a warp per row: how the operations over the rows of a matrix share out their work
//
//   launch<kernel>(warp_per_row(N), ...);       in it: n = my_row(); if (n >= N) return; my_lane()
//
// The 32 lanes take columns lane, lane + 32, ...: neighbours read neighbours. A row longer than 32
// columns costs one lane several steps, a shorter one leaves lanes idle.
#pragma once

#include "cuda/support/launch.h"

namespace ramoe::cuda {

constexpr unsigned kRowWarps = 8;  // of a block

inline Grid warp_per_row(int N) {
  return {blocks_for(std::size_t(N), kRowWarps), {32, kRowWarps}};
}
__device__ inline int my_row() {
  return int(blockIdx.x * kRowWarps + threadIdx.y);
}
__device__ inline int my_lane() {
  return int(threadIdx.x);
}
/// Row n of a matrix with C columns.
template <class T>
__device__ T* row_at(T* matrix, int n, int C) {
  return matrix + std::size_t(n) * std::size_t(C);
}
/// The thread's number in a grid of one dimension.
__device__ inline std::size_t my_number() {
  return std::size_t(blockIdx.x) * blockDim.x + threadIdx.x;
}

}  // namespace ramoe::cuda
