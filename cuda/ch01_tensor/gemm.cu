// Chapter 1.5 on the GPU - the product that the program runs
//
//   fp32   tiles of plain multiply-adds in three sizes: the largest that still gives every
//          multiprocessor work, as large tiles read less and small ones are more
//   bf16   the same on tensor cores, rounded while multiplying. A large product rounds its matrices
//          first (gemm_packed.h): a value is read again by many tiles
#include <algorithm>

#include "ch01_tensor/vector_ops.h"
#include "cuda/ch01_tensor/gemm_engine.h"
#include "cuda/ch01_tensor/gemm_grid.cuh"
#include "cuda/ch01_tensor/gemm_mma.cuh"
#include "cuda/ch01_tensor/gemm_packed.h"

namespace ramoe {
namespace {

using namespace cuda;

constexpr int kLongK = 4 * kShortestPart;  // worth cutting
using Large = FmaTile<128, 128, 8, 8>;
using Medium = FmaTile<64, 64, 8, 4>;
using Small = FmaTile<32, 32, 4, 4>;
using MediumBf16 = MmaTile<Bf16, 64, 64, 32, 32>;
using SmallBf16 = MmaTile<Bf16, 32, 32, 16, 32>;

/// A product that fills the GPU by itself.
bool is_large(const Gemm<GpuFloat>& g) {
  return tiles_of<Large>(g) >= kEnoughBlocks;
}

template <class Medium, class Small>
void run_smaller(const Gemm<GpuFloat>& g, const GpuFloat* plus) {
  if (tiles_of<Medium>(g) >= kEnoughBlocks || g.K >= kLongK)
    run_tiles<Medium>(g, plus);
  else
    run_tiles<Small>(g, plus);
}

/// C = plus + A B; plus may be null, or C.
void run(Gemm<GpuFloat> g, const GpuFloat* plus) {
  check_sizes(g);
  if (g.M == 0 || g.N == 0 || (g.K == 0 && plus == g.C)) return;
  const bool cublas = gemm_engine() == GemmEngine::cublas && g.K > 0;
  const bool bf16 = g.precision == Precision::bf16, packed = bf16 && is_large(g) && g.K >= kLongK;
  if (cublas || packed) {
    g.accumulate = plus != nullptr;
    if (plus && plus != g.C) copy_values(g.C, plus, std::size_t(g.M) * std::size_t(g.N));
    return cublas ? gemm_cublas(g) : gemm_packed(g);
  }
  if (bf16)
    run_smaller<MediumBf16, SmallBf16>(g, plus);
  else if (is_large(g))
    run_tiles<Large>(g, plus);
  else
    run_smaller<Medium, Small>(g, plus);
}

template <class Medium, class Small>
void run_small_ones(const Gemm<GpuFloat>* products, int count) {
  std::size_t tiles = 0;
  bool long_k = false;
  for (int p = 0; p < count; ++p) {
    tiles += tiles_of<Medium>(products[p]);
    long_k = long_k || products[p].K >= kLongK;
  }
  if (tiles >= kEnoughBlocks || long_k)
    run_together<Medium>(products, count);
  else
    run_together<Small>(products, count);
}

/// Whether products may share a launch: none is empty, fills the GPU alone, or is cuBLAS's.
bool are_small(const Gemm<GpuFloat>* products, int count) {
  return gemm_engine() == GemmEngine::own && count <= ProductList::kMost &&
         std::all_of(products, products + count, [&](const Gemm<GpuFloat>& g) {
           return g.M > 0 && g.N > 0 && g.K > 0 && !is_large(g) &&
                  g.precision == products[0].precision;
         });
}

}  // namespace

template <>
void gemm(const Gemm<GpuFloat>& g) {
  run(g, g.accumulate ? g.C : nullptr);
}

template <>
void gemm_plus(const Gemm<GpuFloat>& g, const GpuFloat* x) {
  run(g, x);
}

template <>
void gemm_all(const Gemm<GpuFloat>* products, int count) {
  if (count < 2 || !are_small(products, count)) {
    for (int p = 0; p < count; ++p) gemm(products[p]);
    return;
  }
  for (int p = 0; p < count; ++p) check_sizes(products[p]);
  if (products[0].precision == Precision::bf16)
    run_small_ones<MediumBf16, SmallBf16>(products, count);
  else
    run_small_ones<Medium, Small>(products, count);
}

}  // namespace ramoe
