// What the tests of the emulation share: kernels with one fault each, and what is said of it.
#pragma once

#include <gtest/gtest.h>

#include <string>

#include "cuda/support/launch.h"

namespace ramoe {

/// The line of the fault, of the last thread that came to it; 0 before.
inline int fault_line = 0;
/// In a kernel, on the line of the fault: a call of which the memory check hears nothing.
__attribute__((noinline, no_sanitize("thread"))) inline void faulty(int line = __builtin_LINE()) {
  fault_line = line;
}

/// What the launch complains of; "" if of nothing.
template <auto kernel, class... Arguments>
std::string error_of(const cuda::Grid& grid, const Arguments&... arguments) {
  fault_line = 0;
  try {
    cuda::launch<kernel>(grid, arguments...);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != text.npos;
}

/// Fails unless the error names file, line of the fault, kernel and thread, and says `what`.
#define EXPECT_FAULT(kernel, who, what, ...)                               \
  do {                                                                     \
    const std::string error = error_of<kernel>(__VA_ARGS__);               \
    const std::string file = __FILE__;                                     \
    EXPECT_EQ(error.substr(0, error.find(' ')),                            \
              cat(file.substr(file.rfind('/') + 1), ':', fault_line, ':')) \
        << error;                                                          \
    EXPECT_TRUE(contains(error, #kernel ", block (")) << error;            \
    EXPECT_TRUE(contains(error, who)) << error;                            \
    EXPECT_TRUE(contains(error, what)) << error;                           \
  } while (false)

/// The values of memory of the GPU.
template <class Value>
std::vector<Value> values_of(const GpuVector<Value>& gpu) {
  std::vector<Value> out(gpu.size());
  gpu_copy_out(out.data(), gpu.data(), out.size() * sizeof(Value));
  return out;
}

}  // namespace ramoe
