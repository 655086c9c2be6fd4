// Chapter 3.1 on the GPU - rows that are added at an index:  dx[index[i],:] += dout[i,:],  i < N
//
// Many i may have the same index, a frequent token or the padding. Atomic additions would come in
// another order, and give other bits, at every run. Here each sum has an order:
//
//   1  rank   Indices are sorted in stretches: the place of i is the number of those before it.
//             Every two of a stretch are compared, which costs no memory and no second pass; of
//             32,768 indices in one stretch it would be 2^30 comparisons, most of the time.
//      merge  So with more than 4096 a stretch is 1024, and i counts those before it in each of
//             the others by halving: 11 loads. A warp has 32 neighbours of a sorted stretch, so its
//             lanes load the same at first and neighbours later.
//   2  sum    A warp takes 32 neighbours of the sorted list and adds up rows with the same index. A
//             run that lies in its 32 goes to dx; one that crosses a border leaves its part in
//             `partial`.
//   3  join   The warp where such a run begins adds up its parts, in order.
#pragma once

#include <climits>

#include "cuda/support/columns.cuh"
#include "cuda/support/pieces.cuh"
#include "cuda/support/rows.cuh"
#include "cuda/support/scratch.h"

namespace ramoe::cuda {

constexpr int kChunk = 32;       // places of the sorted list that a warp of step 2 takes
constexpr int kChunkWarps = 2;   // of a block
constexpr int kAtOnce = 8;       // rows that a warp of step 2 asks for before it adds the first
constexpr int kRankWarps = 8;    // of a block of step 1
constexpr int kRankTile = 1024;  // indices in shared memory at a time
constexpr int kOneStretch = 4 * kRankTile;  // up to so many need no merge; of more each tile is one

/// source[place] = i, sorted[place] = index[i]: in each stretch ascending indices, equal ones in
/// order of i. A stretch is a multiple of kRankTile.
static __global__ void rank_kernel(int* source, int* sorted, const int* index, int N, int stretch) {
  wait_for_earlier_kernels();
  constexpr int kWarps = kRankWarps, kEach = kRankTile / kWarps;
  __shared__ int tile[kRankTile];
  const int lane = int(threadIdx.x), warp = int(threadIdx.y), segment = int(blockIdx.x);
  const int i = segment * 32 + lane, mine = i < N ? index[i] : 0;
  const int begin = segment * 32 / stretch * stretch, end = begin + min(stretch, N - begin);
  int before = 0;
  for (int first = begin; first < end; first += kRankTile) {
    __syncthreads();  // the tile before may still be read
    for (int m = warp * 32 + lane; m < kRankTile; m += kWarps * 32)
      tile[m] = first + m < N ? index[first + m] : INT_MAX;
    __syncthreads();
    for (int m = warp * kEach; m < (warp + 1) * kEach; m += 32) {
      // Equal indices in segments of 32 before mine come before me, those behind it do not.
      const int here = (first + m) / 32, bound = here < segment ? mine + 1 : mine;
#pragma unroll
      for (int l = 0; l < 32; ++l)  // the sign of a difference: half the instructions of a <
        before += int(unsigned(tile[m + l] - bound) >> 31);
      if (here == segment)
        for (int l = 0; l < lane; ++l) before += tile[m + l] == mine;
    }
  }
  before = sum_of_warps(before, lane, warp);
  if (warp > 0) return;
  if (i < N) {
    source[begin + before] = i;
    sorted[begin + before] = mine;
  } else if (stretch == kRankTile) {
    sorted[i] = INT_MAX;  // the next kernel reads whole stretches
  }
}

/// The same for all N as one stretch, from stretches of kRankTile: a block's warps share these out.
static __global__ void merge_kernel(int* source, int* sorted, const int* source_in,
                                    const int* sorted_in, int N) {
  wait_for_earlier_kernels();
  const int lane = int(threadIdx.x), warp = int(threadIdx.y);
  const int i = int(blockIdx.x) * 32 + lane, from = min(i, N - 1);
  const int own = from / kRankTile, mine = sorted_in[from];
  int before = 0;
  for (int s = warp; s * kRankTile < N; s += kRankWarps) {
    const int bound = s < own ? mine + 1 : mine;
    unsigned at = unsigned(s) * kRankTile;  // all of the stretch before it come before me
#pragma unroll
    for (unsigned step = kRankTile / 2; step > 0; step /= 2)
      if ((sorted_in + (step - 1))[at] < bound) at += step;
    at += sorted_in[at] < bound;  // of kRankTile so many minus one are known by now
    before += s == own ? from % kRankTile : int(at) - s * kRankTile;
  }
  before = sum_of_warps(before, lane, warp);
  if (warp > 0 || i >= N) return;
  source[before] = source_in[i];
  sorted[before] = mine;
}

/// Whether the run at `place` goes on at the next place.
__device__ inline bool goes_on(const int* sorted, int place, int N) {
  return place >= 0 && place + 1 < N && sorted[place] == sorted[place + 1];
}

/// partial (chunks,2,C): of each chunk what belongs to a run from the chunk before, and what begins
/// a run that goes on in the next.
template <int W>
__global__ void add_runs_kernel(float* dx, float* partial, const int* source, const int* sorted,
                                const float* dout, int N, int C) {
  wait_for_earlier_kernels();
  const int lane = int(threadIdx.x), chunk = int(blockIdx.x) * kChunkWarps + int(threadIdx.y);
  const int first = chunk * kChunk, count = min(kChunk, N - first);
  if (count <= 0) return;  // the whole warp
  const int c = (int(blockIdx.y) * 32 + lane) * W;
  const int place = min(first + lane, N - 1);
  const int my_source = source[place], my_row = sorted[place];
  const unsigned ends = ~__ballot_sync(kAllLanes, goes_on(sorted, first + lane, N));
  bool from_before = goes_on(sorted, first - 1, N);
  const unsigned whole = from_before ? ends & (ends - 1) : ends;  // ends of runs that began here
  Piece<W> sum = {};
  for (int l0 = 0; l0 < count; l0 += kAtOnce) {
    Piece<W> value[kAtOnce], before[kAtOnce];
    float* to[kAtOnce];
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {  // beyond N: the last row again
      const int l = l0 + i, n = __shfl_sync(kAllLanes, my_source, l);
      const float* const from = row_at(dout, n, C) + min(c, C - W);
      value[i] = load<W>(from);
      // A load in any case, of a value that is not used: a condition would let each load wait.
      to[i] = row_at(dx, __shfl_sync(kAllLanes, my_row, l), C) + c;
      before[i] = load<W>(c < C && l < count && whole >> l & 1 ? to[i] : from);
    }
#pragma unroll
    for (int i = 0; i < kAtOnce; ++i) {
      const int l = l0 + i;
      if (l >= count) break;
#pragma unroll
      for (int j = 0; j < W; ++j) sum[j] += value[i][j];
      const bool ends_here = ends >> l & 1;
      if (!ends_here && l + 1 < count) continue;
      if (whole >> l & 1) {
#pragma unroll
        for (int j = 0; j < W; ++j) sum[j] = before[i][j] + sum[j];
      } else {
        to[i] = row_at(partial, 2 * chunk + (from_before ? 0 : 1), C) + c;
      }
      if (c < C) store(to[i], sum);
      from_before = false;
      sum = {};
    }
  }
}

/// Adds the parts of the run that begins in a chunk and goes on in the next.
template <int W>
__global__ void join_runs_kernel(float* dx, const float* partial, const int* sorted, int N, int C) {
  wait_for_earlier_kernels();
  const int lane = int(threadIdx.x), chunk = int(blockIdx.x) * kChunkWarps + int(threadIdx.y);
  const int first = chunk * kChunk, last = first + kChunk - 1;
  if (!goes_on(sorted, last, N)) return;  // the whole warp
  const int row = sorted[last];
  if (sorted[first] == row && goes_on(sorted, first - 1, N)) return;  // it began before
  int parts = 0;  // chunks behind this one that the run reaches
  for (unsigned there = kAllLanes; there == kAllLanes; parts += __popc(there)) {
    const std::size_t place = (std::size_t(chunk) + 1 + unsigned(parts + lane)) * kChunk;
    there = __ballot_sync(kAllLanes, place < std::size_t(N) && sorted[place] == row);
  }
  const int c = (int(blockIdx.y) * 32 + lane) * W;
  if (c >= C) return;
  const float* part = partial + (std::size_t(chunk) * 2 + 1) * std::size_t(C) + c;
  Piece<W> sum = load<W>(part);
  part += C;  // the first part of the next chunk; of the one after it, 2 C further
#pragma unroll 8
  for (int k = 0; k < parts; ++k) {
    const Piece<W> value = load<W>(part + std::size_t(k) * 2 * std::size_t(C));
#pragma unroll
    for (int i = 0; i < W; ++i) sum[i] += value[i];
  }
  add_to(dx + std::size_t(row) * std::size_t(C) + c, sum);
}

/// dx[index[i],:] += dout[i,:]
inline void add_rows(GpuFloat* dx, const GpuInt* index, const GpuFloat* dout, int N, int C) {
  Scratch scratch;
  const std::size_t count = std::size_t(N);
  const std::size_t chunks = ceil_div(count, std::size_t(kChunk));
  int* const source = scratch.take<int>(count);
  int* const sorted = scratch.take<int>(count);
  float* const partial = scratch.take<float>(chunks * 2 * std::size_t(C));
  if (N <= kOneStretch) {
    launch<rank_kernel>({blocks_for(count, 32), {32, kRankWarps}}, source, sorted, index, N,
                        kOneStretch);
  } else {
    const std::size_t whole = ceil_div(count, std::size_t(kRankTile)) * kRankTile;
    int* const source_in = scratch.take<int>(count);
    int* const sorted_in = scratch.take<int>(whole);
    launch<rank_kernel>({blocks_for(whole, 32), {32, kRankWarps}}, source_in, sorted_in, index, N,
                        kRankTile);
    launch<merge_kernel>({blocks_for(count, 32), {32, kRankWarps}}, source, sorted, source_in,
                         sorted_in, N);
  }
  with_width(in_pieces(C, dx, dout), [&]<int W>() {
    const Grid grid = {{blocks_for(chunks, kChunkWarps), blocks_for(std::size_t(C), 32 * W)},
                       {32, kChunkWarps}};
    launch<add_runs_kernel<W>>(grid, dx, partial, source, sorted, dout, N, C);
    if (chunks > 1) launch<join_runs_kernel<W>>(grid, dx, partial, sorted, N, C);
  });
}

}  // namespace ramoe::cuda
