// Chapter 5.1 on the GPU - AdamW over all parameters at once, at the speed of memory
//
// A block per chunk of up to 16384 values, so that one launch covers all parameters:
//
//   squares   the sum of g^2 of every chunk                          reads  4 bytes a value
//             The last block: norm, factor of clipping, finiteness
//   ask       would the new values be finite? writes none            reads 16, seldom
//   update    w, m, v                                                reads 16, writes 12
//             The last block: the outcome
//
// The host waits for nothing: what is decided stays on the GPU, and blocks that have nothing to do
// return at once. While w, m, v, the gradient and the factors are small enough (kSmall), it is
// certain beforehand that the new values are finite, and nobody asks: 32 bytes a value, the least
// possible. The update itself watches that they stay small. As in src/fast/adamw.cpp.
#include "ch05_training/adamw.h"

#include <algorithm>
#include <cfloat>

#include "cuda/support/comes_last.cuh"
#include "cuda/support/reduce.cuh"
#include "cuda/support/scratch.h"

namespace ramoe {

using cuda::arrivals;
using cuda::block_sum;
using cuda::Grid;
using cuda::launch;

namespace {

using Chunk = AdamWChunk<float>;

constexpr unsigned kThreads = 256;

/// The factors of one step: rate = lr / (1-b1^t), root = 1 / (1-b2^t).
struct Factors {
  float beta1, beta2, rate, root, eps;
  float shrink;  // of w that decays
  float scale;   // of the gradient
};

/// What is known of the step, on the GPU.
struct State {
  Factors factors;
  bool go;       // losses and norm are finite, and no step before has stopped
  bool certain;  // that all new values will be finite
  int spoilt;    // n - (the first chunk whose new values are not finite); 0: none
  int large;     // 1: some new value is not small
};

__device__ bool aligned(const void* at) {
  return std::uintptr_t(at) % 16 == 0;
}
__device__ float4 four(const float* at) {
  return *reinterpret_cast<const float4*>(at);
}

__device__ double squares_of(const Chunk& c) {
  const int fours = aligned(c.g) ? c.count / 4 : 0;
  double sum = 0;
#pragma unroll 4
  for (int i = int(threadIdx.x); i < fours; i += int(kThreads)) {
    const float4 g = four(c.g + 4 * i);
    sum += double(g.x) * double(g.x) + double(g.y) * double(g.y);
    sum += double(g.z) * double(g.z) + double(g.w) * double(g.w);
  }
  for (int i = 4 * fours + int(threadIdx.x); i < c.count; i += int(kThreads))
    sum += double(c.g[i]) * double(c.g[i]);
  return block_sum(sum);
}

/// From small m and v and |g| <= norm * scale the new m and v are small again, so that
/// v root <= 1e36, rate m / eps <= 1e37 and w shrink <= 1e36.
__device__ bool all_certain(const Factors& f, double norm) {
  return norm * double(f.scale) <= 1e15 && f.root <= 1e6f &&
         double(f.rate) * 1e15 <= 1e37 * double(f.eps) && fabsf(f.shrink) <= 1e6f;
}

__global__ void squares_kernel(AdamWOutcome* outcome, State* state, double* squares,
                               unsigned* arrived, const Chunk* chunks, int n, const AdamWRule* rule,
                               const float* losses, int count) {
  wait_for_earlier_kernels();
  if (int(blockIdx.x) < n) {
    const double of_chunk = squares_of(chunks[blockIdx.x]);
    if (threadIdx.x == 0) squares[blockIdx.x] = of_chunk;
  }
  if (!cuda::comes_last(arrived, gridDim.x)) return;
  int bad = 0;
  for (int i = int(threadIdx.x); i < count; i += int(kThreads)) bad += !isfinite(losses[i]);
  bad = block_sum(bad);
  double sum = 0;
  for (int i = int(threadIdx.x); i < n; i += int(kThreads)) sum += squares[i];
  const double norm = sqrt(block_sum(sum));
  if (threadIdx.x > 0) return;
  const AdamWConfig& c = rule->config;
  const double scale = rule->clip > 0 && norm > rule->clip ? rule->clip / norm : 1.0;
  Factors& f = state->factors;
  f = {float(c.beta1),
       float(c.beta2),
       float(rule->rate / (1 - pow(c.beta1, double(rule->t)))),
       float(1 / (1 - pow(c.beta2, double(rule->t)))),
       float(c.eps),
       float(1 - rule->rate * c.weight_decay),
       float(scale)};
  state->go = bad == 0 && isfinite(norm) && !outcome->stopped;
  state->certain = outcome->small && all_certain(f, norm);
  state->spoilt = state->large = 0;
  outcome->norm = bad == 0 ? norm : 0;
}

struct Value {
  float w, m, v;
};
__device__ Value updated(float w, float g, float m, float v, const Factors& f, float shrink) {
  g *= f.scale;
  m = f.beta1 * m + (1 - f.beta1) * g;
  v = f.beta2 * v + (1 - f.beta2) * g * g;
  return {w * shrink - f.rate * m / (sqrtf(v * f.root) + f.eps), m, v};
}

/// What a thread finds of its new values.
struct Seen {
  bool finite = true, small = true;
  __device__ void add(const Value& to) {
    finite = finite && fabsf(to.w) <= FLT_MAX && fabsf(to.m) <= FLT_MAX && to.v <= FLT_MAX;
    small = small && fabsf(to.w) <= 1e30f && fabsf(to.m) <= 1e15f && to.v <= 1e30f;
  }
};

/// The new values of this thread's part of a chunk, written if `write`. The factors are a copy, in
/// registers: memory would have to be read again after every write.
template <bool write>
__device__ Seen update_chunk(const Chunk c, const Factors f) {
  const float shrink = c.decays ? f.shrink : 1;
  Seen seen;
  const int fours =
      aligned(c.w) && aligned(c.m) && aligned(c.v) && aligned(c.g) ? c.count / 4 : 0;
  for (int i = int(threadIdx.x); i < fours; i += int(kThreads)) {
    const float4 w = four(c.w + 4 * i), g = four(c.g + 4 * i), m = four(c.m + 4 * i),
                 v = four(c.v + 4 * i);
    const Value to[4] = {updated(w.x, g.x, m.x, v.x, f, shrink),
                         updated(w.y, g.y, m.y, v.y, f, shrink),
                         updated(w.z, g.z, m.z, v.z, f, shrink),
                         updated(w.w, g.w, m.w, v.w, f, shrink)};
#pragma unroll
    for (int j = 0; j < 4; ++j) seen.add(to[j]);
    if (!write) continue;
    const auto store = [i](float* at, float x, float y, float z, float last) {
      reinterpret_cast<float4*>(at)[i] = make_float4(x, y, z, last);
    };
    store(c.w, to[0].w, to[1].w, to[2].w, to[3].w);
    store(c.m, to[0].m, to[1].m, to[2].m, to[3].m);
    store(c.v, to[0].v, to[1].v, to[2].v, to[3].v);
  }
  for (int i = 4 * fours + int(threadIdx.x); i < c.count; i += int(kThreads)) {
    const Value to = updated(c.w[i], c.g[i], c.m[i], c.v[i], f, shrink);
    seen.add(to);
    if (write) c.w[i] = to.w, c.m[i] = to.m, c.v[i] = to.v;
  }
  return seen;
}

// Integers by atomics: in whatever order the blocks come, the same is known at the end.
__global__ void ask_kernel(State* state, const Chunk* chunks, int n) {
  wait_for_earlier_kernels();
  if (!state->go || state->certain) return;
  const Seen seen = update_chunk<false>(chunks[blockIdx.x], state->factors);
  if (!seen.finite) atomicMax(&state->spoilt, n - int(blockIdx.x));
  if (!seen.small) atomicMax(&state->large, 1);
}

__global__ void update_kernel(AdamWOutcome* outcome, State* state, unsigned* arrived,
                              const Chunk* chunks, int n) {
  wait_for_earlier_kernels();
  if (int(blockIdx.x) < n && state->go && state->spoilt == 0 &&
      !update_chunk<true>(chunks[blockIdx.x], state->factors).small)
    atomicMax(&state->large, 1);
  if (!cuda::comes_last(arrived, gridDim.x) || threadIdx.x > 0) return;
  outcome->spoilt = state->spoilt > 0 ? n - state->spoilt : -1;
  outcome->done = state->go && state->spoilt == 0;
  outcome->stopped = !outcome->done;
  if (state->go) outcome->small = state->large == 0;
}

}  // namespace

// Nothing here depends on the step, so its launches can be recorded once and repeated.
template <>
void adamw_step(Gpu<AdamWOutcome>* outcome, const Gpu<AdamWChunk<GpuFloat>>* chunks, int n,
                const Gpu<AdamWRule>* rule, const GpuFloat* losses, int count) {
  static_assert(sizeof(AdamWChunk<GpuFloat>) == sizeof(Chunk));  // the same pointers
  const Chunk* list = reinterpret_cast<const Chunk*>(chunks);
  cuda::Scratch scratch;
  auto* squares = scratch.take<double>(std::size_t(n));
  auto* state = scratch.take<State>(1);
  const Grid grid{unsigned(n), kThreads}, at_least_one{unsigned(std::max(n, 1)), kThreads};
  launch<squares_kernel>(at_least_one, outcome, state, squares, arrivals(), list, n, rule, losses,
                         count);
  launch<ask_kernel>(grid, state, list, n);
  launch<update_kernel>(at_least_one, outcome, state, arrivals(), list, n);
}

}  // namespace ramoe
