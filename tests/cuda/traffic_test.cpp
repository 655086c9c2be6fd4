// The memory check counts: 32-byte sectors that a warp's request touches, and turns of the banks of
// shared memory, for the line that makes them.
#include "cuda/emulation/traffic.h"

#include <gtest/gtest.h>

#include "cuda/ch01_tensor/gemm_grid.cuh"
#include "cuda/ch01_tensor/gemm_mma.cuh"
#include "cuda/emulation/memory_check.h"
#include "cuda/watched.h"

namespace ramoe {
namespace {

class TrafficCount : public Watched {};

__global__ void coalesced_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  const unsigned i = blockIdx.x * 64 + threadIdx.x;
  faulty(), y[i] = x[i];
}
__global__ void strided_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  const float value = x[threadIdx.x * 32];
  faulty(), y[threadIdx.x] = value;
}
__global__ void vector_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  const float4 four = reinterpret_cast<const float4*>(x)[threadIdx.x];
  faulty(), reinterpret_cast<float4*>(y)[threadIdx.x] = four;
}
template <int width>
__global__ void transpose_kernel(float* y) {
  wait_for_earlier_kernels();
  __shared__ float tile[32][width];
  for (int i = 0; i < 32; ++i) tile[i][threadIdx.x] = 1;
  __syncthreads();
  float sum = 0;
  for (int i = 0; i < 32; ++i) faulty(), sum += tile[threadIdx.x][i];
  y[threadIdx.x] = sum;
}

__global__ void copied_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  __shared__ float tile[32];
  cuda::copy_async<4>(&tile[threadIdx.x], x + threadIdx.x * 32, true);
  cuda::commit_copies();
  cuda::wait_copies<0>();
  y[threadIdx.x] = tile[threadIdx.x];
}

/// What is counted of the line of the fault (plus `lines`), which has one kind of access.
emulation::Traffic counted(bool shared, int lines = 0) {
  for (const emulation::Traffic& t : emulation::traffic())
    if (t.line == cat("traffic_test.cpp:", fault_line + lines) && t.shared == shared) return t;
  ADD_FAILURE() << "nothing was counted at line " << fault_line + lines << "\n"
                << emulation::traffic_table();
  return {};
}

TEST_F(TrafficCount, CountsSectors) {
  emulation::count_traffic(true);
  EXPECT_EQ(error_of<coalesced_kernel>({2, 64}, x, x), "");  // in place: each its own word
  emulation::Traffic t = counted(false);
  EXPECT_EQ(t.requests, 8);  // of 2 blocks of 2 warps, a load and a store
  EXPECT_EQ(t.bytes, 8 * 128);
  EXPECT_EQ(t.sectors, 8 * 4);
  EXPECT_EQ(t.fewest_sectors, 8 * 4);

  EXPECT_EQ(error_of<strided_kernel>({1, 64}, y, x), "");
  t = counted(false, -1);
  EXPECT_EQ(t.requests, 2);
  EXPECT_EQ(t.sectors, 2 * 32);
  EXPECT_EQ(t.fewest_sectors, 2 * 4);
  EXPECT_EQ(counted(false).sectors, 2 * 4);

  EXPECT_EQ(error_of<vector_kernel>({1, 32}, y, x), "");
  t = counted(false);
  EXPECT_EQ(t.bytes, 512);
  EXPECT_EQ(t.sectors, 16);
  emulation::count_traffic(false);
}

TEST_F(TrafficCount, CountsTurnsOfTheBanks) {
  emulation::count_traffic(true);
  constexpr auto plain = transpose_kernel<32>, padded = transpose_kernel<33>;
  EXPECT_EQ(error_of<plain>({1, 32}, y), "");
  emulation::Traffic t = counted(true);
  EXPECT_EQ(t.requests, 32);
  EXPECT_EQ(t.turns, 32 * 32);  // a column lies in one bank
  EXPECT_EQ(t.fewest_turns, 32);
  EXPECT_EQ(counted(true, -3).turns, 32);  // a row lies in all of them
  const std::string table = emulation::traffic_table();
  EXPECT_TRUE(contains(table, "32.0 (1.0)")) << table;

  emulation::count_traffic(true);
  EXPECT_EQ(error_of<padded>({1, 32}, y), "");
  EXPECT_EQ(counted(true).turns, 32);
  emulation::count_traffic(false);
}

// One instruction reads one memory and writes the other: each has its own account.
TEST_F(TrafficCount, TellsTheTwoMemoriesOfACopyApart) {
  emulation::count_traffic(true);
  EXPECT_EQ(error_of<copied_kernel>({1, 32}, y, x), "");
  long found = 0;
  for (const emulation::Traffic& t : emulation::traffic()) {
    if (!contains(t.line, "mma.cuh")) continue;
    ++found;
    EXPECT_EQ(t.requests, 1);
    if (t.shared)
      EXPECT_EQ(t.turns, 1);
    else
      EXPECT_EQ(t.sectors, 32);
  }
  EXPECT_EQ(found, 2) << emulation::traffic_table();
  emulation::count_traffic(false);
}

template <class Tile>
class TileTraffic : public testing::Test {};
using Tiles = testing::Types<cuda::FmaTile<128, 128, 8, 8>, cuda::MediumTile, cuda::SmallTile,
                             cuda::MediumBf16, cuda::SmallBf16>;
TYPED_TEST_SUITE(TileTraffic, Tiles);

// Neither the copies nor the products of a tile meet at a bank, whichever way its operands lie.
TYPED_TEST(TileTraffic, MeetsAtNoBank) {
  constexpr int M = 128, N = 128, K = 64;
  GpuVector<GpuFloat> a(M * K), b(K * N), c(M * N);
  copy_in(a.data(), std::vector<float>(a.size(), 1.0f).data(), a.size());
  copy_in(b.data(), std::vector<float>(b.size(), 1.0f).data(), b.size());
  for (const GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN}) {
    emulation::count_traffic(true);
    cuda::run_tiles<TypeParam>({form, M, N, K, a.data(), form == GemmForm::TN ? M : K, b.data(),
                                form == GemmForm::NT ? K : N, c.data(), N, false},
                               {});
    emulation::count_traffic(false);
    int lines = 0;
    for (const emulation::Traffic& t : emulation::traffic()) {
      if (!t.shared) continue;
      EXPECT_EQ(t.turns, t.fewest_turns) << emulation::traffic_table();
      ++lines;
    }
    EXPECT_GE(lines, 2);  // copies, and what is multiplied
  }
}

}  // namespace
}  // namespace ramoe
