// Chapter 4.1 on the GPU - the router: top-K in registers, and its two losses
//
// A warp holds a row of p in its registers, each lane up to 16 of 512 experts. A choice is two
// instructions of all lanes: the largest value anywhere, and the lowest expert that has it. For
// that a float becomes an unsigned integer of the same order: the largest of 32 integers is found
// by one instruction (redux), of 32 floats by five exchanges.
//
// All sums over rows have a fixed order: each thread adds its rows, then the threads' sums meet.
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

// Keys: larger p, larger key. An expert that is taken has key 0, NaN has 1.
constexpr unsigned kTaken = 0, kNotANumber = 1;

__device__ unsigned key_of(float p) {
  if (p != p) return kNotANumber;
  const int bits = __float_as_int(p + 0.0f);  // -0 becomes 0, its equal
  return unsigned(bits) ^ (bits < 0 ? 0xffffffffu : 0x80000000u);
}

/// The definition takes the first expert that is left and goes on to larger ones. No number is
/// larger than NaN: NaN is chosen where it is the first that is left, and else after all numbers.
/// Lane l has experts l, l + 32, ...: `Each` of them. Where p is wanted, `from` are logits and p is
/// computed first; else `from` is p.
template <int Each>
__global__ void route_kernel(int* chosen, float* gate, float* p, const float* from,
                             bool renormalise, int N, int E, int K) {
  const int n = my_row(), lane = my_lane();
  if (n >= N) return;  // the whole warp
  const float* p_n = row_at(from, n, E);
  if (p) {
    cuda::softmax_row(row_at(p, n, E), p_n, E, lane);
    __syncwarp();  // all of the row is there
    p_n = row_at(p, n, E);
  }
  unsigned key[Each];
  bool odd = false;
#pragma unroll
  for (int i = 0; i < Each; ++i) {
    const int e = lane + 32 * i;
    key[i] = e < E ? key_of(p_n[e]) : kTaken;
    odd = odd || key[i] == kNotANumber;
  }
  odd = __any_sync(kAllLanes, odd);
  float total = 0;
  for (int k = 0; k < K; ++k) {
    unsigned top = kTaken;
    int mine = 0, first = 0;  // E - e of the best and of the first that is left; 0: none
    bool first_odd = false;
#pragma unroll
    for (int i = 0; i < Each; ++i) {
      if (key[i] > top) top = key[i], mine = E - lane - 32 * i;
      if (first == 0 && key[i] != kTaken)
        first = E - lane - 32 * i, first_odd = key[i] == kNotANumber;
    }
    const unsigned most = __reduce_max_sync(kAllLanes, top);
    int best = E - __reduce_max_sync(kAllLanes, top == most ? mine : 0);
    if (odd) {
      const int lowest = __reduce_max_sync(kAllLanes, first);
      if (__any_sync(kAllLanes, first_odd && first == lowest)) best = E - lowest;
    }
#pragma unroll
    for (int i = 0; i < Each; ++i)
      if (lane + 32 * i == best) key[i] = kTaken;
    const float p_best = p_n[best];  // of all lanes the same address: one access
    total += p_best;
    if (lane == 0) row_at(chosen, n, K)[k] = best, row_at(gate, n, K)[k] = p_best;
  }
  if (!renormalise) return;
  __syncwarp();  // lane 0's gates are there for all
  for (int k = lane; k < K; k += 32) row_at(gate, n, K)[k] /= total;
}

/// gate[k] = p[chosen[k]]:  dz[e] += p[e] (dp[e] - mean),  mean = sum_k gate[k] dgate[k],
/// dp[chosen[k]] = dgate[k] and 0 elsewhere. Renormalised, gates stand for p, 0 off the chosen.
__global__ void route_backward_kernel(float* dz, const float* p, const int* chosen,
                                      const float* gate, const float* dgate, bool renormalise,
                                      int N, int E, int K) {
  const int n = my_row(), lane = my_lane();
  if (n >= N) return;
  const float *gate_n = row_at(gate, n, K), *dgate_n = row_at(dgate, n, K);
  float* dz_n = row_at(dz, n, E);
  float mean = 0;
  for (int k = lane; k < K; k += 32) mean += gate_n[k] * dgate_n[k];
  mean = warp_sum(mean);
  if (!renormalise)
    for (int e = lane; e < E; e += 32) dz_n[e] -= row_at(p, n, E)[e] * mean;
  else if (!isfinite(mean))
    for (int e = lane; e < E; e += 32) dz_n[e] -= 0 * mean;  // NaN reaches the whole row
  __syncwarp();  // another lane may have written dz of a chosen expert
  for (int k = lane; k < K; k += 32)
    dz_n[row_at(chosen, n, K)[k]] += gate_n[k] * (dgate_n[k] - (renormalise ? mean : 0));
}

/// Counts in shared memory first. Integers: in any order the same sum.
__global__ void add_choices_kernel(int* choices, const int* chosen, const unsigned char* scored,
                                   std::size_t count, int E, int K) {
  DYNAMIC_SHARED(int, mine);
  for (int e = int(threadIdx.x); e < E; e += int(blockDim.x)) mine[e] = 0;
  __syncthreads();
  const std::size_t step = std::size_t(gridDim.x) * blockDim.x;
  for (std::size_t i = cuda::my_number(); i < count; i += step)
    if (scored[i / std::size_t(K)]) atomicAdd(&mine[chosen[i]], 1);
  __syncthreads();
  for (int e = int(threadIdx.x); e < E; e += int(blockDim.x))
    if (mine[e] > 0) atomicAdd(&choices[e], mine[e]);
}

__global__ void choice_shares_kernel(float* f, const int* choices, double rows, int E) {
  const int e = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (e < E) f[e] = rows > 0 ? float(choices[e] / rows) : 0.0f;
}

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
  balance(loss, f, total, scored_rows, layers, E, my_lane());
}

constexpr int kColumns = 8, kRowGroups = 32, kRoutingThreads = kColumns * kRowGroups;
constexpr int kRoutingWarps = kRoutingThreads / 32;
constexpr int kMostParts = 16;          // blocks that share the rows
constexpr std::size_t kPartRows = 128;  // of each at least

/// What a layer adds to its sums; f, with it choices, and loss may be null. The sums of the blocks
/// meet in partial and counts (parts,E).
struct RoutingSums {
  float* loss;
  float* f;
  double* total;
  int* choices;
  const float* p;
  const int* chosen;
  const unsigned char* scored;
  const int* scored_rows;
  int layers;
  bool accumulate;
  int N, E, K;
  double* partial;
  int* counts;
  unsigned* arrived;
};

/// total and choices are the sums over all blocks, in order; by the last block.
__device__ void finish_routing(const RoutingSums& in, int parts, int thread) {
  const int E = in.E;
  for (int e = thread; e < E; e += kRoutingThreads) {
    double sum = 0;
    int count = 0;
#pragma unroll
    for (int part = 0; part < kMostParts; ++part)
      if (part < parts) {
        sum += row_at(in.partial, part, E)[e];
        count += row_at(in.counts, part, E)[e];
      }
    in.total[e] = in.accumulate ? in.total[e] + sum : sum;
    if (!in.f) continue;
    in.choices[e] = in.accumulate ? in.choices[e] + count : count;
    const double rows = rows_of(in.scored_rows, in.layers);
    in.f[e] = rows > 0 ? float(in.choices[e] / rows) : 0.0f;
  }
  if (!in.loss) return;
  __syncthreads();  // all of f and total are there
  if (thread < 32) balance(in.loss, in.f, in.total, in.scored_rows, in.layers, E, thread);
}

/// A block has 8 columns, 32 bytes of every row, which is the least that is fetched at once, and a
/// stretch of rows; of its 32 groups of threads each adds up every 32nd row. A thread compares each
/// choice of its rows with its expert: that costs loads, but nobody waits for another's addition.
__global__ void add_routing_kernel(RoutingSums in) {
  __shared__ double sums[kRoutingWarps][kColumns];
  __shared__ int counts[kRoutingWarps][kColumns];
  const int column = int(threadIdx.x), group = int(threadIdx.y), warp = group * kColumns / 32;
  const int E = in.E, e = int(blockIdx.y) * kColumns + column, K = in.f ? in.K : 0;
  const int part = int(blockIdx.x), parts = int(gridDim.x);
  const int rows = cuda::ceil_div(in.N, parts), end = min(in.N, (part + 1) * rows);
  double sum = 0;
  int count = 0;
  // What is not scored is read all the same: nobody waits for the flag.
  if (e < E) {
#pragma unroll 4
    for (int n = part * rows + group; n < end; n += kRowGroups) {
      const float p_ne = row_at(in.p, n, E)[e];
      sum += in.scored[n] ? double(p_ne) : 0;
    }
    for (int k = 0; k < K; ++k) {
#pragma unroll 4
      for (int n = part * rows + group; n < end; n += kRowGroups) {
        const int chosen = row_at(in.chosen, n, K)[k];
        count += in.scored[n] ? chosen == e : 0;
      }
    }
  }
  for (int bits = kColumns; bits < 32; bits *= 2) {  // the groups of a warp
    sum += __shfl_xor_sync(kAllLanes, sum, bits);
    count += __shfl_xor_sync(kAllLanes, count, bits);
  }
  sums[warp][column] = sum;
  counts[warp][column] = count;
  __syncthreads();
  if (group == 0 && e < E) {
    for (int w = 1; w < kRoutingWarps; ++w) sum += sums[w][column], count += counts[w][column];
    row_at(in.partial, part, E)[e] = sum;
    row_at(in.counts, part, E)[e] = count;
  }
  if (!cuda::comes_last(in.arrived, gridDim.x * gridDim.y)) return;
  finish_routing(in, parts, group * kColumns + column);
}

/// at += value, or = value
__device__ void put(float& at, float value, bool accumulate) {
  at = accumulate ? at + value : value;
}
/// A row to which nothing is added: 0, or what it was.
__device__ void fill_row(float* row, int E, bool accumulate) {
  for (int e = my_lane(); e < E && !accumulate; e += 32) row[e] = 0;
}

/// P[e] = mean of p[n,e]:  dz[n,e] += dloss E / rows / layers p[n,e] (f[e] - sum_k p[n,k] f[k])
__global__ void balance_backward_kernel(float* dz, const float* p, const float* f,
                                        const unsigned char* scored, const float* dloss,
                                        const int* scored_rows, int layers, int N, int E,
                                        bool accumulate) {
  const int n = my_row(), lane = my_lane();
  if (n >= N) return;
  if (!scored[n]) return fill_row(row_at(dz, n, E), E, accumulate);
  const float* p_n = row_at(p, n, E);
  const float factor = float(double(*dloss) * (double(E) / *scored_rows / layers));
  float mean = 0;
  for (int e = lane; e < E; e += 32) mean += p_n[e] * f[e];
  mean = warp_sum(mean);
  for (int e = lane; e < E; e += 32)
    put(row_at(dz, n, E)[e], factor * p_n[e] * (f[e] - mean), accumulate);
}

constexpr int kZWarps = 8, kZThreads = 32 * kZWarps;

/// lse of a row by each warp, and the mean of lse^2 over the scored rows: the sums of the blocks
/// are added in order by the last one.
__global__ void z_loss_kernel(float* loss, float* lse, double* partial, unsigned* arrived,
                              const float* z, const unsigned char* scored, const int* scored_rows,
                              int N, int E) {
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
  const int n = my_row();
  if (n >= N) return;
  if (!scored[n]) return fill_row(row_at(dz, n, E), E, accumulate);
  const float factor = *dloss * 2 * lse[n] / float(*scored_rows);
  for (int e = my_lane(); e < E; e += 32)
    put(row_at(dz, n, E)[e], factor * row_at(p, n, E)[e], accumulate);
}

}  // namespace

namespace {
void run_route(GpuInt* chosen, GpuFloat* gate, GpuFloat* p, const GpuFloat* from, bool renormalise,
               int N, int E, int K) {
  const auto grid = warp_per_row(N);
  if (E <= 32) return launch<route_kernel<1>>(grid, chosen, gate, p, from, renormalise, N, E, K);
  if (E <= 64) return launch<route_kernel<2>>(grid, chosen, gate, p, from, renormalise, N, E, K);
  if (E <= 128) return launch<route_kernel<4>>(grid, chosen, gate, p, from, renormalise, N, E, K);
  check(E <= 512, "the router on a GPU has room for 512 experts, not for ", E, ".");
  launch<route_kernel<16>>(grid, chosen, gate, p, from, renormalise, N, E, K);
}
}  // namespace

template <>
void route_forward(GpuInt* chosen, GpuFloat* gate, const GpuFloat* p, bool renormalise, int N,
                   int E, int K) {
  run_route(chosen, gate, nullptr, p, renormalise, N, E, K);
}

template <>
void softmax_route_forward(GpuFloat* p, GpuInt* chosen, GpuFloat* gate, const GpuFloat* z,
                           bool renormalise, int N, int E, int K) {
  run_route(chosen, gate, p, z, renormalise, N, E, K);
}

template <>
void route_backward(GpuFloat* dz, const GpuFloat* p, const GpuInt* chosen, const GpuFloat* gate,
                    const GpuFloat* dgate, bool renormalise, int N, int E, int K) {
  launch<route_backward_kernel>(warp_per_row(N), dz, p, chosen, gate, dgate, renormalise, N, E, K);
}

// E is not an argument of add_choices: there is room for as many experts as a router may have.
constexpr int kMostExperts = 512;

template <>
void add_choices<GpuFloat>(GpuInt* choices, const GpuInt* chosen, const GpuByte* scored, int N,
                           int K) {
  const std::size_t count = std::size_t(N) * std::size_t(K);
  launch<add_choices_kernel>(
      {std::min(blocks_for(count, 1024), 256u), 256, kMostExperts * sizeof(int)}, choices, chosen,
      scored, count, kMostExperts, K);
}

template <>
void choice_shares(GpuFloat* f, const GpuInt* choices, double rows, int E) {
  launch<choice_shares_kernel>({blocks_for(std::size_t(E), 128), 128}, f, choices, rows, E);
}

template <>
void add_routing(GpuFloat* loss, GpuFloat* f, Gpu<double>* total, GpuInt* choices,
                 const GpuFloat* p, const GpuInt* chosen, const GpuByte* scored,
                 const GpuInt* scored_rows, int layers, bool accumulate, int N, int E, int K) {
  using cuda::raw;
  const unsigned parts =
      std::clamp(blocks_for(std::size_t(N), kPartRows), 1u, unsigned(kMostParts));
  cuda::Scratch scratch;
  double* const partial = scratch.take<double>(parts * std::size_t(E));
  int* const counts = scratch.take<int>(parts * std::size_t(E));
  const RoutingSums in = {raw(loss), raw(f),      raw(total),  raw(choices),
                          raw(p),    raw(chosen), raw(scored), raw(scored_rows),
                          layers,    accumulate,  N,           E,
                          K,         partial,     counts,      cuda::arrivals()};
  launch<add_routing_kernel>(
      {{parts, blocks_for(std::size_t(E), kColumns)}, {kColumns, kRowGroups}}, in);
}

template <>
void add_probabilities(Gpu<double>* total, const GpuFloat* p, const GpuByte* scored, int N, int E) {
  add_routing<GpuFloat>(nullptr, nullptr, total, nullptr, p, nullptr, scored, nullptr, 1, true, N,
                        E, 0);
}

template <>
void balance_forward(GpuFloat* loss, const GpuFloat* f, const Gpu<double>* total,
                     const GpuInt* scored_rows, int layers, int E) {
  launch<balance_kernel>({1, 32}, loss, f, total, scored_rows, layers, E);
}

template <>
void balance_backward(GpuFloat* dz, const GpuFloat* p, const GpuFloat* f, const GpuByte* scored,
                      const GpuFloat* dloss, const GpuInt* scored_rows, int layers, int N, int E,
                      bool accumulate) {
  launch<balance_backward_kernel>(warp_per_row(N), dz, p, f, scored, dloss, scored_rows, layers, N,
                                  E, accumulate);
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
