// Fast - the kernels under the fast matrix product
//
// What makes it fast, in the order of the gain (`ramoe bench --only=ideas`, one thread of a Zen 5
// core, recorded in docs/speed.md; other trials in docs/log.md):
//
//   tiles of C in registers, so that each value read is used often     17 times the three loops
//   vectors of 8 with fused multiply-add instead of 4 (AVX2)           2.8 times that
//   vectors of 16 (AVX-512); on Zen 4, which halves them, only 1.06    1.9 times AVX2
//   inputs in bf16, two products an instruction (gemm_bf16.h)          1.9 times the best fp32
//
// A kernel table holds, for one instruction set, the register tiles and the copies that feed them.
// What drives them, gemm.cpp on one thread and gemm_threads.cpp on several, is ordinary code; only
// what the table points to is compiled for a newer processor.
// Tests: tests/fast/gemm_test.cpp, through gemm().
#pragma once

#include <algorithm>
#include <cstddef>
#include <vector>

#include "ch01_tensor/gemm.h"

namespace ramoe {

using Stride = std::ptrdiff_t;

/// One register tile: C (R, V * lanes) += or = A (R, k) B (k, V * lanes), R and V by the function.
/// Each element is one chain acc = fma(a, b, acc) in the order of k from acc = 0, then C = acc or
/// C + acc: its bits depend on neither R, V nor its place in the tile.
struct Tile {
  const float* a;
  Stride a_row, a_k;  // A(i,k) = a[i * a_row + k * a_k]
  const float* next;  // k columns of the R rows that are read next, fetched meanwhile; or null
  Stride next_row;
  const float* later;  // memory that is read some time later: lines fetched for each line of k
  int lines;
  const float* b;
  Stride b_k;  // B(k,j) = b[k * b_k + j]; V * lanes columns are read
  float* c;
  Stride ldc;
  int k;
  int last;  // columns of the last vector that are written, 1 to lanes
  bool add;
};

constexpr int kMaxVectors = 4;  // widest tile, in vectors
constexpr int kMaxRows = 12;    // tallest tile

/// Columns of B that tiles read together, packed: from column `first` on `width` of them, whole
/// vectors, as (k, width) from place `at` on.
struct Panel {
  int first, width;
  Stride at;
};

constexpr int kGap = 8;  // floats after each row's share of a strip; a store may end in them

/// Piece p of n things cut into `pieces` as evenly as possible: [begin, end).
struct Piece {
  int begin, end;
};
inline Piece piece(int n, int pieces, int p) {
  const int each = n / pieces, rest = n % pieces;
  const int begin = p * each + std::min(p, rest);
  return {begin, begin + each + (p < rest ? 1 : 0)};
}
inline int divide_up(int n, int by) {
  return (n + by - 1) / by;
}

struct Kernels {
  const char* name;
  int lanes;
  int near;                       // longest rows of B, in floats, that tiles read where they lie
  int far;                        // shortest rows of A that are copied next to each other first
  int max_rows[kMaxVectors + 1];  // tallest tile for a width in vectors
  void (*tile[kMaxVectors + 1][kMaxRows + 1])(const Tile&);  // [vectors][rows]
  /// to (k, width) = from (k, cols), zeros beyond cols; leading dimensions width and `from_row`.
  void (*copy)(float* to, int width, const float* from, Stride from_row, int k, int cols);
  /// The panels of from (k, cols), zeros beyond cols, row by row in the order of memory.
  void (*pack)(float* to, const Panel* panels, int count, const float* from, Stride from_row, int k,
               int cols);
  /// Columns of from (k, cols) as strips for tiles of a transposed A: strip t of `count` has the
  /// columns of piece(cols, count, t) as (k, height) from place begin * (k + kGap) on. `readable`
  /// floats of a row may be read, at least cols.
  void (*strips)(float* to, int count, const float* from, Stride from_row, int k, int cols,
                 int readable);
  /// to (k, width) = from (cols, k)^T, zeros beyond cols.
  void (*transpose)(float* to, int width, const float* from, Stride from_row, int k, int cols);
  /// c (cols, k) = or += from (k, cols)^T.
  void (*untranspose)(float* c, Stride ldc, const float* from, Stride from_row, int k, int cols,
                      bool add);
};

/// The tables for instruction_set() and the sets below it, the baseline last.
const std::vector<Kernels>& gemm_kernels();

/// A product of checked sizes by a given table, on this thread. gemm() uses the first table.
void gemm_with(const Kernels& kernels, const Gemm<float>& g, Triangle triangle = Triangle::none);

constexpr int kBlockK = 512;  // K is summed in blocks of this many; part of the result's bits
constexpr int kPanel = 64;    // columns of the widest tile
constexpr int kRows = 96;     // rows of A that pass over a group of panels before the next rows do

}  // namespace ramoe
