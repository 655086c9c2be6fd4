// Chapter 1.7 on the GPU - a tile on tensor cores, from fp32 in shared memory
//
// The tile of gemm_tile.cuh with another multiply: one instruction of a warp does 16 x 8 sums for 8
// (tf32) or 16 (bf16) steps of k. Values are rounded on their way from shared memory to the
// registers, so nothing is written twice and any form, row length and index works.
//
// With g = lane / 4 and i = lane % 4 (cuda/support/mma.cuh) a lane reads of each 16 k, of row or
// column g, k = 2 i, 2 i + 1, 2 i + 8 and 2 i + 9. No two lanes meet at a bank: of a step that lies
// k by k, k = 2 i is in banks 8 i + g. Of one row by row two k are read at once, by half a warp, of
// four rows, which are moved by 0, 8, 16 and 24 k.
#pragma once

#include <type_traits>

#include "cuda/ch01_tensor/gemm_tile.cuh"

namespace ramoe::cuda {

/// Where row and k lie in a step: row by row, each with its k side by side.
template <int rows, int deep>
struct RowsMoved {
  static constexpr int kSize = rows * deep;
  static constexpr bool kFours = true;
  __device__ static int place(int row, int k) { return row * deep + (k ^ (row & 3) << 3); }
};

struct Tf32 {
  /// Of 16 k those of a lane, in order.
  struct Four {
    unsigned at[4];
  };
  __device__ static Four round(float a, float b, float c, float d) {
    return {{to_tf32(a), to_tf32(b), to_tf32(c), to_tf32(d)}};
  }
  /// d += rows g (a0) and g + 8 (a1) times column g (b).
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

/// Tiles of BM x BN, of which a warp has WM x WN, with inputs rounded to Type.
template <class Type, int BM, int BN, int WM, int WN, int Ahead = 3>
struct MmaTile {
  static constexpr int kM = BM, kN = BN, kDeep = 32, kSlices = 1, kAhead = Ahead;
  static constexpr int kLanesM = 8, kLanesN = 4, kWarpM = WM, kWarpN = WN;
  static constexpr int kHigh = 1, kWide = 2;
  static constexpr int kWarps = BM / WM * (BN / WN), kThreads = 32 * kWarps;
  static constexpr int kBlocks = 512 / kThreads;
  template <int rows, bool along>
  using Layout = std::conditional_t<along, RowsMoved<rows, kDeep>, KByK<rows, kDeep>>;
  using All = float[WM / 8][WN / 4];
  using Sums = All;
  static_assert(WM % 16 == 0 && WN % 8 == 0);

  __device__ static int lane_m(unsigned lane) { return int(lane / 4); }
  __device__ static int lane_n(unsigned lane) { return int(lane % 4); }

  template <class Step>
  __device__ static typename Type::Four load(const float* step, int row, int k) {
    if constexpr (Step::kFours) {
      const float2 low = two_at(step + Step::place(row, k));
      const float2 high = two_at(step + Step::place(row, k + 8));
      return Type::round(low.x, low.y, high.x, high.y);
    } else {
      const auto at = [&](int next) { return step[Step::place(row, k + next)]; };
      return Type::round(at(0), at(1), at(8), at(9));
    }
  }
  __device__ static float2 two_at(const float* from) {
    return *reinterpret_cast<const float2*>(from);
  }

  template <class LayoutA, class LayoutB>
  __device__ static void multiply(All& sums, const float* a, const float* b) {
    const int g = int(threadIdx.x % 32 / 4), i0 = tile_row<MmaTile>();
    const int j0 = tile_column<MmaTile>() - int(threadIdx.x % 4) * kWide + g;
#pragma unroll
    for (int step = 0; step < kDeep; step += 16) {
      const int k = step + int(threadIdx.x % 4) * 2;
      typename Type::Four b_k[WN / 8];
#pragma unroll
      for (int j = 0; j < WN / 8; ++j) b_k[j] = load<LayoutB>(b, j0 + 8 * j, k);
#pragma unroll
      for (int i = 0; i < WM / 8; i += 2) {
        const auto a_0 = load<LayoutA>(a, i0 + 8 * i, k), a_1 = load<LayoutA>(a, i0 + 8 * i + 8, k);
#pragma unroll
        for (int j = 0; j < WN / 8; ++j) {
          float *const upper = &sums[i][2 * j], *const lower = &sums[i + 1][2 * j];
          float d[4] = {upper[0], upper[1], lower[0], lower[1]};
          Type::mma(d, a_0, a_1, b_k[j]);
          upper[0] = d[0], upper[1] = d[1], lower[0] = d[2], lower[1] = d[3];
        }
      }
    }
  }
};

// What the program multiplies with where tiles of 128 x 128 would be few.
using MediumTile = FmaTile<32, 64, 8, 4>;
using SmallTile = FmaTile<32, 32, 8, 4, 4, 32>;
using MediumBf16 = MmaTile<Bf16, 64, 64, 32, 32>;
using SmallBf16 = MmaTile<Bf16, 32, 32, 16, 32>;

}  // namespace ramoe::cuda
