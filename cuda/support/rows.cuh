// CUDA - how the operations over the rows of a matrix share out their work
//
//   launch<kernel>(warp_per_row(N), ...);         n = my_row(), columns my_lane(), + 32, + 64, ...
//   launch<kernel>(threads_per_row(N, C), ...);   n = block_row(), threadIdx.x, + blockDim.x, ...
//
// Neighbours read neighbours in both. A warp per row is for sums along it. Where every column is
// for itself, a row gets as many threads as it has columns, 1 to 256, so that no lane is idle.
// Nobody divides a number by C to find its row: that would take longer than to read the value.
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

constexpr unsigned kRowThreads = 256;  // of a block

/// `parts`: the columns of a row, or the groups of them that are read at once.
inline Grid threads_per_row(std::size_t rows, int parts) {
  unsigned width = 1;
  while (width < kRowThreads && int(width) < parts) width *= 2;
  const unsigned height = kRowThreads / width;
  return {blocks_for(rows, height), {width, height}};
}
__device__ inline std::size_t block_row() {
  return std::size_t(blockIdx.x) * blockDim.y + threadIdx.y;
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
