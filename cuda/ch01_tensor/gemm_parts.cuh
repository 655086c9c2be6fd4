// Chapter 1.7 on the GPU - a tile whose sum is cut into parts
//
// A weight's gradient has few tiles and adds up over all tokens. Each part of the sum is a block's,
// which keeps what it found in memory; of a tile's parts the block that finishes last adds them up,
// in order. Tests: tests/cuda/gemm_test.cpp
#pragma once

#include "cuda/ch01_tensor/gemm_tile.cuh"
#include "cuda/support/comes_last.cuh"

namespace ramoe::cuda {

/// The sums of the parts of a tile in memory, from part number `first` on: each thread finds those
/// of the threads with its number.
template <class Tile>
struct PartSums {
  using Sums = typename Tile::Sums;
  static constexpr int kSums = sizeof(Sums) / sizeof(float);
  float4* mine;
  __device__ PartSums(float* partial, int first)
      : mine(reinterpret_cast<float4*>(partial) +
             std::size_t(first) * (kSums / 4 * Tile::kThreads) + threadIdx.x) {}
  __device__ float4& at(int part, int sum) const {
    return mine[(part * (kSums / 4) + sum / 4) * Tile::kThreads];
  }
  __device__ void keep(const Sums& sums, int part) const {
    const auto* const flat = reinterpret_cast<const float*>(&sums);
#pragma unroll
    for (int s = 0; s < kSums; s += 4)
      at(part, s) = make_float4(flat[s], flat[s + 1], flat[s + 2], flat[s + 3]);
  }
  /// The sums of all parts, added in order; of several parts at a time they are read together.
  __device__ void add(Sums& sums, int parts) const {
    auto* const flat = reinterpret_cast<float*>(&sums);
#pragma unroll
    for (int s = 0; s < kSums; ++s) flat[s] = 0;
#pragma unroll(kSums > 16 ? 2 : 4)
    for (int part = 0; part < parts; ++part)
#pragma unroll
      for (int s = 0; s < kSums; s += 4) {
        const float4 four = at(part, s);
        flat[s] += four.x, flat[s + 1] += four.y, flat[s + 2] += four.z, flat[s + 3] += four.w;
      }
  }
};

/// A large tile fills the registers of its threads: its parts are added by a kernel of its own.
template <class Tile>
constexpr bool kAddsParts = sizeof(typename Tile::Sums) < 64 * sizeof(float);

}  // namespace ramoe::cuda
