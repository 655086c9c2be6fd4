// Chapter 1.7 on the GPU - the matrix product made fast, one idea after the other
//
//   rung        its one idea                                                          file
//   naive       a thread for each element of C                                        gemm_ladder.cu
//   coalesced   neighbouring threads take neighbouring columns: a warp's loads merge  gemm_ladder.cu
//   shared      a block's tiles of A and B are in shared memory: read 32 times less   gemm_ladder.cu
//   registers   8 x 8 sums a thread: 16 values from shared memory serve 64 products   gemm_ladder.cu
//   pipelined   copies run ahead (cp.async), shared memory is read 16 bytes at once   gemm_tile.cuh
//   tf32        tensor cores; inputs keep 10 bits of mantissa                         gemm_mma.cuh
//   bf16        rounded and packed once, ldmatrix; inputs keep 7 bits                 gemm_packed.cu
//   wgmma       one thread copies in bulk, warpgroups multiply from shared memory     gemm_wgmma.cu
//
// All have the same signature and are in one table, which the test and the bench read
// (tests/bench/cuda_bench.cu prints each one's share of cuBLAS). They take any form and any size.
// Tests: tests/cuda/gemm_test.cpp
#pragma once

#include <array>
#include <vector>

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/storage.h"

namespace ramoe {

/// What becomes of A and B before they are multiplied; sums are fp32.
enum class Rounding { none, tf32, bf16 };
constexpr auto names(Rounding) {
  return std::array{"fp32", "tf32", "bf16"};
}

struct GpuGemmRung {
  const char* name;
  const char* idea;
  void (*multiply)(const Gemm<GpuFloat>& g);
  Rounding inputs;
  int capability;  // of the GPU, at least: 80 for 8.0. wgmma: 90, and no newer one; see has_wgmma()
};

/// The rungs from the slowest to the fastest. Each is as near to the product of the rounded inputs as
/// sums of fp32 are: K additions, in any order.
const std::vector<GpuGemmRung>& gpu_gemm_ladder();

}  // namespace ramoe
