// Where values live. The GPU's functions are stood in for by the heap, so that what owns its memory
// can be tested on any machine: each block is counted, and freed once.
#include "ch01_tensor/storage.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <type_traits>

#ifndef RAMOE_CUDA
namespace ramoe {
namespace {
int blocks_held = 0;
}
void* gpu_allocate(std::size_t bytes) {
  ++blocks_held;
  void* const memory = std::malloc(bytes);
  std::memset(memory, 0x7f, bytes);  // whatever was there before
  return memory;
}
void gpu_free(void* memory) {
  blocks_held -= memory != nullptr;
  std::free(memory);
}
void gpu_copy_in(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}
void gpu_copy_out(void* to, const void* from, std::size_t bytes) {
  if (bytes > 0) std::memcpy(to, from, bytes);
}
void gpu_clear(void* memory, std::size_t bytes) {
  std::memset(memory, 0, bytes);
}
}  // namespace ramoe
#endif

namespace ramoe {
namespace {

// A GPU's value has the size of the host's and nothing that could be read.
static_assert(sizeof(GpuFloat) == sizeof(float) && sizeof(GpuByte) == 1);
static_assert(!std::is_convertible_v<GpuFloat, float> && !std::is_constructible_v<float, GpuFloat>);
static_assert(std::is_same_v<Storage<float>, std::vector<float>>);
static_assert(std::is_same_v<Storage<double>, std::vector<double>>);
static_assert(std::is_same_v<Storage<GpuFloat>, GpuVector<GpuFloat>>);
static_assert(std::is_same_v<Index<double>, int> && std::is_same_v<Index<GpuFloat>, GpuInt>);
static_assert(std::is_same_v<Number<GpuFloat>, float> && std::is_same_v<Number<double>, double>);

template <class T>
void there_and_back() {
  const std::vector<Number<T>> values = {1, -2, 3.5};
  Storage<T> memory(values.size());
  std::vector<Number<T>> back(values.size(), 7);
  copy_out(back.data(), memory.data(), back.size());
  EXPECT_EQ(back, (std::vector<Number<T>>{0, 0, 0}));  // zero at first
  copy_in(memory.data(), values.data(), values.size());
  copy_out(back.data(), memory.data(), back.size());
  EXPECT_EQ(back, values);
  copy_in(memory.data(), values.data(), 0);
  copy_out(back.data(), static_cast<const T*>(nullptr), 0);
}

TEST(Storage, HoldsWhatIsCopiedIn) {
  there_and_back<double>();
  there_and_back<float>();
  there_and_back<GpuFloat>();
}

#ifndef RAMOE_CUDA
TEST(Storage, AGpusMemoryIsFreedOnce) {
  ASSERT_EQ(blocks_held, 0);
  {
    GpuVector<GpuFloat> a(3), empty;
    EXPECT_EQ(blocks_held, 1);
    EXPECT_TRUE(empty.empty());
    a.resize(3);
    EXPECT_EQ(blocks_held, 1);
    a.resize(5);
    EXPECT_EQ(blocks_held, 1);
    EXPECT_EQ(a.size(), 5u);
    GpuVector<GpuFloat> b = std::move(a);
    EXPECT_TRUE(a.empty());
    a = std::move(b);
    EXPECT_EQ(a.size(), 5u);
    EXPECT_EQ(blocks_held, 1);
    a.resize(0);
    EXPECT_EQ(blocks_held, 0);
    EXPECT_EQ(a.data(), nullptr);
  }
  EXPECT_EQ(blocks_held, 0);
}
#endif

}  // namespace
}  // namespace ramoe
