// Chapter 1.7 on the GPU - one tile of a product: what all fast products share
//
// A block of threads makes a tile of C. It walks along K in steps of 16: a step of A and one of B
// are copied to shared memory, once for all threads of the block, and every thread multiplies from
// there.
//
//   memory        cp.async brings a step without a register in between. Three steps have room: two
//                 are on their way while one is multiplied
//   shared        A and B both lie k by k: the values that a thread multiplies are neighbours, read
//                 16 bytes at a time. Rows are 4 longer than needed, to spread them over the banks
//   registers     a thread has TM x TN sums: TM + TN values read serve TM TN multiply-adds
//
// An operand whose k are neighbours in memory (A in NN and NT, B in NT) is turned while it is
// copied, 4 bytes at a time; the other kind keeps its order, so 16 bytes at a time where it is
// aligned.
#pragma once

#include "ch01_tensor/gemm.h"
#include "cuda/support/mma.cuh"

namespace ramoe::cuda {

constexpr int kTileK = 16, kTilePad = 4;
constexpr int kAhead = 2;  // steps that are on their way while one is multiplied

/// A step along K of a tile of one operand.
template <int rows>
using TileStep = float[kTileK][rows + kTilePad];

/// Rows of a matrix; with an index, row i is row index[i] of `from`.
struct TileMatrix {
  const float* from;
  int ld;
  const int* index = nullptr;
  __device__ const float* plain_row(int i) const { return from + std::ptrdiff_t(i) * ld; }
  __device__ const float* row(int i) const { return plain_row(index ? index[i] : i); }
};

/// `count` rows of a tile, each with its K values side by side. With `indexed`, a thread keeps
/// where the rows are that it copies at each step; without, they are at equal distances.
template <int rows, int threads, bool indexed = false>
struct AlongK {
  static constexpr int kLanes = 8, kRows = threads / kLanes, kPasses = rows / kRows;
  static_assert(rows % kRows == 0);
  const float* row[indexed ? kPasses : 1];
  int ld;
  int left;  // rows from this thread's first one on

  __device__ AlongK(const TileMatrix& x, int first, int count) : ld(x.ld) {
    const int i = int(threadIdx.x) / kLanes;
    left = count - i;
#pragma unroll
    for (int p = 0; p < (indexed ? kPasses : 1); ++p)
      row[p] = x.row(first + min(i + p * kRows, count - 1)) + int(threadIdx.x) % kLanes;
  }
  /// Columns [k0, k0 + 16), those from K on as zeros. 8 lanes read 32 bytes of a row, and write to
  /// banks 4 k + i: none twice.
  __device__ void fetch(TileStep<rows>& to, int k0, int K) const {
    const int k = int(threadIdx.x) % kLanes, i = int(threadIdx.x) / kLanes;
#pragma unroll
    for (int p = 0; p < kPasses; ++p) {
      const float* from = (indexed ? row[p] : row[0] + std::size_t(p * kRows) * unsigned(ld)) + k0;
#pragma unroll
      for (int half = 0; half < kTileK; half += kLanes)
        copy_async<4>(&to[k + half][i + p * kRows], from + half,
                      p * kRows < left && k0 + k + half < K);
    }
  }
};

/// The other way: row k of the matrix holds the tile's `count` values of k, from column `first`.
/// With `vectors` 16 bytes are copied at a time: rows are aligned to that, and count is a multiple
/// of 4.
template <int rows, int threads, bool vectors, bool indexed = false>
struct AcrossK {
  static constexpr int kWidth = vectors ? 4 : 1, kLanes = rows / kWidth;
  static constexpr int kRows = threads < kLanes * kTileK ? threads / kLanes : kTileK;
  static_assert(threads % kLanes == 0 && threads <= kLanes * kTileK);
  TileMatrix x;
  bool there;  // this thread's column

  __device__ AcrossK(const TileMatrix& x_, int first, int count) : x(x_), there(lane() < count) {
    x.from += first + (there ? lane() : 0);
    if (!indexed) x.from = x.plain_row(thread_k());
  }
  __device__ static int lane() { return int(threadIdx.x) % kLanes * kWidth; }
  __device__ static int thread_k() { return int(threadIdx.x) / kLanes; }

  __device__ void fetch(TileStep<rows>& to, int k0, int K) const {
    const int k = thread_k();
#pragma unroll
    for (int p = 0; p < kTileK; p += kRows) {
      const bool in = k0 + k + p < K;
      const float* from = indexed ? x.row(in ? k0 + k + p : k0) : x.plain_row(k0 + p);
      copy_async<4 * kWidth>(&to[k + p][lane()], from, in && there);
    }
  }
};

/// Tiles of BM x BN by fp32 multiply-adds, TM x TN of them in a thread.
template <int BM, int BN, int TM, int TN>
struct FmaTile {
  static constexpr int kM = BM, kN = BN;
  static constexpr int kLanesM = 4, kLanesN = 8;  // of a warp
  static constexpr int kWarpM = kLanesM * TM, kWarpN = kLanesN * TN,
                       kWarps = BM / kWarpM * (BN / kWarpN);
  static constexpr int kThreads = 32 * kWarps;
  static constexpr int kBlocks =
      512 / kThreads;  // of a multiprocessor: leaves 128 registers a thread
  static constexpr bool kTensor = false;
  using Sums = float[TM][TN];

  /// Row and column of this thread's first sums. It has 4 neighbours of every 16 rows and of every
  /// 32 columns of its warp. Lanes are numbered in a zigzag: half a warp reads 2 x 16 bytes of A
  /// and 8 x 16 of B, which is one access of 128 bytes.
  __device__ static int row() {
    const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
    return warp / (BN / kWarpN) * kWarpM + (lane / 16 * 2 + lane % 2) * 4;
  }
  __device__ static int column() {
    const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
    return warp % (BN / kWarpN) * kWarpN + lane / 2 % 8 * 4;
  }

  __device__ static void multiply(Sums& sums, const TileStep<BM>& a, const TileStep<BN>& b) {
    const int i0 = row(), j0 = column();
#pragma unroll
    for (int k = 0; k < kTileK; ++k) {
      float4 a_k[TM / 4], b_k[TN / 4];
#pragma unroll
      for (int i = 0; i < TM / 4; ++i)
        a_k[i] = *reinterpret_cast<const float4*>(&a[k][i0 + i * 4 * kLanesM]);
#pragma unroll
      for (int j = 0; j < TN / 4; ++j)
        b_k[j] = *reinterpret_cast<const float4*>(&b[k][j0 + j * 4 * kLanesN]);
#pragma unroll
      for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int j = 0; j < TN; ++j)
          sums[i][j] += part(a_k[i / 4], i % 4) * part(b_k[j / 4], j % 4);
    }
  }

  /// store(i, j, values, count): `count` of 4 neighbours from row i, column j of the tile.
  template <class Store>
  __device__ static void each(const Sums& sums, int rows, int columns, const Store& store) {
#pragma unroll
    for (int i = 0; i < TM; ++i)
#pragma unroll
      for (int j = 0; j < TN / 4; ++j) {
        const int at_i = row() + i / 4 * 4 * kLanesM + i % 4, at_j = column() + j * 4 * kLanesN;
        const float values[4] = {sums[i][4 * j], sums[i][4 * j + 1], sums[i][4 * j + 2],
                                 sums[i][4 * j + 3]};
        if (at_i < rows && at_j < columns) store(at_i, at_j, values, min(4, columns - at_j));
      }
  }

  __device__ static float part(const float4& v, int i) {
    return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w;
  }
};

/// The steps of both operands, in dynamic shared memory.
template <class Tile>
struct TileStages {
  TileStep<Tile::kM> a[kAhead + 1];
  TileStep<Tile::kN> b[kAhead + 1];
};

/// sums += A B of this block's tile over k in [begin, end).
template <class Tile, class A, class B>
__device__ void tile_product(typename Tile::Sums& sums, TileStages<Tile>& stages, const A& a,
                             const B& b, int begin, int end) {
  const auto fetch = [&](int into, int k0) {
    if (k0 < end) {
      a.fetch(stages.a[into], k0, end);
      b.fetch(stages.b[into], k0, end);
    }
    commit_copies();  // also of nothing: the wait counts groups
  };
  for (int s = 0; s < kAhead; ++s) fetch(s, begin + s * kTileK);
  int from = 0;
  for (int k0 = begin; k0 < end; k0 += kTileK) {
    wait_copies<kAhead - 1>();
    // The step is there for all threads, and all are done with the one before it: its place is free
    // for the step to be fetched now.
    __syncthreads();
    fetch(from == 0 ? kAhead : from - 1, k0 + kAhead * kTileK);
    Tile::multiply(sums, stages.a[from], stages.b[from]);
    from = from == kAhead ? 0 : from + 1;
  }
}

/// Where a tile's values go: its top left element in memory.
struct TileStore {
  float* to;
  const float* plus;  // what they are added to; null: nothing
  int ld, plus_ld;    // plus_ld = 0: one row for all, a bias
  bool vectors;       // all rows are aligned to 16 bytes

  __device__ void move(int i, int j) {
    to += std::size_t(i) * std::size_t(ld) + std::size_t(j);
    if (plus) plus += std::size_t(i) * std::size_t(plus_ld) + std::size_t(j);
  }
  template <int n>
  __device__ void operator()(int i, int j, const float (&values)[n], int count) const {
    const std::size_t at = std::size_t(i) * std::size_t(ld) + std::size_t(j);
    const std::size_t from = std::size_t(i) * std::size_t(plus_ld) + std::size_t(j);
    if (n == 2 && vectors && count == n) {
      const float2 old = plus ? *reinterpret_cast<const float2*>(plus + from) : make_float2(0, 0);
      *reinterpret_cast<float2*>(to + at) = make_float2(old.x + values[0], old.y + values[1]);
      return;
    }
    if (n == 4 && vectors && count == n) {
      float4 sum = make_float4(values[0], values[1], values[n - 2], values[n - 1]);
      if (plus) {
        const float4 old = *reinterpret_cast<const float4*>(plus + from);
        sum = make_float4(old.x + sum.x, old.y + sum.y, old.z + sum.z, old.w + sum.w);
      }
      *reinterpret_cast<float4*>(to + at) = sum;
      return;
    }
#pragma unroll
    for (int c = 0; c < n; ++c)
      if (c < count) to[at + unsigned(c)] = plus ? plus[from + unsigned(c)] + values[c] : values[c];
  }
};

/// Whether 16 bytes at a time may be read or written.
inline bool aligned(const void* at, int ld, int columns) {
  return reinterpret_cast<std::uintptr_t>(at) % 16 == 0 && ld % 4 == 0 && columns % 4 == 0;
}

}  // namespace ramoe::cuda
