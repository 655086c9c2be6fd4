// Chapter 1.7 on the GPU - products in bf16 by mma.sync from packed blocks; see gemm_packed.h
//
// A block of threads makes 128 x 128 values, each of its 8 warps 64 x 32. Three steps of 64 k have
// room in shared memory: two are on their way while one is multiplied. ldmatrix brings four (8,8)
// matrices to the registers of a warp in the order that mma.sync wants.
#include "cuda/ch01_tensor/gemm_grid.cuh"
#include "cuda/ch01_tensor/gemm_packed.cuh"
#include "cuda/ch01_tensor/gemm_packed.h"

namespace ramoe::cuda {
namespace {

/// X(i,k) = from[i * row + k * column], `rows` by K; `blocks` blocks of rows are written.
struct Unpacked {
  const float* from;
  std::ptrdiff_t row, column;
  int rows, blocks;
  std::byte* to;
};

/// A block of threads packs 32 rows and 64 k. Values whose rows are neighbours in memory are read
/// along the rows; shared memory turns them. Its rows are 33 long, so that no more than two lanes
/// meet at a bank.
__global__ void __launch_bounds__(256) pack_kernel(Unpacked a, Unpacked b, int K, int k_blocks) {
  wait_for_earlier_kernels();
  __shared__ float values[kPackedK][33];
  const Unpacked x = blockIdx.z == 0 ? a : b;
  const int r0 = int(blockIdx.x) * 32, k0 = int(blockIdx.y) * kPackedK;
  if (r0 >= x.blocks * kPackedRows) return;
  const bool along_k = x.column == 1;
#pragma unroll 4
  for (int at = int(threadIdx.x); at < 32 * kPackedK; at += 256) {
    const int r = along_k ? at / kPackedK : at % 32, k = along_k ? at % kPackedK : at / 32;
    const bool there = r0 + r < x.rows && k0 + k < K;
    values[k][r] = there ? x.from[(r0 + r) * x.row + (k0 + k) * x.column] : 0.0f;
  }
  __syncthreads();
  const int c = int(threadIdx.x) % 8, r = int(threadIdx.x) / 8;
  unsigned pairs[4];
#pragma unroll
  for (int i = 0; i < 4; ++i)
    pairs[i] = pack_bf16(values[8 * c + 2 * i][r], values[8 * c + 2 * i + 1][r]);
  std::byte* block =
      x.to + (std::size_t(r0 / kPackedRows) * std::size_t(k_blocks) + blockIdx.y) * kPackedBytes;
  *reinterpret_cast<uint4*>(block + packed_place(r0 % kPackedRows + r, c)) = {pairs[0], pairs[1],
                                                                              pairs[2], pairs[3]};
}

struct PackedStage {
  std::byte a[kPackedBytes], b[kPackedBytes];
};
constexpr int kStages = 3, kMmaThreads = 256;

__device__ void fetch_block(std::byte* to, const std::byte* from) {
#pragma unroll
  for (int i = 0; i < kPackedBytes / 16 / kMmaThreads; ++i) {
    const int at = (i * kMmaThreads + int(threadIdx.x)) * 16;
    copy_async<16>(to + at, from + at, true);
  }
}

/// sums += the products of one step; this warp's rows begin at `row`, its columns at `column`.
__device__ void multiply(float (&sums)[4][4][4], const PackedStage& stage, int row, int column) {
  const int lane = int(threadIdx.x) % 32;
#pragma unroll
  for (int c = 0; c < kPackedK / 8; c += 2) {  // 16 k are two pieces of a row
    unsigned b[4][2];
#pragma unroll
    for (int j = 0; j < 4; j += 2) {  // 16 columns: two of B
      unsigned both[4];
      const int n = column + j * 8 + lane / 16 * 8 + lane % 8;
      load_matrices(both, stage.b + packed_place(n, c + lane / 8 % 2));
      b[j][0] = both[0], b[j][1] = both[1], b[j + 1][0] = both[2], b[j + 1][1] = both[3];
    }
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      unsigned a[4];
      load_matrices(a, stage.a + packed_place(row + i * 16 + lane % 16, c + lane / 16));
#pragma unroll
      for (int j = 0; j < 4; ++j) mma_bf16(sums[i][j], a, b[j]);
    }
  }
}

__global__ void __launch_bounds__(kMmaThreads, 2)
    packed_mma_kernel(TileStore store, Packed a, Packed b, int M, int N) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(PackedStage, stages);
  const TilePlace tile(blockIdx.x, ceil_div(unsigned(M), 128u), ceil_div(unsigned(N), 128u));
  const auto fetch = [&](int into, int k) {
    if (k < a.k_blocks) {
      fetch_block(stages[into].a, a.block(tile.i, k));
      fetch_block(stages[into].b, b.block(tile.j, k));
    }
    commit_copies();
  };
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32;
  const int row = warp / 4 * 64, column = warp % 4 * 32;
  float sums[4][4][4] = {};
  fetch(0, 0), fetch(1, 1);
  int from = 0;
  for (int k = 0; k < a.k_blocks; ++k) {
    wait_copies<kStages - 2>();
    __syncthreads();
    fetch(from == 0 ? kStages - 1 : from - 1, k + kStages - 1);
    multiply(sums, stages[from], row, column);
    from = from == kStages - 1 ? 0 : from + 1;
  }
  const int i0 = tile.i * 128 + row + lane / 4, j0 = tile.j * 128 + column + lane % 4 * 2;
  const auto all = [&](const auto& put) {
#pragma unroll
    for (int i = 0; i < 8; ++i)
#pragma unroll
      for (int j = 0; j < 4; ++j) {
        const float* pair = &sums[i / 2][j][i % 2 * 2];
        put(i0 + 8 * i, j0 + 8 * j, make_float2(pair[0], pair[1]));
      }
  };
  put_pairs(store, M, N, (tile.i + 1) * 128 <= M && (tile.j + 1) * 128 <= N, all);
}

}  // namespace

PackedOperands pack_operands(const Gemm<GpuFloat>& g, Scratch& scratch) {
  const int k_blocks = ceil_div(g.K, kPackedK);
  const auto operand = [&](const Operand<GpuFloat>& x, std::ptrdiff_t row, std::ptrdiff_t column,
                           int rows, int blocks) {
    const std::size_t bytes = std::size_t(blocks) * std::size_t(k_blocks) * kPackedBytes;
    return Unpacked{raw(x.from), row, column, rows, blocks, scratch.take<std::byte>(bytes)};
  };
  const Operand<GpuFloat> A = operand_a(g), B = operand_b(g);
  const Unpacked a = operand(A, A.row, A.column, g.M, ceil_div(g.M, kPackedRows));
  const Unpacked b = operand(B, B.column, B.row, g.N, 2 * ceil_div(g.N, 2 * kPackedRows));
  const auto most = unsigned(max(a.blocks, b.blocks)) * (kPackedRows / 32);
  launch<pack_kernel>({{most, unsigned(k_blocks), 2}, 256}, a, b, g.K, k_blocks);
  return {{a.to, k_blocks}, {b.to, k_blocks}};
}

void gemm_packed_mma(const Gemm<GpuFloat>& g) {
  if (g.M == 0 || g.N == 0) return;
  Scratch scratch;
  const PackedOperands x = pack_operands(g, scratch);
  const TileStore store{raw(g.C), g.accumulate ? raw(g.C) : nullptr, g.ldc, g.ldc,
                        aligned(g.C, g.ldc, 0)};
  const std::size_t tiles = std::size_t(ceil_div(g.M, 128)) * std::size_t(ceil_div(g.N, 128));
  launch<packed_mma_kernel>({blocks_for(tiles, 1), kMmaThreads, kStages * sizeof(PackedStage)},
                            store, x.a, x.b, g.M, g.N);
}

}  // namespace ramoe::cuda
