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

/// Whether this block is the last of `count` that come here; then it sees what the others wrote to
/// memory before. For all threads of a block, which may have read no such place earlier.
__device__ inline bool comes_last(unsigned* arrived, unsigned count) {
  __shared__ bool last;
  __syncthreads();  // all results of the block are written
  if (threadIdx.x == 0 && threadIdx.y == 0) {
    __threadfence();                                    // and are seen before the count is
    last = atomicInc(arrived, count - 1) == count - 1;  // the last one leaves 0
    __threadfence();
  }
  __syncthreads();
  return last;
}

}  // namespace ramoe::cuda
