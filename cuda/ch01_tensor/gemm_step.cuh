// Chapter 1.7 on the GPU - a step of a tile: how its operands come to shared memory
//
// A step is `deep` k of the rows of A, and as many of the columns of B, which are called rows here
// too. An operand whose k are neighbours in memory (A in NN and NT, B in NT) keeps that order, row
// by row, and so does the other kind, k by k: all is copied 16 bytes at a time where it is aligned.
// Only a tile without registers for this turns the former, 4 bytes at a time.
//
// cp.async copies without a register in between. Threads read what others have copied: in both
// orders no two lanes of a warp that read at a time meet at a bank of shared memory.
// Tests: tests/cuda/gemm_test.cpp, traffic_test.cpp
#pragma once

#include "ch01_tensor/gemm.h"
#include "cuda/support/mma.cuh"

namespace ramoe::cuda {

/// Where row and k of a tile's operand lie in a step: k by k, with rows 4 longer than needed.
template <int rows, int deep>
struct KByK {
  static constexpr int kLong = rows + 4, kSize = deep * kLong;
  static constexpr bool kFours = false;  // whether 4 neighbouring k are neighbours here
  __device__ static int place(int row, int k) { return k * kLong + row; }
};

/// Row by row, each with its k side by side and 4 longer than needed; pieces of 16 bytes are moved,
/// by another number in each 8 rows of 32. Eight lanes that read the same k of rows 4 l do so in
/// different banks.
template <int rows, int deep>
struct RowByRow {
  static constexpr int kLong = deep + 4, kSize = rows * kLong;
  static constexpr bool kFours = true;
  __device__ static constexpr int moved(int row) { return (row >> 3 & 3) << 2; }
  __device__ static int place(int row, int k) { return row * kLong + (k ^ moved(row)); }
};

/// Rows of a matrix; with an index, row i is row index[i] of `from`.
struct TileMatrix {
  const float* from;
  int ld;
  const int* index = nullptr;
  __device__ const float* plain_row(int i) const { return from + std::ptrdiff_t(i) * ld; }
  __device__ const float* row(int i) const { return plain_row(index ? index[i] : i); }
};

/// What a kernel may take for granted: nothing; that the rows of matrices are aligned to 16 bytes,
/// which it copies at a time; and that its sizes are multiples of the tile's, so that it asks for
/// no edge.
enum class Fit { ragged, aligned, whole };

/// `rows` rows of a tile, `count` of which are there, each with its K values side by side. With
/// `indexed`, a thread keeps where the rows are that it copies at each step; without, they are at
/// equal distances.
template <class Tile, int rows, Fit fit, bool indexed = false>
struct AlongK {
  using Layout = typename Tile::template Layout<rows, true>;
  static constexpr int kDeep = Tile::kDeep, kWidth = fit != Fit::ragged && Layout::kFours ? 4 : 1;
  static constexpr int kLanes = kWidth == 4 ? kDeep / 4 : 8;
  static constexpr int kRows = Tile::kThreads / kLanes, kPasses = rows / kRows;
  static_assert(rows % kRows == 0);
  const float* row[indexed ? kPasses : 1];  // in the step that comes next
  std::size_t apart;                        // the rows of two passes
  int left, left_k;                         // from this thread's first row and k on

  __device__ AlongK(const TileMatrix& x, int first, int count)
      : apart(std::size_t(kRows) * unsigned(x.ld)) {
    const int i = int(threadIdx.x / unsigned(kLanes));
    left = count - i;
#pragma unroll
    for (int p = 0; p < (indexed ? kPasses : 1); ++p)
      row[p] = x.row(first + min(i + p * kRows, count - 1)) + lane();
  }
  __device__ static int lane() {
    return int(threadIdx.x % unsigned(kLanes)) * kWidth;
  }
  /// The steps are those of columns [begin, end).
  __device__ void start(int begin, int end) {
#pragma unroll
    for (int p = 0; p < (indexed ? kPasses : 1); ++p) row[p] += begin;
    left_k = end - begin - lane();
  }
  /// The next `kDeep` columns, those from the end on as zeros. With 4 bytes at a time 8 lanes read
  /// 32 bytes of a row, and write, k by k, to banks 4 k + i: none twice.
  __device__ void fetch(float* to) {
    const int i = int(threadIdx.x / unsigned(kLanes));
#pragma unroll(fit == Fit::ragged && !indexed ? 1 : kPasses)
    for (int p = 0; p < kPasses; ++p) {
      const float* const from = indexed ? row[p] : row[0] + unsigned(p) * apart;
#pragma unroll
      for (int k = 0; k < kDeep; k += kLanes * kWidth)
        copy_async<4 * kWidth>(to + Layout::place(i + p * kRows, lane() + k), from + k,
                               fit == Fit::whole || (p * kRows < left && k < left_k));
    }
#pragma unroll
    for (int p = 0; p < (indexed ? kPasses : 1); ++p) row[p] += kDeep;
    left_k -= kDeep;
  }
};

/// The other way: row k of the matrix holds the tile's `rows` values of k, from column `first`.
/// If not ragged, `count` is a multiple of 4.
template <class Tile, int rows, Fit fit, bool indexed = false>
struct AcrossK {
  using Layout = typename Tile::template Layout<rows, false>;
  static constexpr int kDeep = Tile::kDeep, kWidth = fit == Fit::ragged ? 1 : 4,
                       kLanes = rows / kWidth;
  static constexpr int kRows = Tile::kThreads < kLanes * kDeep ? Tile::kThreads / kLanes : kDeep;
  static_assert(Tile::kThreads % kLanes == 0 && Tile::kThreads <= kLanes * kDeep);
  TileMatrix x;  // not indexed: from what this thread copies first in the step that comes next
  bool there;    // this thread's column
  int k, end;    // its first k of that step

  __device__ AcrossK(const TileMatrix& x_, int first, int count) : x(x_), there(lane() < count) {
    x.from += first + (there ? lane() : 0);
  }
  __device__ static int lane() { return int(threadIdx.x % unsigned(kLanes)) * kWidth; }
  __device__ static int thread_k() { return int(threadIdx.x / unsigned(kLanes)); }
  /// The steps are those of rows [begin, end_).
  __device__ void start(int begin, int end_) {
    k = begin + thread_k(), end = end_;
    if (!indexed) x.from = x.plain_row(k);
  }
  __device__ void fetch(float* to) {
#pragma unroll
    for (int p = 0; p < kDeep; p += kRows) {
      const bool in = k + p < end;
      const float* const from = indexed ? x.row(in ? k + p : 0) : x.plain_row(p);
      copy_async<4 * kWidth>(to + Layout::place(lane(), thread_k() + p), from,
                             fit == Fit::whole || (in && there));
    }
    if (!indexed) x.from = x.plain_row(kDeep);
    k += kDeep;
  }
};

/// Whether an operand whose k are neighbours keeps that order in a step.
template <class Tile>
constexpr bool kKeepsRows = Tile::template Layout<Tile::kM, true>::kFours;

/// The operands of a tile.
template <class Tile, Fit fit, bool indexed = false>
using Along_M = AlongK<Tile, Tile::kM, fit, indexed>;
template <class Tile, Fit fit>
using Along_N = AlongK<Tile, Tile::kN, fit>;
template <class Tile, Fit fit, bool indexed = false>
using Across_M = AcrossK<Tile, Tile::kM, fit, indexed>;
template <class Tile, Fit fit, bool indexed = false>
using Across_N = AcrossK<Tile, Tile::kN, fit, indexed>;

}  // namespace ramoe::cuda
