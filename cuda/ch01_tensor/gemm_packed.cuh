// Chapter 1.7 on the GPU - packed blocks of bf16: what both kernels of gemm_packed.h read
#pragma once

#include "cuda/ch01_tensor/gemm_tile.cuh"
#include "cuda/support/scratch.h"

namespace ramoe::cuda {

constexpr int kPackedRows = 128, kPackedK = 64, kPackedBytes = kPackedRows * kPackedK * 2;

/// One matrix as blocks: block (i, k) of rows and k begins at (i * k_blocks + k) * kPackedBytes.
struct Packed {
  const std::byte* from;
  int k_blocks;
  __device__ const std::byte* block(int i, int k) const {
    return from + (std::size_t(i) * std::size_t(k_blocks) + std::size_t(k)) * kPackedBytes;
  }
};

/// Byte where 8 values of row r from k = 8 c on begin.
__host__ __device__ constexpr int packed_place(int r, int c) {
  return r * 2 * kPackedK + (c ^ (r % 8)) * 16;
}

/// Writes what all(put) gives: put(row, column, two neighbours). A tile that lies inside of C and
/// is only written, as most are, takes one instruction for each pair.
template <class All>
__device__ void put_pairs(const TileStore& store, int M, int N, bool inside, const All& all) {
  if (inside && store.vectors && !store.plus)
    all([&](int m, int n, float2 pair) {
      *reinterpret_cast<float2*>(store.to + std::size_t(m) * std::size_t(store.ld) + n) = pair;
    });
  else
    all([&](int m, int n, float2 pair) {
      const float values[2] = {pair.x, pair.y};
      if (m < M && n < N) store(m, n, values, min(2, N - n));
    });
}

/// A and B of a product, packed: A's rows are rows of C, B's rows are columns of C. B is filled up
/// to an even number of blocks, for tiles of 256 columns.
struct PackedOperands {
  Packed a, b;
};
PackedOperands pack_operands(const Gemm<GpuFloat>& g, Scratch& scratch);

}  // namespace ramoe::cuda
