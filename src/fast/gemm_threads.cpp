// Fast - the matrix product for float on several threads.
//
// A product is cut into blocks of C, which changes no bits: each element's sum over K stays with
// one thread. The gradient of a weight is another matter. Its C is small and its K long, all tokens
// of the batch, and blocks of such a C would each read A and B whole. There the blocks of K, which
// one thread adds up one after the other, are shared out and added in the same order afterwards.
#include <algorithm>
#include <vector>

#include "ch01_tensor/vector_ops.h"
#include "fast/gemm_bf16.h"
#include "fast/gemm_kernels.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

constexpr double kSerial = 100e3;  // multiply-adds below which threads cost more than they bring

double work_of(const Gemm<float>& g) {
  return static_cast<double>(g.M) * g.N * std::max(g.K, 1);
}

/// How a product is cut into blocks of C for threads.
struct Grid {
  int rows, cols;
};
Grid cut(const Gemm<float>& g, double work_per_block) {
  const int wanted = static_cast<int>(std::clamp(work_of(g) / work_per_block, 1.0, 4096.0));
  // Whole panels of columns first, so that no two blocks pack the same columns of B; then rows.
  const int cols = std::clamp(divide_up(g.N, kPanel), 1, wanted);
  const int rows = std::clamp(divide_up(wanted, cols), 1, std::max(1, g.M / 32));
  return {rows, cols};
}

/// The product of rows i and columns j of C alone.
Gemm<float> part_of(const Gemm<float>& g, Piece i, Piece j) {
  Gemm<float> part = g;
  part.M = i.end - i.begin;
  part.N = j.end - j.begin;
  part.A += Stride{i.begin} * (g.form == GemmForm::TN ? 1 : g.lda);
  part.B += Stride{j.begin} * (g.form == GemmForm::NT ? g.ldb : 1);
  part.C += Stride{i.begin} * g.ldc + j.begin;
  return part;
}

/// Columns of the c-th of `cuts` pieces of whole panels.
Piece columns_of(const Gemm<float>& g, int cuts, int c) {
  const Piece panels = piece(divide_up(g.N, kPanel), cuts, c);
  return {panels.begin * kPanel, std::min(panels.end * kPanel, g.N)};
}

void multiply_block(const Gemm<float>& g, Grid grid, int block) {
  gemm_serial(part_of(g, piece(g.M, grid.rows, block / grid.cols),
                      columns_of(g, grid.cols, block % grid.cols)));
}

/// Multiply-adds per block: a few blocks for each thread, but none too small.
double block_work(double work, int threads) {
  return std::max(work / (4.0 * threads), kSerial / 2);
}

/// How many k make one chain of additions.
int chain_of(const Gemm<float>& g) {
  return g.precision == Precision::bf16 ? kBf16BlockK : kBlockK;
}

// Blocks of K whose sums are held at once, and the most values that they may take: 8 MB.
constexpr int kSumsAtOnce = 8;
constexpr int kMostSums = 1 << 21;

bool splits_k(const Gemm<float>& g) {
  return g.form == GemmForm::TN && g.K >= 2 * chain_of(g) &&
         Stride{g.M} * g.N <= kMostSums / kSumsAtOnce;
}

/// The product with its blocks of K shared out. The first of them goes to C, as on one thread; the
/// others are held until those before them are there.
void multiply_split(const Gemm<float>& g, int threads) {
  thread_local std::vector<float> held;
  const int chain = chain_of(g), sums = divide_up(g.K, chain);
  const std::size_t each = static_cast<std::size_t>(g.M) * static_cast<std::size_t>(g.N);
  held.resize(std::max(held.size(), each * std::size_t(std::min(sums, kSumsAtOnce) - 1)));
  float* const first_held = held.data();
  for (int s0 = 0; s0 < sums; s0 += kSumsAtOnce) {
    const int now = std::min(kSumsAtOnce, sums - s0);
    const int cuts = std::clamp(divide_up(2 * threads, now), 1, divide_up(g.N, kPanel));
    parallel_for(now * cuts, 1, [&](int block, int) {
      const int s = block / cuts, k0 = (s0 + s) * chain;
      Gemm<float> part = g;
      part.A += Stride{k0} * g.lda;
      part.B += Stride{k0} * g.ldb;
      part.K = std::min(chain, g.K - k0);
      part.accumulate = s == 0 && (g.accumulate || s0 > 0);
      if (s > 0) part.C = first_held + std::size_t(s - 1) * each, part.ldc = g.N;
      gemm_serial(part_of(part, {0, g.M}, columns_of(g, cuts, block % cuts)));
    });
    parallel_for(g.M, rows_per_block(now * g.N), [&](int begin, int end) {
      for (int i = begin; i < end; ++i)
        for (int s = 1; s < now; ++s)
          axpy(g.C + Stride{i} * g.ldc, 1.0f,
               first_held + std::size_t(s - 1) * each + std::size_t(i) * std::size_t(g.N),
               std::size_t(g.N));
    });
  }
}

}  // namespace

template <>
void gemm(const Gemm<float>& g) {
  const int threads = threads_in_force();
  const double work = work_of(g);
  if (threads == 1 || work < kSerial) return gemm_serial(g);
  check_sizes(g);  // whole, before any part of it runs
  if (splits_k(g)) return multiply_split(g, threads);
  const Grid grid = cut(g, block_work(work, threads));
  parallel_for(grid.rows * grid.cols, 1, [&](int block, int) { multiply_block(g, grid, block); });
}

template <>
void gemm_grouped(const Gemm<float>* products, int count) {
  double work = 0.0;
  for (int p = 0; p < count; ++p) {
    check_sizes(products[p]);
    work += work_of(products[p]);
  }
  const int threads = threads_in_force();
  if (threads == 1 || work < kSerial) {
    for (int p = 0; p < count; ++p) gemm_serial(products[p]);
    return;
  }
  // One loop over all blocks of all products; first[p] is the number of product p's first block.
  const double per_block = block_work(work, threads);
  thread_local std::vector<int> first_of_product;
  std::vector<int>& first = first_of_product;
  first.assign(static_cast<std::size_t>(count) + 1, 0);
  for (int p = 0; p < count; ++p) {
    const Grid grid = cut(products[p], per_block);
    const auto s = static_cast<std::size_t>(p);
    first[s + 1] = first[s] + grid.rows * grid.cols;
  }
  parallel_for(first.back(), 1, [&](int block, int) {
    const auto after = std::upper_bound(first.begin(), first.end(), block);
    const auto p = after - first.begin() - 1;
    multiply_block(products[p], cut(products[p], per_block), block - *(after - 1));
  });
}

}  // namespace ramoe
