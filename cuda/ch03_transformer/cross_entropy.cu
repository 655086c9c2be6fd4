// Chapter 3.2 on the GPU - cross-entropy: one read of the logits for the loss, one for the gradient
//
// The logits are the largest array of a step, V up to 150,000 for each token. log sum exp wants the
// maximum first and then the sum, which is two reads; here a thread keeps both as it goes: it sums
// exp(z - top) for the largest z so far, and scales the sum when a larger one comes. A team of
// threads takes a row: a warp if the row is short, a block if it is long.
#include <algorithm>
#include <cfloat>
#include <cstddef>

#include "ch03_transformer/layer_ops.h"
#include "cuda/support/comes_last.cuh"
#include "cuda/support/pieces.cuh"
#include "cuda/support/scratch.h"

namespace ramoe {

using cuda::blocks_for;
using cuda::launch;
using cuda::load;
using cuda::Piece;

namespace {

constexpr int kThreads = 256;
constexpr int kEach = 4;  // pieces that a thread of backward takes

/// A warp per row up to here; then the 256 threads of a block have 8 pieces each.
constexpr int kShortRow = 2048;

template <int kTeam>
__device__ float team_max(float value) {
  if constexpr (kTeam > 32)
    return cuda::block_max(value);
  else
    return cuda::warp_max(value);
}

/// By a team, in its thread 0: loss[n] = lse[n] - z[n,target[n]]
template <int kTeam, int W>
__device__ void loss_of_row(float* loss, float* lse, const float* z, int scored, int n, int V) {
  const int t = int(threadIdx.x) % kTeam;
  if (scored == kIgnore) {
    if (t == 0) loss[n] = lse[n] = 0;
    return;
  }
  const float* const z_n = z + std::size_t(n) * std::size_t(V);
  float top = -FLT_MAX, sum = 0;  // not -infinity: exp(-infinity - top) is 0, not NaN
#pragma unroll 4
  for (int v = t * W; v < V; v += kTeam * W) {
    const Piece<W> piece = load<W>(z_n + v);
    float larger = top;
#pragma unroll
    for (int i = 0; i < W; ++i) larger = max(larger, piece[i]);
    sum *= expf(top - larger);
#pragma unroll
    for (int i = 0; i < W; ++i) sum += expf(piece[i] - larger);
    top = larger;
  }
  const float largest = team_max<kTeam>(top);
  sum = cuda::team_sum<kTeam>(sum * expf(top - largest));
  if (t > 0) return;
  lse[n] = largest + logf(sum);
  loss[n] = logf(sum) + (largest - z_n[scored]);
}

/// The last block adds up the losses of all rows, in double, for their mean.
template <int kTeam, int W>
__global__ void __launch_bounds__(kThreads)
    loss_rows_kernel(float* loss, float* of_row, unsigned* arrived, float* lse, const float* z,
                     const int* target, const int* scored, int N, int V) {
  wait_for_earlier_kernels();
  const int row = int(blockIdx.x) * (kThreads / kTeam) + int(threadIdx.x) / kTeam;
  if (row < N) loss_of_row<kTeam, W>(of_row, lse, z, target[row], row, V);
  if (!cuda::comes_last(arrived, gridDim.x)) return;
  double sum = 0;
  for (int n = int(threadIdx.x); n < N; n += int(blockDim.x)) sum += double(of_row[n]);
  sum = cuda::block_sum(sum);
  if (threadIdx.x == 0) loss[0] = *scored > 0 ? float(sum / *scored) : 0;
}

/// A team takes kEach pieces for each of its threads, in one row.
template <int kTeam, int W>
__global__ void __launch_bounds__(kThreads)
    loss_rows_backward_kernel(float* dz, const float* z, const float* lse, const int* target,
                              const float* dloss, const int* scored, int N, int V, int teams_of_row,
                              bool accumulate) {
  wait_for_earlier_kernels();
  const std::size_t team =
      std::size_t(blockIdx.x) * (kThreads / kTeam) + threadIdx.x / unsigned(kTeam);
  const int n = int(team / unsigned(teams_of_row)), part = int(team % unsigned(teams_of_row));
  if (n >= N) return;
  const int hit = target[n];
  if (hit == kIgnore && accumulate) return;
  const float scale = dloss[0] / float(*scored), lse_n = lse[n];
  const std::size_t row = std::size_t(n) * std::size_t(V);
#pragma unroll
  for (int i = 0; i < kEach; ++i) {
    const int v = ((part * kEach + i) * kTeam + int(threadIdx.x) % kTeam) * W;
    if (v >= V) continue;
    Piece<W> piece = {};
    if (hit != kIgnore) {
      piece = load<W>(z + row + v);
#pragma unroll
      for (int j = 0; j < W; ++j)
        piece[j] = scale * (expf(piece[j] - lse_n) - (v + j == hit ? 1.f : 0.f));
    }
    cuda::add_to(dz + row + v, piece, accumulate);
  }
}

template <class Use>
void with_team(bool pieces, int V, const Use& use) {
  cuda::with_width(pieces, [&]<int W>() {
    if (V <= kShortRow)
      use.template operator()<32, W>();
    else
      use.template operator()<kThreads, W>();
  });
}

}  // namespace

template <>
void cross_entropy_forward(GpuFloat* loss, GpuFloat* lse, const GpuFloat* z, const GpuInt* target,
                           const GpuInt* scored, int N, int V) {
  cuda::Scratch scratch;
  float* const of_row = scratch.take<float>(std::size_t(N));
  with_team(cuda::in_pieces(V, z), V, [&]<int kTeam, int W>() {
    const unsigned blocks = std::max(1u, blocks_for(std::size_t(N), kThreads / kTeam));
    launch<loss_rows_kernel<kTeam, W>>({blocks, kThreads}, loss, of_row, cuda::arrivals(), lse, z,
                                       target, scored, N, V);
  });
}

template <>
void cross_entropy_backward(GpuFloat* dz, const GpuFloat* z, const GpuFloat* lse,
                            const GpuInt* target, const GpuFloat* dloss, const GpuInt* scored,
                            int N, int V, bool accumulate) {
  if (!dz) return;
  with_team(cuda::in_pieces(V, dz, z), V, [&]<int kTeam, int W>() {
    const int teams_of_row = cuda::ceil_div(V, kTeam * kEach * W);
    const std::size_t teams = std::size_t(N) * std::size_t(teams_of_row);
    launch<loss_rows_backward_kernel<kTeam, W>>({blocks_for(teams, kThreads / kTeam), kThreads}, dz,
                                                z, lse, target, dloss, scored, N, V, teams_of_row,
                                                accumulate);
  });
}

}  // namespace ramoe
