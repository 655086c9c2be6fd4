// Chapter 1.7 on the GPU - a tile on tensor cores, from fp32 in shared memory
//
// The tile of gemm_tile.cuh with another multiply: one instruction of a warp does 16 x 8 sums for 8
// (tf32) or 16 (bf16) steps of k. Values are rounded on their way from shared memory to the
// registers, so nothing is written twice and any form, row length and index works.
//
// Tensor cores are so fast that reading is what takes time, of memory and of shared memory. Both go
// 16 bytes at a time: a step has the order of memory, nothing is turned, and a lane reads 4
// neighbours of a row or of a column. mma.sync wants others (cuda/support/mma.cuh), but which row,
// column and k of the tile its are is ours to say, if A, B and D agree. With g = lane / 4 and
// i = lane % 4:
//
//   k        of 16 a lane has 4 i .. 4 i + 3, in two registers of bf16
//   rows     of 32 a lane has 4 from 4 p(g) on, p = g / 2 + 4 (g % 2): row g of four times 8
//   columns  of B likewise; so of C a lane has 4 from 4 i and 4 from 16 + 4 i on, which it writes
//            16 bytes at a time, and four lanes 64 bytes
//
// Eight lanes read at a time, two g with four i. So that they do not meet at a bank, 16 bytes of a
// step are moved: of rows 16 to 31 of 32 by 64 bytes, or, where rows are neighbours, by k.
#pragma once

#include <type_traits>

#include "cuda/ch01_tensor/gemm_tile.cuh"

namespace ramoe::cuda {

/// Row by row, each with its k side by side.
template <int rows, int deep>
struct RowByRow {
  static constexpr int kSize = rows * deep;
  static constexpr bool kFours = true;
  __device__ static int place(int row, int k) { return row * deep + (k ^ row / 16 % 2 * 16); }
};
/// k by k.
template <int rows, int deep>
struct KByKMoved {
  static constexpr int kSize = rows * deep;
  static constexpr bool kFours = false;
  __device__ static int place(int row, int k) { return k * rows + (row ^ k / 4 % 4 * 4); }
};

struct Tf32 {
  /// 4 neighbours along k.
  struct Four {
    unsigned at[4];
  };
  __device__ static Four round(float a, float b, float c, float d) {
    return {{to_tf32(a), to_tf32(b), to_tf32(c), to_tf32(d)}};
  }
  /// d += rows (a0, a1) times column b.
  __device__ static void mma(float (&d)[4], const Four& a0, const Four& a1, const Four& b) {
#pragma unroll
    for (int k = 0; k < 4; k += 2)
      mma_tf32(d, {a0.at[k], a1.at[k], a0.at[k + 1], a1.at[k + 1]}, {b.at[k], b.at[k + 1]});
  }
};

struct Bf16 {
  struct Four {
    unsigned at[2];
  };
  __device__ static Four round(float a, float b, float c, float d) {
    return {{pack_bf16(a, b), pack_bf16(c, d)}};
  }
  __device__ static void mma(float (&d)[4], const Four& a0, const Four& a1, const Four& b) {
    mma_bf16(d, {a0.at[0], a1.at[0], a0.at[1], a1.at[1]}, {b.at[0], b.at[1]});
  }
};

/// Tiles of BM x BN, of which a warp of each slice has WM x WN, with inputs rounded to Type.
template <class Type, int BM, int BN, int WM, int WN, int Slices = 1, int Deep = 32, int Ahead = 3>
struct MmaTile {
  static constexpr int kM = BM, kN = BN, kDeep = Deep, kSlices = Slices, kAhead = Ahead;
  static constexpr int kLanesM = 8, kLanesN = 4, kWarpM = WM, kWarpN = WN;
  static constexpr int kWarps = BM / WM * (BN / WN), kThreads = 32 * kWarps * Slices;
  static constexpr int kBlocks = 512 / kThreads;
  static constexpr bool kTensor = true;
  template <int rows, bool along>
  using Layout = std::conditional_t<along, RowByRow<rows, Deep>, KByKMoved<rows, Deep>>;
  using All = float[WM / 8][WN / 4];
  using Sums = float[WM / 8 / Slices][WN / 4];
  static_assert(WM % 32 == 0 && WN % 32 == 0 && WM / 8 % Slices == 0 && Deep % (16 * Slices) == 0);

  /// p(g) for A, i for C.
  __device__ static int lane_m(int lane) { return group_place(lane / 4); }
  __device__ static int lane_n(int lane) { return lane % 4; }
  __device__ static int group_place(int g) { return g / 2 + g % 2 * 4; }

  /// 4 neighbours of k, from k on, of each of 4 neighbouring rows.
  template <class Step>
  __device__ static void load(typename Type::Four (&to)[4], const float* step, int row, int k) {
    float4 four[4];
#pragma unroll
    for (int i = 0; i < 4; ++i)
      four[i] = four_at(step + (Step::kFours ? Step::place(row + i, k) : Step::place(row, k + i)));
#pragma unroll
    for (int i = 0; i < 4; ++i)
      to[i] = Step::kFours ? Type::round(four[i].x, four[i].y, four[i].z, four[i].w)
                           : Type::round(part_of(four[0], i), part_of(four[1], i),
                                         part_of(four[2], i), part_of(four[3], i));
  }

  template <class LayoutA, class LayoutB>
  __device__ static void multiply(All& sums, const float* a, const float* b) {
    const int lane = int(threadIdx.x) % 32, i0 = tile_row<MmaTile>();
    const int j0 = tile_column<MmaTile>() + (group_place(lane / 4) - lane_n(lane)) * 4;
    const int k0 = tile_slice<MmaTile>() * (Deep / Slices) + lane % 4 * 4;
#pragma unroll
    for (int k = 0; k < Deep / Slices; k += 16) {
      typename Type::Four b_k[WN / 32][4], a_k[4];
#pragma unroll
      for (int j = 0; j < WN / 32; ++j) load<LayoutB>(b_k[j], b, j0 + 32 * j, k0 + k);
#pragma unroll
      for (int i = 0; i < WM / 32; ++i) {
        load<LayoutA>(a_k, a, i0 + 32 * i, k0 + k);
#pragma unroll
        for (int r = 0; r < 4; r += 2)
#pragma unroll
          for (int j = 0; j < WN / 8; ++j) {
            float* const upper = &sums[4 * i + r][j / 4 * 8 + j % 4];
            float* const lower = &sums[4 * i + r + 1][j / 4 * 8 + j % 4];
            float d[4] = {upper[0], upper[4], lower[0], lower[4]};
            Type::mma(d, a_k[r], a_k[r + 1], b_k[j / 4][j % 4]);
            upper[0] = d[0], upper[4] = d[1], lower[0] = d[2], lower[4] = d[3];
          }
      }
    }
  }
};

// What the program multiplies with where tiles of 128 x 128 would be few.
using MediumTile = FmaTile<64, 64, 8, 4>;
using SmallTile = FmaTile<32, 32, 8, 4, 4, 32>;
using MediumBf16 = MmaTile<Bf16, 64, 64, 32, 32, 2>;
using SmallBf16 = MmaTile<Bf16, 32, 32, 32, 32, 4, 64>;

}  // namespace ramoe::cuda
