// CUDA - the device: its properties, its errors, memory that grows in place
#pragma once

#include <cstddef>
#include <string>

namespace ramoe::cuda {

/// What the kernels ask of a device.
struct DeviceFacts {
  std::string name;
  int major = 0, minor = 0;      // compute capability
  int multiprocessors = 1;
  std::size_t shared_bytes = 0;  // most of a block, when asked for
  std::size_t memory = 0;        // bytes in all
};
/// Of the device in use, asked once. Error: no GPU, or one that this build has no code for.
const DeviceFacts& device_facts();

/// Error: says what was asked (bytes), what is free and what to do.
[[noreturn]] void out_of_memory(std::size_t asked);

/// A range of device addresses that is granted memory from its start: it grows in place, so that
/// addresses stay the same, also those in a recorded graph.
class GrowingMemory {
 public:
  GrowingMemory() = default;
  ~GrowingMemory();
  GrowingMemory(const GrowingMemory&) = delete;
  GrowingMemory& operator=(const GrowingMemory&) = delete;
  std::byte* begin() const { return begin_; }
  std::size_t bytes() const { return bytes_; }
  /// To `least` bytes or more: to `wanted` if there are as many, else to some between. Error, with
  /// what was asked and what was free: out of memory.
  void grow(std::size_t least, std::size_t wanted);

 private:
  void reserve();
  bool grant(std::size_t end);  // false: there is not as much
  std::byte* begin_ = nullptr;
  std::size_t bytes_ = 0, reserved_ = 0;
  unsigned long long pieces_[96] = {};  // handles of the driver, with where each ends
  std::size_t ends_[96] = {};
  int count_ = 0;
};

}  // namespace ramoe::cuda
