// Chapter 1.5 on the GPU - the product that the program runs
//
//   fp32   tiles of plain multiply-adds in three sizes: the largest that still gives every
//          multiprocessor work, as large tiles read less and small ones are more
//   bf16   the same on tensor cores, rounded while multiplying. A large product rounds its matrices
//          first (gemm_packed.h): a value is read again by many tiles
#include "cuda/ch01_tensor/gemm_engine.h"
#include "cuda/ch01_tensor/gemm_grid.cuh"
#include "cuda/ch01_tensor/gemm_mma.cuh"
#include "cuda/ch01_tensor/gemm_packed.h"

namespace ramoe {
namespace {

using namespace cuda;

constexpr int kLongK = 4 * kShortestPart;  // worth cutting

template <class Medium, class Small>
void run_smaller(const Gemm<GpuFloat>& g) {
  if (tiles_of<Medium>(g) >= kEnoughBlocks || g.K >= kLongK)
    run_tiles<Medium>(g);
  else
    run_tiles<Small>(g);
}

}  // namespace

template <>
void gemm(const Gemm<GpuFloat>& g) {
  check_sizes(g);
  if (g.M == 0 || g.N == 0 || (g.K == 0 && g.accumulate)) return;
  using Large = FmaTile<128, 128, 8, 8>;
  const bool large = tiles_of<Large>(g) >= kEnoughBlocks;
  if (gemm_engine() == GemmEngine::cublas && g.K > 0)
    gemm_cublas(g);
  else if (g.precision == Precision::bf16 && large && g.K >= kLongK)
    gemm_packed(g);
  else if (g.precision == Precision::bf16)
    run_smaller<MmaTile<Bf16, 64, 64, 32, 32>, MmaTile<Bf16, 32, 32, 16, 32>>(g);
  else if (large)
    run_tiles<Large>(g);
  else
    run_smaller<FmaTile<64, 64, 8, 4>, FmaTile<32, 32, 4, 4>>(g);
}

}  // namespace ramoe
