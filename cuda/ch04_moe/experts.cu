// Chapter 4.2 on the GPU - dispatch by counting sort, and the experts' chain of products
//
// How many rows an expert gets is known on the GPU alone. The host never asks: it starts as many
// blocks as any routing can need, and those that find nothing to do return at once.
//
//   plan       count   every block counts the experts in its part of the choices
//              place   what all blocks counted tells each block where its slots begin
//   forward    gu = x[token] gate_up     act = swiglu(gu)       y = act down         3 launches
//   backward   dact = dout[token] down^T;  from gu again act, and dgu, dgate;
//              ddown = act^T dout;  dgate_up = x^T dgu;  dxs = dgu gate_up^T         5 launches
//
// Rows are gathered while a product loads its operand, so x and dout are not copied. A slot's gate
// scales act, not dout, because act is narrower.
#include "ch04_moe/experts.h"

#include "cuda/ch01_tensor/gemm_grouped.h"
#include "cuda/support/reduce.cuh"
#include "cuda/support/rows.cuh"
#include "cuda/support/scratch.h"

namespace ramoe {

using cuda::ceil_div;
using cuda::GroupedRows;
using cuda::kAllLanes;
using cuda::launch;
using cuda::my_lane;
using cuda::my_row;
using cuda::raw;
using cuda::row_at;
using cuda::threads_per_row;
using cuda::warp_sum;

namespace {

// ---- The plan -----------------------------------------------------------------------------------

constexpr int kPlanWarps = 8, kPlanThreads = 32 * kPlanWarps;

/// Choices in, and how they are shared out: each block has `part` of them, each warp of it an
/// eighth, in order.
struct Choices {
  const int* chosen;
  const unsigned char* is_token;
  int count, E, K, part;

  __device__ int begin() const {
    return int(blockIdx.x) * part + int(threadIdx.x / 32) * (part / kPlanWarps);
  }
  __device__ int end() const { return min(begin() + part / kPlanWarps, count); }
  /// The expert of a choice, or -1: padding, or beyond the end.
  __device__ int expert(int choice) const {
    return choice < end() && is_token[choice / K] ? chosen[choice] : -1;
  }
};

/// counts[block, e] = number of choices of e in the block's part.
__global__ void count_kernel(int* counts, Choices in) {
  DYNAMIC_SHARED(int, mine);
  for (int e = int(threadIdx.x); e < in.E; e += kPlanThreads) mine[e] = 0;
  __syncthreads();
  for (int i = in.begin() + int(threadIdx.x % 32); i < in.end(); i += 32)
    if (const int e = in.expert(i); e >= 0) atomicAdd(&mine[e], 1);
  __syncthreads();
  for (int e = int(threadIdx.x); e < in.E; e += kPlanThreads)
    row_at(counts, int(blockIdx.x), in.E)[e] = mine[e];
}

/// The lanes whose expert is this lane's, found by comparing the bits of its number in turn.
__device__ unsigned lanes_with(int e, int E) {
  unsigned lanes = __ballot_sync(kAllLanes, e >= 0);
  for (int bit = 1; bit < E; bit *= 2) {
    const bool set = (e & bit) != 0;
    const unsigned votes = __ballot_sync(kAllLanes, set);
    lanes &= set ? votes : ~votes;
  }
  return lanes;
}

/// sums[e] becomes the sum of those before it, in place; returns the sum of all. One warp.
__device__ int sum_before(int* sums, int E) {
  const int lane = int(threadIdx.x % 32);
  int before = 0;
  for (int first = 0; first < E; first += 32) {
    const int e = first + lane, own = e < E ? sums[e] : 0;
    int upto = own;
#pragma unroll
    for (int step = 1; step < 32; step *= 2) {
      const int lower = __shfl_up_sync(kAllLanes, upto, unsigned(step));
      if (lane >= step) upto += lower;
    }
    if (e < E) sums[e] = before + upto - own;
    before += __shfl_sync(kAllLanes, upto, 31);
  }
  return before;
}

/// next[w, e] = the first slot of expert e that warp w of this block fills; the offsets of the plan
/// are written by the way.
__device__ void find_first_slots(int* next, int* offset, const int* counts, const Choices& in) {
  const int E = in.E, lane = int(threadIdx.x % 32), warp = int(threadIdx.x / 32);
  int* start = next + kPlanWarps * E;  // (E) first the number of choices of e, then its first slot
  int* before = start + E;             // (E) choices of e in blocks before this one
  for (int i = int(threadIdx.x); i < (kPlanWarps + 2) * E; i += kPlanThreads) next[i] = 0;
  __syncthreads();
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
  for (int i = in.begin() + lane; i < in.end(); i += 32)
    if (const int e = in.expert(i); e >= 0) atomicAdd(&next[warp * E + e], 1);
  __syncthreads();
  if (warp == 0) {
    const int slots = sum_before(start, E);
    if (blockIdx.x == 0 && lane == 0) offset[E] = slots;
  }
  __syncthreads();
  for (int e = int(threadIdx.x); e < E; e += kPlanThreads) {
    if (blockIdx.x == 0) offset[e] = start[e];
    int slot = start[e] + before[e];
    for (int w = 0; w < kPlanWarps; ++w) {
      const int count = next[w * E + e];
      next[w * E + e] = slot;
      slot += count;
    }
  }
  __syncthreads();
}

/// A warp goes through its choices in order, 32 at a time; the lower lanes with the same expert are
/// a choice's place among them. So the order is that of the choices, as in the definition.
__global__ void place_kernel(DispatchPlan<float> plan, const int* counts, Choices in) {
  DYNAMIC_SHARED(int, shared);
  find_first_slots(shared, plan.offset, counts, in);
  const int lane = int(threadIdx.x % 32);
  int* next = shared + int(threadIdx.x / 32) * in.E;
  for (int first = in.begin(); first < in.end(); first += 32) {
    const int choice = first + lane, e = in.expert(choice);
    const unsigned same = lanes_with(e, in.E);
    int slot = -1;
    if (e >= 0) {
      slot = next[e] + __popc(same & ((1u << lane) - 1));
      plan.token_from_slot[slot] = choice / in.K;
      plan.choice_from_slot[slot] = choice;
    }
    if (choice < in.end()) plan.slot_from_choice[choice] = slot;
    __syncwarp();  // all have read next
    if (e >= 0 && same >> lane == 1) next[e] = slot + 1;  // the last of them
    __syncwarp();
  }
}

// ---- Rows ---------------------------------------------------------------------------------------

/// `n` neighbours of a row: 4 are read and written at once.
template <int n>
struct alignas(4 * n) Pack {
  float at[n];
};
template <int n>
__device__ Pack<n> load(const float* from) {
  return *reinterpret_cast<const Pack<n>*>(from);
}
template <int n>
__device__ void store(float* to, const Pack<n>& values) {
  *reinterpret_cast<Pack<n>*>(to) = values;
}
/// Whether rows of C values can be read by fours.
template <class... Pointers>
bool by_fours(int C, const Pointers*... at) {
  return C % 4 == 0 && ((reinterpret_cast<std::uintptr_t>(at) % 16 == 0) && ...);
}

__device__ float sigmoid(float x) {
  return 1 / (1 + expf(-x));
}

/// out[n] = or += sum_k gate[n,k] y[slot of (n,k)], `n` columns at once. Four k at a time: first
/// all that is read, so that the reads overlap, then the sums in order.
template <int n>
__global__ void combine_kernel(float* out, const float* y, const float* gate, const int* slots,
                               int N, int K, int C, bool accumulate) {
  constexpr int kAtOnce = 4;
  const std::size_t row = cuda::block_row(), first = row * std::size_t(K);
  if (row >= std::size_t(N)) return;
  out += row * std::size_t(C);
  for (int c = int(threadIdx.x) * n; c < C; c += int(blockDim.x) * n) {
    Pack<n> sum = {};
    if (accumulate) sum = load<n>(out + c);
    for (int k0 = 0; k0 < K; k0 += kAtOnce) {
      int slot[kAtOnce];
      float weight[kAtOnce] = {};
      Pack<n> y_k[kAtOnce] = {};
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k)
        slot[k] = k0 + k < K ? slots[first + unsigned(k0 + k)] : -1;
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k) {
        if (slot[k] < 0) continue;
        y_k[k] = load<n>(row_at(y, slot[k], C) + c);
        weight[k] = gate ? gate[first + unsigned(k0 + k)] : 1.0f;
      }
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k)
#pragma unroll
        for (int j = 0; j < n; ++j)
          sum.at[j] += weight[k] * y_k[k].at[j];  // no slot: 0
    }
    store(out + c, sum);
  }
}

/// act = silu(gate) up for the rows in use. gu (N*K,2H), act (N*K,H).
template <int n>
__global__ void swiglu_kernel(float* act, const float* gu, const int* used, int H) {
  const int slot = int(cuda::block_row());
  if (slot >= *used) return;
  const float* gu_s = row_at(gu, slot, 2 * H);
  for (int h = int(threadIdx.x) * n; h < H; h += int(blockDim.x) * n) {
    const Pack<n> gate = load<n>(gu_s + h), up = load<n>(gu_s + H + h);
    Pack<n> out;
#pragma unroll
    for (int j = 0; j < n; ++j) out.at[j] = gate.at[j] * sigmoid(gate.at[j]) * up.at[j];
    store(row_at(act, slot, H) + h, out);
  }
}

/// A warp per slot, of which y = act down and out gets w y. From da = dout down^T:
///   dw = act . da;   with da scaled by w:  dgu;   act scaled by w takes the place of da
template <int n>
__global__ void swiglu_chain_kernel(float* dgu, float* act_da, float* dgate, const float* gu,
                                    const float* gate, DispatchPlan<float> plan, const int* used,
                                    int H) {
  const int slot = my_row();
  if (slot >= *used) return;  // the whole warp
  const int choice = plan.choice_from_slot[slot];
  const float w = gate[choice], *gu_s = row_at(gu, slot, 2 * H);
  float *da_s = row_at(act_da, slot, H), *dgu_s = row_at(dgu, slot, 2 * H), dw = 0;
  for (int h = my_lane() * n; h < H; h += 32 * n) {
    const Pack<n> g = load<n>(gu_s + h), up = load<n>(gu_s + H + h), da = load<n>(da_s + h);
    Pack<n> dg, dup, act;
#pragma unroll
    for (int j = 0; j < n; ++j) {
      const float s = sigmoid(g.at[j]), silu = g.at[j] * s, da_w = w * da.at[j];
      dg.at[j] = da_w * up.at[j] * (s + silu * (1 - s));
      dup.at[j] = da_w * silu;
      dw += silu * up.at[j] * da.at[j];
      act.at[j] = w * (silu * up.at[j]);
    }
    store(dgu_s + h, dg);
    store(dgu_s + H + h, dup);
    store(da_s + h, act);
  }
  dw = warp_sum(dw);
  if (dgate && my_lane() == 0) dgate[choice] += dw;
}

__global__ void sigmoid_gate_kernel(float* out, const float* s, const float* y, int N, int C) {
  const int n = int(cuda::block_row());
  if (n >= N) return;
  const float g = sigmoid(s[n]);
  for (int c = int(threadIdx.x); c < C; c += int(blockDim.x))
    row_at(out, n, C)[c] = g * row_at(y, n, C)[c];
}

/// out = g y,  g = sigmoid(s):  dy += g dout,  ds += g (1 - g) dout . y
__global__ void sigmoid_gate_backward_kernel(float* ds, float* dy, const float* s, const float* y,
                                             const float* dout, int N, int C) {
  const int n = my_row();
  if (n >= N) return;
  const float g = sigmoid(s[n]), *y_n = row_at(y, n, C), *dout_n = row_at(dout, n, C);
  float product = 0;
  for (int c = my_lane(); c < C; c += 32) {
    product += dout_n[c] * y_n[c];
    if (dy) row_at(dy, n, C)[c] += g * dout_n[c];
  }
  product = warp_sum(product);
  if (ds && my_lane() == 0) ds[n] += g * (1 - g) * product;
}

DispatchPlan<float> raw_plan(const DispatchPlan<GpuFloat>& p) {
  return {raw(p.offset), raw(p.token_from_slot), raw(p.choice_from_slot),
          raw(p.slot_from_choice)};
}
std::size_t slots_of(const ExpertDims& d) {
  return std::size_t(d.N) * std::size_t(d.K);
}

}  // namespace

template <>
void plan_dispatch(const DispatchPlan<GpuFloat>& plan, const GpuInt* chosen,
                   const GpuByte* is_token, int N, int E, int K) {
  // A warp has at least 64 choices; and there are at most 256 blocks, as each reads all counts.
  const int count = N * K, most = ceil_div(count, 256);
  const int part = std::max(64 * kPlanWarps, ceil_div(most, kPlanThreads) * kPlanThreads);
  const unsigned blocks = unsigned(std::max(1, ceil_div(count, part)));
  const Choices in = {raw(chosen), raw(is_token), count, E, K, part};
  cuda::Scratch scratch;
  int* counts = scratch.take<int>(blocks * std::size_t(E));
  const std::size_t row = std::size_t(E) * sizeof(int);
  launch<count_kernel>({blocks, kPlanThreads, row}, counts, in);
  launch<place_kernel>({blocks, kPlanThreads, (kPlanWarps + 2) * row}, raw_plan(plan), counts, in);
}

template <>
void combine(GpuFloat* out, const GpuFloat* y, const GpuFloat* gate, const GpuInt* slot_from_choice,
             int N, int K, int C, bool accumulate) {
  const std::size_t rows = std::size_t(N);
  if (by_fours(C, out, y))
    launch<combine_kernel<4>>(threads_per_row(rows, C / 4), out, y, gate, slot_from_choice, N, K, C,
                              accumulate);
  else
    launch<combine_kernel<1>>(threads_per_row(rows, C), out, y, gate, slot_from_choice, N, K, C,
                              accumulate);
}

template <>
void experts_forward(GpuFloat* y, GpuFloat* gu, const GpuFloat* x, const GpuFloat* gate_up,
                     const GpuFloat* down, const DispatchPlan<GpuFloat>& plan,
                     const ExpertDims& d) {
  const std::size_t rows = slots_of(d);
  const GroupedRows slots = {plan.offset, d.E, d.N * d.K, nullptr, d.precision};
  GroupedRows tokens = slots;
  tokens.index = plan.token_from_slot;
  cuda::Scratch scratch;
  auto* act = scratch.take<GpuFloat>(rows * std::size_t(d.H));
  grouped_forward(gu, tokens, x, gate_up, d.C, 2 * d.H);
  if (by_fours(d.H, gu))
    launch<swiglu_kernel<4>>(threads_per_row(rows, d.H / 4), act, gu, plan.offset + d.E, d.H);
  else
    launch<swiglu_kernel<1>>(threads_per_row(rows, d.H), act, gu, plan.offset + d.E, d.H);
  grouped_forward(y, slots, act, down, d.H, d.C);
}

template <>
std::size_t experts_scratch<GpuFloat>(const ExpertDims& d) {
  return 3 * slots_of(d) * std::size_t(d.H);  // dgu, and dact in whose place comes act
}

template <>
void experts_backward(GpuFloat* dxs, GpuFloat* dgate, const ExpertsGradient<GpuFloat>& dw,
                      GpuFloat* scratch, const ExpertsInput<GpuFloat>& in, const GpuFloat* gu,
                      const GpuFloat* dout, const DispatchPlan<GpuFloat>& plan,
                      const ExpertDims& d) {
  const int C = d.C, H = d.H;
  GpuFloat *dgu = scratch, *act = scratch + 2 * slots_of(d) * std::size_t(H);
  const GpuInt *token = plan.token_from_slot, *used = plan.offset + d.E;
  const GroupedRows slots = {plan.offset, d.E, d.N * d.K, nullptr, d.precision};
  GroupedRows tokens = slots;
  tokens.index = token;
  // out = combine(y, gate), y = act down:  dact = dout down^T, not yet times gate
  grouped_backward(act, tokens, dout, in.down, H, C);
  // act = swiglu(gu), computed again;  dgate = dact . act
  const auto rows = cuda::warp_per_row(d.N * d.K);
  if (by_fours(H, gu, scratch))
    launch<swiglu_chain_kernel<4>>(rows, dgu, act, dgate, gu, in.gate, raw_plan(plan), used, H);
  else
    launch<swiglu_chain_kernel<1>>(rows, dgu, act, dgate, gu, in.gate, raw_plan(plan), used, H);
  // ddown += (gate act)^T dout
  if (dw.down) grouped_weights(dw.down, slots, act, nullptr, dout, token, H, C, !dw.down_fresh);
  // gu = x gate_up:  dgate_up += x^T dgu,  dxs = dgu gate_up^T
  if (dw.gate_up)
    grouped_weights(dw.gate_up, slots, in.x, token, dgu, nullptr, C, 2 * H, !dw.gate_up_fresh);
  if (dxs) grouped_backward(dxs, slots, dgu, in.gate_up, C, 2 * H);
}

template <>
void sigmoid_gate_forward(GpuFloat* out, const GpuFloat* s, const GpuFloat* y, int N, int C) {
  launch<sigmoid_gate_kernel>(threads_per_row(std::size_t(N), C), out, s, y, N, C);
}

template <>
void sigmoid_gate_backward(GpuFloat* ds, GpuFloat* dy, const GpuFloat* s, const GpuFloat* y,
                           const GpuFloat* dout, int N, int C) {
  launch<sigmoid_gate_backward_kernel>(cuda::warp_per_row(N), ds, dy, s, y, dout, N, C);
}

}  // namespace ramoe
