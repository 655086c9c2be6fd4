// CUDA - launches that overlap: a kernel is set up while the one before it ends
//
//   __global__ void some_kernel(float* y, const float* x) {
//     wait_for_earlier_kernels();      the first line of every kernel
//     y[threadIdx.x] = x[threadIdx.x];
//
// A kernel needs what the one before it has written. Started one after the other, nothing of the
// second happens before the last block of the first has ended and its results are in memory. Only
// then its blocks are handed out and get their registers and shared memory, and its first
// instructions and parameters are brought. In that time nothing is computed, and a step of a small
// model has two hundred such gaps.
//
// From Hopper on a launch may say that this can be done earlier (CUDA calls it programmatic
// dependent launch; launch.h does it): when the last block of the first kernel has ended, blocks of
// the second take their places, and wait in their first line until the results of the first are in
// memory. It saves 2 % of a step (docs/log.md).
//
// CUDA has more: a kernel may give its consent as soon as it runs
// (cudaTriggerProgrammaticLaunchCompletion), and blocks of the next take the places that it leaves
// free. It was tried, and a step took 13 % longer: such blocks crowd where the first kernel had
// little to do, and hold registers and shared memory while they wait.
//
// What may go wrong:
//   - A thread that reads before it waits may get what was there before, and one that writes may
//     overwrite what is still read. Mostly all goes well, which makes it hard to find.
//   - A block that ends without waiting lets its kernel end before the one before it does. The
//     next kernel waits for this one alone: it would begin on unfinished work.
//   - So every thread waits, before any return and before any access to memory.
//
// Copies, clearings and the kernels of cuBLAS are started without it: they begin when all before
// them is complete, and a kernel behind them is in order like any other.
//
// Emulated, launches do not overlap, but a thread that ends without waiting is an error, and in the
// memory check so is one that touches the GPU's memory too early.
// Tests: tests/cuda/emulation_test.cpp, tests/cuda/memory_check_test.cpp
#pragma once

#ifdef __CUDACC__
#include <cuda_runtime.h>
#else
#include "cuda/emulation/emulation.h"
#endif

namespace ramoe::cuda {

#ifdef __CUDACC__
/// Waits until all kernels before this one are complete and what they wrote can be read. The first
/// line of a kernel, for all its threads.
__device__ __forceinline__ void wait_for_earlier_kernels() {
#if defined(__CUDA_ARCH__) && __CUDA_ARCH__ >= 900
  cudaGridDependencySynchronize();
#endif
}
/// Whether a kernel may be started early: its code waits, and RAMOE_CUDA_OVERLAP does not forbid
/// it. Asked of the first kernel, as all are compiled for the same GPUs.
bool may_overlap(const void* kernel);
#else
inline void wait_for_earlier_kernels() {
  emulation::wait_for_earlier_kernels();
}
#endif

/// What RAMOE_CUDA_OVERLAP in the environment says, 1 if nothing. Error: neither 0 nor 1.
bool overlap_wanted();

}  // namespace ramoe::cuda

namespace ramoe {
using cuda::wait_for_earlier_kernels;
}
