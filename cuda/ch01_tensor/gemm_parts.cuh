// Chapter 1.7 on the GPU - a tile whose sum is cut into parts
//
// A weight's gradient has few tiles and adds up over all tokens. Each part of the sum is a block's,
// which keeps what it found in memory; of a tile's parts the block that finishes last adds them up,
// in order. One block reads no faster than it can, so many parts are added in groups: the last of
// each group adds its parts, all groups at a time, and the last of these adds the groups.
// Tests: tests/cuda/gemm_test.cpp
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
  /// The sums of `count` parts, every `step`-th from `first` on, added in order; of several parts
  /// at a time they are read together.
  __device__ void add(Sums& sums, int first, int count, int step = 1) const {
    auto* const flat = reinterpret_cast<float*>(&sums);
#pragma unroll
    for (int s = 0; s < kSums; ++s) flat[s] = 0;
#pragma unroll(kSums > 16 ? 2 : 4)
    for (int part = 0; part < count; ++part)
#pragma unroll
      for (int s = 0; s < kSums; s += 4) add_four(flat + s, at(first + part * step, s));
  }
};

/// Parts of a group: few are one group, else about as many as there are groups.
__host__ __device__ constexpr int parts_of_group(int parts) {
  constexpr int kFew = 12;  // a group more is a wait more
  if (parts <= kFew) return parts;
  int many = 4;
  while (many * many < parts) ++many;
  return many;
}
/// The places for arrivals that the parts of a tile need.
__host__ __device__ constexpr int arrivals_of(int parts) {
  const int groups = (parts + parts_of_group(parts) - 1) / parts_of_group(parts);
  return groups == 1 ? 1 : groups + 1;
}

/// Keeps the sums of `part` of `count`. Whether this block came last; then sums are those of all.
template <class Tile>
__device__ bool add_parts(const PartSums<Tile>& parts, typename Tile::Sums& sums, int part,
                          int count, unsigned* arrived) {
  const int many = parts_of_group(count), group = part / many, first = group * many;
  const int groups = ceil_div(count, many), in_group = min(many, count - first);
  parts.keep(sums, part);
  if (!comes_last(arrived + group, unsigned(in_group))) return false;
  parts.add(sums, first, in_group);
  if (groups == 1) return true;
  parts.keep(sums, first);
  if (!comes_last(arrived + groups, unsigned(groups))) return false;
  parts.add(sums, 0, groups, many);
  return true;
}

/// A large tile fills the registers of its threads: its parts are added by a kernel of its own.
template <class Tile>
constexpr bool kAddsParts = sizeof(typename Tile::Sums) < 64 * sizeof(float);

}  // namespace ramoe::cuda
