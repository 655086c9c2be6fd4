// Chapter 3.3 on the GPU - attention without its matrix of scores
//
// Scores and probabilities of a tile of queries and a tile of keys live in registers and shared
// memory and never reach the GPU's memory (Dao et al., arXiv 2205.14135). The softmax of a row is
// built up over tiles of keys as in cross-entropy: the largest score so far, and sums that are
// scaled when a larger one comes. Of p only log sum exp of each row is kept, in the first T of the
// T*T values of a head: backward computes p again from q and k, which costs less than to write and
// read it.
//
//   T <= 64   forward and backward are one block for each head, in which everything is on chip
//   longer    forward and dq: a block for each tile of queries; dk, dv: one for each tile of keys
//
// dk and dv are sums over queries and over the query heads of a group: one block makes each of
// them, in order, so there are no atomics.
#include "ch03_transformer/attention.h"

#include <cfloat>
#include <cmath>
#include <cstddef>

#include "cuda/ch03_transformer/attention_cached.cuh"
#include "cuda/ch03_transformer/attention_tile.cuh"
#include "cuda/support/scratch.h"

namespace ramoe {

using cuda::AttentionTile;
using cuda::HeadPlace;
using cuda::kTileThreads;
using cuda::launch;
using cuda::row_fold;

namespace {

template <class Tile>
__global__ void __launch_bounds__(kTileThreads)
    attention_kernel(float* out, float* lse, const float* q, const float* k, const float* v,
                     const int* length, AttentionDims d, int tiles, bool pieces) {
  wait_for_earlier_kernels();
  constexpr int R = Tile::R, E = Tile::E;
  DYNAMIC_SHARED(float, q_tile);
  float *const kv_tile = q_tile + Tile::floats, *const p_tile = kv_tile + Tile::floats;
  const HeadPlace at(length, d.T, d.NH, tiles, true, Tile::rows);
  const int kv = at.head / (d.NH / d.NKV), last = at.last;
  const std::size_t query_ld = unsigned(d.NH * d.HS), key_ld = unsigned(d.NKV * d.HS);
  const float scale = 1 / sqrtf(float(d.HS));
  float out_a[R][E] = {}, top[R], sum[R] = {};
#pragma unroll
  for (int a = 0; a < R; ++a) top[a] = -FLT_MAX;

  Tile::fetch(q_tile, q + at.at(at.first, at.head, d.NH, d.HS), last - at.first, query_ld, d.HS,
              pieces);
  for (int first = 0; first < last; first += Tile::rows) {
    const std::size_t key = at.at(first, kv, d.NKV, d.HS);
    Tile::fetch(kv_tile, k + key, last - first, key_ld, d.HS, pieces);
    __syncthreads();
    float s[R][R];
    Tile::scores(s, q_tile, kv_tile);
    __syncthreads();  // k is read: its place is for v
    Tile::fetch(kv_tile, v + key, last - first, key_ld, d.HS, pieces);
#pragma unroll
    for (int a = 0; a < R; ++a) {
      const int t = at.first + Tile::row(a);
      float larger = -FLT_MAX;
#pragma unroll
      for (int b = 0; b < R; ++b) {
        s[a][b] *= scale;
        if (first + Tile::key(b) <= t && t < last) larger = max(larger, s[a][b]);
      }
      larger = max(top[a], row_fold<cuda::Max>(larger));
      const float shrink = expf(top[a] - larger);
      top[a] = larger;
      sum[a] *= shrink;
#pragma unroll
      for (int e = 0; e < E; ++e) out_a[a][e] *= shrink;
#pragma unroll
      for (int b = 0; b < R; ++b) {
        const bool seen = first + Tile::key(b) <= t && t < last;
        s[a][b] = seen ? expf(s[a][b] - larger) : 0;
        sum[a] += s[a][b];
      }
    }
    Tile::keep(p_tile, s);
    __syncthreads();
    Tile::add_product(out_a, p_tile, kv_tile);
    __syncthreads();
  }
#pragma unroll
  for (int a = 0; a < R; ++a) {
    sum[a] = row_fold<cuda::Sum>(sum[a]);
#pragma unroll
    for (int e = 0; e < E; ++e) out_a[a][e] /= sum[a];
    const int t = at.first + Tile::row(a);
    if (t < last && cuda::tile_x() == 0)
      lse[(std::size_t(at.b) * unsigned(d.NH) + unsigned(at.head)) * unsigned(d.T) * unsigned(d.T) +
          unsigned(t)] = top[a] + logf(sum[a]);
  }
  Tile::write(out + at.at(at.first, at.head, d.NH, d.HS), out_a, last - at.first, d.T - at.first,
              query_ld, d.HS, pieces, false);
}

/// What backward reads; one argument for its kernels.
struct BackwardInput {
  const float *lse, *q, *k, *v, *dout;
  const int* length;
  AttentionDims d;
  bool pieces, accumulate;
};

/// p and dp of a tile, for queries from `first_t` and keys from `first_j`; 0 where nothing is seen.
template <class Tile, int R = Tile::R>
__device__ void backward_scores(float (&p)[R][R], float (&dp)[R][R], const float* q_tile,
                                const float* k_tile, const float* dout_tile, const float* v_tile,
                                const float* lse, int first_t, int first_j, int length,
                                float scale) {
  Tile::scores(p, q_tile, k_tile);
  Tile::scores(dp, dout_tile, v_tile);
#pragma unroll
  for (int a = 0; a < R; ++a) {
    const int t = first_t + Tile::row(a);
    const float lse_t = t < length ? lse[t] : 0;
#pragma unroll
    for (int b = 0; b < R; ++b) {
      const bool seen = first_j + Tile::key(b) <= t && t < length;
      p[a][b] = seen ? expf(p[a][b] * scale - lse_t) : 0;
      dp[a][b] = seen ? dp[a][b] : 0;
    }
  }
}

/// mean[a] += sum_j p[t,j] dp[t,j] over the keys of the tile
template <int R>
__device__ void add_means(float (&mean)[R], const float (&p)[R][R], const float (&dp)[R][R]) {
#pragma unroll
  for (int a = 0; a < R; ++a) {
    float sum = 0;
#pragma unroll
    for (int b = 0; b < R; ++b) sum += p[a][b] * dp[a][b];
    mean[a] += row_fold<cuda::Sum>(sum);
  }
}

/// dp becomes ds = scale p (dp - mean)
template <int R>
__device__ void softmax_gradient(float (&dp)[R][R], const float (&p)[R][R], const float (&mean)[R],
                                 float scale) {
#pragma unroll
  for (int a = 0; a < R; ++a)
#pragma unroll
    for (int b = 0; b < R; ++b) dp[a][b] = scale * p[a][b] * (dp[a][b] - mean[a]);
}

/// For T of more than one tile: mean[b,head,t] = sum_j p dp, in a first walk over the keys; and dq
/// in a second, unless it is null.
template <class Tile>
__global__ void __launch_bounds__(kTileThreads)
    attention_backward_query_kernel(float* dq, float* means, BackwardInput in, int tiles) {
  wait_for_earlier_kernels();
  constexpr int R = Tile::R, E = Tile::E;
  DYNAMIC_SHARED(float, q_tile);
  float *const dout_tile = q_tile + Tile::floats, *const k_tile = dout_tile + Tile::floats,
               *const v_tile = k_tile + Tile::floats, *const ds_tile = v_tile + Tile::floats;
  const AttentionDims& d = in.d;
  const HeadPlace at(in.length, d.T, d.NH, tiles, true, Tile::rows);
  const int kv = at.head / (d.NH / d.NKV), last = at.last;
  const std::size_t query_ld = unsigned(d.NH * d.HS), key_ld = unsigned(d.NKV * d.HS);
  const std::size_t query = at.at(at.first, at.head, d.NH, d.HS);
  const std::size_t row_0 =
      (std::size_t(at.b) * unsigned(d.NH) + unsigned(at.head)) * unsigned(d.T);
  const float scale = 1 / sqrtf(float(d.HS));
  Tile::fetch(q_tile, in.q + query, last - at.first, query_ld, d.HS, in.pieces);
  Tile::fetch(dout_tile, in.dout + query, last - at.first, query_ld, d.HS, in.pieces);
  float dq_a[R][E] = {}, mean[R] = {};
  for (int walk = 0; walk < (dq ? 2 : 1); ++walk)
    for (int first = 0; first < last; first += Tile::rows) {
      const std::size_t key = at.at(first, kv, d.NKV, d.HS);
      Tile::fetch(k_tile, in.k + key, last - first, key_ld, d.HS, in.pieces);
      Tile::fetch(v_tile, in.v + key, last - first, key_ld, d.HS, in.pieces);
      __syncthreads();
      float p[R][R], dp[R][R];
      backward_scores<Tile>(p, dp, q_tile, k_tile, dout_tile, v_tile,
                            in.lse + row_0 * unsigned(d.T), at.first, first, last, scale);
      if (walk == 0) {
        add_means(mean, p, dp);
      } else {
        softmax_gradient(dp, p, mean, scale);
        Tile::keep(ds_tile, dp);
        __syncthreads();
        Tile::add_product(dq_a, ds_tile, k_tile);
      }
      __syncthreads();
    }
#pragma unroll
  for (int a = 0; a < R; ++a)
    if (const int t = at.first + Tile::row(a); t < last && cuda::tile_x() == 0)
      means[row_0 + unsigned(t)] = mean[a];
  if (dq)
    Tile::write(dq + query, dq_a, last - at.first, d.T - at.first, query_ld, d.HS, in.pieces,
                in.accumulate);
}

/// dk and dv of a tile of keys: over the query heads of its group and their tiles of queries. If
/// all of T is one tile (`whole`), also the means, which are then given by nobody, and dq.
template <class Tile, bool whole>
__global__ void __launch_bounds__(kTileThreads)
    attention_backward_key_kernel(float* dq, float* dk, float* dv, const float* means,
                                  BackwardInput in, int tiles) {
  wait_for_earlier_kernels();
  constexpr int R = Tile::R, E = Tile::E;
  DYNAMIC_SHARED(float, q_tile);
  float *const dout_tile = q_tile + Tile::floats, *const k_tile = dout_tile + Tile::floats,
               *const v_tile = k_tile + Tile::floats, *const p_tile = v_tile + Tile::floats;
  const AttentionDims& d = in.d;
  const HeadPlace at(in.length, d.T, d.NKV, tiles, false, Tile::rows);
  const int group = d.NH / d.NKV, keys = at.length - at.first;
  const std::size_t query_ld = unsigned(d.NH * d.HS), key_ld = unsigned(d.NKV * d.HS);
  const std::size_t key = at.at(at.first, at.head, d.NKV, d.HS);
  const float scale = 1 / sqrtf(float(d.HS));
  Tile::fetch(k_tile, in.k + key, keys, key_ld, d.HS, in.pieces);
  Tile::fetch(v_tile, in.v + key, keys, key_ld, d.HS, in.pieces);
  float dk_a[R][E] = {}, dv_a[R][E] = {};
  for (int head = at.head * group; head < (at.head + 1) * group; ++head) {
    const std::size_t row_0 =
        (std::size_t(at.b) * unsigned(d.NH) + unsigned(head)) * unsigned(d.T);
    for (int first = at.first; first < (whole ? d.T : at.length); first += Tile::rows) {
      const std::size_t query = at.at(first, head, d.NH, d.HS);
      Tile::fetch(q_tile, in.q + query, at.length - first, query_ld, d.HS, in.pieces);
      Tile::fetch(dout_tile, in.dout + query, at.length - first, query_ld, d.HS, in.pieces);
      __syncthreads();
      float p[R][R], dp[R][R], mean[R] = {};
      backward_scores<Tile>(p, dp, q_tile, k_tile, dout_tile, v_tile,
                            in.lse + row_0 * unsigned(d.T), first, at.first, at.length, scale);
      Tile::keep(p_tile, p);
      if constexpr (whole) {
        add_means(mean, p, dp);
      } else {
#pragma unroll
        for (int a = 0; a < R; ++a) {
          const int t = first + Tile::row(a);
          if (t < at.length) mean[a] = means[row_0 + unsigned(t)];
        }
      }
      softmax_gradient(dp, p, mean, scale);
      __syncthreads();
      if (dv) Tile::add_transposed(dv_a, p_tile, dout_tile);
      __syncthreads();  // p is read: its place is for ds
      Tile::keep(p_tile, dp);
      __syncthreads();
      if (dk) Tile::add_transposed(dk_a, p_tile, q_tile);
      if (whole && dq) {
        float dq_a[R][E] = {};
        Tile::add_product(dq_a, p_tile, k_tile);
        Tile::write(dq + query, dq_a, at.length, d.T, query_ld, d.HS, in.pieces, in.accumulate);
      }
      __syncthreads();
    }
  }
  if (dk) Tile::write(dk + key, dk_a, keys, d.T - at.first, key_ld, d.HS, in.pieces, in.accumulate);
  if (dv) Tile::write(dv + key, dv_a, keys, d.T - at.first, key_ld, d.HS, in.pieces, in.accumulate);
}

/// use.operator()<Tile>() with the tile for this head size.
template <class Use>
void with_tile(int HS, const Use& use) {
  check(HS <= 256, "attention on the GPU: heads of ", HS, " values; at most 256 are possible.");
  if (HS <= 16) return use.template operator()<AttentionTile<4, 1>>();
  if (HS <= 32) return use.template operator()<AttentionTile<4, 2>>();
  if (HS <= 64) return use.template operator()<AttentionTile<4, 4>>();
  if (HS <= 128) return use.template operator()<AttentionTile<4, 8>>();
  use.template operator()<AttentionTile<2, 16>>();  // 64 rows would not fit on the chip
}

template <class Tile>
cuda::Grid grid_of(const AttentionDims& d, int heads, int tiles, int tiles_on_chip) {
  const std::size_t blocks = std::size_t(d.B) * std::size_t(heads) * std::size_t(tiles);
  const int floats = tiles_on_chip * Tile::floats + Tile::p_floats;
  return {cuda::blocks_for(blocks, 1), kTileThreads, std::size_t(floats) * sizeof(float)};
}

}  // namespace

template <>
void attention_forward(GpuFloat* out, GpuFloat* p, const GpuFloat* q, const GpuFloat* k,
                       const GpuFloat* v, const GpuInt* length, const AttentionDims& d) {
  with_tile(d.HS, [&]<class Tile>() {
    const int tiles = cuda::ceil_div(d.T, Tile::rows);
    launch<attention_kernel<Tile>>(grid_of<Tile>(d, d.NH, tiles, 2), out, p, q, k, v, length, d,
                                   tiles, cuda::in_pieces(d.HS, out, q, k, v));
  });
}

template <>
void attention_backward(GpuFloat* dq, GpuFloat* dk, GpuFloat* dv, const GpuFloat* p,
                        const GpuFloat* q, const GpuFloat* k, const GpuFloat* v,
                        const GpuFloat* dout, const GpuInt* length, const AttentionDims& d,
                        bool accumulate) {
  if (!dq && !dk && !dv) return;
  const BackwardInput in = {cuda::raw(p),    cuda::raw(q),      cuda::raw(k),
                            cuda::raw(v),    cuda::raw(dout),   cuda::raw(length),
                            d,
                            cuda::in_pieces(d.HS, dq, dk, dv, q, k, v, dout),
                            accumulate};
  with_tile(d.HS, [&]<class Tile>() {
    const int tiles = cuda::ceil_div(d.T, Tile::rows);
    const cuda::Grid of_keys = grid_of<Tile>(d, d.NKV, tiles, 4);
    if (tiles <= 1) {
      const float* const no_means = nullptr;
      launch<attention_backward_key_kernel<Tile, true>>(of_keys, dq, dk, dv, no_means, in, tiles);
      return;
    }
    cuda::Scratch scratch;
    float* const means = scratch.take<float>(std::size_t(d.B) * std::size_t(d.NH * d.T));
    launch<attention_backward_query_kernel<Tile>>(grid_of<Tile>(d, d.NH, tiles, 4), dq, means, in,
                                                  tiles);
    if (dk || dv)
      launch<attention_backward_key_kernel<Tile, false>>(of_keys, dq, dk, dv, means, in, tiles);
  });
}

template <>
void attention_cached(GpuFloat* out, const GpuFloat* q, const GpuFloat* k, const GpuFloat* v,
                      const GpuInt* length, int capacity, const AttentionDims& d) {
  check(d.HS <= 256, "attention on the GPU: heads of ", d.HS, " values; at most 256 are possible.");
  cuda::attention_cached(out, q, k, v, length, capacity, d);
}

}  // namespace ramoe
