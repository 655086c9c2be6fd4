// Chapter 1.5 on the GPU - the product, naive: one thread computes one element of C
#include "ch01_tensor/gemm.h"

#include "cuda/support/launch.h"

namespace ramoe {
namespace {

__global__ void naive_kernel(Operand<float> a, Operand<float> b, float* c, int ldc, int M, int N,
                             int K, bool accumulate) {
  const std::size_t i = std::size_t(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= std::size_t(M) * std::size_t(N)) return;
  const int row = int(i / std::size_t(N)), column = int(i % std::size_t(N));
  float sum = 0;
  for (int k = 0; k < K; ++k)
    sum += a.from[row * a.row + k * a.column] * b.from[k * b.row + column * b.column];
  float& out = c[std::size_t(row) * std::size_t(ldc) + std::size_t(column)];
  out = accumulate ? out + sum : sum;
}

}  // namespace

template <>
void gemm(const Gemm<GpuFloat>& g) {
  const Operand<GpuFloat> a = operand_a(g), b = operand_b(g);
  cuda::launch<naive_kernel>(
      {cuda::blocks_for(std::size_t(g.M) * std::size_t(g.N), 256), 256},
      Operand<float>{cuda::raw(a.from), a.row, a.column},
      Operand<float>{cuda::raw(b.from), b.row, b.column}, g.C, g.ldc, g.M, g.N, g.K, g.accumulate);
}

}  // namespace ramoe
