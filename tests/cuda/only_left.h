// A GPU whose memory somebody else has, for tests of what is said where it ends.
#pragma once

#include "ch01_tensor/storage.h"
#include "cuda/support/scratch.h"
#ifdef RAMOE_CUDA_EMULATION
#include "cuda/emulation/device_memory.h"
#endif

namespace ramoe {

/// While it lives, somebody else has all of the GPU's memory but `left` bytes.
class OnlyLeft {
 public:
#ifdef RAMOE_CUDA_EMULATION
  explicit OnlyLeft(std::size_t left) {
    emulation::take_memory(emulation::free_memory() - left);
  }
  ~OnlyLeft() {
    emulation::take_memory(0);
  }
#else
  explicit OnlyLeft(std::size_t left)
      : others_(gpu_memory_free() - cuda::scratch_arena().bytes_granted() - left) {}

 private:
  GpuVector<GpuByte> others_;
#endif
};

}  // namespace ramoe
