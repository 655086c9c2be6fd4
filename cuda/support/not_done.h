// CUDA - what stands in a kernel that a lab asks for: an error that says which one
#pragma once

#include "cuda/support/launch.h"

namespace ramoe::cuda {

#ifdef __CUDACC__
/// Ends the kernel; the next look at the GPU is an error.
[[noreturn]] __device__ inline void not_done(const char* what) {
  printf("%s\n", what);
  __trap();
}
#else
/// Ends the launch with an Error that names the kernel, the thread and the line.
[[noreturn]] inline void not_done(const char* what, EMULATION_PLACE) {
  emulation::complain(place, what);
}
#endif

}  // namespace ramoe::cuda
