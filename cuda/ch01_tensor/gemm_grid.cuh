// Chapter 1.7 on the GPU - one product, or several, as a grid of tiles
//
// A product with few tiles and a long K, a weight's gradient, is cut along K: each part is a
// product of its own, and of a tile's parts the block that finishes last adds them up, in order.
// How it is cut depends on the sizes alone: the same bits at every run.
//
// Small products that need not wait for one another share a launch (products_kernel): each alone
// would have too few tiles for the GPU, and would cost a start. Such are those of q, k and v, and
// the gradients of a layer's weight and of its input.
#pragma once

#include <algorithm>
#include <type_traits>

#include "cuda/ch01_tensor/gemm_parts.cuh"
#include "cuda/ch01_tensor/gemm_tile.cuh"
#include "cuda/support/scratch.h"

namespace ramoe::cuda {

constexpr int kEnoughBlocks = 128;  // for all multiprocessors of a large GPU
constexpr int kShortestPart = 256;  // of K

/// A product as a launch sees it. If it is cut, parts > 1, the sums of part p of a tile lie at
/// place tile * parts + p of `partial`.
struct GridProduct {
  Gemm<float> g;
  const float* plus;  // C = plus + A B; null: A B
  int plus_ld;        // 0: a bias
  bool vectors_c;
  int tiles;
  int parts, part_length;  // of K
  float* partial;
  unsigned* arrived;  // arrivals_of(parts) for each tile
};

/// Tile (x, y) of C for block `number`: blocks that run together form a square, so that they find
/// rows of A and columns of B in the L2 cache that others have read. Few blocks all run together;
/// then they go down the columns, as the first copies wait for each division here.
struct TilePlace {
  int i, j;
  __device__ TilePlace(unsigned number, unsigned rows, unsigned columns) {
    constexpr unsigned kBand = 8, kFew = 2 * kEnoughBlocks;
    const bool few = rows * columns <= kFew;
    const unsigned band = few ? 0 : number / (kBand * columns);
    const unsigned within = number - band * kBand * columns;
    const unsigned height = few ? rows : min(kBand, rows - band * kBand);
    i = int(band * kBand + within % height);
    j = int(within / height);
  }
};

/// all += A B of a tile, for k in [begin, end).
template <class Tile, GemmForm form, Fit fit>
__device__ void form_product(typename Tile::All& all, TileStages<Tile>& stages,
                             const Gemm<float>& g, int i0, int j0, int begin, int end) {
  using A = std::conditional_t<form == GemmForm::TN, Across_M<Tile, fit>, Along_M<Tile, fit>>;
  using B = std::conditional_t<form == GemmForm::NT, Along_N<Tile, fit>, Across_N<Tile, fit>>;
  tile_product<Tile>(all, stages, A({g.A, g.lda}, i0, g.M - i0), B({g.B, g.ldb}, j0, g.N - j0),
                     begin, end);
}

/// Where tile `at` of a product begins in C.
template <class Tile>
__device__ TilePlace first_of_tile(const GridProduct& p, int at) {
  TilePlace place(unsigned(at), ceil_div(unsigned(p.g.M), unsigned(Tile::kM)),
                  ceil_div(unsigned(p.g.N), unsigned(Tile::kN)));
  place.i *= Tile::kM, place.j *= Tile::kN;
  return place;
}

template <class Tile>
__device__ void store_tile(const GridProduct& p, const TilePlace& at,
                           const typename Tile::Sums& sums) {
  TileStore store{p.g.C, p.plus, p.g.ldc, p.plus_ld, p.vectors_c};
  store.move(at.i, at.j);
  for_each_run<Tile>(sums, p.g.M - at.i, p.g.N - at.j, store);
}

/// Block `number` of a product: multiply(all, i0, j0, begin, end) gives the sums of its part.
template <class Tile, class Multiply>
__device__ void make_part(const GridProduct& p, TileStages<Tile>& stages, int number,
                          const Multiply& multiply) {
  const int part = p.parts == 1 ? 0 : int(unsigned(number) / unsigned(p.tiles));
  const int tile = number - part * p.tiles, begin = part * p.part_length;
  const TilePlace at = first_of_tile<Tile>(p, tile);
  typename Tile::All all = {};
  multiply(all, at.i, at.j, begin, min(p.g.K, begin + p.part_length));
  with_sums<Tile>(all, stages, [&](auto& sums) {
    if (p.parts > 1) {
      const PartSums<Tile> parts(p.partial, tile * p.parts);
      if constexpr (!kAddsParts<Tile>) return parts.keep(sums, part);
      unsigned* const arrived = p.arrived + tile * arrivals_of(p.parts);
      if (!add_parts(parts, sums, part, p.parts, arrived)) return;
    }
    store_tile<Tile>(p, at, sums);
  });
}

/// A block for each tile whose parts no block of gemm_kernel adds.
template <class Tile>
__global__ void __launch_bounds__(Tile::kThreads) add_parts_kernel(GridProduct p) {
  wait_for_earlier_kernels();
  const int tile = int(blockIdx.x);
  typename Tile::Sums sums;
  PartSums<Tile>(p.partial, tile * p.parts).add(sums, 0, p.parts);
  store_tile<Tile>(p, first_of_tile<Tile>(p, tile), sums);
}

template <class Tile, GemmForm form, Fit fit>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks) gemm_kernel(GridProduct p) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(TileStages<Tile>, stages);
  make_part(p, *stages, int(blockIdx.x), [&](auto& all, int i0, int j0, int begin, int end) {
    form_product<Tile, form, fit>(all, *stages, p.g, i0, j0, begin, end);
  });
}

/// The products of a launch. Those that add to one C are a chain: the first has its blocks, which
/// walk through the chain, and the others have none.
struct ProductList {
  static constexpr int kMost = 9;  // weights, inputs and biases of three layers
  GridProduct product[kMost];
  int blocks[kMost], chain[kMost];
};

template <class Tile, Fit fit>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    products_kernel(const __grid_constant__ ProductList list) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(TileStages<Tile>, stages);
  int number = int(blockIdx.x), first = 0;
  for (; number >= list.blocks[first]; ++first) number -= list.blocks[first];
  const auto multiply = [&](auto& all, int i0, int j0, int begin, int end) {
    for (int c = 0; c < list.chain[first]; ++c) {
      if (c > 0) __syncthreads();  // the stages of the product before have been read
      const Gemm<float>& g = list.product[first + c].g;
      const int last = c == 0 ? end : g.K;
      if (g.form == GemmForm::NN)
        form_product<Tile, GemmForm::NN, fit>(all, *stages, g, i0, j0, begin, last);
      else if (g.form == GemmForm::NT)
        form_product<Tile, GemmForm::NT, fit>(all, *stages, g, i0, j0, begin, last);
      else
        form_product<Tile, GemmForm::TN, fit>(all, *stages, g, i0, j0, begin, last);
    }
  };
  make_part(list.product[first], *stages, number, multiply);
}

template <class Tile>
std::size_t tiles_of(const Gemm<GpuFloat>& g) {
  return std::size_t(ceil_div(g.M, Tile::kM)) * std::size_t(ceil_div(g.N, Tile::kN));
}

/// What a product is added to: a matrix, or with ld = 0 a bias. from null: nothing.
struct Plus {
  const GpuFloat* from = nullptr;
  int ld = 0;
};
inline Plus plus_itself(const Gemm<GpuFloat>& g) {
  return g.accumulate ? Plus{g.C, g.ldc} : Plus{};
}

/// The product as a launch of these tiles sees it. A product in a chain is not cut.
template <class Tile>
GridProduct grid_product(const Gemm<GpuFloat>& g, const Plus& plus, Scratch& scratch,
                         bool cut = true) {
  const Gemm<float> on_gpu{g.form,   g.M,   g.N,      g.K,   raw(g.A),    g.lda,
                           raw(g.B), g.ldb, raw(g.C), g.ldc, g.accumulate};
  const std::size_t tiles = tiles_of<Tile>(g);
  GridProduct p{on_gpu,     raw(plus.from),
                plus.ld,    aligned(g.C, g.ldc, 0) && aligned(plus.from, plus.ld, 0),
                int(tiles), 1,
                g.K,        nullptr,
                nullptr};
  // Two blocks of 128 threads for each multiprocessor, or as many threads in more blocks.
  constexpr std::size_t kWanted = 2 * kEnoughBlocks * 128 / std::min(128, Tile::kThreads);
  const std::size_t most = std::size_t(g.K / kShortestPart), wanted = kWanted / tiles;
  if (!cut || min(wanted, most) < 2 || tiles >= kEnoughBlocks) return p;
  p.part_length = ceil_div(ceil_div(g.K, int(min(wanted, most))), Tile::kDeep) * Tile::kDeep;
  p.parts = ceil_div(g.K, p.part_length);
  if (p.parts < 2) return p;
  p.partial = scratch.take<float>(std::size_t(p.parts) * tiles * std::size_t(Tile::kM * Tile::kN));
  p.arrived = arrivals();
  return p;
}

/// A product of one row may be a sum of columns, dbias = 1^T dy: A is four ones, read again for
/// each k, and four so that they can be copied 16 bytes at a time.
const GpuFloat* ones();
inline bool is_sum(const Gemm<GpuFloat>& g) {
  return g.lda == 0;
}

/// Whether what these tiles copy 16 bytes at a time is aligned: operands whose k are no neighbours,
/// and where they are, if they keep that order.
template <class Tile>
bool in_vectors(const Gemm<GpuFloat>& g) {
  const auto fits = [](const GpuFloat* x, int ld, int columns, bool along) {
    return (along && !kKeepsRows<Tile>) || aligned(x, ld, columns);
  };
  const bool a_along = g.form != GemmForm::TN, b_along = g.form == GemmForm::NT;
  return (is_sum(g) || fits(g.A, g.lda, a_along ? g.K : g.M, a_along)) &&
         fits(g.B, g.ldb, b_along ? g.K : g.N, b_along);
}

/// Tiles of large products: one whose sizes are multiples of the tile's has a kernel of its own.
template <class Tile>
constexpr bool kHasWhole = !kKeepsRows<Tile>;

/// C = plus + A B with tiles of this kind; plus may be C.
template <class Tile>
void run_tiles(const Gemm<GpuFloat>& g, const Plus& plus) {
  Scratch scratch;
  const GridProduct p = grid_product<Tile>(g, plus, scratch);
  const Grid grid{blocks_for(std::size_t(p.tiles * p.parts), 1), Tile::kThreads, kTileBytes<Tile>};
  const bool vectors = in_vectors<Tile>(g);
  const bool whole =
      vectors && g.M % Tile::kM == 0 && g.N % Tile::kN == 0 && g.K % Tile::kDeep == 0;
  const auto run_form = [&]<GemmForm form>() {
    if constexpr (kHasWhole<Tile>)
      if (whole) return launch<gemm_kernel<Tile, form, Fit::whole>>(grid, p);
    // A tile that turns rows has nothing to copy 16 bytes at a time in NT.
    constexpr Fit best = form != GemmForm::NT || kKeepsRows<Tile> ? Fit::aligned : Fit::ragged;
    if (vectors)
      launch<gemm_kernel<Tile, form, best>>(grid, p);
    else
      launch<gemm_kernel<Tile, form, Fit::ragged>>(grid, p);
  };
  if (g.form == GemmForm::NN)
    run_form.template operator()<GemmForm::NN>();
  else if (g.form == GemmForm::NT)
    run_form.template operator()<GemmForm::NT>();
  else
    run_form.template operator()<GemmForm::TN>();
  if constexpr (!kAddsParts<Tile>)
    if (p.parts > 1) launch<add_parts_kernel<Tile>>({unsigned(p.tiles), Tile::kThreads}, p);
}

/// Several products, at most ProductList::kMost, as gemm_all has them; bias null: none has one.
template <class Tile>
void run_together(const Gemm<GpuFloat>* products, const GpuFloat* const* bias, int count) {
  Scratch scratch;
  ProductList list = {};
  unsigned* arrived = arrivals();
  int blocks = 0;
  bool vectors = true;
  for (int first = 0, chain; first < count; first += chain) {
    const Gemm<GpuFloat>& g = products[first];
    for (int i = 0; i < first; ++i)
      check(products[i].C != g.C, "gemm_all: products ", i, " and ", first,
            " add to the same matrix and are no neighbours.");
    for (chain = 1; first + chain < count && products[first + chain].C == g.C; ++chain) {
    }
    for (int i = first; i < first + chain; ++i) {
      check(i == first || products[i].accumulate, "gemm_all: product ", i,
            " overwrites the one before it.");
      const Plus plus = bias ? Plus{bias[i], 0} : plus_itself(g);
      list.product[i] = grid_product<Tile>(products[i], plus, scratch, chain == 1);
      vectors = vectors && in_vectors<Tile>(products[i]);
    }
    GridProduct& p = list.product[first];
    p.arrived = arrived;
    if (p.parts > 1) arrived += p.tiles * arrivals_of(p.parts);
    list.chain[first] = chain;
    list.blocks[first] = p.tiles * p.parts;
    blocks += list.blocks[first];
  }
  check(arrived <= arrivals() + kArrivals, "gemm_all: too many tiles that are cut.");
  const Grid grid{unsigned(blocks), Tile::kThreads, kTileBytes<Tile>};
  if (vectors)
    launch<products_kernel<Tile, Fit::aligned>>(grid, list);
  else
    launch<products_kernel<Tile, Fit::ragged>>(grid, list);
}

}  // namespace ramoe::cuda
