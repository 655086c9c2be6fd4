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
  bool vectors;  // 16 bytes may be read at a time
  std::byte* to;
  /// The neighbours in memory from (i,k) on; zeros instead of those from `count` on. With `whole`
  /// all are there and one instruction reads them.
  template <bool whole>
  __device__ float4 four(int i, int k, int count) const {
    const float* at = from + i * row + k * column;
    const auto one = [&](int n) { return n < count ? at[n] : 0.0f; };
    return whole ? four_at(at) : make_float4(one(0), one(1), one(2), one(3));
  }
};

// A block of threads packs 64 rows and 64 k. Each thread reads 16 bytes eight times before it needs
// the first.
constexpr int kPackThreads = 128, kPackRows = 64;

/// The k of a row are neighbours: a warp reads 256 bytes of two rows, and writes them as 128.
template <bool whole>
__device__ void pack_along_k(std::byte* to, const Unpacked& x, int r0, int k0, int K) {
  const int four = int(threadIdx.x) % 16, first = int(threadIdx.x) / 16, k = k0 + 4 * four;
  float4 values[8];
#pragma unroll
  for (int p = 0; p < 8; ++p) {
    const int i = r0 + first + 8 * p;
    values[p] = x.four<whole>(i, k, i < x.rows ? K - k : 0);
  }
#pragma unroll
  for (int p = 0; p < 8; ++p) {
    const int r = r0 % kPackedRows + first + 8 * p;
    const float4& v = values[p];
    *reinterpret_cast<uint2*>(to + packed_place(r, four / 2) + four % 2 * 8) = {
        pack_bf16(v.x, v.y), pack_bf16(v.z, v.w)};
  }
}

/// The rows of a k are neighbours: a warp reads 128 bytes of each of 32 k, a thread 4 rows of 8 k,
/// which it turns in its registers.
template <bool whole>
__device__ void pack_across_k(std::byte* to, const Unpacked& x, int r0, int k0, int K) {
  const int c = int(threadIdx.x) / 8 % 8;
  const int first = int(threadIdx.x) / 64 * 32 + int(threadIdx.x) % 8 * 4, i = r0 + first;
  float4 values[8];
#pragma unroll
  for (int p = 0; p < 8; ++p) {
    const int k = k0 + 8 * c + p;
    values[p] = x.four<whole>(i, k, k < K ? x.rows - i : 0);
  }
  const int r = r0 % kPackedRows + first;
  const auto put = [&](int n, float float4::*at) {
    unsigned pairs[4];
#pragma unroll
    for (int p = 0; p < 4; ++p) pairs[p] = pack_bf16(values[2 * p].*at, values[2 * p + 1].*at);
    *reinterpret_cast<uint4*>(to + packed_place(r + n, c)) = {pairs[0], pairs[1], pairs[2],
                                                              pairs[3]};
  };
  put(0, &float4::x), put(1, &float4::y), put(2, &float4::z), put(3, &float4::w);
}

__global__ void __launch_bounds__(kPackThreads)
    pack_kernel(Unpacked a, Unpacked b, int K, int k_blocks) {
  wait_for_earlier_kernels();
  const Unpacked x = blockIdx.z == 0 ? a : b;
  const int r0 = int(blockIdx.x) * kPackRows, k0 = int(blockIdx.y) * kPackedK;
  if (r0 >= x.blocks * kPackedRows) return;
  const bool whole = x.vectors && r0 + kPackRows <= x.rows && k0 + kPackedK <= K;
  std::byte* to =
      x.to + (std::size_t(r0 / kPackedRows) * std::size_t(k_blocks) + blockIdx.y) * kPackedBytes;
  if (x.column == 1)
    whole ? pack_along_k<true>(to, x, r0, k0, K) : pack_along_k<false>(to, x, r0, k0, K);
  else
    whole ? pack_across_k<true>(to, x, r0, k0, K) : pack_across_k<false>(to, x, r0, k0, K);
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
    const bool vectors = aligned(x.from, int(row * column), 0);  // one of them is 1
    return Unpacked{
        raw(x.from), row, column, rows, blocks, vectors, scratch.take<std::byte>(bytes)};
  };
  const Operand<GpuFloat> A = operand_a(g), B = operand_b(g);
  const Unpacked a = operand(A, A.row, A.column, g.M, ceil_div(g.M, kPackedRows));
  const Unpacked b = operand(B, B.column, B.row, g.N, 2 * ceil_div(g.N, 2 * kPackedRows));
  const auto most = unsigned(max(a.blocks, b.blocks)) * (kPackedRows / kPackRows);
  launch<pack_kernel>({{most, unsigned(k_blocks), 2}, kPackThreads}, a, b, g.K, k_blocks);
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
