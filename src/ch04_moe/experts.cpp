#include "ch04_moe/experts.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ch01_tensor/simd.h"
#include "ch03_transformer/layer_ops.h"
#include "support/parallel.h"

namespace ramoe {

void plan_dispatch(DispatchPlan& plan, const int* chosen, const unsigned char* real, int N, int E,
                   int K) {
  std::fill_n(plan.offset, E + 1, 0);
  for (int n = 0; n < N; ++n)
    for (int k = 0; k < K; ++k)
      if (real[n]) ++plan.offset[row(chosen, n, K)[k] + 1];
  for (int e = 0; e < E; ++e) plan.offset[e + 1] += plan.offset[e];
  plan.slots = plan.offset[E];
  // offset[e] serves as the next free slot of e while filling, and is shifted back afterwards.
  for (int n = 0; n < N; ++n)
    for (int k = 0; k < K; ++k) {
      int& slot = row(plan.slot_from_choice, n, K)[k];
      slot = -1;
      if (!real[n]) continue;
      slot = plan.offset[row(chosen, n, K)[k]]++;
      plan.token_from_slot[slot] = n;
      plan.choice_from_slot[slot] = n * K + k;
    }
  for (int e = E; e > 0; --e) plan.offset[e] = plan.offset[e - 1];
  plan.offset[0] = 0;
}

namespace {

template <class T>
RAMOE_INLINE void combine_body(T* out, const T* y, const T* gate, const int* slot, int rows, int K,
                               int C, bool add) {
  for (int n = 0; n < rows; ++n, out += C, slot += K) {
    if (!add)
      for (int c = 0; c < C; ++c) out[c] = 0;
    for (int k = 0; k < K; ++k) {
      if (slot[k] < 0) continue;
      const T* y_k = y + std::size_t(slot[k]) * std::size_t(C);
      const T weight = gate ? gate[n * K + k] : T(1);
      for (int c = 0; c < C; ++c) out[c] += weight * y_k[c];
    }
  }
}
RAMOE_SIMD void combine_rows(float* out, const float* y, const float* gate, const int* slot,
                             int rows, int K, int C, bool add) {
  combine_body(out, y, gate, slot, rows, K, C, add);
}
void combine_rows(double* out, const double* y, const double* gate, const int* slot, int rows,
                  int K, int C, bool add) {
  combine_body(out, y, gate, slot, rows, K, C, add);
}

}  // namespace

template <class T>
void combine(T* out, const T* y, const T* gate, const int* slot_from_choice, int N, int K, int C,
             bool accumulate) {
  parallel_for(N, rows_per_block(C), [&](int begin, int end) {
    combine_rows(row(out, begin, C), y, gate ? row(gate, begin, K) : nullptr,
                 row(slot_from_choice, begin, K), end - begin, K, C, accumulate);
  });
}

template <class T>
void experts_forward_plain(T* out, const T* x, const T* gate_up, const T* down, const T* gate,
                           const int* chosen, const unsigned char* real, int N, int K, int C,
                           int H) {
  std::vector<T> gu(2 * std::size_t(H)), act(static_cast<std::size_t>(H));
  const std::size_t up_size = std::size_t(C) * 2 * std::size_t(H);
  const std::size_t down_size = std::size_t(H) * std::size_t(C);
  for (int n = 0; n < N; ++n) {
    T* out_n = row(out, n, C);
    std::fill_n(out_n, C, T(0));
    for (int k = 0; real[n] && k < K; ++k) {
      const std::size_t e = std::size_t(row(chosen, n, K)[k]);
      for (int j = 0; j < 2 * H; ++j) {
        gu[std::size_t(j)] = 0;
        for (int c = 0; c < C; ++c)
          gu[std::size_t(j)] += row(x, n, C)[c] * row(gate_up + e * up_size, c, 2 * H)[j];
      }
      swiglu_forward(act.data(), gu.data(), 1, H);
      for (int c = 0; c < C; ++c)
        for (int h = 0; h < H; ++h)
          out_n[c] += row(gate, n, K)[k] * act[std::size_t(h)] * row(down + e * down_size, h, C)[c];
    }
  }
}

// ---- On the tape --------------------------------------------------------------------------------

template <class T>
Tensor<T> experts(Tape<T>& tape, const Tensor<T>& x, const Routing<T>& routing,
                  const Tensor<T>& gate_up, const Tensor<T>& down, const unsigned char* real) {
  const ExpertDims d{x.rows(), routing.E, routing.K, x.columns(), down.shape[1], tape.precision()};
  expect_shape(gate_up, Shape{d.E, d.C, 2 * d.H}, "gate_up of the experts");
  expect_shape(down, Shape{d.E, d.H, d.C}, "down of the experts");
  check(routing.N == d.N, "experts: ", routing.N, " routed rows for ", d.N, " rows of x.");
  const std::size_t choices = std::size_t(d.N) * std::size_t(d.K);
  DispatchPlan plan;
  plan.offset = tape.template keep<int>(static_cast<std::size_t>(d.E) + 1);
  plan.token_from_slot = tape.template keep<int>(choices);
  plan.choice_from_slot = tape.template keep<int>(choices);
  plan.slot_from_choice = tape.template keep<int>(choices);
  plan_dispatch(plan, routing.chosen.expert, real, d.N, d.E, d.K);
  const std::size_t slots = std::size_t(plan.slots), slots_c = slots * std::size_t(d.C);
  const Tensor<T> gate = routing.gate, out = tape.output({d.N, d.C}, x, gate, gate_up, down);
  T* gu = tape.template keep<T>(slots * 2 * std::size_t(d.H));

  const typename Arena::Mark mark = tape.arena().mark();
  T* y = tape.template keep<T>(slots_c);
  experts_forward(y, gu, x.data, gate_up.data, down.data, plan, d);
  combine(out.data, y, gate.data, plan.slot_from_choice, d.N, d.K, d.C);
  tape.arena().release(mark);

  tape.record(out, [&tape = tape, plan, gu, d, x, gate, gate_up, down, out, slots_c] {
    // Gradients first: what is taken behind the mark is given back at the end.
    bool dx_fresh;
    T *dx = tape.grad(x, dx_fresh), *dgate = tape.grad(gate), *dout = tape.grad(out);
    ExpertsGradient<T> dw{};
    dw.gate_up = tape.grad(gate_up, dw.gate_up_fresh);
    dw.down = tape.grad(down, dw.down_fresh);
    const typename Arena::Mark before = tape.arena().mark();
    T* dxs = dx ? tape.template keep<T>(slots_c) : nullptr;
    const std::size_t weights = 3 * std::size_t(d.C) * std::size_t(d.H);
    T* partials = tape.template keep<T>(std::size_t(partial_sums(plan, d)) * weights);
    experts_backward(dxs, dgate, dw, partials, {x.data, gate_up.data, down.data, gate.data}, gu,
                     dout, plan, d);
    // xs = rows of x:  dx[n] += sum_k dxs[slot of (n,k)]
    if (dx) combine<T>(dx, dxs, nullptr, plan.slot_from_choice, d.N, d.K, d.C, !dx_fresh);
    tape.arena().release(before);
  });
  return out;
}

template <class T>
Tensor<T> sigmoid_gate(Tape<T>& tape, const Tensor<T>& s, const Tensor<T>& y) {
  const int N = y.rows(), C = y.columns();
  expect_shape(s, Shape{N, 1}, "the gate of the shared expert");
  const Tensor<T> out = tape.output(y.shape, s, y);
  for (int n = 0; n < N; ++n)
    for (int c = 0; c < C; ++c) row(out.data, n, C)[c] = sigmoid(s.data[n]) * row(y.data, n, C)[c];
  tape.record(out, [&tape = tape, s, y, out, N, C] {
    // out = g y, g = sigmoid(s):  dy += g dout,  ds += g (1 - g) dout . y
    T *ds = tape.grad(s), *dy = tape.grad(y);
    for (int n = 0; n < N; ++n) {
      const T g = sigmoid(s.data[n]), *dout_n = row(tape.grad(out), n, C);
      T product = 0;
      for (int c = 0; c < C; ++c) {
        product += dout_n[c] * row(y.data, n, C)[c];
        if (dy) row(dy, n, C)[c] += g * dout_n[c];
      }
      if (ds) ds[n] += g * (T(1) - g) * product;
    }
  });
  return out;
}

#define RAMOE_INSTANTIATE(T)                                                                  \
  template void combine(T*, const T*, const T*, const int*, int, int, int, bool);             \
  template void experts_forward_plain(T*, const T*, const T*, const T*, const T*, const int*, \
                                      const unsigned char*, int, int, int, int);              \
  template Tensor<T> experts(Tape<T>&, const Tensor<T>&, const Routing<T>&, const Tensor<T>&, \
                             const Tensor<T>&, const unsigned char*);                         \
  template Tensor<T> sigmoid_gate(Tape<T>&, const Tensor<T>&, const Tensor<T>&);
RAMOE_INSTANTIATE(float)
RAMOE_INSTANTIATE(double)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
