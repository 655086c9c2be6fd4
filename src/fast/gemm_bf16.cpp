#include "fast/gemm_bf16.h"

#include <algorithm>
#include <memory>

#include "fast/gemm_kernels.h"
#include "support/instruction_set.h"

namespace ramoe {
namespace {

constexpr int kSide = 256;  // rows of A and columns of B that the portable version rounds at once

/// C = 0 unless it accumulates: what a product with K = 0 leaves.
void clear_if_fresh(const Gemm<float>& g) {
  if (g.accumulate) return;
  for (int i = 0; i < g.M; ++i) std::fill_n(g.C + Stride{i} * g.ldc, g.N, 0.0f);
}

/// to (rows, cols), without gaps, = r(from).
void round_block(float* to, const float* from, Stride from_row, int rows, int cols) {
  for (int i = 0; i < rows; ++i, to += cols, from += from_row)
    for (int j = 0; j < cols; ++j) to[j] = round_to_bf16(from[j]);
}

bool has_avx512_bf16() {
#if defined(__x86_64__)
  return instruction_set() == InstructionSet::avx512 && __builtin_cpu_supports("avx512bf16");
#else
  return false;
#endif
}

}  // namespace

void gemm_bf16_plain(const Gemm<float>& g) {
  // A(i,k) = A[i * a_i + k * a_k], and B likewise.
  const bool tn = g.form == GemmForm::TN, nt = g.form == GemmForm::NT;
  const Stride a_i = tn ? 1 : g.lda, a_k = tn ? g.lda : 1;
  const Stride b_k = nt ? 1 : g.ldb, b_j = nt ? g.ldb : 1;
  for (Stride i = 0; i < g.M; ++i) {
    for (Stride j = 0; j < g.N; ++j) {
      float& c = g.C[i * g.ldc + j];
      if (!g.accumulate) c = 0.0f;
      for (Stride k0 = 0; k0 < g.K; k0 += kBf16BlockK) {
        const Stride end = std::min<Stride>(g.K, k0 + kBf16BlockK);
        float sum = 0;
        for (Stride k = k0; k < end; ++k)
          sum += round_to_bf16(g.A[i * a_i + k * a_k]) * round_to_bf16(g.B[k * b_k + j * b_j]);
        c = k0 == 0 && !g.accumulate ? sum : c + sum;
      }
    }
  }
}

void gemm_bf16_portable(const Gemm<float>& g) {
  struct Scratch {
    alignas(64) float a[kSide * kBf16BlockK];
    alignas(64) float b[kBf16BlockK * kSide];
  };
  thread_local const std::unique_ptr<Scratch> mine(new Scratch);
  const bool tn = g.form == GemmForm::TN, nt = g.form == GemmForm::NT;
  if (g.K <= 0) return clear_if_fresh(g);
  for (int k0 = 0; k0 < g.K; k0 += kBf16BlockK) {
    const int k = std::min(kBf16BlockK, g.K - k0);
    for (int j0 = 0; j0 < g.N; j0 += kSide) {
      const int n = std::min(kSide, g.N - j0);
      if (nt)
        round_block(mine->b, g.B + Stride{j0} * g.ldb + k0, g.ldb, n, k);
      else
        round_block(mine->b, g.B + Stride{k0} * g.ldb + j0, g.ldb, k, n);
      for (int i0 = 0; i0 < g.M; i0 += kSide) {
        const int m = std::min(kSide, g.M - i0);
        if (tn)
          round_block(mine->a, g.A + Stride{k0} * g.lda + i0, g.lda, k, m);
        else
          round_block(mine->a, g.A + Stride{i0} * g.lda + k0, g.lda, m, k);
        gemm_with(gemm_kernels().front(),
                  {g.form, m, n, k, mine->a, tn ? m : k, mine->b, nt ? k : n,
                   g.C + Stride{i0} * g.ldc + j0, g.ldc, g.accumulate || k0 > 0});
      }
    }
  }
}

void gemm_bf16(const Gemm<float>& g) {
  if (g.M <= 0 || g.N <= 0) return;
  if (has_avx512_bf16())
    gemm_bf16_avx512(g);
  else
    gemm_bf16_portable(g);
}

const char* gemm_bf16_isa() {
  return has_avx512_bf16() ? "avx512bf16" : "fp32";
}

}  // namespace ramoe
