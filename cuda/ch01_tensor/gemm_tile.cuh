// Chapter 1.7 on the GPU - one tile of a product: what all fast products share
//
// A block of threads makes a tile of C. It walks along K in steps of 16 or 32: a step of A and one
// of B are copied to shared memory, once for all threads of the block, and every thread multiplies
// from there.
//
//   memory        cp.async brings a step without a register in between. Some are on their way while
//                 one is multiplied (kAhead)
//   shared        A and B both lie k by k: the values that a thread multiplies are neighbours, read
//                 16 bytes at a time. Rows are 4 longer than needed, to spread them over the banks
//   registers     a thread has TM x TN sums: TM + TN values read serve TM TN multiply-adds
//   slices        a small tile with many sums in a thread has few threads, which hide little
//                 latency. So the k of a step are shared out to slices of the block, each with the
//                 sums of the whole tile, which are added at the end
//
// An operand whose k are neighbours in memory (A in NN and NT, B in NT) is turned while it is
// copied, 4 bytes at a time; the other kind keeps its order, so 16 bytes at a time where it is
// aligned. Where all tiles and steps are whole, copies need not ask whether a value is there, which
// saves instructions beside the multiply-adds (`whole`).
#pragma once

#include <algorithm>

#include "ch01_tensor/gemm.h"
#include "cuda/support/mma.cuh"

namespace ramoe::cuda {

constexpr int kTilePad = 4;

/// A step along K of a tile of one operand: `deep` k of `rows` rows.
template <int rows, int deep>
using TileStep = float[deep][rows + kTilePad];

/// Rows of a matrix; with an index, row i is row index[i] of `from`.
struct TileMatrix {
  const float* from;
  int ld;
  const int* index = nullptr;
  __device__ const float* plain_row(int i) const { return from + std::ptrdiff_t(i) * ld; }
  __device__ const float* row(int i) const { return plain_row(index ? index[i] : i); }
};

/// `count` rows of a tile, each with its K values side by side. With `indexed`, a thread keeps
/// where the rows are that it copies at each step; without, they are at equal distances. With
/// `whole` count is `rows`, and the columns are whole steps.
template <int rows, int deep, int threads, bool indexed = false, bool whole = false>
struct AlongK {
  static constexpr int kLanes = 8, kRows = threads / kLanes, kPasses = rows / kRows;
  static_assert(rows % kRows == 0);
  const float* row[indexed ? kPasses : 1];  // in the step that comes next
  std::size_t apart;                        // the rows of two passes
  int left, left_k;                         // from this thread's first row and k on

  __device__ AlongK(const TileMatrix& x, int first, int count)
      : apart(std::size_t(kRows) * unsigned(x.ld)) {
    const int i = int(threadIdx.x) / kLanes;
    left = count - i;
#pragma unroll
    for (int p = 0; p < (indexed ? kPasses : 1); ++p)
      row[p] = x.row(first + min(i + p * kRows, count - 1)) + lane();
  }
  __device__ static int lane() {
    return int(threadIdx.x) % kLanes;
  }
  /// The steps are those of columns [begin, end).
  __device__ void start(int begin, int end) {
#pragma unroll
    for (int p = 0; p < (indexed ? kPasses : 1); ++p) row[p] += begin;
    left_k = end - begin - lane();
  }
  /// The next `deep` columns, those from the end on as zeros. 8 lanes read 32 bytes of a row, and
  /// write to banks 4 k + i: none twice.
  __device__ void fetch(TileStep<rows, deep>& to) {
    const int i = int(threadIdx.x) / kLanes;
#pragma unroll
    for (int p = 0; p < kPasses; ++p) {
      const float* const from = indexed ? row[p] : row[0] + unsigned(p) * apart;
#pragma unroll
      for (int k = 0; k < deep; k += kLanes)
        copy_async<4>(&to[lane() + k][i + p * kRows], from + k,
                      whole || (p * kRows < left && k < left_k));
    }
#pragma unroll
    for (int p = 0; p < (indexed ? kPasses : 1); ++p) row[p] += deep;
    left_k -= deep;
  }
};

/// The other way: row k of the matrix holds the tile's `count` values of k, from column `first`.
/// With `vectors` 16 bytes are copied at a time: rows are aligned to that, and count is a multiple
/// of 4. `whole` as in AlongK.
template <int rows, int deep, int threads, bool vectors, bool indexed = false, bool whole = false>
struct AcrossK {
  static constexpr int kWidth = vectors ? 4 : 1, kLanes = rows / kWidth;
  static constexpr int kRows = threads < kLanes * deep ? threads / kLanes : deep;
  static_assert(threads % kLanes == 0 && threads <= kLanes * deep);
  TileMatrix x;  // not indexed: from what this thread copies first in the step that comes next
  bool there;    // this thread's column
  int k, end;    // its first k of that step

  __device__ AcrossK(const TileMatrix& x_, int first, int count) : x(x_), there(lane() < count) {
    x.from += first + (there ? lane() : 0);
  }
  __device__ static int lane() { return int(threadIdx.x) % kLanes * kWidth; }
  __device__ static int thread_k() { return int(threadIdx.x) / kLanes; }
  /// The steps are those of rows [begin, end_).
  __device__ void start(int begin, int end_) {
    k = begin + thread_k(), end = end_;
    if (!indexed) x.from = x.plain_row(k);
  }
  __device__ void fetch(TileStep<rows, deep>& to) {
#pragma unroll
    for (int p = 0; p < deep; p += kRows) {
      const bool in = k + p < end;
      const float* const from = indexed ? x.row(in ? k + p : 0) : x.plain_row(p);
      copy_async<4 * kWidth>(&to[thread_k() + p][lane()], from, whole || (in && there));
    }
    if (!indexed) x.from = x.plain_row(deep);
    k += deep;
  }
};

/// Tiles of BM x BN by fp32 multiply-adds, TM x TN of them in a thread of each slice.
template <int BM, int BN, int TM, int TN, int Slices = 1, int Deep = 16>
struct FmaTile {
  static constexpr int kM = BM, kN = BN, kDeep = Deep, kSlices = Slices;
  static constexpr int kLanesM = 4, kLanesN = 8;  // of a warp
  static constexpr int kWarpM = kLanesM * TM, kWarpN = kLanesN * TN,
                       kWarps = BM / kWarpM * (BN / kWarpN);  // of a slice
  static constexpr int kThreads = 32 * kWarps * Slices;
  static constexpr int kBlocks =
      512 / kThreads;               // of a multiprocessor: leaves 128 registers a thread
  static constexpr int kAhead = 3;  // steps that are on their way while one is multiplied
  static constexpr bool kTensor = false;
  using All = float[TM][TN];
  using Sums = float[TM / Slices][TN];  // what a thread has of the tile when slices are added
  static constexpr std::size_t kSliceBytes = Slices == 1 ? 0 : sizeof(All) * kThreads;
  static_assert(TM % Slices == 0 && Deep % Slices == 0);

  __device__ static int slice() { return int(threadIdx.x) / (32 * kWarps); }
  /// Row and column of this thread's first sums. It has 4 neighbours of every 16 rows and of every
  /// 32 columns of its warp. Lanes are numbered in a zigzag: half a warp reads 2 x 16 bytes of A
  /// and 8 x 16 of B, which is one access of 128 bytes.
  __device__ static int row() {
    const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32 % kWarps;
    return warp / (BN / kWarpN) * kWarpM + (lane / 16 * 2 + lane % 2) * 4;
  }
  __device__ static int column() {
    const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32 % kWarps;
    return warp % (BN / kWarpN) * kWarpN + lane / 2 % 8 * 4;
  }

  /// This slice's k of a step.
  __device__ static void multiply(All& sums, const TileStep<BM, Deep>& a,
                                  const TileStep<BN, Deep>& b) {
    const int i0 = row(), j0 = column(), k0 = slice() * (Deep / Slices);
#pragma unroll
    for (int k = 0; k < Deep / Slices; ++k) {
      float4 a_k[TM / 4], b_k[TN / 4];
#pragma unroll
      for (int i = 0; i < TM / 4; ++i)
        a_k[i] = *reinterpret_cast<const float4*>(&a[k0 + k][i0 + i * 4 * kLanesM]);
#pragma unroll
      for (int j = 0; j < TN / 4; ++j)
        b_k[j] = *reinterpret_cast<const float4*>(&b[k0 + k][j0 + j * 4 * kLanesN]);
#pragma unroll
      for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int j = 0; j < TN; ++j)
          sums[i][j] += part(a_k[i / 4], i % 4) * part(b_k[j / 4], j % 4);
    }
  }

  /// sums += the sums of all slices, in order, through shared memory that nobody uses any more. Of
  /// a thread's rows each slice adds its share.
  __device__ static void add_slices(Sums& sums, const All& all, float4* shared) {
    constexpr int kFours = TN / 4, kOfSlice = kThreads / Slices;
#pragma unroll
    for (int i = 0; i < TM; ++i)
#pragma unroll
      for (int j = 0; j < kFours; ++j)
        shared[(i * kFours + j) * kThreads + int(threadIdx.x)] =
            make_float4(all[i][4 * j], all[i][4 * j + 1], all[i][4 * j + 2], all[i][4 * j + 3]);
    __syncthreads();
    const int first = slice() * (TM / Slices), t = int(threadIdx.x) % kOfSlice;
#pragma unroll
    for (int i = 0; i < TM / Slices; ++i)
#pragma unroll
      for (int j = 0; j < kFours; ++j)
#pragma unroll
        for (int s = 0; s < Slices; ++s) {
          const float4 four = shared[((first + i) * kFours + j) * kThreads + s * kOfSlice + t];
          sums[i][4 * j] += four.x, sums[i][4 * j + 1] += four.y;
          sums[i][4 * j + 2] += four.z, sums[i][4 * j + 3] += four.w;
        }
  }

  /// store(i, j, values, count): `count` of 4 neighbours from row i, column j of the tile.
  template <class Store>
  __device__ static void each(const Sums& sums, int rows, int columns, const Store& store) {
#pragma unroll
    for (int i = 0; i < TM / Slices; ++i)
#pragma unroll
      for (int j = 0; j < TN / 4; ++j) {
        const int my_i = slice() * (TM / Slices) + i;
        const int at_i = row() + my_i / 4 * 4 * kLanesM + my_i % 4;
        const int at_j = column() + j * 4 * kLanesN;
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
  TileStep<Tile::kM, Tile::kDeep> a[Tile::kAhead + 1];
  TileStep<Tile::kN, Tile::kDeep> b[Tile::kAhead + 1];
};
/// The dynamic shared memory of a block.
template <class Tile>
constexpr std::size_t kTileBytes = std::max(sizeof(TileStages<Tile>), Tile::kSliceBytes);

/// The operands of a tile.
template <class Tile, bool indexed = false, bool whole = false>
using Along_M = AlongK<Tile::kM, Tile::kDeep, Tile::kThreads, indexed, whole>;
template <class Tile, bool whole = false>
using Along_N = AlongK<Tile::kN, Tile::kDeep, Tile::kThreads, false, whole>;
template <class Tile, bool vectors, bool indexed = false, bool whole = false>
using Across_M = AcrossK<Tile::kM, Tile::kDeep, Tile::kThreads, vectors, indexed, whole>;
template <class Tile, bool vectors, bool indexed = false, bool whole = false>
using Across_N = AcrossK<Tile::kN, Tile::kDeep, Tile::kThreads, vectors, indexed, whole>;

/// all += A B of this block's tile over k in [begin, end), of each slice its k.
template <class Tile, class A, class B>
__device__ void tile_product(typename Tile::All& all, TileStages<Tile>& stages, A a, B b, int begin,
                             int end) {
  constexpr int kAhead = Tile::kAhead, kDeep = Tile::kDeep;
  a.start(begin, end), b.start(begin, end);
  int left = end - begin;
  const auto fetch = [&](int into, int ahead) {
    if (left > ahead * kDeep) {
      a.fetch(stages.a[into]);
      b.fetch(stages.b[into]);
    }
    commit_copies();  // also of nothing: the wait counts groups
  };
  for (int s = 0; s < kAhead; ++s) fetch(s, s);
  for (int from = 0; left > 0; left -= kDeep) {
    wait_copies<kAhead - 1>();
    // The step is there for all threads, and all are done with the one before it: its place is free
    // for the step to be fetched now.
    __syncthreads();
    fetch(from == 0 ? kAhead : from - 1, kAhead);
    Tile::multiply(all, stages.a[from], stages.b[from]);
    from = from == kAhead ? 0 : from + 1;
  }
}

/// use(sums) with this thread's sums of the tile, those of all slices.
template <class Tile, class Use>
__device__ void with_sums(typename Tile::All& all, TileStages<Tile>& stages, const Use& use) {
  if constexpr (Tile::kSlices == 1) {
    use(all);
  } else {
    typename Tile::Sums sums = {};
    __syncthreads();  // the last step has been read
    Tile::add_slices(sums, all, reinterpret_cast<float4*>(&stages));
    use(sums);
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
