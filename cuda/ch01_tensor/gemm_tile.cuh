// Chapter 1.7 on the GPU - one tile of a product: what all fast products share
//
// A block of threads makes a tile of C. It walks along K in steps of 16 or 32: a step of A and one
// of B are copied to shared memory, once for all threads of the block, and every thread multiplies
// from there.
//
//   memory        some steps are on their way while one is multiplied (kAhead; gemm_step.cuh)
//   shared        is read 16 bytes at a time: of a step that lies k by k, 4 rows; of one row by
//                 row, 4 k
//   registers     a thread has TM x TN sums: TM + TN values read serve TM TN multiply-adds
//   slices        a small tile with many sums in a thread has few threads, which hide little
//                 latency. So the k of a step are shared out to slices of the block, each with the
//                 sums of the whole tile, which are added at the end
#pragma once

#include <algorithm>
#include <type_traits>

#include "cuda/ch01_tensor/gemm_step.cuh"

namespace ramoe::cuda {

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
/// to[0..4) += v
__device__ inline void add_four(float* to, float4 v) {
  to[0] += v.x, to[1] += v.y, to[2] += v.z, to[3] += v.w;
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
  static_assert(kTurns || (kWarpM % 32 == 0 && kWarpN % 32 == 0 && Deep / Slices % 4 == 0));

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

  /// This thread's rows of an operand, the first of which is `row`: kOnce k of each, from k0 + k
  /// on. k is a constant, and so is how far a piece is moved besides what row and k0 say: a place
  /// is found once for all rows.
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
constexpr std::size_t kTileBytes = std::max(
    sizeof(TileStages<Tile>), Tile::kSlices == 1 ? 0 : sizeof(typename Tile::All) * Tile::kThreads);

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
    for (int s = 0; s < kSlices; ++s)
      add_four(to + 4 * i, shared[(first + i) * kThreads + s * kOfSlice + t]);
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
