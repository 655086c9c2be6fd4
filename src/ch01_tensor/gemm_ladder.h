// Chapter 1.5 - the matrix product made fast, one idea after the other
//
//   rung       its one idea                                       share of the FMA peak, one thread
//   formula    C(i,j) = sum_k A(i,k) B(k,j), as it is written
//   rows       k before j: memory is read along rows              the definition of gemm.cpp
//   blocked    a tile of C stays in registers: what is loaded is used several times
//   packed     the tile's columns of B are copied side by side, and K goes by in blocks
//   vector     the same tiles, of vectors with fused multiply-add: src/fast/gemm_kernels.h
//
// All have one signature and stand in one table, which the test, `ramoe bench --only=ideas` and
// docs/speed.md read. They are on one thread, for any form, and differ from one another in
// rounding alone. Tests: tests/ch01_tensor/gemm_ladder_test.cpp
#pragma once

#include <vector>

#include "ch01_tensor/gemm.h"

namespace ramoe {

struct GemmRung {
  const char* name;
  const char* idea;
  void (*multiply)(const Gemm<float>& g);
};

/// The rungs from the slowest to the fastest.
const std::vector<GemmRung>& gemm_ladder();

}  // namespace ramoe
