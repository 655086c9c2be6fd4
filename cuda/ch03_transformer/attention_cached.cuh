// Chapter 3.3 on the GPU - one new query over the cache: attention that only reads
//
// For each value of a key there is one multiplication, so the time is that of reading the cache. A
// block takes a query head. Its teams, each with as many lanes as a row of the head has pieces,
// share the keys: team i takes keys i, i + teams, ..., with four loads under way, and keeps the
// largest score so far with its sums. At the end the block puts the teams' sums together.
#pragma once

#include <cfloat>

#include "ch03_transformer/attention.h"
#include "cuda/support/pieces.cuh"

namespace ramoe::cuda {

constexpr int kCachedThreads = 256;

/// A team of L lanes; each has pieces of W values at (i L + lane) W of the head, i < kEach.
template <int W, int L, int kEach>
__global__ void __launch_bounds__(kCachedThreads)
    attention_cached_kernel(float* out, const float* q, const float* k, const float* v,
                            const int* length, int capacity, AttentionDims d) {
  wait_for_earlier_kernels();
  constexpr int kTeams = kCachedThreads / L, kAhead = 4;
  const int b = int(blockIdx.x) / d.NH, head = int(blockIdx.x) % d.NH, n = length[b];
  const int team = int(threadIdx.x) / L, lane = int(threadIdx.x) % L;
  const std::size_t ld = unsigned(d.NKV * d.HS);
  const std::size_t cache = std::size_t(b) * unsigned(capacity) * ld +
                            unsigned(head / (d.NH / d.NKV) * d.HS);
  const std::size_t query = std::size_t(blockIdx.x) * unsigned(d.HS);
  const float scale = 1 / sqrtf(float(d.HS));
  Piece<W> q_i[kEach] = {}, sums[kEach] = {};
#pragma unroll
  for (int i = 0; i < kEach; ++i)
    if (const int c = (i * L + lane) * W; c < d.HS) q_i[i] = load<W>(q + query + c);
  float top = -FLT_MAX, sum = 0;
  for (int first = 0; first < n; first += kTeams * kAhead) {
    float s[kAhead], larger = top;
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      const int j = first + a * kTeams + team;
      s[a] = 0;
#pragma unroll
      for (int i = 0; i < kEach; ++i)
        if (const int c = (i * L + lane) * W; j < n && c < d.HS) {
          const Piece<W> k_j = load<W>(k + cache + unsigned(j) * ld + c);
#pragma unroll
          for (int w = 0; w < W; ++w) s[a] += q_i[i][w] * k_j[w];
        }
    }
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      s[a] = scale * team_sum<L>(s[a]);
      if (first + a * kTeams + team < n) larger = max(larger, s[a]);
    }
    const float shrink = expf(top - larger);
    top = larger;
    sum *= shrink;
#pragma unroll
    for (int i = 0; i < kEach; ++i)
#pragma unroll
      for (int w = 0; w < W; ++w) sums[i][w] *= shrink;
#pragma unroll
    for (int a = 0; a < kAhead; ++a) {
      const int j = first + a * kTeams + team;
      if (j >= n) continue;
      const float p = expf(s[a] - top);
      sum += p;
#pragma unroll
      for (int i = 0; i < kEach; ++i)
        if (const int c = (i * L + lane) * W; c < d.HS) {
          const Piece<W> v_j = load<W>(v + cache + unsigned(j) * ld + c);
#pragma unroll
          for (int w = 0; w < W; ++w) sums[i][w] += p * v_j[w];
        }
    }
  }
  // The teams' sums, all on the scale of the largest score.
  __shared__ float sums_of[kTeams][L * W * kEach], sum_of[kTeams];
  const float factor = expf(top - block_max(top));
  if (lane == 0) sum_of[team] = sum * factor;
#pragma unroll
  for (int i = 0; i < kEach; ++i)
#pragma unroll
    for (int w = 0; w < W; ++w) sums_of[team][(i * L + lane) * W + w] = sums[i][w] * factor;
  __syncthreads();
  for (int c = int(threadIdx.x); c < d.HS; c += kCachedThreads) {
    float total = 0, value = 0;
    for (int other = 0; other < kTeams; ++other) {
      total += sum_of[other];
      value += sums_of[other][c];
    }
    out[query + unsigned(c)] = n > 0 ? value / total : 0;
  }
}

inline void attention_cached(GpuFloat* out, const GpuFloat* q, const GpuFloat* k, const GpuFloat* v,
                             const GpuInt* length, int capacity, const AttentionDims& d) {
  const auto of_teams = [&]<int W, int L, int kEach>() {
    launch<attention_cached_kernel<W, L, kEach>>(
        {blocks_for(std::size_t(d.B) * std::size_t(d.NH), 1), kCachedThreads}, out, q, k, v, length,
        capacity, d);
  };
  if (!in_pieces(d.HS, q, k, v)) return of_teams.template operator()<1, 32, 8>();
  if (d.HS <= 32) return of_teams.template operator()<4, 8, 1>();
  if (d.HS <= 64) return of_teams.template operator()<4, 16, 1>();
  if (d.HS <= 128) return of_teams.template operator()<4, 32, 1>();
  of_teams.template operator()<4, 32, 2>();
}

}  // namespace ramoe::cuda
