// Chapter 1.7 - the matrix product made fast, one idea after the other
#include "ch01_tensor/gemm_ladder.h"

#include <algorithm>

namespace ramoe {
namespace {

using Stride = std::ptrdiff_t;

// ---- Rung 1: the formula ------------------------------------------------------------------------

void multiply_formula(const Gemm<float>& g) {
  const Operand<float> A = operand_a(g), B = operand_b(g);
  for (int i = 0; i < g.M; ++i)
    for (int j = 0; j < g.N; ++j) {
      float sum = 0;
      for (int k = 0; k < g.K; ++k) sum += A(i, k) * B(k, j);
      float& c = g.C[Stride{i} * g.ldc + j];
      c = g.accumulate ? c + sum : sum;
    }
}

// ---- Rung 2: along rows. The loops over j and k are exchanged: the definition, gemm_plain -------

void multiply_rows(const Gemm<float>& g) {
  gemm_plain(g);
}

// ---- Rung 3: blocked ----------------------------------------------------------------------------

constexpr int kTileRows = 4, kTileColumns = 8;

/// C(i,j) = or += sum_k A(i,k) B(k,j) for a tile of 4 x 8, whose 32 sums stay in registers. For
/// each k it loads 4 + 8 values for 32 products; the formula loads two values for each product.
void whole_tile(const Operand<float>& A, const Operand<float>& B, int K, float* C, int ldc,
                bool add) {
  float sum[kTileRows][kTileColumns] = {};
  for (int k = 0; k < K; ++k)
    for (int r = 0; r < kTileRows; ++r)
      for (int c = 0; c < kTileColumns; ++c) sum[r][c] += A(r, k) * B(k, c);
  for (int r = 0; r < kTileRows; ++r)
    for (int c = 0; c < kTileColumns; ++c) {
      float& to = C[r * Stride{ldc} + c];
      to = add ? to + sum[r][c] : sum[r][c];
    }
}

/// A tile at the edge of C, with fewer rows or columns.
void edge_tile(const Operand<float>& A, const Operand<float>& B, int K, float* C, int ldc, bool add,
               int rows, int columns) {
  for (int r = 0; r < rows; ++r)
    for (int c = 0; c < columns; ++c) {
      float sum = 0;
      for (int k = 0; k < K; ++k) sum += A(r, k) * B(k, c);
      float& to = C[r * Stride{ldc} + c];
      to = add ? to + sum : sum;
    }
}

Operand<float> at(const Operand<float>& X, Stride i, Stride j) {
  return {&X(i, j), X.row, X.column};
}

void multiply_blocked(const Gemm<float>& g) {
  const Operand<float> A = operand_a(g), B = operand_b(g);
  for (int i = 0; i < g.M; i += kTileRows)
    for (int j = 0; j < g.N; j += kTileColumns) {
      const int rows = std::min(kTileRows, g.M - i), columns = std::min(kTileColumns, g.N - j);
      float* C = g.C + Stride{i} * g.ldc + j;
      if (rows == kTileRows && columns == kTileColumns)
        whole_tile(at(A, i, 0), at(B, 0, j), g.K, C, g.ldc, g.accumulate);
      else
        edge_tile(at(A, i, 0), at(B, 0, j), g.K, C, g.ldc, g.accumulate, rows, columns);
    }
}

// ---- Rung 4: packed -----------------------------------------------------------------------------

constexpr int kBlockOfK = 256;

/// The columns of B for a tile are copied in the order in which the tile reads them, without gaps,
/// with zeros beyond the end of B. All rows of A use the copy, so it costs little. The copy of one
/// block of K stays in the L1 cache, however long the rows of B are.
void multiply_packed(const Gemm<float>& g) {
  const Operand<float> A = operand_a(g), B = operand_b(g);
  float panel[kBlockOfK * kTileColumns];
  if (g.K == 0) return multiply_formula(g);
  for (int k0 = 0; k0 < g.K; k0 += kBlockOfK) {
    const int K = std::min(kBlockOfK, g.K - k0);
    const bool add = g.accumulate || k0 > 0;
    for (int j = 0; j < g.N; j += kTileColumns) {
      const int columns = std::min(kTileColumns, g.N - j);
      for (int k = 0; k < K; ++k)
        for (int c = 0; c < kTileColumns; ++c)
          panel[k * kTileColumns + c] = c < columns ? B(k0 + k, j + c) : 0.0f;
      for (int i = 0; i < g.M; i += kTileRows) {
        const int rows = std::min(kTileRows, g.M - i);
        float* C = g.C + Stride{i} * g.ldc + j;
        const Operand<float> a = at(A, i, k0), b{panel, kTileColumns, 1};
        if (rows == kTileRows && columns == kTileColumns)
          whole_tile(a, b, K, C, g.ldc, add);
        else
          edge_tile(a, b, K, C, g.ldc, add, rows, columns);
      }
    }
  }
}

// ---- Rung 5: vectors. Its code is src/fast/gemm.cpp ---------------------------------------------

void multiply_vector(const Gemm<float>& g) {
  gemm_serial(g);
}

}  // namespace

const std::vector<GemmRung>& gemm_ladder() {
  static const std::vector<GemmRung> rungs = {
      {"formula", "three loops, as the formula stands", multiply_formula},
      {"rows", "k before j: along rows of B and C", multiply_rows},
      {"blocked", "tiles of C in registers", multiply_blocked},
      {"packed", "what a tile reads is copied side by side", multiply_packed},
      {"vector", "tiles of vectors with fused multiply-add", multiply_vector},
  };
  return rungs;
}

}  // namespace ramoe
