// CUDA - the block that comes last goes on alone
//
//   partial[blockIdx.x] = what this block found;
//   if (!comes_last(arrived, gridDim.x)) return;
//   the sum of partial, in order
//
// A sum over blocks would want a second kernel, because nobody else knows when all are done. Here
// each block counts itself when its results are in memory, and who counts last finds those of all.
// Which block that is differs from run to run, what it adds up and in which order does not: the
// same bits. It pays while what is left is little: one block does it, and a GPU has a hundred.
#pragma once

#include "cuda/support/launch.h"

namespace ramoe::cuda {

/// Places for arrivals, all 0; comes_last leaves them so. Enough for the groups of one launch.
constexpr int kArrivals = 2048;
unsigned* arrivals();

/// atomicInc between two fences, for what the block has written and what it will read. As one
/// instruction they are a release and an acquire: the results are waited for once, and nothing
/// after the count. __threadfence() also orders all fences of the GPU and waits each time.
__device__ inline unsigned count_arrival(unsigned* arrived, unsigned last) {
#ifdef __CUDACC__
  unsigned before;
  asm volatile("atom.acq_rel.gpu.inc.u32 %0, [%1], %2;"
               : "=r"(before)
               : "l"(arrived), "r"(last)
               : "memory");
  return before;
#else
  __threadfence();
  const unsigned before = atomicInc(arrived, last);
  __threadfence();
  return before;
#endif
}

/// Whether this block is the last of `count` that come here; then it sees what the others wrote to
/// memory before. For all threads of a block, which may have read no such place earlier.
__device__ inline bool comes_last(unsigned* arrived, unsigned count) {
  __shared__ bool last;
  __syncthreads();  // all results of the block are written
  if (threadIdx.x == 0 && threadIdx.y == 0)
    last = count_arrival(arrived, count - 1) == count - 1;  // the last one leaves 0
  __syncthreads();
  return last;
}

}  // namespace ramoe::cuda
