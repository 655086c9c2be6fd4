// Chapter 1.6 - matrix multiplication: the definition
//
//   NN   C (M,N) += A (M,K) B (K,N)          forward of a linear layer, x W
//   NT   C (M,N) += A (M,K) B(N,K)^T         gradient of its input, dy W^T
//   TN   C (M,N) += A(K,M)^T B (K,N)         gradient of its weight, x^T dy
//
// All matrices are row-major with a leading dimension >= the row length. This is the one file
// family in which M, N, K have the meaning that they have in BLAS.
//
// For double the product is three loops (gemm.cpp). How it becomes fast, idea by idea, stands in
// gemm_ladder.h; the fast one, for float, in src/fast/gemm.cpp.
// Tests: tests/fast/gemm_test.cpp, tests/ch01_tensor/gemm_ladder_test.cpp
#pragma once

#include <cstddef>

namespace ramoe {

enum class GemmForm { NN, NT, TN };

/// How the elements of A and B enter a product of floats: as they are, or rounded to bf16
/// (src/fast/gemm_bf16.h). Sums are fp32 either way.
enum class Precision { fp32, bf16 };

/// Memory that the caller reads next: a product may fetch it into the caches while it computes.
struct Soon {
  const void* from = nullptr;
  std::size_t bytes = 0;
};

/// One product. accumulate: C += A B, else C = A B (old values, NaN included, are ignored).
template <class T>
struct Gemm {
  GemmForm form;
  int M, N, K;
  const T* A;
  int lda;
  const T* B;
  int ldb;
  T* C;
  int ldc;
  bool accumulate;
  Precision precision = Precision::fp32;  // of float alone: products of doubles stay double
  Soon soon{};                            // never changes a result
};

/// An operand whose transpose costs nothing: X(i,j) = from[i * row + j * column].
template <class T>
struct Operand {
  const T* from;
  std::ptrdiff_t row, column;
  const T& operator()(std::ptrdiff_t i, std::ptrdiff_t j) const {
    return from[i * row + j * column];
  }
};
/// A (M,K) and B (K,N) of a product, whatever its form.
template <class T>
Operand<T> operand_a(const Gemm<T>& g) {
  return g.form == GemmForm::TN ? Operand<T>{g.A, 1, g.lda} : Operand<T>{g.A, g.lda, 1};
}
template <class T>
Operand<T> operand_b(const Gemm<T>& g) {
  return g.form == GemmForm::NT ? Operand<T>{g.B, 1, g.ldb} : Operand<T>{g.B, g.ldb, 1};
}

/// What causal attention needs of a product: half of the work can be left out. In steps of kStep,
/// the block of a row or column x being [x / kStep * kStep, + kStep):
///   lower_c  of C only what stands on or below the diagonal is wanted: C(i,j) with j beyond the
///            block of i is not written, with j beyond i but in the block holds anything
///   lower_a  A(i,k) is 0 for k > i; those beyond the block of i need not be there
///   upper_a  A(i,k) is 0 for k < i; those before the block of i need not be there
enum class Triangle { none, lower_c, lower_a, upper_a };
constexpr int kStep = 16;

/// The definition, three nested loops, for float and double. Of a triangle it reads and writes what
/// it must, without regard to blocks.
template <class T>
void gemm_plain(const Gemm<T>& g, Triangle triangle = Triangle::none);

/// The product. For float: on the calling thread's pool, with AVX-512, AVX2 or neither, chosen at
/// run time; the order of the additions within an element depends on K alone, so any number of
/// threads gives the same bits. Error: sizes or leading dimensions that make no sense.
template <class T>
void gemm(const Gemm<T>& g);

/// The same without threads, for callers that are themselves inside a parallel loop.
/// Those know triangles, in fp32.
template <class T>
void gemm_serial(const Gemm<T>& g, Triangle triangle = Triangle::none);

/// `count` independent products of any sizes, as one parallel loop: the experts of an MoE layer.
/// Large products are cut into blocks of C, so that a few busy experts keep all threads at work.
/// M = 0 does nothing; K = 0 without accumulate makes C zero, as everywhere.
template <class T>
void gemm_grouped(const Gemm<T>* products, int count);

/// What products of floats run as on this machine: "avx512", "avx2" or "baseline".
const char* gemm_isa();

}  // namespace ramoe
