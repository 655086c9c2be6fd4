// Chapter 4.2 on the GPU - the plan of dispatch: a counting sort of the choices
//
//   count   every block counts the experts in its part of the choices
//   place   what all blocks counted tells each block where its slots begin
//
// Where choices are few, every block of `place` counts all of them itself: one launch.
#pragma once

#include <algorithm>

#include "ch04_moe/experts.h"
#include "cuda/support/reduce.cuh"
#include "cuda/support/rows.cuh"
#include "cuda/support/scratch.h"

namespace ramoe::cuda {

constexpr int kPlanWarps = 16, kPlanThreads = 32 * kPlanWarps;
constexpr int kFewChoices = 1 << 14;  // 32 for each thread of a block: as long as a launch takes

/// Choices in, and how they are shared out: each block has `part` of them, each warp of it an equal
/// share, in order.
struct Choices {
  const int* chosen;
  const unsigned char* is_token;
  int count, E, K, part;

  __device__ int begin() const {
    return int(blockIdx.x) * part + int(threadIdx.x / 32) * (part / kPlanWarps);
  }
  __device__ int end() const { return min(begin() + part / kPlanWarps, count); }
  /// The expert of a choice, or -1: padding, or not before `end`. Both loads are made in any case,
  /// so that neither waits for the other.
  __device__ int expert(int choice, int end) const {
    if (choice >= end) return -1;
    const int e = chosen[choice];
    return is_token[unsigned(choice) / unsigned(K)] ? e : -1;
  }
};

/// counts[block, e] = number of choices of e in the block's part.
static __global__ void count_kernel(int* counts, Choices in) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(int, mine);
  for (int e = int(threadIdx.x); e < in.E; e += kPlanThreads) mine[e] = 0;
  __syncthreads();
  for (int i = in.begin() + int(threadIdx.x % 32); i < in.end(); i += 32)
    if (const int e = in.expert(i, in.end()); e >= 0) atomicAdd(&mine[e], 1);
  __syncthreads();
  for (int e = int(threadIdx.x); e < in.E; e += kPlanThreads)
    row_at(counts, int(blockIdx.x), in.E)[e] = mine[e];
}

/// The lanes whose expert is this lane's, found by comparing the bits of its number in turn.
__device__ inline unsigned lanes_with(int e, int E) {
  unsigned lanes = __ballot_sync(kAllLanes, e >= 0);
  for (int bit = 1; bit < E; bit *= 2) {
    const bool set = (e & bit) != 0;
    const unsigned votes = __ballot_sync(kAllLanes, set);
    lanes &= set ? votes : ~votes;
  }
  return lanes;
}

/// sums[e] becomes the sum of those before it, in place; returns the sum of all. One warp.
__device__ inline int sum_before(int* sums, int E) {
  const int lane = int(threadIdx.x % 32);
  int before = 0;
  for (int first = 0; first < E; first += 32) {
    const int e = first + lane, own = e < E ? sums[e] : 0;
    const int upto = sum_upto(own);
    if (e < E) sums[e] = before + upto - own;
    before += __shfl_sync(kAllLanes, upto, 31);
  }
  return before;
}

/// start[e] = number of choices of e, before[e] = number of those in blocks before this one; from
/// what all blocks counted, or, without counts, from the choices themselves: 32 are read together
/// and counted by one addition for each of their experts, after a thread has asked for eight.
__device__ inline void count_all(int* start, int* before, const int* counts, const Choices& in) {
  const int E = in.E, lane = int(threadIdx.x % 32), warp = int(threadIdx.x / 32);
  if (!counts) {
    constexpr int kAtOnce = 8;
    for (int first = warp * 32; first < in.count; first += kAtOnce * kPlanThreads) {
      int expert[kAtOnce];
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i)
        expert[i] = in.expert(first + i * kPlanThreads + lane, in.count);
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i) {
        const int e = expert[i];
        const unsigned same = lanes_with(e, E);
        if (e < 0 || same >> lane != 1) continue;  // the last of the lanes counts them
        atomicAdd(&start[e], __popc(same));
        if (first + i * kPlanThreads < int(blockIdx.x) * in.part)
          atomicAdd(&before[e], __popc(same));
      }
    }
    return;
  }
  for (int e = lane; e < E; e += 32) {
    int all = 0, lower = 0;
    for (int b = warp; b < int(gridDim.x); b += kPlanWarps) {
      const int count = row_at(counts, b, E)[e];
      all += count;
      if (b < int(blockIdx.x)) lower += count;
    }
    atomicAdd(&start[e], all);
    atomicAdd(&before[e], lower);
  }
}

/// next[w, e] = the first slot of expert e that warp w of this block fills; the offsets of the plan
/// are written by the way.
__device__ inline void find_first_slots(int* next, int* offset, const int* counts,
                                        const Choices& in) {
  const int E = in.E, lane = int(threadIdx.x % 32), warp = int(threadIdx.x / 32);
  int* start = next + kPlanWarps * E;  // (E) first the number of choices of e, then its first slot
  int* before = start + E;             // (E) choices of e in blocks before this one
  for (int i = int(threadIdx.x); i < (kPlanWarps + 2) * E; i += kPlanThreads) next[i] = 0;
  __syncthreads();
  count_all(start, before, counts, in);
  for (int i = in.begin() + lane; i < in.end(); i += 32)
    if (const int e = in.expert(i, in.end()); e >= 0) atomicAdd(&next[warp * E + e], 1);
  __syncthreads();
  if (warp == 0) {
    const int slots = sum_before(start, E);
    if (blockIdx.x == 0 && lane == 0) offset[E] = slots;
  }
  __syncthreads();
  for (int e = int(threadIdx.x); e < E; e += kPlanThreads) {
    if (blockIdx.x == 0) offset[e] = start[e];
    int slot = start[e] + before[e], count[kPlanWarps];
#pragma unroll
    for (int w = 0; w < kPlanWarps; ++w) count[w] = next[w * E + e];
#pragma unroll
    for (int w = 0; w < kPlanWarps; slot += count[w++]) next[w * E + e] = slot;
  }
  __syncthreads();
}

/// A warp goes through its choices in order, 32 at a time; the lower lanes with the same expert are
/// a choice's place among them. So the order is that of the choices, as in the definition.
static __global__ void place_kernel(DispatchPlan<float> plan, const int* counts, Choices in) {
  wait_for_earlier_kernels();
  DYNAMIC_SHARED(int, shared);
  find_first_slots(shared, plan.offset, counts, in);
  const int lane = int(threadIdx.x % 32);
  int* next = shared + int(threadIdx.x / 32) * in.E;
  for (int first = in.begin(); first < in.end(); first += 32) {
    const int choice = first + lane, e = in.expert(choice, in.end());
    const unsigned same = lanes_with(e, in.E);
    int slot = -1;
    if (e >= 0) {
      slot = next[e] + __popc(same & ((1u << lane) - 1));
      plan.token_from_slot[slot] = choice / in.K;
      plan.choice_from_slot[slot] = choice;
    }
    if (choice < in.end()) plan.slot_from_choice[choice] = slot;
    __syncwarp();                                         // all have read next
    if (e >= 0 && same >> lane == 1) next[e] = slot + 1;  // the last of them
    __syncwarp();
  }
}

/// Fills the plan for N rows of K choices.
inline void plan_slots(const DispatchPlan<float>& plan, const int* chosen,
                       const unsigned char* is_token, int N, int E, int K) {
  // A warp has at least 32 choices; and there are at most 256 blocks, as each reads all counts.
  const int count = N * K, most = ceil_div(count, 256);
  const int part = std::max(1, ceil_div(most, kPlanThreads)) * kPlanThreads;
  const unsigned blocks = unsigned(std::max(1, ceil_div(count, part)));
  const Choices in = {chosen, is_token, count, E, K, part};
  Scratch scratch;
  int* counts = nullptr;
  const std::size_t row = std::size_t(E) * sizeof(int);
  if (count > kFewChoices) {
    counts = scratch.take<int>(blocks * std::size_t(E));
    launch<count_kernel>({blocks, kPlanThreads, row}, counts, in);
  }
  launch<place_kernel>({blocks, kPlanThreads, (kPlanWarps + 2) * row}, plan, counts, in);
}

}  // namespace ramoe::cuda
