// Launches: what no GPU can run is an error that names the kernel, and no blocks are no launch.
#include "cuda/support/launch.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "ch01_tensor/arena.h"
#include "ch01_tensor/vector_ops.h"
#include "ch05_training/memory.h"
#include "cuda/only_left.h"
#include "cuda/support/device.h"
#include "cuda/support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

const void* const kernel = nullptr;  // asked about only if there is much shared memory

std::string grid_error(const cuda::Grid& grid) {
  return error_of([&] { cuda::check_grid(grid, kernel, "some_kernel"); });
}

TEST(Launch, WhatNoGpuCanRunNamesTheKernel) {
  cuda::check_grid({{2147483647, 65535, 65535}, {1024}}, kernel, "some_kernel");
  EXPECT_TRUE(mentions(grid_error({1, 1025}), "some_kernel: a block of 1025 threads"));
  EXPECT_TRUE(mentions(grid_error({1, {32, 0}}), "a block of 0 threads"));
  EXPECT_TRUE(mentions(grid_error({{1, 65536}, 32}), "put the rows in x"));
  EXPECT_TRUE(mentions(grid_error({{1, 1, 65536}, 32}), "65536"));
  const std::size_t most = cuda::device_facts().shared_bytes;
  EXPECT_TRUE(mentions(grid_error({1, 32, most + 1}), cat("has ", most)));
}

TEST(Launch, WhetherLaunchesOverlapCanBeAsked) {
  const char* const before = std::getenv("RAMOE_CUDA_OVERLAP");
  const std::string value = before ? before : "";
  unsetenv("RAMOE_CUDA_OVERLAP");
  EXPECT_TRUE(cuda::overlap_wanted());
  setenv("RAMOE_CUDA_OVERLAP", "1", 1);
  EXPECT_TRUE(cuda::overlap_wanted());
  setenv("RAMOE_CUDA_OVERLAP", "0", 1);
  EXPECT_FALSE(cuda::overlap_wanted());
  setenv("RAMOE_CUDA_OVERLAP", "no", 1);
  const std::string error = error_of([] { cuda::overlap_wanted(); });
  EXPECT_TRUE(mentions(error, "RAMOE_CUDA_OVERLAP \"no\"")) << error;
  unsetenv("RAMOE_CUDA_OVERLAP");
  if (before) setenv("RAMOE_CUDA_OVERLAP", value.c_str(), 1);
}

TEST(Launch, BlocksCoverTheWork) {
  EXPECT_EQ(cuda::blocks_for(0, 256), 0u);
  EXPECT_EQ(cuda::blocks_for(1, 256), 1u);
  EXPECT_EQ(cuda::blocks_for(256, 256), 1u);
  EXPECT_EQ(cuda::blocks_for(257, 256), 2u);
  EXPECT_TRUE(mentions(error_of([] { cuda::blocks_for(std::size_t{1} << 40, 1); }), "2^31 - 1"));
}

TEST(Launch, NothingToDoIsNoLaunch) {
  const long before = cuda::launches;
  GpuVector<GpuFloat> x(4);
  const long after_clear = cuda::launches;
  add_value(x.data(), 1.0, 0);
  EXPECT_EQ(cuda::launches, after_clear);
  add_value(x.data(), 1.0, 4);
  EXPECT_EQ(cuda::launches, after_clear + 1);
  EXPECT_GT(after_clear, before) << "new memory is cleared";
}

TEST(Launch, ScratchMemoryIsUsedAgain) {
  float *first, *second;
  {
    cuda::Scratch scratch;
    first = scratch.take<float>(10);
  }
  {
    cuda::Scratch scratch;
    second = scratch.take<float>(1000);
  }
  EXPECT_EQ(first, second);
}

// It grows in place: addresses stay true, also those in a recording.
TEST(Launch, AnArenaGrowsInPlace) {
  GpuArena arena;
  GpuFloat* const first = arena.take<GpuFloat>(100);
  const std::vector<float> values(100, 3);
  copy_in(first, values.data(), 100);
  arena.take<GpuFloat>(std::size_t{1} << 20);
  std::vector<float> back(100);
  copy_out(back.data(), first, 100);
  EXPECT_EQ(back, values);
  const int grown = arena.allocations();
  arena.reset();
  EXPECT_EQ(arena.take<GpuFloat>(100), first);
  EXPECT_EQ(arena.allocations(), grown);
}

// An arena asks for more than it needs, and does with less.
TEST(Launch, WhereMemoryEndsAnArenaTakesWhatThereIs) {
  constexpr std::size_t kMiB = std::size_t{1} << 20;
  const OnlyLeft left(205 * kMiB);
  GpuArena arena;
  for (int taken = 0; taken < 180; ++taken) gpu_clear(arena.take<GpuByte>(kMiB), kMiB);
  EXPECT_LE(arena.allocations(), 20);
  for (const std::string& error : {error_of([&] { arena.take<GpuByte>(40 * kMiB); }),
                                   error_of([] { GpuVector<GpuByte> more(60 * kMiB); })})
    EXPECT_TRUE(mentions(error, "out of memory on " + cuda::device_facts().name + ": asked for") &&
                mentions(error, "MiB are free"))
        << error;
  gpu_clear(arena.take<GpuByte>(kMiB), kMiB);
}

TEST(Launch, WhatCannotFitIsKnownBefore) {
  constexpr double kMiB = 1 << 20;
  const OnlyLeft left(256 << 20);
  const double scratch = double(cuda::scratch_arena().bytes_granted());
  const auto error = [&](double bytes) {
    return error_of([&] { check_memory_for<GpuFloat>(bytes, "the step", "lower it"); });
  };
  EXPECT_EQ(error(200 * kMiB + scratch), "no error");
  EXPECT_TRUE(mentions(error(300 * kMiB + scratch), "free on the GPU; lower it"));
}

}  // namespace
}  // namespace ramoe
