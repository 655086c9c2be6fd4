// The emulation itself: faults that it finds in any build, each with kernel, block, thread and
// line. Its words of CUDA are in emulation_words_test.cpp, its check in memory_check_test.cpp.
#include <gtest/gtest.h>

#include <memory>
#include <thread>
#include <vector>

#include "cuda/emulation/device_memory.h"
#include "cuda/faulty.h"

namespace ramoe {
namespace {

using cuda::launch;

// ---- Barriers that not all threads reach --------------------------------------------------------

__global__ void one_returns_kernel() {
  wait_for_earlier_kernels();
  if (threadIdx.x == 40) return;
  faulty(), __syncthreads();
}
__global__ void rows_return_kernel(int N) {
  wait_for_earlier_kernels();
  const unsigned n = blockIdx.x * blockDim.x + threadIdx.x;
  if (int(n) >= N) return;
  faulty(), __syncthreads();
}
__global__ void two_places_kernel() {
  wait_for_earlier_kernels();
  if (threadIdx.x < 32)
    __syncthreads();
  else
    faulty(), __syncthreads();
}
__global__ void uneven_loop_kernel() {
  wait_for_earlier_kernels();
  for (unsigned i = 0; i < threadIdx.x / 32 + 1; ++i) faulty(), __syncthreads();
}
__global__ void barrier_against_warp_kernel() {
  wait_for_earlier_kernels();
  if (threadIdx.x == 0)
    faulty(), __syncwarp();
  else
    __syncthreads();
}
__global__ void barrier_of_one_kernel() {
  wait_for_earlier_kernels();
  if (threadIdx.x == 3) faulty(), __syncthreads();
}

TEST(EmulationFaults, ABarrierThatNotAllThreadsReach) {
  EXPECT_FAULT(one_returns_kernel, "thread (0,0,0) waits", "thread (40,0,0) has returned", {1, 64});
  EXPECT_FAULT(rows_return_kernel, "block (2,0,0), thread (0,0,0) waits",
               "thread (36,0,0) has returned", {3, 64}, 164);
  EXPECT_FAULT(two_places_kernel, "thread (32,0,0) comes",
               "while others wait at emulation_test.cpp", {1, 64});
  EXPECT_FAULT(uneven_loop_kernel, "thread (32,0,0) waits", "thread (0,0,0) has returned", {1, 64});
  EXPECT_FAULT(barrier_against_warp_kernel, "thread (0,0,0) waits",
               "thread (1,0,0) waits at emulation_test.cpp", {1, 32});
  EXPECT_FAULT(barrier_of_one_kernel, "block (0,0,0), thread (3,0,0) waits",
               "thread (0,0,0) has returned", {{2, 2}, {8, 2}, 0});
}

// ---- Threads that do not wait for the kernels before this one -----------------------------------

__global__ void never_waits_kernel() {
  faulty(__LINE__ - 1);
  for (int i = 0; i < 2; ++i) __syncthreads();
}
__global__ void returns_too_early_kernel(int N) {
  faulty(__LINE__ - 1);
  const unsigned n = blockIdx.x * blockDim.x + threadIdx.x;
  if (int(n) >= N) return;
  wait_for_earlier_kernels();
}
__global__ void one_waits_for_all_kernel() {
  faulty(__LINE__ - 1);
  if (threadIdx.x == 0) wait_for_earlier_kernels();
  __syncthreads();
}
__global__ void waits_in_a_loop_kernel(int n) {
  faulty(__LINE__ - 1);
  for (int i = int(threadIdx.x); i < n; i += int(blockDim.x)) wait_for_earlier_kernels();
}
__global__ void waits_behind_a_sum_kernel(int* out) {
  const int n = int(blockIdx.x * blockDim.x + threadIdx.x) * 2;
  wait_for_earlier_kernels();
  out[threadIdx.x] = n;
}

TEST(EmulationFaults, AThreadThatDoesNotWaitForEarlierKernels) {
  GpuVector<int> out(64);
  const char* const without = "ends without wait_for_earlier_kernels()";
  EXPECT_FAULT(never_waits_kernel, "block (0,0,0), thread (", without, {2, 64});
  EXPECT_FAULT(returns_too_early_kernel, "block (2,0,0), thread (36,0,0)", without, {3, 64}, 164);
  EXPECT_FAULT(one_waits_for_all_kernel, "thread (63,0,0)", without, {1, 64});
  EXPECT_FAULT(waits_in_a_loop_kernel, "thread (40,0,0)", without, {1, 64}, 40);
  EXPECT_EQ(error_of<waits_in_a_loop_kernel>({1, 64}, 64), "");
  EXPECT_EQ(error_of<returns_too_early_kernel>({3, 64}, 192), "");
  EXPECT_EQ(error_of<waits_behind_a_sum_kernel>({1, 64}, out.data()), "");
}

// ---- Lanes and masks ----------------------------------------------------------------------------

__global__ void outside_of_mask_kernel() {
  wait_for_earlier_kernels();
  if (threadIdx.x == 9) faulty(), __syncwarp(0xff);
}
__global__ void returned_lane_kernel(int* out) {
  wait_for_earlier_kernels();
  if (threadIdx.x == 31) return;
  faulty(), out[threadIdx.x] = __shfl_xor_sync(0xffffffffu, 1, 1);
}
__global__ void other_mask_kernel() {
  wait_for_earlier_kernels();
  if (threadIdx.x < 2)
    __syncwarp(0xf);
  else if (threadIdx.x < 4)
    faulty(), __syncwarp(0xd);
}
__global__ void reads_outside_kernel(int* out) {
  wait_for_earlier_kernels();
  if (threadIdx.x < 4) faulty(), out[threadIdx.x] = __shfl_sync(0xfu, 1, 4);
}
__global__ void no_such_lanes_kernel() {
  wait_for_earlier_kernels();
  faulty(), __syncwarp();
}
__global__ void two_exchanges_kernel(int* out) {
  wait_for_earlier_kernels();
  if (threadIdx.x < 16)
    out[0] = __shfl_sync(0xffffffffu, 1, 0);
  else
    faulty(), out[0] = __shfl_sync(0xffffffffu, 1, 0);
}

TEST(EmulationFaults, ALaneOutsideItsMask) {
  GpuVector<int> out(32);
  EXPECT_FAULT(outside_of_mask_kernel, "thread (9,0,0) calls", "without being in its mask",
               {1, 32});
  EXPECT_FAULT(returned_lane_kernel, "thread (0,0,0) waits", "thread (31,0,0) has returned",
               {1, 32}, out.data());
  EXPECT_FAULT(other_mask_kernel, "thread (2,0,0) comes", "another mask", {1, 32});
  EXPECT_FAULT(reads_outside_kernel, "thread (0,0,0) reads", "not in the mask of its shuffle",
               {1, 32}, out.data());
  EXPECT_FAULT(no_such_lanes_kernel, "thread (0,0,0) waits", "lanes of its mask do not exist",
               {1, 16});
  EXPECT_FAULT(two_exchanges_kernel, "thread (16,0,0) comes", "while others wait", {1, 32},
               out.data());
}

// ---- Indices out of bounds ----------------------------------------------------------------------

__global__ void behind_kernel(float* x, int n) {
  wait_for_earlier_kernels();
  const int i = int(threadIdx.x);
  if (i <= n) faulty(), x[i] = 1;
}
__global__ void before_kernel(const float* x, float* y) {
  wait_for_earlier_kernels();
  faulty(), y[0] = x[int(threadIdx.x) - 5000];
}
__global__ void far_kernel(float* x) {
  wait_for_earlier_kernels();
  if (threadIdx.x == 7) faulty(), x[std::size_t{1} << 35] = 1;  // half of all addresses further
}
__global__ void null_kernel(const float* x, float* y) {
  wait_for_earlier_kernels();
  if (threadIdx.y == 2) faulty(), y[0] = x[3];
}
__global__ void shared_kernel(float* y, int i) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(float, tile);
  faulty(), y[0] = tile[i];
}
__attribute__((noinline)) float deep(int n) {
  volatile float local[1000];
  local[n % 1000] = float(n);
  return n == 0 ? 0 : deep(n - 1) + local[n % 1000];
}
__global__ void stack_kernel(float* y) {
  wait_for_earlier_kernels();
  y[0] = deep(1000);
}
#ifdef EMULATION_ASAN
__global__ void static_index_kernel(float* y, int i) {
  wait_for_earlier_kernels();
  __shared__ float tile[32];
  tile[i] = 1;
  y[0] = tile[0];
}
__global__ void static_pointer_kernel(float* y, int i) {
  wait_for_earlier_kernels();
  __shared__ float tile[32];
  float* at = tile;
  asm volatile("" : "+r"(at));
  at[i] = 1;
  y[0] = tile[0];
}
__global__ void row_kernel(float* y, int i) {
  wait_for_earlier_kernels();
  __shared__ float tile[4][33];
  tile[0][i] = 1;
  y[0] = tile[0][0];
}
__global__ void local_index_kernel(float* y, int i) {
  wait_for_earlier_kernels();
  float local[8] = {};
  local[i] = 1;
  y[0] = local[0];
}
__global__ void local_pointer_kernel(float* y, int i) {
  wait_for_earlier_kernels();
  float local[8] = {};
  float* at = local;
  asm volatile("" : "+r"(at));
  at[i] = 1;
  y[0] = local[0];
}
#endif

#ifdef EMULATION_ASAN
// The sanitizer ends the program; the kernel and the thread stand before or behind its report.
#define EXPECT_OUT_OF_BOUNDS(kernel, who, what, ...)                              \
  EXPECT_DEATH(launch<kernel>(__VA_ARGS__),                                       \
               "emulation_test.cpp:.*in " #kernel ", block .*" who "|in " #kernel \
               ", block "                                                         \
               ".*" who ".*emulation_test.cpp:")
#else
#define EXPECT_OUT_OF_BOUNDS(kernel, who, what, ...) \
  EXPECT_FAULT(kernel, "thread (" who ")", what, __VA_ARGS__)
#endif

TEST(EmulationFaults, AnIndexOutOfBounds) {
  GpuVector<float> x(100), y(1);
  EXPECT_OUT_OF_BOUNDS(behind_kernel, "100,0,0", "0 bytes behind an allocation of 400 bytes",
                       {1, 128}, x.data(), 100);
  float* const freed = GpuVector<float>(64).data();
  EXPECT_OUT_OF_BOUNDS(behind_kernel, "0,0,0", "", {1, 32}, freed, 10);
  EXPECT_OUT_OF_BOUNDS(shared_kernel, "0,0,0", "outside of the block's 256 bytes", {1, 1, 256},
                       y.data(), 64);
  EXPECT_OUT_OF_BOUNDS(shared_kernel, "0,0,0", "outside of the block's 8192", {1, 1, 8192},
                       y.data(), -1);
#ifdef EMULATION_ASAN
  EXPECT_OUT_OF_BOUNDS(static_index_kernel, "0,0,0", "", {1, 1}, y.data(), 32);
  EXPECT_OUT_OF_BOUNDS(static_pointer_kernel, "0,0,0", "", {1, 1}, y.data(), 32);
  EXPECT_OUT_OF_BOUNDS(row_kernel, "0,0,0", "", {1, 1}, y.data(), 33);
  EXPECT_OUT_OF_BOUNDS(local_index_kernel, "0,0,0", "", {1, 1}, y.data(), 8);
  EXPECT_OUT_OF_BOUNDS(local_pointer_kernel, "0,0,0", "", {1, 1}, y.data(), -1);
#endif
}

TEST(EmulationFaults, AnAddressWithoutMemory) {
  GpuVector<float> x(100), y(1);
  EXPECT_FAULT(far_kernel, "thread (7,0,0)", "memory of the GPU that is not allocated", {1, 32},
               x.data());
  EXPECT_FAULT(before_kernel, "thread (0,0,0)", "20000 bytes before an allocation of 400", {1, 32},
               x.data(), y.data());
  const float* const nothing = nullptr;
  EXPECT_FAULT(null_kernel, "thread (0,2,0) follows", "a null pointer", {1, {1, 4}}, nothing,
               y.data());
  const std::string error = error_of<stack_kernel>({1, 1}, y.data());
  EXPECT_TRUE(contains(error, "local arrays are too large")) << error;
}

// ---- Memory of the host and of the GPU ----------------------------------------------------------

__global__ void copy_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  y[threadIdx.x] = x[threadIdx.x];
}
struct Pointers {
  float* y;
  const float* x;
};

TEST(EmulationFaults, AHostPointerInAKernel) {
  GpuVector<float> gpu(32);
  std::vector<float> heap(32);
  float stack[32] = {};
  static float fixed[32];
  const auto error = [](float* y, const float* x) { return error_of<copy_kernel>({1, 32}, y, x); };
  EXPECT_TRUE(contains(error(heap.data(), gpu.data()), "copy_kernel: argument 1 is 0x"));
  EXPECT_TRUE(contains(error(gpu.data(), heap.data()), "copy_kernel: argument 2 is 0x"));
  EXPECT_TRUE(contains(error(gpu.data(), stack), "argument 2 is 0x"));
  EXPECT_TRUE(contains(error(fixed, gpu.data()), "a pointer into the host's memory"));
  EXPECT_TRUE(contains(error(gpu.data(), std::make_unique<float[]>(32).get()), "argument 2"));
  EXPECT_EQ(error(gpu.data(), gpu.data()), "");
}

TEST(EmulationFaults, ACopyFromTheWrongSide) {
  GpuVector<float> gpu(32);
  std::vector<float> host(32);
  EXPECT_THROW(gpu_copy_in(host.data(), gpu.data(), 4), Error);
  EXPECT_THROW(gpu_copy_in(gpu.data(), gpu.data(), 4), Error);
  EXPECT_THROW(gpu_copy_out(gpu.data(), host.data(), 4), Error);
  EXPECT_THROW(gpu_copy_out(host.data(), host.data(), 4), Error);
  EXPECT_THROW(gpu_clear(host.data(), 4), Error);
  EXPECT_THROW(gpu_free(host.data()), Error);
  EXPECT_THROW(gpu_free(gpu.data() + 1), Error);
}

TEST(EmulationFaults, TheHostAtMemoryOfTheGpu) {
  GpuVector<float> gpu(32);
  std::vector<float> host(32);
  launch<copy_kernel>({1, 32}, gpu.data(), gpu.data());  // and it is closed again behind a kernel
  if (!emulation::is_guarded())
    GTEST_SKIP() << "no protection keys, and other tests have left more memory than pages guard";
  const char* const said = "the host follows a pointer into memory of the GPU";
  volatile float* const at = gpu.data();
  EXPECT_DEATH(host[0] = at[0], said);
  EXPECT_DEATH(at[0] = 1, said);
  volatile float* const copy = host.data();  // read, or nobody would need to copy
  EXPECT_DEATH((std::memcpy(host.data(), gpu.data(), 128), static_cast<void>(copy[0])), said);
  EXPECT_DEATH(at[31] = at[31] + 1, said);
  EXPECT_DEATH(std::thread([&] { at[0] = 1; }).join(), said);
  const std::vector<float> zeros(32);
  EXPECT_EQ(values_of(gpu), zeros);
}

// ---- After an error all is as before ------------------------------------------------------------

__global__ void count_kernel(int* out) {
  wait_for_earlier_kernels();
  __shared__ int seen[64];
  seen[threadIdx.x] = 1;
  __syncthreads();
  int sum = 0;
  for (unsigned i = 0; i < blockDim.x; ++i) sum += seen[i];
  __syncthreads();
  out[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

TEST(EmulationFaults, TheNextLaunchIsNotTouched) {
  GpuVector<int> out(128);
  for (int i = 0; i < 20; ++i) {
    EXPECT_NE(error_of<one_returns_kernel>({3, 64}), "");
    EXPECT_EQ(error_of<count_kernel>({2, 64}, out.data()), "");
    EXPECT_EQ(values_of(out), std::vector<int>(128, 64));
  }
}

TEST(EmulationFaults, LaunchesThatNoGpuTakes) {
  EXPECT_NE(error_of<one_returns_kernel>({1, 1025}), "");
  EXPECT_NE(error_of<one_returns_kernel>({1, {32, 33}}), "");
  EXPECT_NE(error_of<one_returns_kernel>({{1, 65536}, 1}), "");
  EXPECT_NE(error_of<one_returns_kernel>({1, 1, 228 << 10}), "");
  EXPECT_EQ(error_of<one_returns_kernel>({0, 64}), "");
}

}  // namespace
}  // namespace ramoe
