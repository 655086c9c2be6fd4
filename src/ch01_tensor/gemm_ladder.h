// Chapter 1.7 - the matrix product made fast, one idea after the other
//
//   rung       its one idea                                                       GFLOP/s
//   formula    C(i,j) = sum_k A(i,k) B(k,j), as it is written                          1.3
//   rows       k before j: along rows; the definition in gemm.cpp                      3.0
//   blocked    a tile of C stays in registers, so that loaded values are reused        8.0
//   packed     the tile's columns of B are copied side by side; K is cut into blocks   8.3
//   vector     the same tiles, made of vectors: src/fast/gemm_kernels.h                 66
//
// Measured for 256 x 256 x 256 on one thread of a Zen 3 core; `ramoe bench --only=ideas` prints
// each rung's share of the FMA peak of the machine it runs on.
//
// All have the same signature and are listed in one table, which the test and `ramoe bench
// --only=ideas` read. They run on one thread, take any form, and differ from one another only in
// rounding. Tests: tests/ch01_tensor/gemm_ladder_test.cpp
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
