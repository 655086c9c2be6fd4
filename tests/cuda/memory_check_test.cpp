// The memory check: faults that only a look at every access finds, each with kernel, block, thread
// and line. Correct kernels, of which nothing is said, are in memory_check_correct_test.cpp.
#include "cuda/emulation/memory_check.h"

#include <gtest/gtest.h>

#include <vector>

#include "ch01_tensor/arena.h"
#include "cuda/emulation/device_memory.h"
#include "cuda/support/columns.cuh"
#include "cuda/support/mma.cuh"
#include "cuda/support/reduce.cuh"
#include "cuda/watched.h"

namespace ramoe {
namespace {

using cuda::launch;

constexpr const char* kUnordered = "nothing says which comes first";

class MemoryCheck : public Watched {};

// ---- Two threads at one word of shared memory ---------------------------------------------------

__global__ void no_barrier_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  __shared__ float tile[64];
  const unsigned t = threadIdx.x;
  tile[t] = x[t];
  faulty(), y[t] = tile[t / 2];
}
__global__ void no_second_barrier_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(float, tile);
  const unsigned t = threadIdx.x;
  for (unsigned i = 0; i < 4; ++i) {
    tile[t] = x[i * 64 + t];
    __syncthreads();
    faulty(), y[t] += tile[63 - t];
  }
}
__global__ void one_word_kernel(int* n) {
  wait_for_earlier_kernels();
  __shared__ int last;
  faulty(), last = int(threadIdx.x);
  __syncthreads();
  n[threadIdx.x] = last;
}
__global__ void no_syncwarp_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  __shared__ float tile[32];
  const unsigned t = threadIdx.x;
  tile[t] = x[t];
  faulty(), y[t] = tile[t / 2];
}
__global__ void shuffle_is_no_barrier_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  __shared__ float tile[32];
  const unsigned t = threadIdx.x;
  tile[t] = x[t];
  const float sum = cuda::warp_sum(x[t]);
  faulty(), y[t] = sum + tile[31 - t];
}
__global__ void syncwarp_of_others_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  __shared__ float tile[32];
  const unsigned t = threadIdx.x;
  tile[t] = x[t];
  __syncwarp(t < 16 ? 0xffffu : 0xffff0000u);
  if (t == 20) faulty(), y[t] = tile[3];
}
__global__ void writes_what_two_read_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  __shared__ float tile[1];
  const unsigned t = threadIdx.x;
  if (t == 0) tile[0] = x[0];
  __syncthreads();
  y[t] = tile[0];
  if (t == 33) faulty(), tile[0] = 2;  // others still read
}
__global__ void bytes_kernel(int* n, const float* x) {
  wait_for_earlier_kernels();
  __shared__ unsigned char flags[64];
  faulty(), flags[threadIdx.x / 2] = x[0] > 0;
  __syncthreads();
  n[threadIdx.x] = flags[threadIdx.x / 2];
}

TEST_F(MemoryCheck, TwoThreadsAtOneWordOfSharedMemory) {
  EXPECT_FAULT(no_barrier_kernel, "thread (1,0,0) reads", "thread (0,0,0) writes at", {1, 64}, y,
               x);
  EXPECT_FAULT(no_second_barrier_kernel, "thread (", kUnordered, {1, 64, 256}, y, x);
  EXPECT_FAULT(one_word_kernel, "thread (1,0,0) writes", "thread (0,0,0) writes at", {1, 64}, n);
  EXPECT_FAULT(no_syncwarp_kernel, "thread (1,0,0) reads", "thread (0,0,0) writes", {1, 32}, y, x);
  EXPECT_FAULT(shuffle_is_no_barrier_kernel, "reads a word of shared memory", kUnordered, {1, 32},
               y, x);
  EXPECT_FAULT(syncwarp_of_others_kernel, "thread (20,0,0) reads", "thread (3,0,0) writes", {1, 32},
               y, x);
  EXPECT_FAULT(writes_what_two_read_kernel, "thread (33,0,0) writes", "reads at", {1, 64}, y, x);
  EXPECT_FAULT(bytes_kernel, "thread (1,0,0) writes", "thread (0,0,0) writes at", {1, 64}, n, x);
}

// ---- Two threads at one word of device memory ---------------------------------------------------

__global__ void sum_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  faulty(), y[0] += x[threadIdx.x];
}
__global__ void blocks_write_kernel(float* y) {
  wait_for_earlier_kernels();
  if (threadIdx.x == 0) faulty(), y[0] = float(blockIdx.x);
}
__global__ void neighbour_kernel(float* y) {
  wait_for_earlier_kernels();
  const unsigned i = blockIdx.x * 32 + threadIdx.x;
  y[i] = 1;
  if (i > 0) faulty(), y[2000 + i] = y[i - 1];
}
__global__ void atomic_and_plain_kernel(int* n) {
  wait_for_earlier_kernels();
  atomicAdd(n, 1);
  if (threadIdx.x == 63) faulty(), n[1] = n[0];
}
__global__ void no_fence_kernel(float* y, int* n) {
  wait_for_earlier_kernels();
  y[1 + blockIdx.x] = 1;
  if (atomicAdd(n, 1) + 1 == int(gridDim.x))
    for (unsigned b = 0; b < gridDim.x; ++b) faulty(), y[0] += y[1 + b];
}
__global__ void in_place_kernel(float* y, int N) {
  wait_for_earlier_kernels();
  const unsigned i = threadIdx.x;
  if (int(i) + 1 < N) faulty(), y[i] = y[i + 1];
}

TEST_F(MemoryCheck, TwoThreadsAtOneWordOfDeviceMemory) {
  // clang has one call for the read and the write of one word: it writes.
  EXPECT_FAULT(sum_kernel, "thread (1,0,0)", "device memory that thread (0,0,0) writes",
               {1, 64}, y, x);
  EXPECT_FAULT(blocks_write_kernel, "block (1,0,0), thread (0,0,0) writes",
               "a thread of another block writes", {2, 32}, y);
  EXPECT_FAULT(neighbour_kernel, "thread (1,0,0) reads", kUnordered, {2, 32}, y);
  EXPECT_FAULT(atomic_and_plain_kernel, "thread (63,0,0) reads", "atomically updates at", {1, 64},
               n);
  gpu_clear(n, 4);
  EXPECT_FAULT(no_fence_kernel, "block (2,0,0), thread (0,0,0) reads", "another block writes",
               {3, 1}, y, n);
  EXPECT_FAULT(in_place_kernel, "thread (1,0,0) writes", "thread (0,0,0) reads", {1, 32}, y, 32);
}

// ---- Shared memory that nobody wrote ------------------------------------------------------------

__global__ void unwritten_static_kernel(float* y) {
  wait_for_earlier_kernels();
  __shared__ float tile[32];
  if (y == nullptr) tile[0] = 1;  // or the compiler knows that all is 0
  faulty(), y[threadIdx.x] = tile[threadIdx.x];
}
__global__ void unwritten_dynamic_kernel(float* y) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(float, tile);
  faulty(), y[threadIdx.x] = tile[threadIdx.x];
}
__global__ void half_written_kernel(float* y) {
  wait_for_earlier_kernels();
  __shared__ float tile[33];
  if (threadIdx.x < 32) tile[threadIdx.x] = 1;
  __syncthreads();
  if (threadIdx.x == 0)
    for (int i = 0; i < 33; ++i) faulty(), y[0] += tile[i];
}
__global__ void of_the_block_before_kernel(float* y) {
  wait_for_earlier_kernels();
  __shared__ float sum;
  if (blockIdx.x == 0 && threadIdx.x == 0) sum = 0;
  __syncthreads();
  if (threadIdx.x == 3) faulty(), y[0] = sum;
}
template <int size>
__global__ void counter_kernel(int* n) {
  wait_for_earlier_kernels();
  __shared__ int counts[size];
  faulty(), atomicAdd(&counts[threadIdx.x % size], 1);
  __syncthreads();
  n[threadIdx.x] = counts[threadIdx.x % size];
}
constexpr auto counter_of_4_kernel = counter_kernel<4>;

TEST_F(MemoryCheck, SharedMemoryThatNobodyWrote) {
  const char* const unwritten = "no thread of the block has written";
  EXPECT_FAULT(unwritten_static_kernel, "thread (0,0,0) reads", unwritten, {1, 32}, y);
  EXPECT_FAULT(unwritten_dynamic_kernel, "thread (0,0,0) reads", unwritten, {1, 32, 128}, y);
  EXPECT_FAULT(half_written_kernel, "thread (0,0,0) reads", unwritten, {1, 64}, y);
  EXPECT_FAULT(of_the_block_before_kernel, "block (1,0,0), thread (3,0,0) reads", unwritten,
               {2, 32}, y);
  EXPECT_TRUE(contains(error_of<counter_of_4_kernel>({1, 32}, n), unwritten));
}

// ---- Memory before the kernels before this one are done -----------------------------------------

__global__ void reads_too_early_kernel(float* y, const float* x) {
  faulty(), y += x[0] > 2;
  wait_for_earlier_kernels();
  y[threadIdx.x] = 1;
}
__global__ void writes_too_early_kernel(float* y) {
  if (threadIdx.x == 9) faulty(), y[9] = 0;
  wait_for_earlier_kernels();
}
__global__ void counts_too_early_kernel(int* n) {
  faulty(), atomicAdd(n, 1);
  wait_for_earlier_kernels();
}
__global__ void copies_too_early_kernel(float* y, const float* x) {
  DYNAMIC_SHARED(float, tile);
  cuda::copy_async(tile, x, true);
  wait_for_earlier_kernels();
  cuda::commit_copies();
  cuda::wait_copies<0>();
  y[0] = tile[0];
}
__global__ void another_thread_waited_kernel(float* y) {
  if (threadIdx.x < 32) wait_for_earlier_kernels();
  __syncthreads();
  if (threadIdx.x == 32) faulty(), y[0] = 1;
  wait_for_earlier_kernels();
}
__global__ void only_shared_memory_kernel(float* y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = float(threadIdx.x);
  __syncthreads();
  const float x = tile[63 - threadIdx.x];
  wait_for_earlier_kernels();
  y[threadIdx.x] = x;
}

TEST_F(MemoryCheck, MemoryBeforeTheWaitForEarlierKernels) {
  const char* const early = "device memory before wait_for_earlier_kernels()";
  EXPECT_FAULT(reads_too_early_kernel, "thread (0,0,0) reads", early, {1, 64}, y, x);
  EXPECT_FAULT(writes_too_early_kernel, "thread (9,0,0) writes", early, {1, 64}, y);
  EXPECT_FAULT(counts_too_early_kernel, "thread (0,0,0) atomically updates", early, {1, 64}, n);
  EXPECT_TRUE(contains(error_of<copies_too_early_kernel>({1, 1, 16}, y, x), early));
  EXPECT_FAULT(another_thread_waited_kernel, "thread (32,0,0) writes", early, {1, 64}, y);
  EXPECT_EQ(error_of<only_shared_memory_kernel>({1, 64}, y), "");
}

// ---- cp.async without its wait ------------------------------------------------------------------

__global__ void no_wait_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(float, tile);
  const unsigned t = threadIdx.x;
  cuda::copy_async(tile + t * 4, x + t * 4, true);
  cuda::commit_copies();
  __syncthreads();
  faulty(), y[t] = tile[t * 4];
}
__global__ void no_commit_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(float, tile);
  const unsigned t = threadIdx.x;
  cuda::copy_async(tile + t * 4, x + t * 4, true);
  cuda::wait_copies<0>();
  __syncthreads();
  faulty(), y[t] = tile[t * 4];
}
__global__ void waits_for_one_too_few_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(float, tile);
  const unsigned t = threadIdx.x;
  for (unsigned i = 0; i < 2; ++i) {
    cuda::copy_async(tile + (i * 32 + t) * 4, x + t * 4, true);
    cuda::commit_copies();
  }
  cuda::wait_copies<1>();
  __syncthreads();
  y[t] = tile[t * 4];
  faulty(), y[t] += tile[(32 + t) * 4];
}
__global__ void wait_of_another_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(float, tile);
  const unsigned t = threadIdx.x;
  if (t == 5) cuda::copy_async(tile, x, true);
  cuda::commit_copies();
  if (t != 5) cuda::wait_copies<0>();
  __syncthreads();
  if (t == 6) faulty(), y[t] = tile[0];
}
__global__ void writes_under_way_kernel(const float* x) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(float, tile);
  cuda::copy_async(tile + threadIdx.x * 4, x, true);
  faulty(), tile[threadIdx.x * 4 + 3] = 0;
}
__global__ void wait_without_barrier_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(float, tile);
  const unsigned t = threadIdx.x;
  cuda::copy_async(tile + t * 4, x + t * 4, true);
  cuda::commit_copies();
  cuda::wait_copies<0>();
  faulty(), y[t] = tile[t / 2 * 4];
}

TEST_F(MemoryCheck, AsynchronousCopiesWithoutTheirWait) {
  const char* const under_way = "is under way; wait for it first";
  EXPECT_FAULT(no_wait_kernel, "thread (31,0,0) reads", under_way, {1, 32, 512}, y, x);
  EXPECT_FAULT(no_commit_kernel, "thread (31,0,0) reads", under_way, {1, 32, 512}, y, x);
  EXPECT_FAULT(waits_for_one_too_few_kernel, "thread (31,0,0) reads", under_way, {1, 32, 1024}, y,
               x);
  EXPECT_FAULT(wait_of_another_kernel, "thread (6,0,0) reads", "a cp.async of thread 5",
               {1, 32, 512}, y, x);
  EXPECT_FAULT(writes_under_way_kernel, "thread (0,0,0) writes", under_way, {1, 32, 512}, x);
  EXPECT_FAULT(wait_without_barrier_kernel, "thread (1,0,0) reads", kUnordered, {1, 64, 1024}, y,
               x);
}

// ---- Indices out of bounds, and memory of the host ----------------------------------------------

__global__ void read_kernel(float* y, const float* x, int i) {
  wait_for_earlier_kernels();
  if (threadIdx.x == 5) faulty(), y[0] = x[i];
}
__global__ void write_kernel(float* y, int i) {
  wait_for_earlier_kernels();
  faulty(), y[i] = 1;
}
__global__ void byte_kernel(unsigned char* y, int i) {
  wait_for_earlier_kernels();
  faulty(), y[i] = 1;
}
__global__ void shared_index_kernel(float* y, int i) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(float, tile);
  tile[0] = 1;
  faulty(), tile[i] = 2;
  y[0] = tile[0];
}
TEST_F(MemoryCheck, AnIndexOutOfBounds) {
  EXPECT_FAULT(read_kernel, "thread (5,0,0) reads", "0 bytes behind an allocation of 16384 bytes",
               {1, 32}, y, x, 4096);
  EXPECT_FAULT(write_kernel, "thread (0,0,0) writes", "4 bytes before an allocation", {1, 1}, y,
               -1);
  GpuVector<unsigned char> bytes(7);
  EXPECT_FAULT(byte_kernel, "thread (0,0,0) writes", "0 bytes behind an allocation of 7 bytes",
               {1, 1}, bytes.data(), 7);
  EXPECT_FAULT(shared_index_kernel, "thread (0,0,0) writes", "outside of the block's 40 bytes",
               {1, 1, 40}, y, 10);
  GpuArena arena;
  float* const tensor = arena.take<float>(64);
  arena.take<float>(1);
  EXPECT_FAULT(write_kernel, "thread (0,0,0) writes", "between its tensors", {1, 1}, tensor, 64);
  EXPECT_EQ(error_of<write_kernel>({1, 1}, tensor, 63), "");
  arena.reset();
  EXPECT_FAULT(write_kernel, "thread (0,0,0) writes", "was released", {1, 1}, tensor, 0);
}

struct Source {
  const float* from;
};
__global__ void through_struct_kernel(float* y, Source source) {
  wait_for_earlier_kernels();
  faulty(), y[0] = source.from[0];
}
__global__ void through_global_kernel(float* y, float* const* pointer) {
  wait_for_earlier_kernels();
  faulty(), pointer[0][0] = 1;
  y[0] = 0;
}
float host_value = 1;
__global__ void global_variable_kernel(float* y) {
  wait_for_earlier_kernels();
  faulty(), y[0] = host_value;
}
__global__ void counts_on_the_host_kernel(Source source) {
  wait_for_earlier_kernels();
  faulty(), const_cast<float*>(source.from)[0] += 1;
}
TEST_F(MemoryCheck, MemoryOfTheHostInAKernel) {
  std::vector<float> heap(4);
  float local = 0;
  const char* const host = "memory of the host";
  EXPECT_FAULT(through_struct_kernel, "thread (0,0,0) reads", host, {1, 1}, y, Source{heap.data()});
  EXPECT_FAULT(through_struct_kernel, "thread (0,0,0) reads", host, {1, 1}, y, Source{&local});
  GpuVector<float*> pointers(1);
  float* const at = heap.data();
  gpu_copy_in(pointers.data(), &at, sizeof at);
  EXPECT_FAULT(through_global_kernel, "thread (0,0,0) writes", host, {1, 1}, y, pointers.data());
  host_value = 2;
  EXPECT_FAULT(global_variable_kernel, "thread (0,0,0) reads", host, {1, 1}, y);
  EXPECT_FAULT(counts_on_the_host_kernel, "thread (0,0,0)", host, {1, 1}, Source{&local});
  EXPECT_EQ(error_of<through_struct_kernel>({1, 1}, y, Source{x}), "");
}

}  // namespace
}  // namespace ramoe
