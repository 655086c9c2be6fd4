// Chapter 1.5 - matrix multiplication: the definition
//
//   NN   C (M,N) += A (M,K) B (K,N)          forward of a linear layer, x W
//   NT   C (M,N) += A (M,K) B(N,K)^T         gradient of its input, dy W^T
//   TN   C (M,N) += A(K,M)^T B (K,N)         gradient of its weight, x^T dy
//
// All matrices are row-major with a leading dimension >= the row length. Only in these files do
// M, N, K mean what they mean in BLAS.
//
// For double the product is three loops (gemm.cpp). gemm_ladder.h makes it fast, idea by idea; the
// fast version, for float, is in src/fast/gemm.cpp.
// Tests: tests/fast/gemm_test.cpp, tests/ch01_tensor/gemm_ladder_test.cpp
#pragma once

#include <array>
#include <cstddef>

#include "ch01_tensor/storage.h"
#include "support/error.h"

namespace ramoe {

enum class GemmForm { NN, NT, TN };

/// How the elements of A and B enter a product of floats: unchanged, or rounded to bf16
/// (src/fast/gemm_bf16.h). Sums are fp32 in both cases.
enum class Precision { fp32, bf16 };
constexpr auto names(Precision) {
  return std::array{"fp32", "bf16"};
}

/// Who computes the products of a GPU: our kernels, or NVIDIA's library as their judge.
enum class GemmEngine { own, cublas };
constexpr auto names(GemmEngine) {
  return std::array{"own", "cublas"};
}
/// For all products of GpuFloat from now on; products of experts are always our own. Defined in
/// cuda/. Error: cublas in an emulation.
void set_gemm_engine(GemmEngine engine);

/// Memory that the caller reads next: a product may prefetch it while it computes.
struct Soon {
  const void* from = nullptr;
  std::size_t bytes = 0;
};

/// One product. accumulate: C += A B, otherwise C = A B (old values, even NaN, are ignored).
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
  Precision precision = Precision::fp32;  // for float only: products of doubles stay double
  Soon soon{};                            // never changes a result
};

/// Error: negative sizes, or a row longer than its leading dimension.
template <class T>
void check_sizes(const Gemm<T>& g) {
  const bool tn = g.form == GemmForm::TN, nt = g.form == GemmForm::NT;
  check(g.M >= 0 && g.N >= 0 && g.K >= 0, "gemm of M = ", g.M, ", N = ", g.N, ", K = ", g.K,
        ": sizes must be at least 0.");
  check(g.lda >= (tn ? g.M : g.K) && g.ldb >= (nt ? g.K : g.N) && g.ldc >= g.N, "gemm of M = ", g.M,
        ", N = ", g.N, ", K = ", g.K, " with leading dimensions ", g.lda, ", ", g.ldb, ", ", g.ldc,
        ": a row must fit into its leading dimension.");
}

/// An operand that can be transposed without a copy: X(i,j) = from[i * row + j * column].
template <class T>
struct Operand {
  const T* from;
  std::ptrdiff_t row, column;
  const T& operator()(std::ptrdiff_t i, std::ptrdiff_t j) const {
    return from[i * row + j * column];
  }
};
/// A (M,K) and B (K,N) of a product of any form.
template <class T>
Operand<T> operand_a(const Gemm<T>& g) {
  return g.form == GemmForm::TN ? Operand<T>{g.A, 1, g.lda} : Operand<T>{g.A, g.lda, 1};
}
template <class T>
Operand<T> operand_b(const Gemm<T>& g) {
  return g.form == GemmForm::NT ? Operand<T>{g.B, 1, g.ldb} : Operand<T>{g.B, g.ldb, 1};
}

/// Triangular products, for causal attention: half of the work can be left out. Rows and columns
/// are cut into blocks of kStep; the block of i is [i / kStep * kStep, + kStep).
///   lower_c  only C(i,j) with j <= i is wanted. Later in the block of i, C is unspecified; beyond
///            that block it is not written
///   lower_a  A(i,k) is 0 for k > i; beyond the block of i it is not read
///   upper_a  A(i,k) is 0 for k < i; before the block of i it is not read
enum class Triangle { none, lower_c, lower_a, upper_a };
constexpr int kStep = 16;

/// The definition, three nested loops, for float and double. Of a triangle it reads and writes only
/// the elements needed, without blocks.
template <class T>
void gemm_plain(const Gemm<T>& g, Triangle triangle = Triangle::none);

/// The product. For float: on the calling thread's pool, with AVX-512, AVX2 or neither, chosen at
/// run time. The order of the additions in an element depends on K and the precision only, so any
/// number of threads gives the same bits. Error: invalid sizes or leading dimensions.
template <class T>
void gemm(const Gemm<T>& g);

/// Products that depend on nothing but what was there before: one after the other. A GPU starts
/// small ones as one launch. Those that add to the same C are neighbours, and are summed in order.
template <class T>
void gemm_all(const Gemm<T>* products, int count) {
  for (int p = 0; p < count; ++p) gemm(products[p]);
}
template <>
void gemm_all(const Gemm<GpuFloat>* products, int count);

/// The same on one thread, for callers that are already inside a parallel loop. It also computes
/// triangles, in fp32 only.
template <class T>
void gemm_serial(const Gemm<T>& g, Triangle triangle = Triangle::none);

/// `count` independent products of any sizes in one parallel loop, such as one for each expert.
/// Large products are cut into blocks of C, so that a few large ones still use all threads.
/// M = 0 does nothing; K = 0 without accumulate sets C to zero, as in all products.
template <class T>
void gemm_grouped(const Gemm<T>* products, int count);

/// The instruction set of float products here: "avx512", "avx2", "baseline" or, on ARM, "neon".
const char* gemm_isa();

}  // namespace ramoe
