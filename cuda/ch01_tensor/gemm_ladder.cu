// Chapter 1.7 on the GPU - the first rungs of the ladder, each as simple as its idea
#include "cuda/ch01_tensor/gemm_grid.cuh"
#include "cuda/ch01_tensor/gemm_ladder.h"
#include "cuda/ch01_tensor/gemm_mma.cuh"
#include "cuda/ch01_tensor/gemm_packed.h"

namespace ramoe {
namespace {

using namespace cuda;

/// A product of any form as the kernels here see it.
struct Product {
  Operand<float> a, b;
  float* c;
  int ldc, M, N, K;
  bool accumulate;
  explicit Product(const Gemm<GpuFloat>& g)
      : a{raw(g.A), operand_a(g).row, operand_a(g).column},
        b{raw(g.B), operand_b(g).row, operand_b(g).column},
        c(raw(g.C)),
        ldc(g.ldc),
        M(g.M),
        N(g.N),
        K(g.K),
        accumulate(g.accumulate) {}

  __device__ float A(int i, int k) const { return a.from[i * a.row + k * a.column]; }
  __device__ float B(int k, int j) const { return b.from[k * b.row + j * b.column]; }
  __device__ void put(int i, int j, float sum) const {
    if (i >= M || j >= N) return;
    float& out = c[std::size_t(i) * std::size_t(ldc) + std::size_t(j)];
    out = accumulate ? out + sum : sum;
  }
};

/// Neighbouring threads have neighbouring rows: for each k a warp reads 32 places far apart of A,
/// and writes 32 such places of C.
__global__ void naive_kernel(Product p) {
  wait_for_earlier_kernels();
  const int i = int(blockIdx.x * 32 + threadIdx.x), j = int(blockIdx.y * 8 + threadIdx.y);
  float sum = 0;
  if (i < p.M && j < p.N)
    for (int k = 0; k < p.K; ++k) sum += p.A(i, k) * p.B(k, j);
  p.put(i, j, sum);
}

/// x and y exchanged: a warp reads one value of A and 32 neighbours of B (in NN and TN).
__global__ void coalesced_kernel(Product p) {
  wait_for_earlier_kernels();
  const int i = int(blockIdx.x * 8 + threadIdx.y), j = int(blockIdx.y * 32 + threadIdx.x);
  float sum = 0;
  if (i < p.M && j < p.N)
    for (int k = 0; k < p.K; ++k) sum += p.A(i, k) * p.B(k, j);
  p.put(i, j, sum);
}

/// A block makes 32 x 32 values. 32 columns of A and rows of B are brought to shared memory, then
/// every value of them is used 32 times.
__global__ void shared_kernel(Product p) {
  wait_for_earlier_kernels();
  constexpr int kTile = 32;
  __shared__ float a[kTile][kTile], b[kTile][kTile];
  const int x = int(threadIdx.x), y = int(threadIdx.y);
  const int i = int(blockIdx.x) * kTile + y, j = int(blockIdx.y) * kTile + x;
  float sum = 0;
  for (int k0 = 0; k0 < p.K; k0 += kTile) {
    a[y][x] = i < p.M && k0 + x < p.K ? p.A(i, k0 + x) : 0.0f;
    b[y][x] = k0 + y < p.K && j < p.N ? p.B(k0 + y, j) : 0.0f;
    __syncthreads();  // all of it is there
    for (int k = 0; k < kTile; ++k) sum += a[y][k] * b[k][x];
    __syncthreads();  // all of it has been used
  }
  p.put(i, j, sum);
}

/// A block of 256 threads makes 128 x 128 values, a thread 8 x 8 of them: every 16th row and
/// column.
__global__ void __launch_bounds__(256) registers_kernel(Product p) {
  wait_for_earlier_kernels();
  constexpr int kTile = 128, kDeep = 8, kEach = 8, kApart = kTile / kEach;
  __shared__ float a[kDeep][kTile], b[kDeep][kTile];
  const int t = int(threadIdx.x), x = t % kApart, y = t / kApart;
  const int i0 = int(blockIdx.x) * kTile, j0 = int(blockIdx.y) * kTile;
  float sums[kEach][kEach] = {};
  for (int k0 = 0; k0 < p.K; k0 += kDeep) {
    for (int at = t; at < kDeep * kTile; at += 256) {
      const int k = at % kDeep, i = at / kDeep;  // neighbours along a row of A
      a[k][i] = i0 + i < p.M && k0 + k < p.K ? p.A(i0 + i, k0 + k) : 0.0f;
      const int kb = at / kTile, j = at % kTile;  // and along a row of B
      b[kb][j] = k0 + kb < p.K && j0 + j < p.N ? p.B(k0 + kb, j0 + j) : 0.0f;
    }
    __syncthreads();
#pragma unroll
    for (int k = 0; k < kDeep; ++k) {
      float a_k[kEach], b_k[kEach];
#pragma unroll
      for (int e = 0; e < kEach; ++e) a_k[e] = a[k][y + e * kApart], b_k[e] = b[k][x + e * kApart];
#pragma unroll
      for (int i = 0; i < kEach; ++i)
#pragma unroll
        for (int j = 0; j < kEach; ++j) sums[i][j] += a_k[i] * b_k[j];
    }
    __syncthreads();
  }
#pragma unroll
  for (int i = 0; i < kEach; ++i)
#pragma unroll
    for (int j = 0; j < kEach; ++j) p.put(i0 + y + i * kApart, j0 + x + j * kApart, sums[i][j]);
}

/// One launch of a kernel whose blocks make `rows` x `columns` values.
template <auto kernel, int rows, int columns>
void run(const Gemm<GpuFloat>& g, dim3 threads) {
  launch<kernel>(
      {{blocks_for(std::size_t(g.M), rows), blocks_for(std::size_t(g.N), columns)}, threads},
      Product(g));
}

void naive(const Gemm<GpuFloat>& g) {
  run<naive_kernel, 32, 8>(g, {32, 8});
}
void coalesced(const Gemm<GpuFloat>& g) {
  run<coalesced_kernel, 8, 32>(g, {32, 8});
}
void shared(const Gemm<GpuFloat>& g) {
  run<shared_kernel, 32, 32>(g, {32, 32});
}
void registers(const Gemm<GpuFloat>& g) {
  run<registers_kernel, 128, 128>(g, 256);
}
/// The largest tile of what the program runs in fp32.
void pipelined(const Gemm<GpuFloat>& g) {
  if (g.M > 0 && g.N > 0) run_tiles<FmaTile<128, 128, 8, 8>>(g, plus_itself(g));
}
void tf32(const Gemm<GpuFloat>& g) {
  if (g.M > 0 && g.N > 0) run_tiles<MmaTile<Tf32, 128, 64, 32, 32>>(g, plus_itself(g));
}

}  // namespace

const std::vector<GpuGemmRung>& gpu_gemm_ladder() {
  static const std::vector<GpuGemmRung> rungs = {
      {"naive", "a thread for each element of C", naive, Rounding::none, 80},
      {"coalesced", "neighbouring threads take neighbouring columns", coalesced, Rounding::none,
       80},
      {"shared", "tiles of A and B in shared memory", shared, Rounding::none, 80},
      {"registers", "8 x 8 sums in the registers of a thread", registers, Rounding::none, 80},
      {"pipelined", "copies run ahead, 16 bytes at once", pipelined, Rounding::none, 80},
      {"tf32", "tensor cores, inputs of 10 bits of mantissa", tf32, Rounding::tf32, 80},
      {"bf16", "packed in bf16 once, ldmatrix, tensor cores", gemm_packed_mma, Rounding::bf16, 80},
      {"wgmma", "bulk copies by one thread, products by warpgroups", gemm_packed_wgmma,
       Rounding::bf16, 90},
  };
  return rungs;
}

}  // namespace ramoe
