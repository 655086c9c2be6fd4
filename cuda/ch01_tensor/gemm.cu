// Chapter 1.5 on the GPU - the product that the program runs
//
//   fp32   tiles of plain multiply-adds in three sizes: the largest that still gives every
//          multiprocessor work, as large tiles read less and small ones are more
//   bf16   the same on tensor cores, rounded while multiplying. A large product rounds its matrices
//          first (gemm_packed.h): a value is read again by many tiles
#include <algorithm>
#include <vector>

#include "ch01_tensor/vector_ops.h"
#include "cuda/ch01_tensor/gemm_engine.h"
#include "cuda/ch01_tensor/gemm_grid.cuh"
#include "cuda/ch01_tensor/gemm_mma.cuh"
#include "cuda/ch01_tensor/gemm_packed.h"

namespace ramoe {
namespace {

using namespace cuda;

constexpr int kLongK = 2 * kShortestPart;  // worth cutting
using Large = FmaTile<128, 128, 8, 8>;

/// A product that fills the GPU by itself. In fp32 its large tiles must be many: two are on a
/// multiprocessor at a time, and the last ones leave others idle.
bool is_large(const Gemm<GpuFloat>& g) {
  const std::size_t enough = g.precision == Precision::bf16 ? 1 : 3;
  return tiles_of<Large>(g) >= enough * kEnoughBlocks;
}

/// The blocks that a product may be shared out to with these tiles.
template <class Tile>
std::size_t blocks_of(const Gemm<GpuFloat>& g) {
  return tiles_of<Tile>(g) * std::size_t(std::max(1, g.K / kLongK));
}
/// Medium tiles, if there are enough of them for all multiprocessors to end at about the same time.
/// Tensor cores wait for what is copied, and small tiles copy twice as much: few medium ones do.
template <class Medium>
constexpr std::size_t kEnough = kEnoughBlocks * 3;
template <>
constexpr std::size_t kEnough<MediumBf16> = kEnoughBlocks / 2;

template <class Medium, class Small>
void run_smaller(const Gemm<GpuFloat>& g, const Plus& plus) {
  if (blocks_of<Medium>(g) >= kEnough<Medium>)
    run_tiles<Medium>(g, plus);
  else
    run_tiles<Small>(g, plus);
}

/// C = plus + A B; plus may be C.
void run(Gemm<GpuFloat> g, const Plus& plus) {
  check_sizes(g);
  if (g.M == 0 || g.N == 0 || (g.K == 0 && plus.from == g.C)) return;
  const bool cublas = gemm_engine() == GemmEngine::cublas && g.K > 0;
  const bool bf16 = g.precision == Precision::bf16, packed = bf16 && is_large(g) && g.K >= kLongK;
  if (cublas || packed) {
    const bool bias = plus.from && plus.ld == 0;
    g.accumulate = plus.from && !bias;
    if (g.accumulate && plus.from != g.C)
      copy_values(g.C, plus.from, std::size_t(g.M) * std::size_t(g.N));
    cublas ? gemm_cublas(g) : gemm_packed(g);
    if (bias) add_bias_forward(g.C, plus.from, g.M, g.N);
    return;
  }
  if (bf16)
    run_smaller<MediumBf16, SmallBf16>(g, plus);
  else if (is_large(g))
    run_tiles<Large>(g, plus);
  else
    run_smaller<MediumTile, SmallTile>(g, plus);
}

template <class Medium, class Small>
void run_small_ones(const Gemm<GpuFloat>* products, const GpuFloat* const* bias, int count) {
  std::size_t blocks = 0;
  for (int p = 0; p < count; ++p)
    if (p == 0 || products[p].C != products[p - 1].C) blocks += blocks_of<Medium>(products[p]);
  if (blocks >= kEnough<Medium>)
    run_together<Medium>(products, bias, count);
  else
    run_together<Small>(products, bias, count);
}

/// Whether products may share a launch: none is empty, fills the GPU alone, or is cuBLAS's.
bool are_small(const Gemm<GpuFloat>* products, int count) {
  return gemm_engine() == GemmEngine::own && count <= ProductList::kMost &&
         std::all_of(products, products + count, [&](const Gemm<GpuFloat>& g) {
           return g.M > 0 && g.N > 0 && g.K > 0 && !is_large(g) &&
                  g.precision == products[0].precision;
         });
}

/// Products that may share a launch, in one. False: nothing was done.
bool run_small(const Gemm<GpuFloat>* products, const GpuFloat* const* bias, int count) {
  if (count < 2 || !are_small(products, count)) return false;
  if (products[0].precision == Precision::bf16)
    run_small_ones<MediumBf16, SmallBf16>(products, bias, count);
  else
    run_small_ones<MediumTile, SmallTile>(products, bias, count);
  return true;
}

/// Products of two precisions are two lists, unless one of the first would then come before one of
/// the second that it is added to.
bool run_by_precision(const Gemm<GpuFloat>* products, int count) {
  std::vector<Gemm<GpuFloat>> first, second;
  for (int p = 0; p < count; ++p) {
    const bool of_first = products[p].precision == products[0].precision;
    for (const Gemm<GpuFloat>& before : second)
      if (of_first && before.C == products[p].C) return false;
    (of_first ? first : second).push_back(products[p]);
  }
  if (second.empty()) return false;
  gemm_all(first.data(), int(first.size()));
  gemm_all(second.data(), int(second.size()));
  return true;
}

}  // namespace

const GpuFloat* cuda::ones() {
  thread_local const GpuVector<GpuFloat> four = [] {
    const float values[4] = {1, 1, 1, 1};
    GpuVector<GpuFloat> all(4);
    copy_in(all.data(), values, 4);
    return all;
  }();
  return four.data();
}

template <>
void gemm(const Gemm<GpuFloat>& g) {
  run(g, plus_itself(g));
}

template <>
void gemm_plus(const Gemm<GpuFloat>& g, const GpuFloat* x) {
  run(g, {x, g.ldc});
}

template <>
void gemm_all(const Gemm<GpuFloat>* products, int count) {
  for (int p = 0; p < count; ++p) check_sizes(products[p]);
  if (run_small(products, nullptr, count) || run_by_precision(products, count)) return;
  for (int p = 0; p < count; ++p) gemm(products[p]);
}

template <>
void gemm_bias_forward(const Gemm<GpuFloat>* products, const GpuFloat* const* bias, int count) {
  for (int p = 0; p < count; ++p) check_sizes(products[p]);
  const bool none = std::all_of(bias, bias + count, [](const GpuFloat* b) { return !b; });
  if (none) return gemm_all(products, count);
  if (run_small(products, bias, count)) return;
  for (int p = 0; p < count; ++p) run(products[p], {bias[p], 0});
}

// Sums are products of one row too: those that are cut are added up by the block that comes last.
// They are not rounded, so beside products in bf16 they share a launch of their own. Beside large
// products a launch more costs nothing.
template <>
void gemm_bias_backward(const Gemm<GpuFloat>* products, int count,
                        const BiasBackward<GpuFloat>* bias, int sums) {
  std::vector<Gemm<GpuFloat>> all(products, products + count);
  for (const auto* b = bias; b != bias + sums; ++b)
    all.push_back(
        {GemmForm::TN, 1, b->C, b->N, ones(), 0, b->dy, b->C, b->dbias, b->C, b->accumulate});
  if (sums > 0 && run_small(all.data(), nullptr, count + sums)) return;
  const bool together = are_small(products, count) && run_small(all.data() + count, nullptr, sums);
  for (const auto* b = bias; b != bias + sums && !together; ++b)
    add_bias_backward(b->dbias, b->dy, b->N, b->C, b->accumulate);
  gemm_all(products, count);
}

}  // namespace ramoe
