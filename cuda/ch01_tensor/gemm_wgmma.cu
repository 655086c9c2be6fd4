// Chapter 1.7 on the GPU - products in bf16 by wgmma, from the packed blocks of gemm_packed.h
//
// A block of threads makes 128 x 256 values and its threads have different work. One thread copies:
// for each step of 64 k it asks for 48 KiB in three bulk copies, as soon as one of four places is
// free. Two warpgroups multiply, 64 x 256 values each in 128 registers of a thread; tensor cores
// read A and B from shared memory, so that no thread loads a fragment. They meet at two barriers
// for each place: `full` when the bytes have come, `empty` when both warpgroups are done with them.
#include "cuda/ch01_tensor/gemm_packed.h"
#include "cuda/support/device.h"

#ifdef __CUDACC__
#include "cuda/ch01_tensor/gemm_grid.cuh"
#include "cuda/ch01_tensor/gemm_packed.cuh"
#include "cuda/support/hopper.cuh"
#endif

namespace ramoe::cuda {

#ifdef __CUDACC__

namespace {

constexpr int kPlaces = 4, kRows = 128, kColumns = 256;
constexpr int kWarpgroups = 2, kThreads = 128 * (1 + kWarpgroups);
constexpr unsigned kStepBytes = 3 * kPackedBytes;  // one block of A, two of B

struct Barriers {
  Barrier full[kPlaces], empty[kPlaces];
};

/// A place and the phase of its barriers, which changes with each round.
struct Turn {
  int place = 0;
  unsigned phase = 0;
  __device__ void next() {
    if (++place < kPlaces) return;
    place = 0;
    phase ^= 1;
  }
};

/// The thread that copies.
__device__ void fetch_steps(std::byte* places, Barriers& barriers, const Packed& a, const Packed& b,
                            const TilePlace& tile) {
  Turn turn;
  for (int k = 0; k < a.k_blocks; ++k, turn.next()) {
    barrier_wait(barriers.empty[turn.place], turn.phase ^ 1);  // at first all are
    Barrier& full = barriers.full[turn.place];
    std::byte* to = places + turn.place * kStepBytes;
    barrier_expect(full, kStepBytes);
    copy_bulk(to, a.block(tile.i, k), kPackedBytes, full);
    copy_bulk(to + kPackedBytes, b.block(2 * tile.j, k), kPackedBytes, full);
    copy_bulk(to + 2 * kPackedBytes, b.block(2 * tile.j + 1, k), kPackedBytes, full);
  }
}

/// A warpgroup: its 64 rows of A begin at `row` of a step.
__device__ void multiply_steps(float (&sums)[128], const std::byte* places, Barriers& barriers,
                               int row, int k_blocks) {
  const bool speaks = threadIdx.x % 32 == 0;  // one for each warp
  Turn turn;
  int before = 0;
  for (int k = 0; k < k_blocks; ++k, turn.next()) {
    const std::byte* at = places + turn.place * kStepBytes;
    const std::uint64_t a = matrix_of(at + row * 2 * kPackedK), b = matrix_of(at + kPackedBytes);
    barrier_wait(barriers.full[turn.place], turn.phase);
    wgmma_begin();
#pragma unroll
    for (unsigned i = 0; i < kPackedK / 16; ++i) wgmma_64x256(sums, a + 2 * i, b + 2 * i);
    wgmma_commit();
    wgmma_wait<1>();  // the step before is done
    if (k > 0 && speaks) barrier_arrive(barriers.empty[before]);
    before = turn.place;
  }
  wgmma_end(sums);
}

__global__ void __launch_bounds__(kThreads, 1)
    wgmma_kernel(TileStore store, Packed a, Packed b, int M, int N) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(std::byte, shared);
  __shared__ Barriers barriers;
  // The swizzle counts rows from addresses that are multiples of 1024.
  std::byte* places = shared + (1024 - shared_address(shared) % 1024) % 1024;
  if (threadIdx.x == 0) {
    for (int p = 0; p < kPlaces; ++p) {
      barrier_begin(barriers.full[p], 1);
      barrier_begin(barriers.empty[p], 4 * kWarpgroups);
    }
    barriers_begun();
  }
  __syncthreads();
  const TilePlace tile(blockIdx.x, unsigned(ceil_div(M, kRows)), unsigned(ceil_div(N, kColumns)));
  const int group = int(threadIdx.x) / 128 - 1;
  if (group < 0) {
    give_registers<40>();
    if (threadIdx.x == 0) fetch_steps(places, barriers, a, b, tile);
    return;
  }
  take_registers<232>();
  float sums[128] = {};
  multiply_steps(sums, places, barriers, 64 * group, a.k_blocks);
  const int lane = int(threadIdx.x) % 32, warp = int(threadIdx.x) / 32 % 4;
  const int i0 = tile.i * kRows + 64 * group + 16 * warp + lane / 4;
  const int j0 = tile.j * kColumns + lane % 4 * 2;
  const auto all = [&](const auto& put) {
#pragma unroll
    for (int r = 0; r < 64; ++r)
      put(i0 + r % 2 * 8, j0 + r / 2 * 8, make_float2(sums[2 * r], sums[2 * r + 1]));
  };
  put_pairs(store, M, N, (tile.i + 1) * kRows <= M && (tile.j + 1) * kColumns <= N, all);
}

}  // namespace

bool has_wgmma() {
  static const bool has = [] {
    if (device_facts().major != 9) return false;
    cudaFuncAttributes of{};  // 80: compiled by the driver from what Ampere has
    must(cudaFuncGetAttributes(&of, wgmma_kernel), "wgmma_kernel");
    return of.ptxVersion >= 90;
  }();
  return has;
}

void gemm_packed_wgmma(const Gemm<GpuFloat>& g) {
  if (!has_wgmma()) return gemm_packed_mma(g);
  if (g.M == 0 || g.N == 0) return;
  Scratch scratch;
  const PackedOperands x = pack_operands(g, scratch);
  const TileStore store{raw(g.C), g.accumulate ? raw(g.C) : nullptr, g.ldc, g.ldc,
                        aligned(g.C, g.ldc, 0)};
  const std::size_t tiles =
      std::size_t(ceil_div(g.M, kRows)) * std::size_t(ceil_div(g.N, kColumns));
  launch<wgmma_kernel>({blocks_for(tiles, 1), kThreads, kPlaces * kStepBytes + 1024}, store, x.a,
                       x.b, g.M, g.N);
}

#else

bool has_wgmma() {
  return false;
}

void gemm_packed_wgmma(const Gemm<GpuFloat>& g) {
  gemm_packed_mma(g);
}

#endif

}  // namespace ramoe::cuda
