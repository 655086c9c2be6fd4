// Chapter 1.7 on the GPU - the products of all experts in one launch
//
// The rows (slots) of expert e are [offset[e], offset[e+1]), and offset lies in the GPU's memory:
// the host never learns it. It starts as many blocks as any routing can need, and each finds its
// own work:
//
//   rows of out   every expert's rows are cut into tiles of kM rows; there are at most rows/kM + E.
//                 A warp adds up the experts' tiles, 32 at a time, until past its block's number
//   weights       the rows of an expert are cut into parts, as some have many and others few; of a
//                 tile of dW[e] each part has a block, and the last one adds up all, in order
//
// gemm_grouped.h has the forms, with plain results. Here the results go through a functor instead,
// so that what follows a product, such as a scaling by the gate, needs no kernel of its own:
//
//   grouped_forward(GroupedRows{offset, E, N * K, token_from_slot}, x, gate_up, C, 2 * H, store);
//
// A kernel calls store(slot, column, values, count) for `count` of 4 (bf16: 2) neighbours of a row,
// as StoreRows has it.
// Tests: tests/cuda/gemm_test.cpp
#pragma once

#include "cuda/ch01_tensor/gemm_grouped.h"
#include "cuda/ch01_tensor/gemm_mma.cuh"
#include "cuda/ch01_tensor/gemm_parts.cuh"
#include "cuda/support/reduce.cuh"

namespace ramoe::cuda {

/// Writes rows to memory: out[slot, column] = or += the product.
struct StoreRows {
  float* out;
  int ld;
  bool accumulate, vectors;
  explicit StoreRows(GpuFloat* to, int columns, bool add = false)
      : out(raw(to)), ld(columns), accumulate(add), vectors(aligned(to, columns, columns)) {}
  template <int n>
  __device__ void operator()(int slot, int j, const float (&values)[n], int count) const {
    TileStore{out, accumulate ? out : nullptr, ld, ld, vectors}(slot, j, values, count);
  }
};

namespace grouped {

/// A stretch of the slots of one expert, at most `length` long: `piece` of `pieces`, the first of
/// which has number `first` among all experts'. pieces = 0: this block has none.
struct Work {
  int expert, begin, rows, piece, pieces, first;
};

/// Stretch `number` of all experts'. An expert without slots has as many as `of_none`, 0 or 1. For
/// whole warps.
__device__ inline Work find_work(const int* offset, int experts, int number, int length,
                                 int of_none = 0) {
  const int lane = int(threadIdx.x) % 32;
  int before = 0;  // stretches of the experts before these 32
  for (int first = 0; first < experts; first += 32) {
    const int e = first + lane;
    const int begin = e < experts ? offset[e] : 0, end = e < experts ? offset[e + 1] : 0;
    const int pieces = e < experts ? max(of_none, (end - begin + length - 1) / length) : 0;
    const int upto = sum_upto(pieces);
    const unsigned past = __ballot_sync(kAllLanes, before + upto > number);
    if (past != 0) {
      const int who = __ffs(int(past)) - 1, mine = before + upto - pieces;
      const int at = begin + (number - mine) * length, piece_0 = __shfl_sync(kAllLanes, mine, who);
      return {first + who,
              __shfl_sync(kAllLanes, at, who),
              __shfl_sync(kAllLanes, min(length, end - at), who),
              number - piece_0,
              __shfl_sync(kAllLanes, pieces, who),
              piece_0};
    }
    before += __shfl_sync(kAllLanes, upto, 31);
  }
  return {0, 0, 0, 0, 0, 0};
}

/// out[slot] = A[slot] W[e] for W[e] (K,N), or A[slot] W[e]^T for W[e] (N,K).
template <class Tile, bool transposed, Fit fit, class Store>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    rows_kernel(Store store, TileMatrix a, const float* w, const int* offset, int experts, int N,
                int K) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(TileStages<Tile>, stages);
  const Work work = find_work(offset, experts, int(blockIdx.x), Tile::kM);
  if (work.pieces == 0) return;
  const int j0 = int(blockIdx.y) * Tile::kN, columns = min(Tile::kN, N - j0);
  w += std::size_t(work.expert) * std::size_t(N) * std::size_t(K);
  typename Tile::All all = {};
  const Along_M<Tile, fit, true> rows(a, work.begin, work.rows);
  if constexpr (transposed)
    tile_product<Tile>(all, *stages, rows, Along_N<Tile, fit>({w, K}, j0, columns), 0, K);
  else
    tile_product<Tile>(all, *stages, rows, Across_N<Tile, fit>({w, N}, j0, columns), 0, K);
  const auto put = [&](int i, int j, const auto& values, int count) {
    store(work.begin + i, j0 + j, values, count);
  };
  with_sums<Tile>(all, *stages,
                  [&](const auto& sums) { for_each_run<Tile>(sums, work.rows, columns, put); });
}

/// What a weight's gradient is: dW[e] (M,N) = or += the sum over the slots of e of a[slot]^T
/// b[slot]. Slots are cut into parts of `length`, whose sums lie in `partial`.
struct Weights {
  float* dw;
  TileMatrix a, b;
  const int* offset;
  int experts, M, N, length;
  bool accumulate;
  float* partial;
  unsigned* arrived;  // for each tile, of each part and each expert
};

/// Block (x, y, z): tile (x, y) of part z of all experts'.
template <class Tile, Fit fit>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks) weights_kernel(Weights w) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(TileStages<Tile>, stages);
  const Work work = find_work(w.offset, w.experts, int(blockIdx.z), w.length, 1);
  if (work.pieces == 0 || (work.rows == 0 && w.accumulate)) return;
  const int i0 = int(blockIdx.x) * Tile::kM, j0 = int(blockIdx.y) * Tile::kN;
  const int rows = min(Tile::kM, w.M - i0), columns = min(Tile::kN, w.N - j0);
  typename Tile::All all = {};
  tile_product<Tile>(all, *stages, Across_M<Tile, fit, true>(w.a, i0, rows),
                     Across_N<Tile, fit, true>(w.b, j0, columns), work.begin,
                     work.begin + work.rows);
  with_sums<Tile>(all, *stages, [&](auto& sums) {
    if (work.pieces > 1) {
      const int tile = int(blockIdx.y * gridDim.x + blockIdx.x);
      const PartSums<Tile> parts(w.partial, tile * int(gridDim.z) + work.first);
      // An expert's first part has two places, the others one: as many as arrivals_of and more.
      unsigned* const arrived =
          w.arrived + tile * int(gridDim.z + unsigned(w.experts)) + work.first + work.expert;
      if (!add_parts(parts, sums, work.piece, work.pieces, arrived)) return;
    }
    const std::size_t row = std::size_t(work.expert) * std::size_t(w.M) + std::size_t(i0);
    float* const dw = w.dw + row * std::size_t(w.N) + std::size_t(j0);
    for_each_run<Tile>(sums, rows, columns,
                       TileStore{dw, w.accumulate ? dw : nullptr, w.N, w.N, fit != Fit::ragged});
  });
}

/// use.operator()<Tile>() with the tile for `count` results: medium ones if the GPU has some for
/// each multiprocessor, as few experts have just a multiple of a tile's rows.
template <class Use>
void with_tile(Precision precision, std::size_t count, const Use& use) {
  constexpr std::size_t kEnough = 3 * 128;
  if (precision == Precision::bf16) return use.template operator()<MediumBf16>();
  if (count / (MediumTile::kM * MediumTile::kN) >= kEnough)
    return use.template operator()<MediumTile>();
  use.template operator()<SmallTile>();
}

template <class Tile, bool transposed, Fit fit, class Store>
void rows_of(const GroupedRows& at, const GpuFloat* a, const GpuFloat* w, int K, int N,
             const Store& store) {
  const std::size_t tiles = std::size_t(at.most_rows / Tile::kM + at.experts);
  const Grid grid{{blocks_for(tiles, 1), blocks_for(std::size_t(N), Tile::kN)},
                  Tile::kThreads,
                  kTileBytes<Tile>};
  launch<rows_kernel<Tile, transposed, fit, Store>>(
      grid, store, TileMatrix{raw(a), K, raw(at.index)}, w, at.offset, at.experts, N, K);
}

template <bool transposed, class Store>
void rows(const GroupedRows& at, const GpuFloat* a, const GpuFloat* w, int K, int N,
          const Store& store) {
  if (at.most_rows == 0) return;
  const int long_w = transposed ? K : N;
  const bool fits = aligned(w, long_w, long_w) && aligned(a, K, K);
  with_tile(at.precision, std::size_t(at.most_rows) * std::size_t(N), [&]<class Tile>() {
    // A medium tile's kernel for ragged rows would not have the registers for so many of them.
    using Ragged = std::conditional_t<std::is_same_v<Tile, MediumTile>, SmallTile, Tile>;
    if (fits)
      rows_of<Tile, transposed, Fit::aligned>(at, a, w, K, N, store);
    else
      rows_of<Ragged, transposed, Fit::ragged>(at, a, w, K, N, store);
  });
}

}  // namespace grouped

/// Row s of the product is a[row of s] (I) times w[e] (I,O), given to `store`.
template <class Store>
void grouped_forward(const GroupedRows& at, const GpuFloat* a, const GpuFloat* w, int I, int O,
                     const Store& store) {
  grouped::rows<false>(at, a, w, I, O, store);
}
/// Row s of the product is dy[row of s] (O) times w[e]^T, for w[e] (I,O).
template <class Store>
void grouped_backward(const GroupedRows& at, const GpuFloat* dy, const GpuFloat* w, int I, int O,
                      const Store& store) {
  grouped::rows<true>(at, dy, w, O, I, store);
}

}  // namespace ramoe::cuda
