// Chapter 1.6 - matrix multiplication: the plain loop and the fast one
//
//   NN   C (M,N) += A (M,K) B (K,N)          forward of a linear layer, x W
//   NT   C (M,N) += A (M,K) B(N,K)^T         gradient of its input, dy W^T
//   TN   C (M,N) += A(K,M)^T B (K,N)         gradient of its weight, x^T dy
//
// All matrices are row-major with a leading dimension >= the row length. This is the one file
// family in which M, N, K have the meaning that they have in BLAS.
//
// What makes the fast one fast, in the order of the gain (`ramoe bench --only=ideas`, one thread of
// a Zen 5 core, recorded in docs/speed.md; other trials in docs/log.md):
//
//   tiles of C in registers, so that each value read is used often     17 times the three loops
//   vectors of 8 with fused multiply-add instead of 4 (AVX2)           2.8 times that
//   vectors of 16 (AVX-512); on Zen 4, which halves them, only 1.06    1.9 times AVX2
//   inputs in bf16, two products an instruction (fast/gemm_bf16.h)          1.9 times the best fp32
//
// Tests: tests/fast/gemm_test.cpp
#pragma once

#include <cstddef>

namespace ramoe {

enum class GemmForm { NN, NT, TN };

/// How the elements of A and B enter a product of floats: as they are, or rounded to bf16
/// (fast/gemm_bf16.h). Sums are fp32 either way.
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

/// What causal attention needs of a product: half of the work can be left out. In steps of kStep,
/// the block of a row or column x being [x / kStep * kStep, + kStep):
///   lower_c  of C only what stands on or below the diagonal is wanted: C(i,j) with j beyond the
///            block of i is not written, with j beyond i but in the block holds anything
///   lower_a  A(i,k) is 0 for k > i; those beyond the block of i need not be there
///   upper_a  A(i,k) is 0 for k < i; those before the block of i need not be there
enum class Triangle { none, lower_c, lower_a, upper_a };
constexpr int kStep = 16;

/// Three nested loops; the definition of the product in full precision, and the version for double.
/// Of a triangle it reads and writes what it must, without regard to blocks.
template <class T>
void gemm_plain(const Gemm<T>& g, Triangle triangle = Triangle::none);

/// The fast version, on the calling thread's pool. Chooses AVX-512, AVX2 or baseline at run time.
/// The order of the additions within an element depends on K alone: same bits for any thread count.
void gemm(const Gemm<float>& g);
inline void gemm(const Gemm<double>& g) {
  gemm_plain(g);
}

/// The fast version without threads, for callers that are themselves inside a parallel loop.
/// Those know triangles, in fp32.
void gemm_serial(const Gemm<float>& g, Triangle triangle = Triangle::none);
inline void gemm_serial(const Gemm<double>& g, Triangle triangle = Triangle::none) {
  gemm_plain(g, triangle);
}

/// `count` independent products of any sizes, as one parallel loop: the experts of an MoE layer.
/// Large products are cut into blocks of C, so that a few busy experts keep all threads at work.
/// M = 0 does nothing; K = 0 without accumulate makes C zero, as everywhere.
template <class T>
void gemm_grouped(const Gemm<T>* products, int count);
template <>
void gemm_grouped<float>(const Gemm<float>* products, int count);
template <>
void gemm_grouped<double>(const Gemm<double>* products, int count);

/// What the fast version runs as on this machine: "avx512", "avx2" or "baseline".
const char* gemm_isa();

}  // namespace ramoe
