// Chapter 1.7 on the GPU - one tile of a product: what all fast products share
//
// A block of threads makes a tile of C. It walks along K in steps of 16 or 32: a step of A and one
// of B are copied to shared memory, once for all threads of the block, and every thread multiplies
// from there.
//
//   memory        cp.async brings a step without a register in between. Some are on their way while
//                 one is multiplied (kAhead)
//   shared        A and B both lie k by k: the values that a thread multiplies are neighbours, read
//                 16 bytes at a time. Rows are 4 longer than needed, to spread them over the banks.
//                 (The tiles of gemm_mma.cuh keep the order of memory.)
//   registers     a thread has TM x TN sums: TM + TN values read serve TM TN multiply-adds
//   slices        a small tile with many sums in a thread has few threads, which hide little
//                 latency. So the k of a step are shared out to slices of the block, each with the
//                 sums of the whole tile, which are added at the end
//
// An operand whose k are neighbours in memory (A in NN and NT, B in NT) is turned while it is
// copied, 4 bytes at a time; the other kind keeps its order, so 16 bytes at a time where it is
// aligned.
#pragma once

#include <algorithm>
#include <type_traits>

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
#pragma unroll(fit == Fit::ragged ? 1 : kPasses)
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
  static constexpr int kDeep = Tile::kDeep, kWidth = fit == Fit::ragged ? 1 : 4, kLanes = rows / kWidth;
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

/// A tile is shared out to slices, each to warps, those to kLanesM x kLanesN lanes. A lane has
/// kHigh x kWide neighbours in every kLanesM kHigh rows and kLanesN kWide columns of its warp, the
/// first of them here. (Unsigned: to divide what may be negative takes more than a shift.)
template <class Tile>
__device__ int tile_slice() {
  return int(threadIdx.x / (32u * Tile::kWarps));
}
template <class Tile>
__device__ int tile_row() {
  const unsigned warp = threadIdx.x / 32u % Tile::kWarps;
  return int(warp / (Tile::kN / Tile::kWarpN)) * Tile::kWarpM +
         Tile::lane_m(threadIdx.x % 32) * Tile::kHigh;
}
template <class Tile>
__device__ int tile_column() {
  const unsigned warp = threadIdx.x / 32u % Tile::kWarps;
  return int(warp % (Tile::kN / Tile::kWarpN)) * Tile::kWarpN +
         Tile::lane_n(threadIdx.x % 32) * Tile::kWide;
}

__device__ inline float4 four_at(const float* from) {
  return *reinterpret_cast<const float4*>(from);
}
__device__ inline float part_of(const float4& v, int i) {
  return i == 0 ? v.x : i == 1 ? v.y : i == 2 ? v.z : v.w;
}

/// Tiles of BM x BN by fp32 multiply-adds, TM x TN of them in a thread of each slice.
template <int BM, int BN, int TM, int TN, int Slices = 1, int Deep = 16>
struct FmaTile {
  static constexpr int kM = BM, kN = BN, kDeep = Deep, kSlices = Slices;
  static constexpr int kLanesM = 4, kLanesN = 8, kHigh = 4, kWide = 4;
  static constexpr int kWarpM = kLanesM * TM, kWarpN = kLanesN * TN,
                       kWarps = BM / kWarpM * (BN / kWarpN);  // of a slice
  static constexpr int kThreads = 32 * kWarps * Slices;
  static constexpr int kBlocks =
      512 / kThreads;               // of a multiprocessor: leaves 128 registers a thread
  static constexpr int kAhead = 3;  // steps that are on their way while one is multiplied
  // With 8 x 8 sums a thread has no registers left for 4 k at a time.
  static constexpr bool kTurns = TM * TN > 32;
  template <int rows, bool along>
  using Layout = std::conditional_t<along && !kTurns, RowByRow<rows, Deep>, KByK<rows, Deep>>;
  using All = float[TM][TN];
  using Sums = float[TM / Slices][TN];  // what a thread has of the tile when slices are added
  static_assert(TM % Slices == 0 && Deep % Slices == 0);

  /// Lanes are numbered in a zigzag: half a warp reads 2 x 16 bytes of A and 8 x 16 of B, which is
  /// one access of 128 bytes.
  __device__ static int lane_m(unsigned lane) { return int(lane / 16 * 2 + lane % 2); }
  __device__ static int lane_n(unsigned lane) { return int(lane / 2 % 8); }

  /// This slice's k of a step, four at a time.
  template <class LayoutA, class LayoutB>
  __device__ static void multiply(All& sums, const float* a, const float* b) {
    const int i0 = tile_row<FmaTile>(), j0 = tile_column<FmaTile>();
    const int k0 = tile_slice<FmaTile>() * (Deep / Slices);
    constexpr int kOnce = kTurns ? 1 : 4;
#pragma unroll
    for (int k = 0; k < Deep / Slices; k += kOnce) {
      float a_k[TM][kOnce], b_k[TN][kOnce];
      load<LayoutB, TN, kLanesN>(b_k, b, j0, k0, k);
      load<LayoutA, TM, kLanesM>(a_k, a, i0, k0, k);
#pragma unroll
      for (int i = 0; i < TM; ++i)
#pragma unroll
        for (int next = 0; next < kOnce; ++next)
#pragma unroll
          for (int j = 0; j < TN; ++j) sums[i][j] += a_k[i][next] * b_k[j][next];
    }
  }

  /// This thread's rows of an operand, the first of which is `row`: kOnce k of each, from k0 + k on.
  /// Which of row, k0 and k are constants is of use: what is moved is so by a constant from there.
  template <class Step, int count, int lanes, int kOnce>
  __device__ static void load(float (&to)[count][kOnce], const float* step, int row, int k0,
                              int k) {
#pragma unroll
    for (int four = 0; four < count / 4; ++four) {
      const int more = four * 4 * lanes;
      if constexpr (Step::kFours) {
        const int at = row * Step::kLong + ((k0 ^ Step::moved(row)) ^ (k ^ Step::moved(more)));
#pragma unroll
        for (int i = 0; i < 4; ++i) {
          const float4 v = four_at(step + at + (more + i) * Step::kLong);
#pragma unroll
          for (int next = 0; next < 4; ++next) to[4 * four + i][next] = part_of(v, next);
        }
      } else {
#pragma unroll
        for (int next = 0; next < kOnce; ++next) {
          const float4 v = four_at(step + Step::place(row + more, k0 + k + next));
#pragma unroll
          for (int i = 0; i < 4; ++i) to[4 * four + i][next] = part_of(v, i);
        }
      }
    }
  }
};

/// The steps of both operands, in dynamic shared memory.
template <class Tile>
struct alignas(16) TileStages {
  template <int rows>  // of the layout that takes more
  static constexpr int kSize = std::max(Tile::template Layout<rows, true>::kSize,
                                        Tile::template Layout<rows, false>::kSize);
  float a[Tile::kAhead + 1][kSize<Tile::kM>];
  float b[Tile::kAhead + 1][kSize<Tile::kN>];
};
/// The dynamic shared memory of a block.
template <class Tile>
constexpr std::size_t kTileBytes =
    std::max(sizeof(TileStages<Tile>),
             Tile::kSlices == 1 ? 0 : sizeof(typename Tile::All) * Tile::kThreads);

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
    Tile::template multiply<typename A::Layout, typename B::Layout>(all, stages.a[from],
                                                                    stages.b[from]);
    from = from == kAhead ? 0 : from + 1;
  }
}

/// sums += the sums of all slices, in order, through shared memory that nobody uses any more. Of a
/// thread's rows each slice adds its share.
template <class Tile>
__device__ void add_slices(typename Tile::Sums& sums, const typename Tile::All& all,
                           float4* shared) {
  constexpr int kShare = sizeof(sums) / 16, kSlices = Tile::kSlices;
  constexpr int kThreads = Tile::kThreads, kOfSlice = kThreads / kSlices;
  const auto* const from = reinterpret_cast<const float*>(&all);
#pragma unroll
  for (int i = 0; i < kShare * kSlices; ++i)
    shared[i * kThreads + int(threadIdx.x)] =
        make_float4(from[4 * i], from[4 * i + 1], from[4 * i + 2], from[4 * i + 3]);
  __syncthreads();
  const int first = tile_slice<Tile>() * kShare, t = int(threadIdx.x) % kOfSlice;
  auto* const to = reinterpret_cast<float*>(&sums);
#pragma unroll
  for (int i = 0; i < kShare; ++i)
#pragma unroll
    for (int s = 0; s < kSlices; ++s) {
      const float4 four = shared[(first + i) * kThreads + s * kOfSlice + t];
      to[4 * i] += four.x, to[4 * i + 1] += four.y;
      to[4 * i + 2] += four.z, to[4 * i + 3] += four.w;
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
    add_slices<Tile>(sums, all, reinterpret_cast<float4*>(&stages));
    use(sums);
  }
}

/// store(i, j, values, count): `count` of kWide neighbours from row i, column j of the tile.
template <class Tile, class Store>
__device__ void for_each_run(const typename Tile::Sums& sums, int rows, int columns,
                             const Store& store) {
  constexpr int kRows = int(sizeof(sums) / sizeof(sums[0])), kHigh = Tile::kHigh;
  constexpr int kWide = Tile::kWide, kRuns = int(sizeof(sums[0])) / (4 * kWide);
  const int first = Tile::kSlices == 1 ? 0 : tile_slice<Tile>() * kRows;
#pragma unroll
  for (int r = 0; r < kRows; ++r)
#pragma unroll
    for (int j = 0; j < kRuns; ++j) {
      const int i = first + r;
      const int at_i = tile_row<Tile>() + i / kHigh * kHigh * Tile::kLanesM + i % kHigh;
      const int at_j = tile_column<Tile>() + j * kWide * Tile::kLanesN;
      float values[kWide];
#pragma unroll
      for (int c = 0; c < kWide; ++c) values[c] = sums[r][j * kWide + c];
      if (at_i < rows && at_j < columns) store(at_i, at_j, values, min(kWide, columns - at_j));
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
