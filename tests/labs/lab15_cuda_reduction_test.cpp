// Lab 15: values of a warp and of a block folded into one. Emulated, every access watched.
#include "cuda/orders.h"
#include "cuda/support/reduce.cuh"
#include "cuda/watched.h"
#include "labs/lab.h"
#include "support/texts.h"

namespace ramoe {
namespace {

class Lab15Reduction : public Watched {
 protected:
  /// Fills x on the GPU.
  void give(const std::vector<float>& values) {
    copy_in(reinterpret_cast<GpuFloat*>(x_.data()), values.data(), values.size());
  }
  Doubles results(std::size_t count) const {
    const std::vector<float> y = values_of(y_);
    return Doubles(y.begin(), y.begin() + std::ptrdiff_t(count));
  }
};

/// 1, 2, 3, ... up to `count`.
std::vector<float> counted(int count) {
  std::vector<float> values;
  for (int i = 1; i <= count; ++i) values.push_back(float(i));
  return values;
}

__global__ void warp_sum_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  y[threadIdx.x] = cuda::warp_sum(x[threadIdx.x]);
}
__global__ void warp_max_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  y[threadIdx.x] = cuda::warp_max(x[threadIdx.x]);
}
__global__ void block_sum_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  const unsigned at = blockIdx.x * blockDim.x + threadIdx.x;
  y[at] = cuda::block_sum(x[at]);
}
__global__ void block_max_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  y[threadIdx.x] = cuda::block_max(x[threadIdx.x]);
}
/// Several folds one after the other, with nothing between them.
__global__ void four_sums_kernel(float* y, const float* x) {
  wait_for_earlier_kernels();
  for (unsigned i = 0; i < 4; ++i)
    y[i * blockDim.x + threadIdx.x] = cuda::block_sum(x[i * blockDim.x + threadIdx.x]);
}

TEST_F(Lab15Reduction, AWarpSumsItsLanes) {
  give(counted(32));
  ASSERT_EQ(error_of<warp_sum_kernel>({1, 32}, y, x), "");
  expect_values(results(1), {528}, "1 + 2 + ... + 32: five exchanges, each over half the distance");
}

TEST_F(Lab15Reduction, EveryLaneHasTheSum) {
  give(counted(32));
  ASSERT_EQ(error_of<warp_sum_kernel>({1, 32}, y, x), "");
  expect_values(results(32), Doubles(32, 528.0),
                "lanes exchange with lane ^ bits (__shfl_xor_sync), so that all end with the sum");
}

TEST_F(Lab15Reduction, OtherFoldsToo) {
  std::vector<float> values(32, -5.0f);
  values[19] = -2;
  give(values);
  ASSERT_EQ(error_of<warp_max_kernel>({1, 32}, y, x), "");
  expect_values(results(32), Doubles(32, -2.0), "use Fold{}(a, b) and not +; Max begins at no 0");
}

TEST_F(Lab15Reduction, WarpsOfABlockDoNotMix) {
  give(counted(64));
  ASSERT_EQ(error_of<warp_sum_kernel>({1, 64}, y, x), "");
  const Doubles found = results(64);
  expect_values(Doubles{found[0], found[63]}, {528, 1552}, "an exchange stays in its warp");
}

TEST_F(Lab15Reduction, ABlockOfOneWarp) {
  give(counted(32));
  ASSERT_EQ(error_of<block_sum_kernel>({1, 32}, y, x), "");
  expect_values(results(32), Doubles(32, 528.0), "one warp: its sum is the block's");
}

TEST_F(Lab15Reduction, ABlockSumsItsWarps) {
  give(counted(96));
  ASSERT_EQ(error_of<block_sum_kernel>({1, 96}, y, x), "");
  expect_values(
      results(96), Doubles(96, 4656.0),
      "each warp's sum through shared memory, a barrier, then a fold of these sums; lanes "
      "without a warp bring Fold::nothing()");
}

TEST_F(Lab15Reduction, TheLargestBlock) {
  give(std::vector<float>(1024, 1.0f));
  ASSERT_EQ(error_of<block_sum_kernel>({2, 1024}, y, x), "");
  expect_values(results(2048), Doubles(2048, 1024.0), "32 warps are 32 sums, one for each lane");
}

TEST_F(Lab15Reduction, TheLargestOfNegativeNumbers) {
  std::vector<float> values(64, -3.0f);
  values[40] = -1;
  give(values);
  ASSERT_EQ(error_of<block_max_kernel>({1, 64}, y, x), "");
  expect_values(results(64), Doubles(64, -1.0), "idle lanes bring Fold::nothing(), not 0");
}

TEST_F(Lab15Reduction, OneSumAfterTheOther) {
  give(counted(512));
  in_each_order([&] {
    const std::string error = error_of<four_sums_kernel>({1, 128}, y, x);
    ASSERT_EQ(error, "") << (mentions(error, "nothing says which comes first")
                                 ? "  usually: shared memory of the call before may still be read: "
                                   "a barrier must stand before it is written again"
                                 : "  usually: a barrier is missing before shared memory is read");
    const Doubles found = results(512);
    expect_values(Doubles{found[0], found[128], found[256], found[511]},
                  {8256, 24640, 41024, 57408}, "the sums of four neighbouring calls");
  });
}

}  // namespace
}  // namespace ramoe
