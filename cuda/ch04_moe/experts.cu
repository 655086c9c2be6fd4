// Chapter 4.2 on the GPU - dispatch by counting sort, and the experts' chain of products
//
// How many rows an expert gets is known on the GPU alone. The host never asks: it starts as many
// blocks as any routing can need, and those that find nothing to do return at once.
//
//   plan       dispatch_plan.cuh                                                 1 launch, or 2
//   forward    gu = x[token] gate_up     act = swiglu(gu)       y = act down         3 launches
//   backward   dact = dout[token] down^T;  from gu again act, and dgu, dgate;
//              ddown = act^T dout;  dgate_up = x^T dgu;  dxs = dgu gate_up^T         5 launches
//
// Rows are gathered while a product loads its operand, so x and dout are not copied. A slot's gate
// scales act, not dout, because act is narrower.
//
// A shared expert's rows are all tokens, and its products plain ones: one launch in each direction.
// Its swiglu is in the launch of the experts', and its gate scales act too.
#include "ch04_moe/experts.h"

#include <algorithm>
#include <array>

#include "cuda/ch01_tensor/gemm_grouped.h"
#include "cuda/ch04_moe/dispatch_plan.cuh"
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

/// out[n] = plus[n] + sum_k gate[n,k] y[slot of (n,k)], plus null: 0; `n` columns at once. Four k
/// at a time: first all that is read, so that the reads overlap, then the sums in order.
template <int n>
__global__ void combine_kernel(float* out, const float* plus, const float* y, const float* gate,
                               const int* slots, int N, int K, int C) {
  wait_for_earlier_kernels();
  constexpr int kAtOnce = 4;
  const std::size_t row = cuda::block_row(), first = row * std::size_t(K);
  if (row >= std::size_t(N)) return;
  out += row * std::size_t(C);
  if (plus) plus += row * std::size_t(C);
  for (int c = int(threadIdx.x) * n; c < C; c += int(blockDim.x) * n) {
    Pack<n> sum = {};
    if (plus) sum = load<n>(plus + c);
    for (int k0 = 0; k0 < K; k0 += kAtOnce) {
      int slot[kAtOnce];
      float weight[kAtOnce] = {};
      Pack<n> y_k[kAtOnce] = {};
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k) slot[k] = k0 + k < K ? slots[first + unsigned(k0 + k)] : -1;
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k) {
        if (slot[k] < 0) continue;
        y_k[k] = load<n>(row_at(y, slot[k], C) + c);
        weight[k] = gate ? gate[first + unsigned(k0 + k)] : 1.0f;
      }
#pragma unroll
      for (int k = 0; k < kAtOnce; ++k)
#pragma unroll
        for (int j = 0; j < n; ++j) sum.at[j] += weight[k] * y_k[k].at[j];  // no slot: 0
    }
    store(out + c, sum);
  }
}

/// act = silu(gate) up, for gu (rows,2H) and act (rows,H). s not null: times sigmoid(s).
struct Swiglu {
  float* act;
  const float *gu, *s;
  int rows, H;
};

/// The rows of the experts that are in use, then those of the shared expert.
template <int n>
__global__ void swiglu_kernel(Swiglu experts, const int* used, Swiglu shared) {
  wait_for_earlier_kernels();
  int row = int(cuda::block_row());
  Swiglu my = experts;
  if (row >= experts.rows) {
    row -= experts.rows;
    my = shared;
  } else {
    my.rows = *used;
  }
  if (row >= my.rows) return;
  const float w = my.s ? sigmoid(my.s[row]) : 1, *gu_s = row_at(my.gu, row, 2 * my.H);
  for (int h = int(threadIdx.x) * n; h < my.H; h += int(blockDim.x) * n) {
    const Pack<n> gate = load<n>(gu_s + h), up = load<n>(gu_s + my.H + h);
    Pack<n> out;
#pragma unroll
    for (int j = 0; j < n; ++j) out.at[j] = w * (gate.at[j] * sigmoid(gate.at[j]) * up.at[j]);
    store(row_at(my.act, row, my.H) + h, out);
  }
}

/// A warp's row, of which y = act down and out gets w y. From da = dout down^T:
///   dw = act . da, which is returned;   with da scaled by w:  dgu
/// act scaled by w takes the place of da.
template <int n>
__device__ float chain_row(float* dgu_s, float* da_s, const float* gu_s, float w, int H) {
  float dw = 0;
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
    if (dgu_s) {
      store(dgu_s + h, dg);
      store(dgu_s + H + h, dup);
    }
    store(da_s + h, act);
  }
  return warp_sum(dw);
}

/// The shared expert's part: w = sigmoid(s), so ds = w (1 - w) dw. ds and dgu may be null.
struct SharedChain {
  float *dgu, *da, *ds;
  const float *gu, *s;
  int rows, H;
};

/// A warp per slot, then one per row of the shared expert. dgate = or += dw; a fresh one is 0 for
/// padding, whose choices have no slot.
template <int n>
__global__ void swiglu_chain_kernel(float* dgu, float* act_da, float* dgate, const float* gu,
                                    const float* gate, DispatchPlan<float> plan, const int* used,
                                    int H, int choices, bool fresh, SharedChain shared) {
  wait_for_earlier_kernels();
  const int slot = my_row();
  if (slot >= choices) {
    const int row = slot - choices;
    if (row >= shared.rows) return;
    const float w = sigmoid(shared.s[row]);
    const float dw = chain_row<n>(shared.dgu ? row_at(shared.dgu, row, 2 * shared.H) : nullptr,
                                  row_at(shared.da, row, shared.H),
                                  row_at(shared.gu, row, 2 * shared.H), w, shared.H);
    if (shared.ds && my_lane() == 0) shared.ds[row] = w * (1 - w) * dw;
    return;
  }
  if (fresh && my_lane() == 0 && plan.slot_from_choice[slot] < 0)
    dgate[slot] = 0;          // choice number `slot` is padding's
  if (slot >= *used) return;  // the whole warp
  const int choice = plan.choice_from_slot[slot];
  const float dw = chain_row<n>(row_at(dgu, slot, 2 * H), row_at(act_da, slot, H),
                                row_at(gu, slot, 2 * H), gate[choice], H);
  if (dgate && my_lane() == 0) dgate[choice] = fresh ? dw : dgate[choice] + dw;
}

__global__ void sigmoid_gate_kernel(float* out, const float* s, const float* y, int N, int C) {
  wait_for_earlier_kernels();
  const int n = int(cuda::block_row());
  if (n >= N) return;
  const float g = sigmoid(s[n]);
  for (int c = int(threadIdx.x); c < C; c += int(blockDim.x))
    row_at(out, n, C)[c] = g * row_at(y, n, C)[c];
}

/// out = g y,  g = sigmoid(s):  dy += g dout,  ds += g (1 - g) dout . y
__global__ void sigmoid_gate_backward_kernel(float* ds, float* dy, const float* s, const float* y,
                                             const float* dout, int N, int C) {
  wait_for_earlier_kernels();
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
  return {raw(p.offset), raw(p.token_from_slot), raw(p.choice_from_slot), raw(p.slot_from_choice)};
}
std::size_t slots_of(const ExpertDims& d) {
  return std::size_t(d.N) * std::size_t(d.K);
}

}  // namespace

template <>
void plan_dispatch(const DispatchPlan<GpuFloat>& plan, const GpuInt* chosen,
                   const GpuByte* is_token, int N, int E, int K) {
  cuda::plan_slots(raw_plan(plan), raw(chosen), raw(is_token), N, E, K);
}

template <>
void combine(GpuFloat* out, const GpuFloat* y, const GpuFloat* gate, const GpuInt* slot_from_choice,
             int N, int K, int C, bool accumulate) {
  combine_plus(out, accumulate ? out : nullptr, y, gate, slot_from_choice, N, K, C);
}

template <>
void combine_plus(GpuFloat* out, const GpuFloat* x, const GpuFloat* y, const GpuFloat* gate,
                  const GpuInt* slot_from_choice, int N, int K, int C) {
  const std::size_t rows = std::size_t(N);
  if (by_fours(C, out, x, y))
    launch<combine_kernel<4>>(threads_per_row(rows, C / 4), out, x, y, gate, slot_from_choice, N, K,
                              C);
  else
    launch<combine_kernel<1>>(threads_per_row(rows, C), out, x, y, gate, slot_from_choice, N, K, C);
}

namespace {

/// experts_forward, and the swiglu of a shared expert if it has rows.
void run_forward(GpuFloat* y, GpuFloat* gu, const GpuFloat* x, const GpuFloat* gate_up,
                 const GpuFloat* down, const DispatchPlan<GpuFloat>& plan, const ExpertDims& d,
                 const Swiglu& shared) {
  const std::size_t rows = slots_of(d), all = rows + std::size_t(shared.rows);
  const int widest = std::max(d.H, shared.H);
  const GroupedRows slots = {plan.offset, d.E, d.N * d.K, nullptr, d.precision};
  GroupedRows tokens = slots;
  tokens.index = plan.token_from_slot;
  cuda::Scratch scratch;
  auto* act = scratch.take<GpuFloat>(rows * std::size_t(d.H));
  grouped_forward(gu, tokens, x, gate_up, d.C, 2 * d.H);
  const Swiglu experts{raw(act), raw(gu), nullptr, d.N * d.K, d.H};
  if (by_fours(d.H, gu) && by_fours(shared.H, shared.gu, shared.act))
    launch<swiglu_kernel<4>>(threads_per_row(all, widest / 4), experts, plan.offset + d.E, shared);
  else
    launch<swiglu_kernel<1>>(threads_per_row(all, widest), experts, plan.offset + d.E, shared);
  grouped_forward(y, slots, act, down, d.H, d.C);
}

}  // namespace

template <>
void experts_forward(GpuFloat* y, GpuFloat* gu, const GpuFloat* x, const GpuFloat* gate_up,
                     const GpuFloat* down, const DispatchPlan<GpuFloat>& plan,
                     const ExpertDims& d) {
  run_forward(y, gu, x, gate_up, down, plan, d, {});
}

template <>
void experts_shared_forward(GpuFloat* out, GpuFloat* y, GpuFloat* gu, const GpuFloat* plus,
                            const ExpertsInput<GpuFloat>& in, const SharedInput<GpuFloat>& shared,
                            const DispatchPlan<GpuFloat>& plan, const ExpertDims& d) {
  const int N = d.N, C = d.C, H = shared.H;
  run_forward(y, gu, in.x, in.gate_up, in.down, plan, d,
              {raw(shared.kept), raw(shared.gu), raw(shared.s), N, H});
  gemm_plus({GemmForm::NN, N, C, H, shared.kept, H, shared.down, C, out, C, false, d.precision},
            plus);
  combine_plus(out, out, y, in.gate, plan.slot_from_choice, N, d.K, C);
}

template <>
std::size_t experts_scratch<GpuFloat>(const ExpertDims& d) {
  return 3 * slots_of(d) * std::size_t(d.H);  // dgu, and dact in whose place comes act
}

namespace {

/// experts_backward, and the chain of a shared expert if it has rows.
void run_backward(GpuFloat* dxs, GpuFloat* dgate, const ExpertsGradient<GpuFloat>& dw,
                  GpuFloat* scratch, const ExpertsInput<GpuFloat>& in, const GpuFloat* gu,
                  const GpuFloat* dout, const DispatchPlan<GpuFloat>& plan, const ExpertDims& d,
                  const SharedChain& shared) {
  const int C = d.C, H = d.H;
  GpuFloat *dgu = scratch, *act = scratch + 2 * slots_of(d) * std::size_t(H);
  const GpuInt *token = plan.token_from_slot, *used = plan.offset + d.E;
  const GroupedRows slots = {plan.offset, d.E, d.N * d.K, nullptr, d.precision};
  GroupedRows tokens = slots;
  tokens.index = token;
  // out = combine(y, gate), y = act down:  dact = dout down^T, not yet times gate
  grouped_backward(act, tokens, dout, in.down, H, C);
  // act = swiglu(gu), computed again;  dgate = dact . act
  const int choices = d.N * d.K;
  const auto rows = cuda::warp_per_row(choices + shared.rows);
  const bool fresh = dgate && dw.dgate_fresh;
  if (by_fours(H, gu, scratch) && by_fours(shared.H, shared.gu, shared.dgu, shared.da))
    launch<swiglu_chain_kernel<4>>(rows, dgu, act, dgate, gu, in.gate, raw_plan(plan), used, H,
                                   choices, fresh, shared);
  else
    launch<swiglu_chain_kernel<1>>(rows, dgu, act, dgate, gu, in.gate, raw_plan(plan), used, H,
                                   choices, fresh, shared);
  // ddown += (gate act)^T dout
  if (dw.down) grouped_weights(dw.down, slots, act, nullptr, dout, token, H, C, !dw.down_fresh);
  // gu = x gate_up:  dgate_up += x^T dgu,  dxs = dgu gate_up^T
  if (dw.gate_up)
    grouped_weights(dw.gate_up, slots, in.x, token, dgu, nullptr, C, 2 * H, !dw.gate_up_fresh);
  if (dxs) grouped_backward(dxs, slots, dgu, in.gate_up, C, 2 * H);
}

}  // namespace

template <>
void experts_backward(GpuFloat* dxs, GpuFloat* dgate, const ExpertsGradient<GpuFloat>& dw,
                      GpuFloat* scratch, const ExpertsInput<GpuFloat>& in, const GpuFloat* gu,
                      const GpuFloat* dout, const DispatchPlan<GpuFloat>& plan,
                      const ExpertDims& d) {
  run_backward(dxs, dgate, dw, scratch, in, gu, dout, plan, d, {});
}

template <>
void experts_shared_backward(GpuFloat* dxs, GpuFloat* dgate, const ExpertsGradient<GpuFloat>& dw,
                             const SharedGradient<GpuFloat>& dshared, GpuFloat* scratch,
                             const ExpertsInput<GpuFloat>& in, const SharedInput<GpuFloat>& shared,
                             const GpuFloat* gu, const GpuFloat* dout,
                             const DispatchPlan<GpuFloat>& plan, const ExpertDims& d) {
  const int N = d.N, C = d.C, H = shared.H;
  const Precision p = d.precision;
  GpuFloat *da = dshared.scratch, *ddown = dshared.down;
  // out = plus + experts + act down:  ddown += act^T dout,  dact = dout down^T
  const std::array<Gemm<GpuFloat>, 2> products = {{
      {GemmForm::NT, N, H, C, dout, C, shared.down, C, da, H, false, p},
      {GemmForm::TN, H, C, N, shared.kept, H, dout, C, ddown, C, !dshared.down_fresh, p},
  }};
  gemm_all(products.data(), ddown ? 2 : 1);
  run_backward(dxs, dgate, dw, scratch, in, gu, dout, plan, d,
               {raw(dshared.gu), raw(da), raw(dshared.s), raw(shared.gu), raw(shared.s), N, H});
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
