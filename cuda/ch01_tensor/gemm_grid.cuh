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

#include "cuda/ch01_tensor/gemm_tile.cuh"
#include "cuda/support/comes_last.cuh"
#include "cuda/support/scratch.h"

namespace ramoe::cuda {

constexpr int kEnoughBlocks = 128;  // for all multiprocessors of a large GPU
constexpr int kShortestPart = 128;  // of K

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
  unsigned* arrived;  // for each tile
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

/// sums += A B of a tile, for k in [begin, end).
template <class Tile, GemmForm form, bool vectors>
__device__ void form_product(typename Tile::Sums& sums, TileStages<Tile>& stages,
                             const Gemm<float>& g, int i0, int j0, int begin, int end) {
  constexpr int kThreads = Tile::kThreads;
  const int rows = g.M - i0, columns = g.N - j0;
  const TileMatrix a{g.A, g.lda}, b{g.B, g.ldb};
  const auto product = [&](const auto& a_tile, const auto& b_tile) {
    tile_product<Tile>(sums, stages, a_tile, b_tile, begin, end);
  };
  if constexpr (form == GemmForm::NN)
    product(AlongK<Tile::kM, kThreads>(a, i0, rows),
            AcrossK<Tile::kN, kThreads, vectors>(b, j0, columns));
  else if constexpr (form == GemmForm::NT)
    product(AlongK<Tile::kM, kThreads>(a, i0, rows), AlongK<Tile::kN, kThreads>(b, j0, columns));
  else
    product(AcrossK<Tile::kM, kThreads, vectors>(a, i0, rows),
            AcrossK<Tile::kN, kThreads, vectors>(b, j0, columns));
}

/// The sums of a part of a tile in memory: each thread finds those of the threads with its number.
template <class Tile>
struct PartSums {
  static constexpr int kSums = sizeof(typename Tile::Sums) / sizeof(float);
  using Flat = float[kSums];
  float4* of_tile;
  __device__ PartSums(const GridProduct& p, int tile)
      : of_tile(reinterpret_cast<float4*>(p.partial) +
                std::size_t(tile * p.parts) * (kSums / 4 * Tile::kThreads) + threadIdx.x) {}
  __device__ float4& at(int part, int sum) const {
    return of_tile[(part * (kSums / 4) + sum / 4) * Tile::kThreads];
  }
  __device__ void keep(const Flat& sums, int part) const {
#pragma unroll
    for (int s = 0; s < kSums; s += 4)
      at(part, s) = make_float4(sums[s], sums[s + 1], sums[s + 2], sums[s + 3]);
  }
  /// The sums of all parts, added in order.
  __device__ void add(Flat& sums, int parts) const {
#pragma unroll
    for (int s = 0; s < kSums; ++s) sums[s] = 0;
#pragma unroll 2
    for (int part = 0; part < parts; ++part)
#pragma unroll
      for (int s = 0; s < kSums; s += 4) {
        const float4 four = at(part, s);
        sums[s] += four.x, sums[s + 1] += four.y, sums[s + 2] += four.z, sums[s + 3] += four.w;
      }
  }
};

/// A large tile fills the registers of its threads: its parts are added by a kernel of its own.
template <class Tile>
constexpr bool kAddsParts = Tile::kThreads < 256;

/// Tile `at` of a product, through fill(sums, i0, j0), to C.
template <class Tile, class Fill>
__device__ void make_tile(const GridProduct& p, int at, const Fill& fill) {
  const Gemm<float>& g = p.g;
  const TilePlace tile(at, ceil_div(g.M, Tile::kM), ceil_div(g.N, Tile::kN));
  const int i0 = tile.i * Tile::kM, j0 = tile.j * Tile::kN;
  typename Tile::Sums sums = {};
  if (!fill(sums, i0, j0)) return;
  TileStore store{g.C, p.plus, g.ldc, p.plus_ld, p.vectors_c};
  store.move(i0, j0);
  Tile::each(sums, g.M - i0, g.N - j0, store);
}

/// Block `number` of a product: multiply(sums, i0, j0, begin, end) gives the sums of its part.
template <class Tile, class Multiply>
__device__ void make_part(const GridProduct& p, int number, const Multiply& multiply) {
  const int at = number % p.tiles, part = number / p.tiles, begin = part * p.part_length;
  make_tile<Tile>(p, at, [&](auto& sums, int i0, int j0) {
    multiply(sums, i0, j0, begin, min(p.g.K, begin + p.part_length));
    if (p.parts == 1) return true;
    const PartSums<Tile> all(p, at);
    auto& flat = reinterpret_cast<typename PartSums<Tile>::Flat&>(sums);
    all.keep(flat, part);
    if constexpr (kAddsParts<Tile>) {
      if (!comes_last(p.arrived + at, unsigned(p.parts))) return false;
      all.add(flat, p.parts);
      return true;
    }
    return false;
  });
}

/// A block for each tile whose parts no block of gemm_kernel adds.
template <class Tile>
__global__ void __launch_bounds__(Tile::kThreads) add_parts_kernel(GridProduct p) {
  wait_for_earlier_kernels();
  const int at = int(blockIdx.x);
  make_tile<Tile>(p, at, [&](auto& sums, int, int) {
    PartSums<Tile>(p, at).add(reinterpret_cast<typename PartSums<Tile>::Flat&>(sums), p.parts);
    return true;
  });
}

template <class Tile, GemmForm form, bool vectors>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks) gemm_kernel(GridProduct p) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(TileStages<Tile>, stages);
  make_part<Tile>(p, int(blockIdx.x), [&](auto& sums, int i0, int j0, int begin, int end) {
    form_product<Tile, form, vectors>(sums, *stages, p.g, i0, j0, begin, end);
  });
}

/// The products of a launch. Those that add to one C are a chain: the first has its blocks, which
/// walk through the chain, and the others have none.
struct ProductList {
  static constexpr int kMost = 9;  // weights, inputs and biases of three layers
  GridProduct product[kMost];
  int blocks[kMost], chain[kMost];
};

template <class Tile, bool vectors>
__global__ void __launch_bounds__(Tile::kThreads, Tile::kBlocks)
    products_kernel(const __grid_constant__ ProductList list) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(TileStages<Tile>, stages);
  int number = int(blockIdx.x), first = 0;
  for (; number >= list.blocks[first]; ++first) number -= list.blocks[first];
  const auto multiply = [&](auto& sums, int i0, int j0, int begin, int end) {
    for (int c = 0; c < list.chain[first]; ++c) {
      if (c > 0) __syncthreads();  // the stages of the product before have been read
      const Gemm<float>& g = list.product[first + c].g;
      const int last = c == 0 ? end : g.K;
      if (g.form == GemmForm::NN)
        form_product<Tile, GemmForm::NN, vectors>(sums, *stages, g, i0, j0, begin, last);
      else if (g.form == GemmForm::NT)
        form_product<Tile, GemmForm::NT, vectors>(sums, *stages, g, i0, j0, begin, last);
      else
        form_product<Tile, GemmForm::TN, vectors>(sums, *stages, g, i0, j0, begin, last);
    }
  };
  make_part<Tile>(list.product[first], number, multiply);
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
  const std::size_t most = std::size_t(g.K / kShortestPart), wanted = 2 * kEnoughBlocks / tiles;
  if (!cut || min(wanted, most) < 2 || tiles >= kEnoughBlocks) return p;
  p.part_length = ceil_div(ceil_div(g.K, int(min(wanted, most))), kTileK) * kTileK;
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

/// Whether B, and A where it is read along its rows, can be copied 16 bytes at a time.
inline bool in_vectors(const Gemm<GpuFloat>& g) {
  return g.form == GemmForm::NT ||
         (aligned(g.B, g.ldb, g.N) &&
          (g.form == GemmForm::NN || is_sum(g) || aligned(g.A, g.lda, g.M)));
}

/// C = plus + A B with tiles of this kind; plus may be C.
template <class Tile>
void run_tiles(const Gemm<GpuFloat>& g, const Plus& plus) {
  Scratch scratch;
  const GridProduct p = grid_product<Tile>(g, plus, scratch);
  const Grid grid{blocks_for(std::size_t(p.tiles * p.parts), 1), Tile::kThreads,
                  sizeof(TileStages<Tile>)};
  const auto run_kernel = [&]<GemmForm form, bool vectors>() {
    // With 16-byte copies the large NN tile would need 2 more registers than a thread has.
    constexpr bool fits = form == GemmForm::TN || Tile::kThreads < 256 || Tile::kTensor;
    launch<gemm_kernel<Tile, form, vectors && fits>>(grid, p);
  };
  const bool vectors = in_vectors(g);
  if (g.form == GemmForm::NT)
    run_kernel.template operator()<GemmForm::NT, false>();
  else if (g.form == GemmForm::NN)
    vectors ? run_kernel.template operator()<GemmForm::NN, true>()
            : run_kernel.template operator()<GemmForm::NN, false>();
  else
    vectors ? run_kernel.template operator()<GemmForm::TN, true>()
            : run_kernel.template operator()<GemmForm::TN, false>();
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
      vectors = vectors && in_vectors(products[i]);
    }
    GridProduct& p = list.product[first];
    p.arrived = arrived;
    if (p.parts > 1) arrived += p.tiles;
    list.chain[first] = chain;
    list.blocks[first] = p.tiles * p.parts;
    blocks += list.blocks[first];
  }
  check(arrived <= arrivals() + kArrivals, "gemm_all: too many tiles that are cut.");
  const Grid grid{unsigned(blocks), Tile::kThreads, sizeof(TileStages<Tile>)};
  if (vectors)
    launch<products_kernel<Tile, true>>(grid, list);
  else
    launch<products_kernel<Tile, false>>(grid, list);
}

}  // namespace ramoe::cuda
