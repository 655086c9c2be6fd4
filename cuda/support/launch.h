// CUDA - launches: what every .cu file includes
//
//   launch<rmsnorm_kernel>({blocks, threads}, out, x, N, C);   rmsnorm_kernel<<<blocks, threads>>>
//
// Under nvcc the kernel runs on the GPU; under any other compiler the words of CUDA C++ come from
// cuda/emulation, and the kernel runs here. Values of the GPU (Gpu<float>) become plain values in
// the kernel's parameters. Every launch is checked, and goes to this thread's stream. It may start
// while the kernel before it still runs: overlap.h has what every kernel does about that.
// Tests: tests/cuda/launch_test.cpp
#pragma once

#ifdef __CUDACC__
#include <cuda_bf16.h>
#include <cuda_runtime.h>
#else
#include "cuda/emulation/emulation.h"
#endif

#include <cstddef>
#include <cstdint>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "ch01_tensor/storage.h"
#include "cuda/support/overlap.h"
#ifndef __CUDACC__
#include "cuda/support/recorder.h"
#endif
#include "support/error.h"

namespace ramoe::cuda {

/// The size of a launch: blocks, threads of each, and bytes of dynamic shared memory of each.
struct Grid {
  dim3 blocks, threads;
  std::size_t shared_bytes = 0;
};

template <class Count>
constexpr Count ceil_div(Count a, std::type_identity_t<Count> b) {
  return (a + b - 1) / b;
}

/// Blocks for `count` pieces of work, `each` of them in a block. Zero blocks launch nothing.
inline unsigned blocks_for(std::size_t count, std::size_t each) {
  const std::size_t blocks = ceil_div(count, each);
  check(blocks <= 0x7fffffff, "a launch of ", blocks, " blocks; a grid has at most 2^31 - 1 in x.");
  return static_cast<unsigned>(blocks);
}

/// A pointer into the GPU's memory as its kernels see it.
template <class Value>
Value* raw(Gpu<Value>* at) {
  return reinterpret_cast<Value*>(at);
}
template <class Value>
const Value* raw(const Gpu<Value>* at) {
  return reinterpret_cast<const Value*>(at);
}
template <class Argument>
const Argument& raw(const Argument& argument) {
  return argument;
}

/// The name of a kernel, for messages.
template <auto kernel>
constexpr std::string_view kernel_name() {
  std::string_view name = __PRETTY_FUNCTION__;
  name.remove_prefix(name.find("kernel = ") + 9);
  name = name.substr(0, name.find_first_of(";]"));
  if (const auto unnamed = name.rfind("}::"); unnamed != name.npos) name.remove_prefix(unnamed + 3);
  if (const auto unnamed = name.rfind(")::"); unnamed != name.npos) name.remove_prefix(unnamed + 3);
  return name;
}

/// Error unless the grid is one that a GPU can run; more than 48 KiB of shared memory is asked for.
void check_grid(const Grid& grid, const void* kernel, std::string_view name);

#ifdef __CUDACC__
/// Error with what was asked, unless `result` is success.
void must(cudaError_t result, std::string_view what);
/// Where the launches of this thread go; those of one stream run one after the other.
cudaStream_t stream();
/// Lets this thread's launches go elsewhere, to be recorded; nullptr: no longer.
void set_stream(cudaStream_t other);
#endif

/// Kernels, copies and clearings that this thread has started or recorded, for tests and benches.
inline thread_local long launches = 0;
/// If not null, their names in order.
inline thread_local std::vector<std::string_view>* launch_names = nullptr;
inline void note_launch(std::string_view name) {
  ++launches;
  if (launch_names) launch_names->push_back(name);
}

namespace launching {
#ifndef __CUDACC__
template <class Argument>
void check_argument(std::string_view kernel, int number, const Argument& argument) {
  if constexpr (std::is_pointer_v<Argument>) emulation::check_pointer(kernel, number, argument);
}
#endif
template <auto kernel, class... Parameters>
void run(void (*)(Parameters...), const Grid& grid, std::type_identity_t<Parameters>... arguments) {
  if (grid.blocks.x == 0 || grid.blocks.y == 0 || grid.blocks.z == 0) return;
  check_grid(grid, reinterpret_cast<const void*>(kernel), kernel_name<kernel>());
  note_launch(kernel_name<kernel>());
#ifdef __CUDACC__
  cudaLaunchAttribute early{};
  early.id = cudaLaunchAttributeProgrammaticStreamSerialization;
  early.val.programmaticStreamSerializationAllowed = 1;
  cudaLaunchConfig_t config{};
  config.gridDim = grid.blocks;
  config.blockDim = grid.threads;
  config.dynamicSmemBytes = grid.shared_bytes;
  config.stream = stream();
  config.attrs = &early;
  config.numAttrs = may_overlap(reinterpret_cast<const void*>(kernel)) ? 1 : 0;
  must(cudaLaunchKernelEx(&config, kernel, arguments...), kernel_name<kernel>());
#else
  [[maybe_unused]] constexpr std::string_view name = kernel_name<kernel>();
  [[maybe_unused]] int number = 0;
  (check_argument(name, ++number, arguments), ...);
  do_or_record([grid, all = std::tuple<Parameters...>(arguments...)] {
    emulation::run_grid(
        {kernel_name<kernel>(), grid.blocks, grid.threads, grid.shared_bytes,
         reinterpret_cast<const void*>(kernel)},
        [](const void* each) { std::apply(kernel, *static_cast<const decltype(all)*>(each)); },
        &all, sizeof all);
  });
#endif
}
}  // namespace launching

/// kernel<<<grid>>>(arguments...). A grid without blocks launches nothing.
template <auto kernel, class... Arguments>
void launch(const Grid& grid, const Arguments&... arguments) {
  launching::run<kernel>(kernel, grid, raw(arguments)...);
}

/// T* name = the block's dynamic shared memory.
#ifdef __CUDACC__
#define DYNAMIC_SHARED(T, name)                                 \
  extern __shared__ __align__(16) unsigned char name##_bytes[]; \
  T* const name = reinterpret_cast<T*>(name##_bytes)
#else
#define DYNAMIC_SHARED(T, name) T* const name = static_cast<T*>(emulation::dynamic_shared())
#endif

}  // namespace ramoe::cuda
