// CUDA - one load for up to four neighbours, and rows that several threads share
//
// A warp that loads 4 bytes with every lane asks for 128 bytes at a time; with 16 bytes it asks for
// 512 with one instruction, so fewer loads keep the memory busy. The address must be a multiple of
// the size: a matrix has 16-byte pieces only if its rows are a multiple of 4 values.
#pragma once

#include <cstdint>

#include "cuda/support/reduce.cuh"

namespace ramoe::cuda {

/// W neighbouring values, loaded and stored by one instruction; W is 1, 2 or 4.
template <int W>
struct alignas(W * sizeof(float)) Piece {
  float x[W];
  __device__ float& operator[](int i) { return x[i]; }
  __device__ const float& operator[](int i) const { return x[i]; }
};
template <int W>
__device__ Piece<W> load(const float* at) {
  return *reinterpret_cast<const Piece<W>*>(at);
}
template <int W>
__device__ void store(float* at, const Piece<W>& piece) {
  *reinterpret_cast<Piece<W>*>(at) = piece;
}
/// at[i] += piece[i], or = piece[i]
template <int W>
__device__ void add_to(float* at, Piece<W> piece, bool accumulate = true) {
  if (accumulate) {
    const Piece<W> before = load<W>(at);
#pragma unroll
    for (int i = 0; i < W; ++i) piece[i] = before[i] + piece[i];
  }
  store(at, piece);
}

/// Whether rows of `C` values at these addresses are made of 16-byte pieces. Null has no rows.
template <class Count, class... Values>
bool in_pieces(Count C, const Values*... at) {
  return C % 4 == 0 && (... && (reinterpret_cast<std::uintptr_t>(at) % 16 == 0));
}
/// use.operator()<W>() with the widest piece that fits.
template <class Use>
void with_width(bool pieces, const Use& use) {
  if (pieces)
    use.template operator()<4>();
  else
    use.template operator()<1>();
}

/// K sums over a team: kTeam neighbours of a warp, whose exchanges do not wait for one another, or
/// the whole block.
template <int kTeam, int K>
__device__ void team_sums(float (&value)[K]) {
  if constexpr (kTeam > 32) {
#pragma unroll
    for (int k = 0; k < K; ++k) value[k] = block_sum(value[k]);
  } else {
#pragma unroll
    for (int bits = kTeam / 2; bits > 0; bits /= 2)
#pragma unroll
      for (int k = 0; k < K; ++k) value[k] += __shfl_xor_sync(kAllLanes, value[k], bits);
  }
}
template <int kTeam>
__device__ float team_sum(float value) {
  float sum[1] = {value};
  team_sums<kTeam>(sum);
  return sum[0];
}

}  // namespace ramoe::cuda
