// CUDA - memory for the length of one operation
//
//   Scratch scratch;
//   float* partial = scratch.take<float>(blocks * C);      until the end of the scope
//
// Kernels of a thread run in order, so the memory may be used again once the host has gone on.
#pragma once

#include "ch01_tensor/arena.h"

namespace ramoe::cuda {

/// The arena that this thread's operations take their scratch memory from.
GpuArena& scratch_arena();

class Scratch {
 public:
  Scratch() : mark_(scratch_arena().mark()) {}
  ~Scratch() { scratch_arena().release(mark_); }
  Scratch(const Scratch&) = delete;
  Scratch& operator=(const Scratch&) = delete;
  /// Not initialised; 256-byte aligned.
  template <class Value>
  Value* take(std::size_t count) {
    return scratch_arena().take<Value>(count);
  }

 private:
  GpuArena::Mark mark_;
};

}  // namespace ramoe::cuda
