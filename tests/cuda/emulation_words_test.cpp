// The words of CUDA C++ in the emulation do what they do on a GPU.
#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <thread>
#include <vector>

#include "ch01_tensor/arena.h"
#include "cuda/emulation/fibres.h"
#include "cuda/faulty.h"
#include "cuda/orders.h"
#include "cuda/support/mma.cuh"
#include "cuda/support/reduce.cuh"

namespace ramoe {
namespace {

using cuda::launch;

constexpr unsigned kAll = 0xffffffff;

template <class Value>
std::vector<Value> first_values(std::size_t n) {
  std::vector<Value> values(n);
  for (std::size_t i = 0; i < n; ++i) values[i] = Value(i);
  return values;
}

// ---- Who am I -----------------------------------------------------------------------------------

__global__ void index_kernel(unsigned* out) {
  wait_for_earlier_kernels();
  const unsigned block = (blockIdx.z * gridDim.y + blockIdx.y) * gridDim.x + blockIdx.x;
  const unsigned thread = (threadIdx.z * blockDim.y + threadIdx.y) * blockDim.x + threadIdx.x;
  out[block * (blockDim.x * blockDim.y * blockDim.z) + thread] += block * 1000 + thread;
}

TEST(Emulation, RunsEveryThreadOfEveryBlockOnce) {
  in_each_order([] {
    GpuVector<unsigned> out(2 * 3 * 4 * 30);
    launch<index_kernel>({{2, 3, 4}, {5, 3, 2}}, out.data());
    const std::vector<unsigned> found = values_of(out);
    for (unsigned i = 0; i < found.size(); ++i) EXPECT_EQ(found[i], i / 30 * 1000 + i % 30);
  });
}

// ---- Exchanges ----------------------------------------------------------------------------------

__global__ void exchange_kernel(int* out) {
  wait_for_earlier_kernels();
  const int l = int(threadIdx.x);
  int* const mine = out + l * 12;
  mine[0] = __shfl_sync(kAll, l, 5);
  mine[1] = __shfl_sync(kAll, l, 1, 8);
  mine[2] = __shfl_xor_sync(kAll, l, 3);
  mine[3] = __shfl_up_sync(kAll, l, 1);
  mine[4] = __shfl_down_sync(kAll, l, 2, 16);
  mine[5] = int(__ballot_sync(kAll, l % 2 == 0));
  mine[6] = __any_sync(kAll, l == 31);
  mine[7] = __all_sync(kAll, l < 31);
  mine[8] = __reduce_add_sync(kAll, l);
  mine[9] = __reduce_max_sync(kAll, l);
  mine[10] = int(__match_any_sync(kAll, l % 4));
  mine[11] = l < 8 ? __shfl_xor_sync(0xffu, l, 1) : l < 16 ? int(__ballot_sync(0xff00u, 1)) : 0;
}

TEST(Emulation, Exchanges) {
  GpuVector<int> out(32 * 12);
  launch<exchange_kernel>({1, 32}, out.data());
  const std::vector<int> found = values_of(out);
  for (int l = 0; l < 32; ++l) {
    const int* const mine = &found[std::size_t(l) * 12];
    const std::vector<int> expected = {5,
                                       l / 8 * 8 + 1,
                                       l ^ 3,
                                       l == 0 ? 0 : l - 1,
                                       l % 16 < 14 ? l + 2 : l,
                                       0x55555555,
                                       1,
                                       0,
                                       496,
                                       31,
                                       0x11111111 << l % 4,
                                       l < 8    ? l ^ 1
                                       : l < 16 ? 0xff00
                                                : 0};
    EXPECT_EQ(std::vector<int>(mine, mine + 12), expected) << "lane " << l;
  }
}

__global__ void votes_kernel(int* out) {
  wait_for_earlier_kernels();
  const int t = int(threadIdx.x);
  const int count = __syncthreads_count(t % 3 == 0), any = __syncthreads_or(t == 99);
  out[t] = count * 100 + any * 10 + __syncthreads_and(t != 5);
}

TEST(Emulation, VotesOfABlock) {
  GpuVector<int> out(100);
  launch<votes_kernel>({1, 100}, out.data());
  EXPECT_EQ(values_of(out), std::vector<int>(100, 3410));
}

__global__ void sums_kernel(float* out, const float* x) {
  wait_for_earlier_kernels();
  const float sum = cuda::block_sum(x[threadIdx.x]), most = cuda::block_max(x[threadIdx.x]);
  out[threadIdx.x] = sum + most;
}

TEST(Emulation, SumsOfABlock) {
  GpuVector<float> x(1024), out(1024);
  copy_in(reinterpret_cast<GpuFloat*>(x.data()), first_values<float>(1024).data(), 1024);
  launch<sums_kernel>({1, 1024}, out.data(), x.data());
  EXPECT_EQ(values_of(out), std::vector<float>(1024, 1023 * 512 + 1023));
}

// ---- Memory -------------------------------------------------------------------------------------

__global__ void atomics_kernel(int* n, float* sum, unsigned* ring) {
  wait_for_earlier_kernels();
  atomicAdd(&n[0], 1);
  atomicMax(&n[1], int(threadIdx.x));
  atomicMin(&n[2], -int(threadIdx.x));
  atomicOr(&n[3], 1 << threadIdx.x % 8);
  atomicCAS(&n[4], 0, 7);
  atomicAdd(sum, 0.5f);
  atomicInc(ring, 9);
}

TEST(Emulation, Atomics) {
  GpuVector<int> n(5);
  GpuVector<float> sum(1);
  GpuVector<unsigned> ring(1);
  launch<atomics_kernel>({3, 64}, n.data(), sum.data(), ring.data());
  EXPECT_EQ(values_of(n), (std::vector<int>{192, 63, -63, 255, 7}));
  EXPECT_EQ(values_of(sum)[0], 96);
  EXPECT_EQ(values_of(ring)[0], 2u);
}

__global__ void shared_start_kernel(int* out) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(float, tile);
  float found;
  emulation::copy_unwatched(&found, &tile[threadIdx.x], 4);
  out[blockIdx.x * 8 + threadIdx.x] = isnan(found);
  tile[threadIdx.x] = 1;
}

TEST(Emulation, SharedMemoryBeginsAsNaNInEveryBlock) {
  GpuVector<int> out(16);
  launch<shared_start_kernel>({2, 8, 32}, out.data());
  EXPECT_EQ(values_of(out), std::vector<int>(16, 1));
}

TEST(Emulation, MemoryThatIsHandedOutIsNaN) {
  GpuArena arena;
  float* const at = arena.take<float>(100);
  std::vector<float> found(100);
  gpu_copy_out(found.data(), at, 400);
  for (const float value : found) EXPECT_TRUE(std::isnan(value));
}

__global__ void copies_kernel(float* out, const float* x) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(float, tile);
  float* const mine = tile + threadIdx.x * 4;
  for (int i = 0; i < 4; ++i) mine[i] = 5;
  cuda::copy_async(mine, x + threadIdx.x * 4, threadIdx.x != 1);
  cuda::commit_copies();
  cuda::commit_copies();  // an empty group
  float before;
  emulation::copy_unwatched(&before, mine, 4);
  cuda::wait_copies<0>();
  for (int i = 0; i < 4; ++i) out[threadIdx.x * 4 + unsigned(i)] = isnan(before) ? mine[i] : -1;
}

TEST(Emulation, CopiesArriveWhenWaitedFor) {
  GpuVector<float> x(16), out(16);
  std::vector<float> values = first_values<float>(16);
  gpu_copy_in(x.data(), values.data(), 64);
  launch<copies_kernel>({1, 4, 64}, out.data(), x.data());
  std::fill_n(&values[4], 4, 0.0f);
  EXPECT_EQ(values_of(out), values);
}

TEST(Emulation, HostThreadsTakeTurns) {
  std::vector<std::thread> threads;
  std::vector<std::vector<float>> found(4);
  for (std::size_t i = 0; i < found.size(); ++i)
    threads.emplace_back([&, i] {
      GpuVector<float> x(256), out(256);
      gpu_copy_in(x.data(), std::vector<float>(256, float(i)).data(), 1024);
      for (int n = 0; n < 50; ++n) launch<sums_kernel>({1, 256}, out.data(), x.data());
      found[i] = values_of(out);
    });
  for (std::thread& thread : threads) thread.join();
  for (std::size_t i = 0; i < found.size(); ++i)
    EXPECT_EQ(found[i], std::vector<float>(256, float(i) * 257));
}

__global__ void no_barrier_kernel(int* out) {
  wait_for_earlier_kernels();
  out[threadIdx.x] = 1;
}

TEST(Emulation, ThreadsThatDoNotWaitNeedNoFibres) {
  GpuVector<int> out(1024);
  const long before = emulation::switches();
  launch<no_barrier_kernel>({1, 1024}, out.data());
  EXPECT_LE(emulation::switches() - before, 2);
}

// ---- Numbers ------------------------------------------------------------------------------------

TEST(Emulation, Bf16RoundsToNearestEven) {
  const auto bits = [](float x) { return __bfloat16_as_ushort(__float2bfloat16(x)); };
  EXPECT_EQ(bits(1), 0x3f80);
  EXPECT_EQ(bits(__uint_as_float(0x3f808000)), 0x3f80);  // in the middle: to even
  EXPECT_EQ(bits(__uint_as_float(0x3f818000)), 0x3f82);
  EXPECT_EQ(bits(__uint_as_float(0x3f808001)), 0x3f81);
  EXPECT_EQ(bits(-INFINITY), 0xff80);
  EXPECT_EQ(bits(3.4e38f), 0x7f80);
  EXPECT_TRUE(isnan(__bfloat162float(__float2bfloat16(NAN))));
  const __nv_bfloat162 pair = __floats2bfloat162_rn(1.5f, -2);
  EXPECT_EQ(__bfloat1622float2(pair).x, 1.5f);
  EXPECT_EQ(__high2float(pair), -2);
  EXPECT_EQ(sizeof pair, 4u);
}

TEST(Emulation, SingleInstructions) {
  EXPECT_EQ(__popc(0xf0f0u), 8);
  EXPECT_EQ(__ffs(0), 0);
  EXPECT_EQ(__ffs(8), 4);
  EXPECT_EQ(__clz(0), 32);
  EXPECT_EQ(__clz(1), 31);
  EXPECT_EQ(__clz(-1), 0);
  EXPECT_EQ(__umulhi(0x80000000u, 6), 3u);
  float sine = 0, cosine = 0;
  sincospif(-0.5f, &sine, &cosine);
  EXPECT_EQ(sine, -1);
  EXPECT_NEAR(cosine, 0, 1e-16);
  EXPECT_EQ(__fmaf_rn(1 + 0x1p-12f, 1 - 0x1p-12f, -1), -0x1p-24f);
  EXPECT_EQ(rsqrtf(4), 0.5f);
  EXPECT_EQ(__int_as_float(__float_as_int(-1.5f)), -1.5f);
  EXPECT_EQ(max(NAN, 1.0f), 1);  // as on the GPU
  EXPECT_EQ(min(2.0f, NAN), 2);
  EXPECT_EQ(max(-3, 2), 2);
  EXPECT_EQ(alignof(float4), 16u);
  EXPECT_EQ(alignof(int2), 8u);
  EXPECT_EQ(make_uint4(1, 2, 3, 4).w, 4u);
}

}  // namespace
}  // namespace ramoe
