// Chapter 4.1 on the GPU - the router: top-K in registers. Its losses: router_losses.cu
//
// A warp holds a row of p in its registers, each lane up to 16 of 512 experts. A choice is two
// instructions of all lanes: the largest value anywhere, and the lowest expert that has it. For
// that a float becomes an unsigned integer of the same order: the largest of 32 integers is found
// by one instruction (redux), of 32 floats by five exchanges.
#include "ch04_moe/router.h"

#include <algorithm>

#include "cuda/support/reduce.cuh"
#include "cuda/support/rows.cuh"

namespace ramoe {

using cuda::blocks_for;
using cuda::kAllLanes;
using cuda::launch;
using cuda::my_lane;
using cuda::my_row;
using cuda::row_at;
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
  wait_for_earlier_kernels();
  const int n = my_row(), lane = my_lane();
  if (n >= N) return;  // the whole warp
  float p_n[Each];
  unsigned key[Each];
  if (p) cuda::softmax_row(p_n, row_at(from, n, E), E, lane);
  bool odd = false;
#pragma unroll
  for (int i = 0; i < Each; ++i) {
    const int e = lane + 32 * i;
    if (p && e < E) row_at(p, n, E)[e] = p_n[i];
    if (!p) p_n[i] = e < E ? row_at(from, n, E)[e] : 0;
    key[i] = e < E ? key_of(p_n[i]) : kTaken;
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
    float p_best = 0;
#pragma unroll
    for (int i = 0; i < Each; ++i)
      if (lane + 32 * i == best) key[i] = kTaken, p_best = p_n[i];
    p_best = __shfl_sync(kAllLanes, p_best, best % 32);
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
  wait_for_earlier_kernels();
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
  wait_for_earlier_kernels();
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
  wait_for_earlier_kernels();
  const int e = int(blockIdx.x * blockDim.x + threadIdx.x);
  if (e < E) f[e] = rows > 0 ? float(choices[e] / rows) : 0.0f;
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

}  // namespace ramoe
