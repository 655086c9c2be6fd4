// Chapter 1.5 on the GPU - cuBLAS, the judge of our products, and which of the two the program runs
//
// cuBLAS counts along columns: its C^T = B^T A^T is our C = A B, row by row.
#include <algorithm>
#include <atomic>

#include "cuda/ch01_tensor/gemm_engine.h"
#include "cuda/support/launch.h"
#include "cuda/support/mma.cuh"
#include "cuda/support/scratch.h"
#ifdef __CUDACC__
#include <cublas_v2.h>
#endif

namespace ramoe {
namespace {

std::atomic<GemmEngine> engine{GemmEngine::own};

}  // namespace

GemmEngine gemm_engine() {
  return engine;
}

void set_gemm_engine(GemmEngine wanted) {
#ifndef __CUDACC__
  check(wanted == GemmEngine::own,
        "gemm = cublas: an emulated GPU has no cuBLAS; expected own, or a build by nvcc.");
#endif
  engine = wanted;
}

namespace cuda {

#ifdef __CUDACC__

namespace {

void must_blas(cublasStatus_t status, const char* what) {
  check(status == CUBLAS_STATUS_SUCCESS, "cuBLAS, ", what, ": ", cublasGetStatusString(status),
        ".");
}

cublasHandle_t handle() {
  static const cublasHandle_t made = [] {
    cublasHandle_t h;
    must_blas(cublasCreate(&h), "beginning");
    must_blas(cublasSetStream(h, stream()), "its stream");
    return h;
  }();
  return made;
}

/// Rows by columns, rounded and without space between rows.
__global__ void round_kernel(__nv_bfloat16* to, const float* from, int rows, int columns, int ld) {
  wait_for_earlier_kernels();
  const std::size_t i = std::size_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::size_t row = i / std::size_t(columns), column = i % std::size_t(columns);
  if (row >= std::size_t(rows)) return;
  const unsigned bits = pack_bf16(from[row * std::size_t(ld) + column], 0);
  to[i] = __ushort_as_bfloat16(static_cast<unsigned short>(bits & 0xffff));
}

const __nv_bfloat16* rounded(Scratch& scratch, const GpuFloat* from, int rows, int columns,
                             int ld) {
  const std::size_t n = std::size_t(rows) * std::size_t(columns);
  __nv_bfloat16* to = scratch.take<__nv_bfloat16>(n);
  launch<round_kernel>({blocks_for(n, 256), 256}, to, from, rows, columns, ld);
  return to;
}

}  // namespace

void gemm_cublas(const Gemm<GpuFloat>& g) {
  if (g.M == 0 || g.N == 0) return;
  const bool turn_a = g.form == GemmForm::TN, turn_b = g.form == GemmForm::NT;
  const cublasOperation_t op_a = turn_a ? CUBLAS_OP_T : CUBLAS_OP_N;
  const cublasOperation_t op_b = turn_b ? CUBLAS_OP_T : CUBLAS_OP_N;
  const float one = 1, beta = g.accumulate ? 1 : 0;
  if (g.precision == Precision::fp32) {
    must_blas(cublasSgemm(handle(), op_b, op_a, g.N, g.M, g.K, &one, raw(g.B), g.ldb, raw(g.A),
                          g.lda, &beta, raw(g.C), g.ldc),
              "a product");
    return;
  }
  Scratch scratch;
  const int a_rows = turn_a ? g.K : g.M, a_columns = turn_a ? g.M : g.K;
  const int b_rows = turn_b ? g.N : g.K, b_columns = turn_b ? g.K : g.N;
  const __nv_bfloat16* a = rounded(scratch, g.A, a_rows, a_columns, g.lda);
  const __nv_bfloat16* b = rounded(scratch, g.B, b_rows, b_columns, g.ldb);
  must_blas(cublasGemmEx(handle(), op_b, op_a, g.N, g.M, g.K, &one, b, CUDA_R_16BF,
                         std::max(1, b_columns), a, CUDA_R_16BF, std::max(1, a_columns), &beta,
                         raw(g.C), CUDA_R_32F, g.ldc, CUBLAS_COMPUTE_32F, CUBLAS_GEMM_DEFAULT),
            "a product in bf16");
}

#else

void gemm_cublas(const Gemm<GpuFloat>&) {
  fail("a product by cuBLAS: an emulated GPU has none.");
}

#endif

}  // namespace cuda
}  // namespace ramoe
