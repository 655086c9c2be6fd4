// Chapter 1.7 on the GPU - the products of all experts in one launch
//
// The rows (slots) of expert e are [offset[e], offset[e+1]), and offset lies in the GPU's memory:
// the host never learns it. It starts as many blocks as any routing can need, and each finds its
// own work:
//
//   rows of out   every expert's rows are cut into tiles of kM rows; there are at most rows/kM + E.
//                 A warp adds up the experts' tiles, 32 at a time, until past its block's number
//   weights       a block has one tile of dW[e] and walks along the rows of e in order: no atomics
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

/// The tile of rows of one expert; rows = 0: this block has none.
struct Work {
  int expert, begin, rows;
};

/// What tile `number` of all experts' tiles of kM rows is. For whole warps.
template <int kM>
__device__ Work find_work(const int* offset, int experts, int number) {
  const int lane = int(threadIdx.x) % 32;
  int before = 0;  // tiles of the experts before these 32
  for (int first = 0; first < experts; first += 32) {
    const int e = first + lane;
    const int begin = e < experts ? offset[e] : 0, end = e < experts ? offset[e + 1] : 0;
    const int tiles = (end - begin + kM - 1) / kM;
    int upto = tiles;  // becomes the sum over lanes up to this one
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
      const int lower = __shfl_up_sync(kAllLanes, upto, unsigned(step));
      if (lane >= step) upto += lower;
    }
    const unsigned past = __ballot_sync(kAllLanes, before + upto > number);
    if (past != 0) {
      const int who = __ffs(int(past)) - 1;
      const int at = begin + (number - before - (upto - tiles)) * kM;
      return {first + who, __shfl_sync(kAllLanes, at, who),
              __shfl_sync(kAllLanes, min(kM, end - at), who)};
    }
    before += __shfl_sync(kAllLanes, upto, 31);
  }
  return {0, 0, 0};
}

/// out[slot] = A[slot] W[e] for W[e] (K,N), or A[slot] W[e]^T for W[e] (N,K).
template <class Tile, bool transposed, bool vectors, class Store>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    rows_kernel(Store store, TileMatrix a, const float* w, const int* offset, int experts, int N,
                int K) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(TileStages<Tile>, stages);
  const Work work = find_work<Tile::kM>(offset, experts, int(blockIdx.x));
  if (work.rows == 0) return;
  const int j0 = int(blockIdx.y) * Tile::kN, columns = min(Tile::kN, N - j0);
  w += std::size_t(work.expert) * std::size_t(N) * std::size_t(K);
  typename Tile::Sums sums = {};
  const AlongK<Tile::kM, Tile::kThreads, true> rows(a, work.begin, work.rows);
  if constexpr (transposed) {
    const AlongK<Tile::kN, Tile::kThreads> b(TileMatrix{w, K}, j0, columns);
    tile_product<Tile>(sums, *stages, rows, b, 0, K);
  } else {
    const AcrossK<Tile::kN, Tile::kThreads, vectors> b(TileMatrix{w, N}, j0, columns);
    tile_product<Tile>(sums, *stages, rows, b, 0, K);
  }
  const auto put = [&](int i, int j, const auto& values, int count) {
    store(work.begin + i, j0 + j, values, count);
  };
  Tile::each(sums, work.rows, columns, put);
}

/// dW[e] (M,N) = or += the sum over the slots of e, in order, of a[slot]^T b[slot].
template <class Tile, bool vectors>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    weights_kernel(float* dw, TileMatrix a, TileMatrix b, const int* offset, int M, int N,
                   bool accumulate) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(TileStages<Tile>, stages);
  const int e = int(blockIdx.z), i0 = int(blockIdx.x) * Tile::kM, j0 = int(blockIdx.y) * Tile::kN;
  const int begin = offset[e], end = offset[e + 1];
  if (begin == end && accumulate) return;
  const int rows = min(Tile::kM, M - i0), columns = min(Tile::kN, N - j0);
  typename Tile::Sums sums = {};
  const AcrossK<Tile::kM, Tile::kThreads, vectors, true> x(a, i0, rows);
  const AcrossK<Tile::kN, Tile::kThreads, vectors, true> dy(b, j0, columns);
  tile_product<Tile>(sums, *stages, x, dy, begin, end);
  dw += (std::size_t(e) * std::size_t(M) + std::size_t(i0)) * std::size_t(N) + std::size_t(j0);
  Tile::each(sums, rows, columns, TileStore{dw, accumulate ? dw : nullptr, N, N, vectors});
}

using Fp32Tile = FmaTile<64, 64, 8, 4>;
using Bf16Tile = MmaTile<Bf16, 64, 64, 32, 32>;

template <class Tile, bool transposed, class Store>
void rows_of(const GroupedRows& at, const GpuFloat* a, const GpuFloat* w, int K, int N,
             const Store& store) {
  if (at.most_rows == 0) return;
  const std::size_t tiles = std::size_t(at.most_rows / Tile::kM + at.experts);
  const Grid grid{{blocks_for(tiles, 1), blocks_for(std::size_t(N), Tile::kN)},
                  Tile::kThreads,
                  sizeof(TileStages<Tile>)};
  const TileMatrix rows{raw(a), K, raw(at.index)};
  if (!transposed && aligned(w, N, N))
    launch<rows_kernel<Tile, transposed, !transposed, Store>>(grid, store, rows, w, at.offset,
                                                              at.experts, N, K);
  else
    launch<rows_kernel<Tile, transposed, false, Store>>(grid, store, rows, w, at.offset, at.experts,
                                                        N, K);
}

template <bool transposed, class Store>
void rows(const GroupedRows& at, const GpuFloat* a, const GpuFloat* w, int K, int N,
          const Store& store) {
  if (at.precision == Precision::bf16)
    rows_of<Bf16Tile, transposed>(at, a, w, K, N, store);
  else
    rows_of<Fp32Tile, transposed>(at, a, w, K, N, store);
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
