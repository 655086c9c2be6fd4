// Chapter 3.1 on the GPU - RMSNorm: a row stays in the registers of a team of threads
//
// A row is needed twice, first for its sum of squares and then for the output. The team loads it
// once, 16 bytes at a time, and keeps it: the kernel reads and writes as much as a copy does. How
// many threads make a team depends on C alone: some lanes of a warp for a head, a block for a wide
// model. Backward adds up dw on the way. A thread has the same columns in every row that its team
// visits, so dw of these columns is a register; the blocks' sums are added in order by the block
// that comes last, or by a second kernel if they are many.
//
// A launch has one norm or two, those of queries and keys: the first blocks are the first's.
#pragma once

#include "ch03_transformer/layer_ops.h"
#include "cuda/support/columns.cuh"
#include "cuda/support/pieces.cuh"
#include "cuda/support/rows.cuh"

namespace ramoe::cuda {

constexpr int kNormThreads = 256;

/// Thread `t` of a team of kTeam has the columns at 4 (i kTeam + t), i < kEach.
template <int kTeam>
__device__ int column_of(int i) {
  return 4 * (i * kTeam + int(threadIdx.x) % kTeam);
}

/// The arguments of a launch: of one operation, or of two.
template <class Norm>
struct Two {
  Norm first, second;
  unsigned blocks_of_first, blocks;
  /// The norm of this block, and the block's number and how many there are of it.
  __device__ Norm mine(unsigned& block, unsigned& count) const {
    const bool is_first = blockIdx.x < blocks_of_first;
    block = is_first ? blockIdx.x : blockIdx.x - blocks_of_first;
    count = is_first ? blocks_of_first : blocks - blocks_of_first;
    return is_first ? first : second;
  }
};

template <int kTeam, int kEach>
__global__ void __launch_bounds__(kNormThreads)
    rmsnorm_kernel(Two<NormForward<float>> two, float eps) {
  wait_for_earlier_kernels();
  unsigned block, count;
  const NormForward<float> in = two.mine(block, count);
  const int N = in.N, C = in.C;
  const int n = int(block) * (kNormThreads / kTeam) + int(threadIdx.x) / kTeam;
  const std::size_t row = std::size_t(n) * std::size_t(C);
  Piece<4> x_n[kEach];
  float squares = 0;
#pragma unroll
  for (int i = 0; i < kEach; ++i)
    if (const int c = column_of<kTeam>(i); n < N && c < C) {
      x_n[i] = load<4>(in.x + row + c);
      for (int j = 0; j < 4; ++j) squares += x_n[i][j] * x_n[i][j];
    }
  const float r = 1 / sqrtf(team_sum<kTeam>(squares) / float(C) + eps);
  if (n >= N) return;
#pragma unroll
  for (int i = 0; i < kEach; ++i)
    if (const int c = column_of<kTeam>(i); c < C) {
      const Piece<4> w_c = load<4>(in.w + c);
      for (int j = 0; j < 4; ++j) x_n[i][j] *= r * w_c[j];
      store(in.out + row + c, x_n[i]);
    }
  if (threadIdx.x % kTeam == 0) in.rstd[n] = r;
}

/// A backward, and where the sums of dw over the rows of its blocks meet: partial (blocks,C).
struct NormSums {
  NormBackward<float> norm;
  float* partial;     // null: dw is not wanted
  unsigned* arrived;  // null: another kernel adds them up
};

/// dw = or += the sums of all blocks. A thread has four columns. Where these need few threads,
/// there are several groups of them: with G groups each adds every G-th sum, then the groups' sums
/// are added in order. A thread asks for 16 sums before it adds the first: who asked for one at a
/// time would wait as often for the memory as there are sums.
__device__ inline void add_blocks(const NormSums& in, int blocks) {
  constexpr int kAtOnce = 16;
  __shared__ Piece<4> sums[kNormThreads];
  const int C = in.norm.C, pieces = C / 4, width = min(pieces, kNormThreads);
  const int groups = kNormThreads / width, t = int(threadIdx.x), group = t / width;
  for (int first = 0; first < pieces; first += width) {
    const int piece = first + t % width;
    const bool mine = group < groups && piece < pieces;
    const int end = mine ? blocks : 0;
    Piece<4> sum = {};
    const float* at = row_at(in.partial, group, C) + 4 * piece;
    for (int b = group; b < end; b += kAtOnce * groups) {
      Piece<4> part[kAtOnce] = {};
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i, at += groups * C)
        if (b + i * groups < end) part[i] = load<4>(at);
#pragma unroll
      for (int i = 0; i < kAtOnce; ++i)
        for (int j = 0; j < 4; ++j) sum[j] += part[i][j];
    }
    __syncthreads();  // the sums of the pieces before have been read
    sums[t] = sum;
    __syncthreads();
    if (!mine || group > 0) continue;
    for (int g = 1; g < groups; ++g)
      for (int j = 0; j < 4; ++j) sum[j] += sums[g * width + t][j];
    add_to(in.norm.dw + 4 * piece, sum, in.norm.accumulate_dw);
  }
}

/// Rows that a team has in its registers at once in backward.
constexpr int norm_rows(int each) {
  return each <= 2 ? 2 : 1;
}

template <int kTeam, int kEach>
__global__ void __launch_bounds__(kNormThreads) rmsnorm_backward_kernel(Two<NormSums> two) {
  wait_for_earlier_kernels();
  constexpr int kTeams = kNormThreads / kTeam, kRows = norm_rows(kEach), kOfBlock = kRows * kTeams;
  unsigned block, blocks;
  const NormSums in = two.mine(block, blocks);
  float* const dx = in.norm.dx;
  const int N = in.norm.N, C = in.norm.C;
  const bool adds = dx && in.norm.accumulate;
  const float of_C = 1 / float(C);
  const int team = int(threadIdx.x) / kTeam;
  Piece<4> dw[kEach] = {};
  for (int first = int(block) * kOfBlock; first < N; first += int(blocks) * kOfBlock) {
    // All that is read, before anything is waited for. What is beyond N or C is 0.
    Piece<4> x[kRows][kEach] = {}, g[kRows][kEach] = {}, sum[kRows][kEach] = {}, w[kEach] = {};
    float r[kRows] = {}, product[kRows] = {};
#pragma unroll
    for (int k = 0; k < kRows; ++k) {
      const int n = first + k * kTeams + team;
      if (n < N) r[k] = in.norm.rstd[n];
#pragma unroll
      for (int i = 0; i < kEach; ++i)
        if (const int c = column_of<kTeam>(i); n < N && c < C) {
          x[k][i] = load<4>(row_at(in.norm.x, n, C) + c);
          g[k][i] = load<4>(row_at(in.norm.dout, n, C) + c);
          if (adds) sum[k][i] = load<4>(row_at(dx, n, C) + c);
        }
    }
#pragma unroll
    for (int i = 0; i < kEach; ++i)
      if (const int c = column_of<kTeam>(i); c < C) w[i] = load<4>(in.norm.w + c);
#pragma unroll
    for (int k = 0; k < kRows; ++k)
#pragma unroll
      for (int i = 0; i < kEach; ++i)
        for (int j = 0; j < 4; ++j) {
          dw[i][j] += g[k][i][j] * x[k][i][j] * r[k];
          g[k][i][j] *= w[i][j];  // dout w
          product[k] += g[k][i][j] * x[k][i][j];
        }
    team_sums<kTeam>(product);
#pragma unroll
    for (int k = 0; k < kRows; ++k) {
      const int n = first + k * kTeams + team;
      const float mean = product[k] * of_C * r[k] * r[k] * r[k];
#pragma unroll
      for (int i = 0; i < kEach; ++i)
        if (const int c = column_of<kTeam>(i); dx && n < N && c < C) {
          for (int j = 0; j < 4; ++j) sum[k][i][j] += r[k] * g[k][i][j] - mean * x[k][i][j];
          store(row_at(dx, n, C) + c, sum[k][i]);
        }
    }
  }
  if (!in.partial) return;
  float* const partial = row_at(in.partial, int(block), C);
  if constexpr (kTeams == 1) {
#pragma unroll
    for (int i = 0; i < kEach; ++i)
      if (const int c = column_of<kTeam>(i); c < C) store(partial + c, dw[i]);
  } else {
    __shared__ Piece<4> sums[kTeams][kTeam * kEach];
#pragma unroll
    for (int i = 0; i < kEach; ++i) sums[team][column_of<kTeam>(i) / 4] = dw[i];
    __syncthreads();
    for (int c = int(threadIdx.x); c < C; c += kNormThreads) {
      float sum = 0;
#pragma unroll
      for (int other = 0; other < kTeams; ++other) sum += sums[other][c / 4][c % 4];
      partial[c] = sum;
    }
  }
  if (in.arrived && comes_last(in.arrived, blocks)) add_blocks(in, int(blocks));
}

// Rows that are no whole pieces, or too long for registers: a block walks along the row twice, the
// second time from the cache.
static __global__ void rmsnorm_any_kernel(float* out, float* rstd, const float* x, const float* w,
                                          int C, float eps) {
  wait_for_earlier_kernels();
  const std::size_t row = std::size_t(blockIdx.x) * std::size_t(C);
  float squares = 0;
  for (int c = int(threadIdx.x); c < C; c += int(blockDim.x)) {
    const float x_c = x[row + unsigned(c)];
    squares += x_c * x_c;
  }
  const float r = 1 / sqrtf(block_sum(squares) / float(C) + eps);
  for (int c = int(threadIdx.x); c < C; c += int(blockDim.x))
    out[row + unsigned(c)] = x[row + unsigned(c)] * r * w[c];
  if (threadIdx.x == 0) rstd[blockIdx.x] = r;
}

static __global__ void rmsnorm_backward_any_kernel(float* dx, const float* x, const float* w,
                                                   const float* rstd, const float* dout, int C,
                                                   bool accumulate) {
  wait_for_earlier_kernels();
  const std::size_t row = std::size_t(blockIdx.x) * std::size_t(C);
  float product = 0;
  for (int c = int(threadIdx.x); c < C; c += int(blockDim.x))
    product += dout[row + unsigned(c)] * w[c] * x[row + unsigned(c)];
  const float r = rstd[blockIdx.x], mean = block_sum(product) / float(C) * r * r * r;
  for (int c = int(threadIdx.x); c < C; c += int(blockDim.x)) {
    const std::size_t at = row + unsigned(c);
    add_to<1>(dx + at, {{r * (dout[at] * w[c]) - mean * x[at]}}, accumulate);
  }
}

/// dout[n,c] x[n,c] rstd[n], for add_columns.
struct NormWeightTerm {
  const float *x, *rstd, *dout;
  int C;
  __device__ float operator()(int n, int c) const {
    const std::size_t at = std::size_t(n) * std::size_t(C) + std::size_t(c);
    return dout[at] * x[at] * rstd[n];
  }
};

/// use.operator()<kTeam, kEach>() with the team for rows of C values; false: they are too long.
template <class Use>
bool with_team(int C, const Use& use) {
  if (C <= 32) return use.template operator()<8, 1>(), true;
  if (C <= 64) return use.template operator()<16, 1>(), true;
  if (C <= 128) return use.template operator()<32, 1>(), true;
  if (C <= 256) return use.template operator()<32, 2>(), true;
  if (C <= 512) return use.template operator()<32, 4>(), true;
  if (C <= 1024) return use.template operator()<32, 8>(), true;
  if (C <= 2048) return use.template operator()<kNormThreads, 2>(), true;
  if (C <= 4096) return use.template operator()<kNormThreads, 4>(), true;
  return false;
}

}  // namespace ramoe::cuda
