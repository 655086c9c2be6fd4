// Chapter 1.7 on the GPU - one product as a grid of tiles
//
// A product with few tiles and a long K, a weight's gradient, is cut along K: each part is a product
// of its own, and a second kernel adds the parts in order. How it is cut depends on the sizes alone:
// the same bits at every run.
#pragma once

#include "cuda/ch01_tensor/gemm_tile.cuh"
#include "cuda/support/scratch.h"

namespace ramoe::cuda {

constexpr int kEnoughBlocks = 128;  // for all multiprocessors of a large GPU
constexpr int kShortestPart = 128;  // of K

/// What a launch makes: parts > 1 write to `partial`, each M N values.
struct Parts {
  int count, length;
  float* partial;
};

/// Tile (x, y) of C for block `number`: blocks that run together form a square, so that they find
/// rows of A and columns of B in the L2 cache that others have read.
struct TilePlace {
  int i, j;
  __device__ TilePlace(int number, int rows, int columns) {
    constexpr int kBand = 8;
    const int band = number / (kBand * columns), within = number % (kBand * columns);
    const int height = min(kBand, rows - band * kBand);
    i = band * kBand + within % height;
    j = within / height;
  }
};

template <class Tile, GemmForm form, bool vectors>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    gemm_kernel(Gemm<float> g, Parts parts, bool vectors_c) {
  DYNAMIC_SHARED(TileStages<Tile>, stages);
  const TilePlace tile(int(blockIdx.x), ceil_div(g.M, Tile::kM), ceil_div(g.N, Tile::kN));
  const int i0 = tile.i * Tile::kM, j0 = tile.j * Tile::kN;
  const int rows = g.M - i0, columns = g.N - j0;
  const int begin = int(blockIdx.y) * parts.length, end = min(g.K, begin + parts.length);
  typename Tile::Sums sums = {};
  const TileMatrix a{g.A, g.lda}, b{g.B, g.ldb};
  const auto product = [&](const auto& a_tile, const auto& b_tile) {
    tile_product<Tile>(sums, *stages, a_tile, b_tile, begin, end);
  };
  constexpr int kThreads = Tile::kThreads;
  if constexpr (form == GemmForm::NN)
    product(AlongK<Tile::kM, kThreads>(a, i0, rows),
            AcrossK<Tile::kN, kThreads, vectors>(b, j0, columns));
  else if constexpr (form == GemmForm::NT)
    product(AlongK<Tile::kM, kThreads>(a, i0, rows), AlongK<Tile::kN, kThreads>(b, j0, columns));
  else
    product(AcrossK<Tile::kM, kThreads, vectors>(a, i0, rows),
            AcrossK<Tile::kN, kThreads, vectors>(b, j0, columns));
  TileStore store{g.C, g.ldc, g.accumulate, vectors_c};
  if (parts.count > 1)
    store = {parts.partial + std::size_t(blockIdx.y) * std::size_t(g.M) * std::size_t(g.N), g.N,
             false, g.N % 4 == 0};
  store.to += std::size_t(i0) * std::size_t(store.ld) + std::size_t(j0);
  Tile::each(sums, rows, columns, store);
}

static __global__ void add_parts_kernel(Gemm<float> g, Parts parts) {
  const std::size_t i = std::size_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::size_t all = std::size_t(g.M) * std::size_t(g.N);
  if (i >= all) return;
  float sum = 0;
  for (int p = 0; p < parts.count; ++p) sum += parts.partial[std::size_t(p) * all + i];
  float& out = g.C[i / std::size_t(g.N) * std::size_t(g.ldc) + i % std::size_t(g.N)];
  out = g.accumulate ? out + sum : sum;
}

template <class Tile>
std::size_t tiles_of(const Gemm<GpuFloat>& g) {
  return std::size_t(ceil_div(g.M, Tile::kM)) * std::size_t(ceil_div(g.N, Tile::kN));
}

/// C = or += A B with tiles of this kind.
template <class Tile>
void run_tiles(const Gemm<GpuFloat>& g) {
  const std::size_t tiles = tiles_of<Tile>(g);
  const std::size_t most = std::size_t(g.K / kShortestPart), wanted = 2 * kEnoughBlocks / tiles;
  Parts parts{int(min(wanted, most)), g.K, nullptr};
  if (parts.count < 2 || tiles >= kEnoughBlocks) parts.count = 1;
  parts.length = ceil_div(ceil_div(g.K, parts.count), kTileK) * kTileK;
  parts.count = max(1, ceil_div(g.K, max(1, parts.length)));
  Scratch scratch;
  const std::size_t all = std::size_t(g.M) * std::size_t(g.N);
  if (parts.count > 1) parts.partial = scratch.take<float>(std::size_t(parts.count) * all);
  const Gemm<float> on_gpu{g.form,     g.M,   g.N,         g.K,   raw(g.A),     g.lda, raw(g.B),
                           g.ldb,      raw(g.C), g.ldc,    g.accumulate};
  const Grid grid{{blocks_for(tiles, 1), unsigned(parts.count)},
                  Tile::kThreads,
                  sizeof(TileStages<Tile>)};
  const bool vectors_c = aligned(g.C, g.ldc, 0), vectors_b = aligned(g.B, g.ldb, g.N);
  const auto run_kernel = [&]<GemmForm form, bool vectors>() {
    // With 16-byte copies the large NN tile would need 2 more registers than a thread has.
    constexpr bool fits = form == GemmForm::TN || Tile::kThreads < 256 || Tile::kTensor;
    launch<gemm_kernel<Tile, form, vectors && fits>>(grid, on_gpu, parts, vectors_c);
  };
  if (g.form == GemmForm::NT)
    run_kernel.template operator()<GemmForm::NT, false>();
  else if (g.form == GemmForm::NN)
    vectors_b ? run_kernel.template operator()<GemmForm::NN, true>()
              : run_kernel.template operator()<GemmForm::NN, false>();
  else
    vectors_b && aligned(g.A, g.lda, g.M) ? run_kernel.template operator()<GemmForm::TN, true>()
                                          : run_kernel.template operator()<GemmForm::TN, false>();
  if (parts.count > 1) launch<add_parts_kernel>({blocks_for(all, 256), 256}, on_gpu, parts);
}

}  // namespace ramoe::cuda
