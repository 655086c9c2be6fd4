// The memory check says nothing of correct kernels, in any order of the threads.
#include "cuda/emulation/memory_check.h"

#include <gtest/gtest.h>

#include "ch01_tensor/vector_ops.h"
#include "ch03_transformer/layer_ops.h"
#include "cuda/orders.h"
#include "cuda/support/columns.cuh"
#include "cuda/support/mma.cuh"
#include "cuda/support/reduce.cuh"
#include "cuda/watched.h"

namespace ramoe {
namespace {

using cuda::launch;

class CorrectKernels : public Watched {};

struct Source {
  const float* from;
};

__global__ void reverse_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  __shared__ float tile[64];
  const unsigned t = threadIdx.x, i = blockIdx.x * 64 + t;
  tile[t] = x[i];
  __syncthreads();
  y[i] = tile[63 - t];
}
__global__ void warp_reverse_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  __shared__ float tile[8][32];
  const unsigned w = threadIdx.y, t = threadIdx.x;
  for (unsigned i = 0; i < 4; ++i) {
    tile[w][t] = x[t] + float(i);
    __syncwarp();
    y[w * 32 + t] = tile[w][31 - t];
    __syncwarp();
  }
}
__global__ void through_a_third_kernel(float* y) {  // 0 to 1 to 2, in pairs
  wait_for_earlier_kernels();
  __shared__ float word;
  const unsigned t = threadIdx.x;
  if (t == 0) word = 1;
  if (t < 2) __syncwarp(3);
  if (t == 1) word += 1;
  if (t == 1 || t == 2) __syncwarp(6);
  if (t == 2) y[0] = word;
}
__global__ void double_buffer_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(float, tile);
  const unsigned t = threadIdx.x;
  cuda::copy_async(tile + t * 4, x + t * 4, true);
  cuda::commit_copies();
  for (unsigned i = 0; i < 4; ++i) {
    cuda::copy_async(tile + ((i + 1) % 2 * 64 + t) * 4, x + t * 4, i < 3);
    cuda::commit_copies();
    cuda::wait_copies<1>();
    __syncthreads();
    y[t] += tile[(i % 2 * 64 + 63 - t) * 4];
    __syncthreads();
  }
}
__global__ void last_block_kernel(float* y, int* n) {
  wait_for_earlier_kernels();
  __shared__ bool last;
  y[1 + blockIdx.x] = 1;
  __threadfence();
  if (threadIdx.x == 0) last = atomicAdd(n, 1) + 1 == int(gridDim.x);
  __syncthreads();
  if (!last) return;
  __threadfence();
  for (unsigned b = 0; b < gridDim.x; ++b) y[0] += y[1 + b];
}
__constant__ float kTable[4] = {1, 2, 3, 4};
__global__ void locals_kernel(float* y, Source source) {
  wait_for_earlier_kernels();
  float local[8];
  for (int i = 0; i < 8; ++i) local[i] = kTable[i % 4] + source.from[i];
  float sum = 0;
  for (unsigned i = 0; i < 8; ++i) sum += local[(i + threadIdx.x) % 8];
  y[threadIdx.x] = sum;
}
__global__ void byte_each_kernel(unsigned char* flags) {
  wait_for_earlier_kernels();
  flags[threadIdx.x] = 1;
}
struct Row {
  const float* x;
  __device__ float operator()(int n, int c) const { return x[n * 40 + c]; }
};
__global__ void histogram_kernel(int* n) {
  wait_for_earlier_kernels();
  __shared__ int counts[8];
  if (threadIdx.x < 8) counts[threadIdx.x] = 0;
  __syncthreads();
  atomicAdd(&counts[threadIdx.x % 8], 1);
  __syncthreads();
  if (threadIdx.x < 8) atomicAdd(&n[threadIdx.x], counts[threadIdx.x]);
}

TEST_F(CorrectKernels, SaysNothingOfCorrectKernels) {
  GpuVector<unsigned char> flags(64);
  in_each_order([&] {
    EXPECT_EQ(error_of<reverse_kernel>({4, 64}, y, x), "");
    EXPECT_EQ(error_of<warp_reverse_kernel>({1, {32, 8}}, y, x), "");
    EXPECT_EQ(error_of<through_a_third_kernel>({1, 32}, y), "");
    EXPECT_EQ(error_of<double_buffer_kernel>({1, 64, 2048}, y, x), "");
    EXPECT_EQ(error_of<locals_kernel>({1, 64}, y, Source{x}), "");
    EXPECT_EQ(error_of<byte_each_kernel>({1, 64}, flags.data()), "");
    EXPECT_EQ(error_of<histogram_kernel>({3, 64}, n), "");
    gpu_clear(n, 4);
    EXPECT_EQ(error_of<last_block_kernel>({3, 1}, y, n), "");
    EXPECT_NO_THROW(cuda::add_columns(reinterpret_cast<GpuFloat*>(y), Row{x}, 100, 40));
  });
}

TEST_F(CorrectKernels, SaysNothingOfWeightsInBf16) {
  const GpuVector<Gpu<std::uint16_t>> table(70 * 33);
  const GpuVector<GpuInt> index(3);  // zeros
  GpuVector<GpuFloat> all(table.size()), rows(3 * 33);
  in_each_order([&] {
    EXPECT_NO_THROW(widen(all.data(), table.data(), table.size()));
    EXPECT_NO_THROW(widen_rows(rows.data(), table.data(), index.data(), 3, 33));
  });
}

}  // namespace
}  // namespace ramoe
