// Hidden checks of lab 15: sums and maxima of a warp and of a block, emulated. Keys: seed threads
// (of a block, a multiple of 32) blocks.
#include "cuda/support/launch.h"
#include "cuda/support/reduce.cuh"
#include "labs/hidden/hidden.h"

using namespace ramoe;

namespace {

__global__ void all_folds(float* y, const float* x) {
  wait_for_earlier_kernels();
  const unsigned at = blockIdx.x * blockDim.x + threadIdx.x, n = gridDim.x * blockDim.x;
  y[at] = cuda::warp_sum(x[at]);
  y[n + at] = cuda::warp_max(x[at]);
  y[2 * n + at] = cuda::block_sum(x[at]);
  y[3 * n + at] = cuda::block_max(x[at]);
  y[4 * n + at] = cuda::block_sum(y[2 * n + at]);
}

}  // namespace

void hidden::check(const Case& given) {
  const unsigned threads = unsigned(given.number("threads"));
  const unsigned blocks = unsigned(given.number("blocks"));
  const std::size_t n = std::size_t(threads) * blocks;
  auto x = given.normal_floats(n, 1, 100);
  for (float& value : x) value = float(int(value)) - 300;  // whole: sums are exact in any order
  std::vector<float> y(5 * n, -1.0f);
  GpuVector<float> x_gpu(n), y_gpu(5 * n);
  gpu_copy_in(x_gpu.data(), x.data(), n * sizeof(float));
  gpu_copy_in(y_gpu.data(), y.data(), 5 * n * sizeof(float));
  float *const to = y_gpu.data(), *const from = x_gpu.data();
  cuda::launch<all_folds>({blocks, threads}, to, from);
  gpu_copy_out(y.data(), y_gpu.data(), 5 * n * sizeof(float));
  print_all("folds", y);
}
