// Chapter 4.1 on the GPU - the two losses of the router
//
// All sums over rows have a fixed order: each thread adds its rows, then the threads' sums meet in
// the block, and those of the blocks in the one that comes last. The balance loss of several layers
// together is one launch, and so is its backward: each layer alone has little to do.
#include <algorithm>

#include "ch04_moe/router.h"
#include "cuda/support/comes_last.cuh"
#include "cuda/support/reduce.cuh"
#include "cuda/support/rows.cuh"
#include "cuda/support/scratch.h"

namespace ramoe {

using cuda::blocks_for;
using cuda::kAllLanes;
using cuda::launch;
using cuda::my_lane;
using cuda::my_row;
using cuda::row_at;
using cuda::warp_max;
using cuda::warp_per_row;
using cuda::warp_sum;

namespace {

__device__ double rows_of(const int* scored_rows, int layers) {
  return double(layers) * *scored_rows;
}

/// By a warp: loss = E sum_e f[e] total[e] / rows
__device__ void balance(float* loss, const float* f, const double* total, const int* scored_rows,
                        int layers, int E, int lane) {
  const double rows = rows_of(scored_rows, layers);
  double sum = 0;
  for (int e = lane; rows > 0 && e < E; e += 32) sum += E * double(f[e]) * total[e];
  sum = warp_sum(sum);
  if (lane == 0) loss[0] = rows > 0 ? float(sum / rows) : 0.0f;
}
__global__ void balance_kernel(float* loss, const float* f, const double* total,
                               const int* scored_rows, int layers, int E) {
  wait_for_earlier_kernels();
  balance(loss, f, total, scored_rows, layers, E, my_lane());
}

constexpr int kColumns = 8, kRowGroups = 32, kRoutingThreads = kColumns * kRowGroups;
constexpr int kRoutingWarps = kRoutingThreads / 32;
constexpr int kMostParts = 16;          // blocks that share the rows
constexpr std::size_t kPartRows = 128;  // of each at least

constexpr int kMostLayers = 64;  // of a launch

/// What some layers add to the sums; f, with it choices and loss, may be null. The sums of the
/// blocks meet in partial and counts (layers of the launch,parts,E).
struct RoutingSums {
  float* loss;
  float* f;
  double* total;
  int* choices;
  const unsigned char* scored;
  const int* scored_rows;
  int layers;  // of the loss
  bool accumulate;
  int N, E;
  double* partial;
  int* counts;
  unsigned* arrived;
  RoutedLayer<float> layer[kMostLayers];
};

/// total and choices are the sums of all `rows` of partial and counts, by the last block. With G
/// threads for a column each adds every G-th, then these sums are added in order.
__device__ void finish_routing(const RoutingSums& in, int rows, int thread) {
  __shared__ double sums[kRoutingThreads];
  __shared__ int counts[kRoutingThreads];
  const int E = in.E, width = min(E, kRoutingThreads), groups = kRoutingThreads / width;
  const int group = thread / width;
  for (int first = 0; first < E; first += width) {
    const int e = first + thread % width;
    const bool mine = group < groups && e < E;
    double sum = 0;
    int count = 0;
    if (mine) {
#pragma unroll 8
      for (int r = group; r < rows; r += groups) {
        sum += row_at(in.partial, r, E)[e];
        count += row_at(in.counts, r, E)[e];
      }
    }
    __syncthreads();  // the sums of the columns before have been read
    sums[thread] = sum;
    counts[thread] = count;
    __syncthreads();
    if (!mine || group > 0) continue;
    for (int g = 1; g < groups; ++g)
      sum += sums[g * width + thread], count += counts[g * width + thread];
    in.total[e] = in.accumulate ? in.total[e] + sum : sum;
    if (!in.f) continue;
    in.choices[e] = in.accumulate ? in.choices[e] + count : count;
    const double scored = rows_of(in.scored_rows, in.layers);
    in.f[e] = scored > 0 ? float(in.choices[e] / scored) : 0.0f;
  }
  if (!in.f) return;
  __syncthreads();  // all of f and total are there
  if (thread < 32) balance(in.loss, in.f, in.total, in.scored_rows, in.layers, E, thread);
}

/// A block has 8 columns of a layer, 32 bytes of every row, which is the least that is fetched at
/// once, and a stretch of rows; of its 32 groups of threads each adds up every 32nd row. A thread
/// compares each choice of its rows with its expert: that costs loads, but nobody waits for
/// another's addition.
__global__ void add_routing_kernel(RoutingSums in) {
  wait_for_earlier_kernels();
  __shared__ double sums[kRoutingWarps][kColumns];
  __shared__ int counts[kRoutingWarps][kColumns];
  const int column = int(threadIdx.x), group = int(threadIdx.y), warp = group * kColumns / 32;
  const int E = in.E, e = int(blockIdx.y) * kColumns + column;
  const RoutedLayer<float>& layer = in.layer[blockIdx.z];
  const float* const p = layer.p;
  const int *const all_chosen = layer.chosen, K = in.f ? layer.K : 0;
  const int part = int(blockIdx.x), parts = int(gridDim.x);
  const int rows = cuda::ceil_div(in.N, parts), end = min(in.N, (part + 1) * rows);
  double sum = 0;
  int count = 0;
  // What is not scored is read all the same: nobody waits for the flag.
  if (e < E) {
#pragma unroll 4
    for (int n = part * rows + group; n < end; n += kRowGroups) {
      const float p_ne = row_at(p, n, E)[e];
      sum += in.scored[n] ? double(p_ne) : 0;
    }
    for (int k = 0; k < K; ++k) {
#pragma unroll 4
      for (int n = part * rows + group; n < end; n += kRowGroups) {
        const int chosen = row_at(all_chosen, n, K)[k];
        count += in.scored[n] ? chosen == e : 0;
      }
    }
  }
  for (int bits = kColumns; bits < 32; bits *= 2) {  // the groups of a warp
    sum += __shfl_xor_sync(kAllLanes, sum, bits);
    count += __shfl_xor_sync(kAllLanes, count, bits);
  }
  if (group * kColumns % 32 == 0) sums[warp][column] = sum, counts[warp][column] = count;
  __syncthreads();
  if (group == 0 && e < E) {
    for (int w = 1; w < kRoutingWarps; ++w) sum += sums[w][column], count += counts[w][column];
    const int row = int(blockIdx.z) * parts + part;
    row_at(in.partial, row, E)[e] = sum;
    row_at(in.counts, row, E)[e] = count;
  }
  if (!cuda::comes_last(in.arrived, gridDim.x * gridDim.y * gridDim.z)) return;
  finish_routing(in, parts * int(gridDim.z), group * kColumns + column);
}

/// at += value, or = value
__device__ void put(float& at, float value, bool accumulate) {
  at = accumulate ? at + value : value;
}
/// A row to which nothing is added: 0, or what it was.
__device__ void fill_row(float* row, int E, bool accumulate) {
  for (int e = my_lane(); e < E && !accumulate; e += 32) row[e] = 0;
}

struct BalanceGradients {
  BalanceGradient<float> layer[kMostLayers];
};

/// P[e] = mean of p[n,e]:  dz[n,e] += dloss E / rows / layers p[n,e] (f[e] - sum_k p[n,k] f[k])
__global__ void balance_backward_kernel(BalanceGradients all, const float* f,
                                        const unsigned char* scored, const float* dloss,
                                        const int* scored_rows, int layers, int N, int E) {
  wait_for_earlier_kernels();
  const int n = my_row(), lane = my_lane();
  if (n >= N) return;
  const BalanceGradient<float>& mine = all.layer[blockIdx.y];
  float* const dz_n = row_at(mine.dz, n, E);
  const bool accumulate = mine.accumulate;
  if (!scored[n]) return fill_row(dz_n, E, accumulate);
  const float* p_n = row_at(mine.p, n, E);
  const float factor = float(double(*dloss) * (double(E) / *scored_rows / layers));
  float mean = 0;
  for (int e = lane; e < E; e += 32) mean += p_n[e] * f[e];
  mean = warp_sum(mean);
  for (int e = lane; e < E; e += 32) put(dz_n[e], factor * p_n[e] * (f[e] - mean), accumulate);
}

constexpr int kZWarps = 8, kZThreads = 32 * kZWarps;

/// lse of a row by each warp, and the mean of lse^2 over the scored rows: the sums of the blocks
/// are added in order by the last one.
__global__ void z_loss_kernel(float* loss, float* lse, double* partial, unsigned* arrived,
                              const float* z, const unsigned char* scored, const int* scored_rows,
                              int N, int E) {
  wait_for_earlier_kernels();
  const int lane = int(threadIdx.x % 32), n = int(blockIdx.x) * kZWarps + int(threadIdx.x / 32);
  double square = 0;
  if (n < N) {
    const float* z_n = row_at(z, n, E);
    float most = -INFINITY, total = 0;
    for (int e = lane; e < E; e += 32) most = max(most, z_n[e]);
    most = warp_max(most);
    for (int e = lane; e < E; e += 32) total += expf(z_n[e] - most);
    total = warp_sum(total);
    const float lse_n = most + logf(total);
    if (lane == 0) {
      lse[n] = lse_n;
      if (scored[n]) square = double(lse_n) * double(lse_n);
    }
  }
  const double of_block = cuda::block_sum(square);
  if (threadIdx.x == 0) partial[blockIdx.x] = of_block;
  if (!cuda::comes_last(arrived, gridDim.x)) return;
  double sum = 0;
  for (unsigned b = threadIdx.x; b < gridDim.x; b += kZThreads) sum += partial[b];
  sum = cuda::block_sum(sum);
  if (threadIdx.x == 0) loss[0] = *scored_rows > 0 ? float(sum / *scored_rows) : 0.0f;
}

/// d lse / dz = p:  dz[n,e] += dloss 2 lse[n] / rows p[n,e]
__global__ void z_loss_backward_kernel(float* dz, const float* lse, const float* p,
                                       const unsigned char* scored, const float* dloss,
                                       const int* scored_rows, int N, int E, bool accumulate) {
  wait_for_earlier_kernels();
  const int n = my_row();
  if (n >= N) return;
  if (!scored[n]) return fill_row(row_at(dz, n, E), E, accumulate);
  const float factor = *dloss * 2 * lse[n] / float(*scored_rows);
  for (int e = my_lane(); e < E; e += 32)
    put(row_at(dz, n, E)[e], factor * row_at(p, n, E)[e], accumulate);
}

/// Adds the layers to the sums, or begins with them.
void run_routing(GpuFloat* loss, GpuFloat* f, Gpu<double>* total, GpuInt* choices,
                 const RoutedLayer<GpuFloat>* layers, int L, const GpuByte* scored,
                 const GpuInt* scored_rows, bool accumulate, int N, int E) {
  using cuda::raw;
  const unsigned parts =
      std::clamp(blocks_for(std::size_t(N), kPartRows), 1u, unsigned(kMostParts));
  for (int first = 0; first < L; first += kMostLayers) {
    const int count = std::min(kMostLayers, L - first);
    const std::size_t sums = std::size_t(count) * parts * std::size_t(E);
    cuda::Scratch scratch;
    RoutingSums in = {raw(loss),
                      raw(f),
                      raw(total),
                      raw(choices),
                      raw(scored),
                      raw(scored_rows),
                      L,
                      accumulate || first > 0,
                      N,
                      E,
                      scratch.take<double>(sums),
                      scratch.take<int>(sums),
                      cuda::arrivals(),
                      {}};
    for (int l = 0; l < count; ++l) {
      const RoutedLayer<GpuFloat>& from = layers[first + l];
      in.layer[l] = {raw(from.p), raw(from.chosen), from.K};
    }
    launch<add_routing_kernel>(
        {{parts, blocks_for(std::size_t(E), kColumns), unsigned(count)}, {kColumns, kRowGroups}},
        in);
  }
}

}  // namespace

template <>
void sum_routing(GpuFloat* loss, GpuFloat* f, Gpu<double>* total, GpuInt* choices,
                 const RoutedLayer<GpuFloat>* layers, int L, const GpuByte* scored,
                 const GpuInt* scored_rows, int N, int E) {
  run_routing(loss, f, total, choices, layers, L, scored, scored_rows, false, N, E);
}

template <>
void add_probabilities(Gpu<double>* total, const GpuFloat* p, const GpuByte* scored, int N, int E) {
  const RoutedLayer<GpuFloat> layer = {p, nullptr, 0};
  run_routing(nullptr, nullptr, total, nullptr, &layer, 1, scored, nullptr, true, N, E);
}

template <>
void balance_forward(GpuFloat* loss, const GpuFloat* f, const Gpu<double>* total,
                     const GpuInt* scored_rows, int layers, int E) {
  launch<balance_kernel>({1, 32}, loss, f, total, scored_rows, layers, E);
}

template <>
void balances_backward(const BalanceGradient<GpuFloat>* all, int count, const GpuFloat* f,
                       const GpuByte* scored, const GpuFloat* dloss, const GpuInt* scored_rows,
                       int layers, int N, int E) {
  for (int first = 0; first < count; first += kMostLayers) {
    const int here = std::min(kMostLayers, count - first);
    BalanceGradients list = {};
    for (int l = 0; l < here; ++l) {
      const BalanceGradient<GpuFloat>& from = all[first + l];
      list.layer[l] = {cuda::raw(from.dz), cuda::raw(from.p), from.accumulate};
    }
    cuda::Grid grid = warp_per_row(N);
    grid.blocks.y = unsigned(here);
    launch<balance_backward_kernel>(grid, list, f, scored, dloss, scored_rows, layers, N, E);
  }
}

template <>
void balance_backward(GpuFloat* dz, const GpuFloat* p, const GpuFloat* f, const GpuByte* scored,
                      const GpuFloat* dloss, const GpuInt* scored_rows, int layers, int N, int E,
                      bool accumulate) {
  const BalanceGradient<GpuFloat> one = {dz, p, accumulate};
  balances_backward(&one, 1, f, scored, dloss, scored_rows, layers, N, E);
}

template <>
void z_loss_forward(GpuFloat* loss, GpuFloat* lse, const GpuFloat* z, const GpuByte* scored,
                    const GpuInt* scored_rows, int N, int E) {
  const unsigned blocks = std::max(1u, blocks_for(std::size_t(N), kZWarps));
  cuda::Scratch scratch;
  double* const partial = scratch.take<double>(blocks);
  launch<z_loss_kernel>({blocks, kZThreads}, loss, lse, partial, cuda::arrivals(), z, scored,
                        scored_rows, N, E);
}

template <>
void z_loss_backward(GpuFloat* dz, const GpuFloat* lse, const GpuFloat* p, const GpuByte* scored,
                     const GpuFloat* dloss, const GpuInt* scored_rows, int N, int E,
                     bool accumulate) {
  launch<z_loss_backward_kernel>(warp_per_row(N), dz, lse, p, scored, dloss, scored_rows, N, E,
                                 accumulate);
}

}  // namespace ramoe
