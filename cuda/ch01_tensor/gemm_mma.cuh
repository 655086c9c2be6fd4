// Chapter 1.7 on the GPU - a tile on tensor cores, from fp32 in shared memory
//
// The tile of gemm_tile.cuh with another multiply: a warp has WM x WN sums, and one instruction
// does 16 x 8 of them for 8 (tf32) or 16 (bf16) steps of k. Values are rounded on their way from
// shared memory to the registers, so nothing is written twice and any form, row length and index
// works.
//
// Of which k a register is does not matter as long as A and B agree: a lane reads rows 2i and 2i +
// 1, which lie in banks 8 i + g, none twice.
#pragma once

#include "cuda/ch01_tensor/gemm_tile.cuh"

namespace ramoe::cuda {

struct Tf32 {
  static constexpr int kDeep = 8;
  template <class Step>
  __device__ static void load_a(unsigned (&to)[4], const Step& a, int k, int row) {
    to[0] = to_tf32(a[k][row]), to[1] = to_tf32(a[k][row + 8]);
    to[2] = to_tf32(a[k + 1][row]), to[3] = to_tf32(a[k + 1][row + 8]);
  }
  template <class Step>
  __device__ static void load_b(unsigned (&to)[2], const Step& b, int k, int column) {
    to[0] = to_tf32(b[k][column]), to[1] = to_tf32(b[k + 1][column]);
  }
  __device__ static void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    mma_tf32(d, a, b);
  }
};

struct Bf16 {
  static constexpr int kDeep = 16;
  template <class Step>
  __device__ static unsigned pair(const Step& from, int k, int i) {
    return pack_bf16(from[k][i], from[k + 1][i]);
  }
  template <class Step>
  __device__ static void load_a(unsigned (&to)[4], const Step& a, int k, int row) {
    to[0] = pair(a, k, row), to[1] = pair(a, k, row + 8);
    to[2] = pair(a, k + 8, row), to[3] = pair(a, k + 8, row + 8);
  }
  template <class Step>
  __device__ static void load_b(unsigned (&to)[2], const Step& b, int k, int column) {
    to[0] = pair(b, k, column), to[1] = pair(b, k + 8, column);
  }
  __device__ static void mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
    mma_bf16(d, a, b);
  }
};

/// Tiles of BM x BN, of which a warp has WM x WN, with inputs rounded to Type.
template <class Type, int BM, int BN, int WM, int WN, int Deep = 16>
struct MmaTile {
  static constexpr int kM = BM, kN = BN, kWarps = BM / WM * (BN / WN), kThreads = 32 * kWarps;
  static constexpr int kBlocks = 512 / kThreads, kAhead = 3;
  static constexpr int kDeep = Deep, kSlices = 1;
  static constexpr std::size_t kSliceBytes = 0;
  static constexpr bool kTensor = true;
  using Sums = float[WM / 16][WN / 8][4];
  using All = Sums;

  __device__ static int row() {
    return int(threadIdx.x) / 32 / (BN / WN) * WM + int(threadIdx.x) % 32 / 4;
  }
  __device__ static int warp_column() { return int(threadIdx.x) / 32 % (BN / WN) * WN; }

  __device__ static void multiply(Sums& sums, const TileStep<BM, Deep>& a,
                                  const TileStep<BN, Deep>& b) {
    const int g = int(threadIdx.x) % 32 / 4, i0 = row(), j0 = warp_column() + g;
#pragma unroll
    for (int step = 0; step < Deep; step += Type::kDeep) {
      const int k = step + int(threadIdx.x) % 4 * 2;
      unsigned b_k[WN / 8][2];
#pragma unroll
      for (int j = 0; j < WN / 8; ++j) Type::load_b(b_k[j], b, k, j0 + 8 * j);
#pragma unroll
      for (int i = 0; i < WM / 16; ++i) {
        unsigned a_k[4];
        Type::load_a(a_k, a, k, i0 + 16 * i);
#pragma unroll
        for (int j = 0; j < WN / 8; ++j) Type::mma(sums[i][j], a_k, b_k[j]);
      }
    }
  }

  /// store(i, j, values, count): `count` of 2 neighbours from row i, column j of the tile.
  template <class Store>
  __device__ static void each(const Sums& sums, int rows, int columns, const Store& store) {
    const int j0 = warp_column() + int(threadIdx.x) % 4 * 2;
#pragma unroll
    for (int i = 0; i < WM / 8; ++i)
#pragma unroll
      for (int j = 0; j < WN / 8; ++j) {
        const float values[2] = {sums[i / 2][j][i % 2 * 2], sums[i / 2][j][i % 2 * 2 + 1]};
        const int at_i = row() + 8 * i, at_j = j0 + 8 * j;
        if (at_i < rows && at_j < columns) store(at_i, at_j, values, min(2, columns - at_j));
      }
  }
};

// What the program multiplies with where tiles of 128 x 128 would be few.
using MediumTile = FmaTile<64, 64, 8, 4>;
using SmallTile = FmaTile<32, 32, 8, 4, 4, 32>;
using MediumBf16 = MmaTile<Bf16, 64, 64, 32, 32, 32>;
using SmallBf16 = MmaTile<Bf16, 32, 32, 16, 32, 32>;

}  // namespace ramoe::cuda
