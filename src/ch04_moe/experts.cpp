#include "ch04_moe/experts.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <vector>

namespace ramoe {

template <>
void plan_dispatch(const DispatchPlan<double>& plan, const int* chosen,
                   const unsigned char* is_token, int N, int E, int K) {
  std::fill_n(plan.offset, E + 1, 0);
  for (int n = 0; n < N; ++n)
    for (int k = 0; k < K; ++k)
      if (is_token[n]) ++plan.offset[row(chosen, n, K)[k] + 1];
  for (int e = 0; e < E; ++e) plan.offset[e + 1] += plan.offset[e];
  // While filling, offset[e] is the next free slot of e; afterwards it is shifted back.
  for (int n = 0; n < N; ++n)
    for (int k = 0; k < K; ++k) {
      int& slot = row(plan.slot_from_choice, n, K)[k];
      slot = -1;
      if (!is_token[n]) continue;
      slot = plan.offset[row(chosen, n, K)[k]]++;
      plan.token_from_slot[slot] = n;
      plan.choice_from_slot[slot] = n * K + k;
    }
  for (int e = E; e > 0; --e) plan.offset[e] = plan.offset[e - 1];
  plan.offset[0] = 0;
}

template <>
void combine(double* out, const double* y, const double* gate, const int* slot_from_choice, int N,
             int K, int C, bool accumulate) {
  for (int n = 0; n < N; ++n) {
    double* out_n = row(out, n, C);
    if (!accumulate) std::fill_n(out_n, C, 0.0);
    for (int k = 0; k < K; ++k) {
      const int choice = n * K + k, slot = slot_from_choice[choice];
      if (slot < 0) continue;
      for (int c = 0; c < C; ++c) out_n[c] += (gate ? gate[choice] : 1.0) * row(y, slot, C)[c];
    }
  }
}

namespace {

/// Matrix e of several stored one after another, each (rows, columns).
template <class T>
T* matrix(T* all, int e, int rows, int columns) {
  return all + std::size_t(e) * std::size_t(rows) * std::size_t(columns);
}

double silu(double a) {
  return a / (1 + std::exp(-a));
}

}  // namespace

template <>
void experts_forward(double* y, double* gu, const double* x, const double* gate_up,
                     const double* down, const DispatchPlan<double>& plan, const ExpertDims& d) {
  const int C = d.C, H = d.H;
  for (int e = 0; e < d.E; ++e) {
    const double* up_e = matrix(gate_up, e, C, 2 * H);
    const double* down_e = matrix(down, e, H, C);
    for (int slot = plan.offset[e]; slot < plan.offset[e + 1]; ++slot) {
      const double* x_n = row(x, plan.token_from_slot[slot], C);
      double *gu_s = row(gu, slot, 2 * H), *y_s = row(y, slot, C);
      std::fill_n(gu_s, 2 * H, 0.0);
      std::fill_n(y_s, C, 0.0);
      for (int c = 0; c < C; ++c)
        for (int j = 0; j < 2 * H; ++j) gu_s[j] += x_n[c] * row(up_e, c, 2 * H)[j];
      for (int h = 0; h < H; ++h) {
        const double act = silu(gu_s[h]) * gu_s[H + h];
        for (int c = 0; c < C; ++c) y_s[c] += act * row(down_e, h, C)[c];
      }
    }
  }
}

template <>
void experts_backward(double* dxs, double* dgate, const ExpertsGradient<double>& dw, double*,
                      const ExpertsInput<double>& in, const double* gu, const double* dout,
                      const DispatchPlan<double>& plan, const ExpertDims& d) {
  const int C = d.C, H = d.H;
  const std::size_t weights = std::size_t(d.E) * std::size_t(C) * std::size_t(H);
  if (dw.gate_up && dw.gate_up_fresh) std::fill_n(dw.gate_up, 2 * weights, 0.0);
  if (dw.down && dw.down_fresh) std::fill_n(dw.down, weights, 0.0);
  if (dgate && dw.dgate_fresh) std::fill_n(dgate, std::size_t(d.N) * std::size_t(d.K), 0.0);
  std::vector<double> dgu(2 * static_cast<std::size_t>(H));
  for (int e = 0; e < d.E; ++e) {
    for (int slot = plan.offset[e]; slot < plan.offset[e + 1]; ++slot) {
      const int n = plan.token_from_slot[slot], choice = plan.choice_from_slot[slot];
      const double *x_n = row(in.x, n, C), *gu_s = row(gu, slot, 2 * H), *dout_n = row(dout, n, C);
      for (int h = 0; h < H; ++h) {
        // out[n] += gate y,  y += act[h] down[h]:  dgate += y . dout,  ddown += gate act dout
        const double* down_h = row(matrix(in.down, e, H, C), h, C);
        const double g = gu_s[h], up = gu_s[H + h], act = silu(g) * up;
        double dact = 0;
        for (int c = 0; c < C; ++c) dact += dout_n[c] * down_h[c];
        if (dgate) dgate[choice] += act * dact;
        dact *= in.gate[choice];
        for (int c = 0; dw.down && c < C; ++c)
          row(matrix(dw.down, e, H, C), h, C)[c] += in.gate[choice] * act * dout_n[c];
        // act = silu(g) up,  silu(g) = g s:  dg += dact up s (1 + g (1 - s)),  dup += dact silu
        const double s = 1 / (1 + std::exp(-g));
        dgu[std::size_t(h)] = dact * up * s * (1 + g * (1 - s));
        dgu[std::size_t(H + h)] = dact * silu(g);
      }
      // gu = x gate_up:  dx += dgu gate_up^T,  dgate_up += x^T dgu
      for (int c = 0; c < C; ++c) {
        const double* up_c = row(matrix(in.gate_up, e, C, 2 * H), c, 2 * H);
        double dx = 0;
        for (int j = 0; j < 2 * H; ++j) dx += dgu[std::size_t(j)] * up_c[j];
        if (dxs) row(dxs, slot, C)[c] = dx;
        for (int j = 0; dw.gate_up && j < 2 * H; ++j)
          row(matrix(dw.gate_up, e, C, 2 * H), c, 2 * H)[j] += x_n[c] * dgu[std::size_t(j)];
      }
    }
  }
}

template <>
std::size_t experts_scratch<double>(const ExpertDims&) {
  return 0;
}

template <>
void sigmoid_gate_forward(double* out, const double* s, const double* y, int N, int C) {
  for (int n = 0; n < N; ++n)
    for (int c = 0; c < C; ++c) row(out, n, C)[c] = row(y, n, C)[c] / (1 + std::exp(-s[n]));
}

template <>
void sigmoid_gate_backward(double* ds, double* dy, const double* s, const double* y,
                           const double* dout, int N, int C) {
  // out = g y,  g = sigmoid(s)
  for (int n = 0; n < N; ++n) {
    const double g = 1 / (1 + std::exp(-s[n]));
    for (int c = 0; c < C; ++c) {
      const double dout_nc = row(dout, n, C)[c];
      if (dy) row(dy, n, C)[c] += g * dout_nc;
      if (ds) ds[n] += g * (1 - g) * dout_nc * row(y, n, C)[c];
    }
  }
}

// ---- On the tape --------------------------------------------------------------------------------

template <class T>
RouterLogits<T> router_logits(Tape<T>& tape, const Tensor<T>& x, const Tensor<T>& w,
                              SharedExpert<T>& shared) {
  if (!shared.down.data) return {linear_fp32(tape, x, w)};
  const std::array router{Linear<T>{w, {}, true}};
  const auto [gate_up, gate] = shared.of_x();
  const auto [z, gu, s] = basic_ops::linears_forward(tape, x, std::array{router[0], gate_up, gate});
  shared.gu = gu, shared.s = s;
  basic_ops::record_linears(tape, x, router, std::array{z});
  // Backward through gu and s is part of experts(); what is left here gives their gradients back.
  tape.record(std::array{gu, s}.data(), 2, [] {});
  return {z};
}

template <class T>
Tensor<T> experts(Tape<T>& tape, const Tensor<T>& x, const Routing<T>& routing,
                  const Tensor<T>& gate_up, const Tensor<T>& down, const Flag<T>* is_token,
                  const Tensor<T>& plus, const SharedExpert<T>& shared, const Tensor<T>& over) {
  const ExpertDims d{x.rows(), routing.E, routing.K, x.columns(), down.shape[1], tape.precision()};
  expect_shape(gate_up, Shape{d.E, d.C, 2 * d.H}, "gate_up of the experts");
  expect_shape(down, Shape{d.E, d.H, d.C}, "down of the experts");
  check(routing.N == d.N, "experts: ", routing.N, " routed rows for ", d.N, " rows of x.");
  const bool with_shared = shared.down.data;
  if (plus.data || with_shared) expect_shape(plus, x.shape, "what is added to the experts' output");
  const std::size_t slots = std::size_t(d.N) * std::size_t(d.K), slots_c = slots * std::size_t(d.C);
  DispatchPlan<T> plan;
  plan.offset = tape.template keep<Index<T>>(static_cast<std::size_t>(d.E) + 1);
  plan.token_from_slot = tape.template keep<Index<T>>(slots);
  plan.choice_from_slot = tape.template keep<Index<T>>(slots);
  plan.slot_from_choice = tape.template keep<Index<T>>(slots);
  plan_dispatch(plan, routing.chosen.expert, is_token, d.N, d.E, d.K);
  const Tensor<T> gate = routing.gate;
  const Tensor<T> out = tape.output_in(over, {d.N, d.C}, x, gate, gate_up, down, plus, shared.gu,
                                       shared.s, shared.down);
  T* gu = tape.template keep<T>(slots * 2 * std::size_t(d.H));
  const ExpertsInput<T> in{x.data, gate_up.data, down.data, gate.data};
  SharedInput<T> in_shared{};
  if (with_shared) {
    const int H = shared.down.rows();
    expect_shape(shared.down, Shape{H, d.C}, "down of the shared expert");
    expect_shape(shared.gu, Shape{d.N, 2 * H}, "gate and up of the shared expert");
    expect_shape(shared.s, Shape{d.N, 1}, "the gate of the shared expert");
    T* kept = tape.template keep<T>(shared_values<T>(d.N, d.C, H));
    in_shared = {shared.gu.data, shared.s.data, shared.down.data, kept, H};
  }

  const auto mark = tape.arena().mark();
  T* y = tape.template keep<T>(slots_c);
  if (with_shared) {
    experts_shared_forward<T>(out.data, y, gu, plus.data, in, in_shared, plan, d);
  } else {
    experts_forward(y, gu, in.x, in.gate_up, in.down, plan, d);
    if (plus.data)
      combine_plus<T>(out.data, plus.data, y, in.gate, plan.slot_from_choice, d.N, d.K, d.C);
    else
      combine<T>(out.data, y, in.gate, plan.slot_from_choice, d.N, d.K, d.C);
  }
  tape.arena().release(mark);

  tape.record(out, [&tape = tape, plan, gu, d, in, in_shared, x, gate, gate_up, down, plus, shared,
                    out, slots_c] {
    // Take the gradients before the mark: what is taken after it is released at the end.
    ExpertsGradient<T> dw{};
    T* dgate = tape.grad(gate, dw.dgate_fresh);
    const T* dout = tape.grad(out);
    dw.gate_up = tape.grad(gate_up, dw.gate_up_fresh);
    dw.down = tape.grad(down, dw.down_fresh);
    SharedGradient<T> dshared{};
    std::optional<basic_ops::LinearsBackward<T, 2>> of_x;  // to the shared expert's gu and s
    if (in_shared.kept) {
      bool fresh;  // always: nothing else reads them
      dshared.gu = tape.grad(shared.gu, fresh);
      dshared.s = tape.grad(shared.s, fresh);
      dshared.down = tape.grad(shared.down, dshared.down_fresh);
      of_x.emplace(tape, x, shared.of_x(), std::array{shared.gu, shared.s}, d.precision);
    }
    bool dx_fresh;
    T* dx = tape.grad(x, dx_fresh);
    const auto before = tape.arena().mark();
    T* dxs = dx ? tape.template keep<T>(slots_c) : nullptr;
    T* scratch = tape.template keep<T>(experts_scratch<T>(d));
    if (of_x) {
      dshared.scratch = tape.template keep<T>(shared_values<T>(d.N, d.C, in_shared.H));
      experts_shared_backward<T>(dxs, dgate, dw, dshared, scratch, in, in_shared, gu, dout, plan,
                                 d);
      of_x->compute();
    } else {
      experts_backward<T>(dxs, dgate, dw, scratch, in, gu, dout, plan, d);
    }
    // xs = rows of x:  dx[n] += sum_k dxs[slot of (n,k)]
    if (dx) combine<T>(dx, dxs, nullptr, plan.slot_from_choice, d.N, d.K, d.C, !dx_fresh);
    tape.arena().release(before);
    if (!tape.hand_over(out, plus)) basic_ops::add_gradient(tape, plus, out);
  });
  return out;
}

template <class T>
Tensor<T> sigmoid_gate(Tape<T>& tape, const Tensor<T>& s, const Tensor<T>& y) {
  const int N = y.rows(), C = y.columns();
  expect_shape(s, Shape{N, 1}, "the gate of the shared expert");
  const Tensor<T> out = tape.output(y.shape, s, y);
  sigmoid_gate_forward(out.data, s.data, y.data, N, C);
  tape.record(out, [&tape = tape, s, y, out, N, C] {
    sigmoid_gate_backward(tape.grad(s), tape.grad(y), s.data, y.data, tape.grad(out), N, C);
  });
  return out;
}

#define RAMOE_INSTANTIATE(T)                                                                  \
  template RouterLogits<T> router_logits(Tape<T>&, const Tensor<T>&, const Tensor<T>&,        \
                                         SharedExpert<T>&);                                   \
  template Tensor<T> experts(Tape<T>&, const Tensor<T>&, const Routing<T>&, const Tensor<T>&, \
                             const Tensor<T>&, const Flag<T>*, const Tensor<T>&,              \
                             const SharedExpert<T>&, const Tensor<T>&);                       \
  template Tensor<T> sigmoid_gate(Tape<T>&, const Tensor<T>&, const Tensor<T>&);
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
