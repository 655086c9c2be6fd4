#include "ch04_moe/experts.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/parallel.h"
#include "ch01_tensor/simd.h"
#include "ch01_tensor/vector_ops.h"
#include "ch03_transformer/layer_ops.h"

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
    }
  for (int e = E; e > 0; --e) plan.offset[e] = plan.offset[e - 1];
  plan.offset[0] = 0;
}

namespace {

template <class T>
RAMOE_INLINE void combine_body(T* out, const T* y, const T* gate, const int* slot, int rows, int K,
                               int C) {
  for (int n = 0; n < rows; ++n, out += C, gate += K, slot += K) {
    for (int c = 0; c < C; ++c) out[c] = 0;
    for (int k = 0; k < K; ++k) {
      if (slot[k] < 0) continue;
      const T* y_k = y + std::size_t(slot[k]) * std::size_t(C);
      const T weight = gate[k];
      for (int c = 0; c < C; ++c) out[c] += weight * y_k[c];
    }
  }
}
RAMOE_SIMD void combine_rows(float* out, const float* y, const float* gate, const int* slot,
                             int rows, int K, int C) {
  combine_body(out, y, gate, slot, rows, K, C);
}
void combine_rows(double* out, const double* y, const double* gate, const int* slot, int rows,
                  int K, int C) {
  combine_body(out, y, gate, slot, rows, K, C);
}

template <class T>
RAMOE_INLINE void combine_backward_body(T* dy, T* dgate, const T* y, const T* gate, const int* slot,
                                        const T* dout, int rows, int K, int C, bool add) {
  for (int n = 0; n < rows; ++n, dout += C, gate += K, slot += K)
    for (int k = 0; k < K; ++k) {
      if (slot[k] < 0) continue;
      const std::size_t at = std::size_t(slot[k]) * std::size_t(C);
      const T weight = gate[k];
      T* dy_k = dy + at;
      if (add)
        for (int c = 0; c < C; ++c) dy_k[c] += weight * dout[c];
      else
        for (int c = 0; c < C; ++c) dy_k[c] = weight * dout[c];
      if (dgate != nullptr) dgate[n * K + k] += dot(dout, y + at, C);
    }
}
RAMOE_SIMD void combine_backward_rows(float* dy, float* dgate, const float* y, const float* gate,
                                      const int* slot, const float* dout, int rows, int K, int C,
                                      bool add) {
  combine_backward_body(dy, dgate, y, gate, slot, dout, rows, K, C, add);
}
void combine_backward_rows(double* dy, double* dgate, const double* y, const double* gate,
                           const int* slot, const double* dout, int rows, int K, int C, bool add) {
  combine_backward_body(dy, dgate, y, gate, slot, dout, rows, K, C, add);
}

}  // namespace

template <class T>
void combine_forward(T* out, const T* y, const T* gate, const int* slot_from_choice, int N, int K,
                     int C) {
  parallel_for(N, rows_per_block(C), [&](int begin, int end) {
    combine_rows(row(out, begin, C), y, row(gate, begin, K), row(slot_from_choice, begin, K),
                 end - begin, K, C);
  });
}

template <class T>
void combine_backward(T* dy, T* dgate, const T* y, const T* gate, const int* slot_from_choice,
                      const T* dout, int N, int K, int C, bool accumulate) {
  // A slot belongs to one token, so blocks of tokens write apart.
  parallel_for(N, rows_per_block(C), [&](int begin, int end) {
    combine_backward_rows(dy, dgate ? row(dgate, begin, K) : nullptr, y, row(gate, begin, K),
                          row(slot_from_choice, begin, K), row(dout, begin, C), end - begin, K, C,
                          accumulate);
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
      swiglu_forward_plain(act.data(), gu.data(), 1, H);
      for (int c = 0; c < C; ++c)
        for (int h = 0; h < H; ++h)
          out_n[c] += row(gate, n, K)[k] * act[std::size_t(h)] * row(down + e * down_size, h, C)[c];
    }
  }
}

// ---- On the tape --------------------------------------------------------------------------------

namespace {

/// The grouped products of all experts: rows of `a` and of `c` by slot, or weights, by stride.
template <class T>
void expert_products(const DispatchPlan& plan, int E, const Gemm<T>& first, std::size_t a_stride,
                     std::size_t b_stride, std::size_t c_stride) {
  // NN and NT: M rows of slots, B the expert's weight. TN: K runs over slots, C the expert's
  // weight.
  thread_local std::vector<Gemm<T>> products;
  products.clear();
  for (int e = 0; e < E; ++e) {
    const int begin = plan.offset[e], rows = plan.offset[e + 1] - begin;
    if (rows == 0) continue;
    Gemm<T> g = first;
    const std::size_t slot = std::size_t(begin), expert = std::size_t(e);
    const bool weights = g.form == GemmForm::TN;
    (weights ? g.K : g.M) = rows;
    g.A += slot * a_stride;
    g.B += (weights ? slot : expert) * b_stride;
    g.C += (weights ? expert : slot) * c_stride;
    products.push_back(g);
  }
  gemm_grouped(products.data(), static_cast<int>(products.size()));
}

/// What the mixture keeps between forward and backward.
template <class T>
struct ExpertsSaved {
  DispatchPlan plan;
  T *xs, *gu, *act, *y;  // by slot: (S,C), (S,2H), (S,H), (S,C)
  int N, E, K, C, H;
};

template <class T>
void experts_backward(Tape<T>& tape, const ExpertsSaved<T>& s, const Tensor<T>& x,
                      const Tensor<T>& gate, const Tensor<T>& gate_up, const Tensor<T>& down,
                      const Tensor<T>& out) {
  const int C = s.C, H = s.H, S = s.plan.slots;
  const std::size_t c = std::size_t(C), h = std::size_t(H), slots = std::size_t(S);
  // Gradients first: what is taken behind the mark is given back at the end.
  bool dx_fresh;
  T *dx = tape.grad(x, dx_fresh), *dgate = tape.grad(gate), *dw = tape.grad(gate_up);
  T *ddown = tape.grad(down), *dout = tape.grad(out);
  const typename Arena::Mark mark = tape.arena().mark();
  T* dy = tape.template keep<T>(slots * c);
  T* dact = tape.template keep<T>(slots * h);
  T* dgu = tape.template keep<T>(slots * 2 * h);
  // out = combine(y, gate)
  combine_backward(dy, dgate, s.y, gate.data, s.plan.slot_from_choice, dout, s.N, s.K, C, false);
  // y = act down:  ddown += act^T dy,  dact = dy down^T
  if (ddown)
    expert_products(s.plan, s.E, Gemm<T>{GemmForm::TN, H, C, 0, s.act, H, dy, C, ddown, C, true}, h,
                    c, h * c);
  expert_products(s.plan, s.E, Gemm<T>{GemmForm::NT, 0, H, C, dy, C, down.data, C, dact, H, false},
                  c, h * c, h);
  // act = swiglu(gu)
  swiglu_backward(dgu, s.gu, dact, S, H, false);
  // gu = xs gate_up:  dgate_up += xs^T dgu,  dxs = dgu gate_up^T (written over dy)
  if (dw)
    expert_products(s.plan, s.E,
                    Gemm<T>{GemmForm::TN, C, 2 * H, 0, s.xs, C, dgu, 2 * H, dw, 2 * H, true}, c,
                    2 * h, c * 2 * h);
  if (dx) {
    expert_products(
        s.plan, s.E,
        Gemm<T>{GemmForm::NT, 0, C, 2 * H, dgu, 2 * H, gate_up.data, 2 * H, dy, C, false}, 2 * h,
        c * 2 * h, c);
    // xs = rows of x:  dx[n] += sum_k dxs[slot of (n,k)]
    T* ones = tape.template keep<T>(std::size_t(s.N) * std::size_t(s.K));
    std::fill_n(ones, std::size_t(s.N) * std::size_t(s.K), T(1));
    T* sum = dx_fresh ? dx : tape.template keep<T>(std::size_t(s.N) * c);
    combine_forward(sum, dy, ones, s.plan.slot_from_choice, s.N, s.K, C);
    if (!dx_fresh) axpy(dx, T(1), sum, std::size_t(s.N) * c);
  }
  tape.arena().release(mark);
}

}  // namespace

template <class T>
Tensor<T> experts(Tape<T>& tape, const Tensor<T>& x, const Routing<T>& routing,
                  const Tensor<T>& gate_up, const Tensor<T>& down, const unsigned char* real) {
  const int N = x.rows(), C = x.columns(), E = routing.E, K = routing.K, H = down.shape[1];
  expect_shape(gate_up, Shape{E, C, 2 * H}, "gate_up of the experts");
  expect_shape(down, Shape{E, H, C}, "down of the experts");
  check(routing.N == N, "experts: ", routing.N, " routed rows for ", N, " rows of x.");
  const std::size_t choices = std::size_t(N) * std::size_t(K);
  ExpertsSaved<T> s{{}, nullptr, nullptr, nullptr, nullptr, N, E, K, C, H};
  s.plan.offset = tape.template keep<int>(static_cast<std::size_t>(E) + 1);
  s.plan.token_from_slot = tape.template keep<int>(choices);
  s.plan.slot_from_choice = tape.template keep<int>(choices);
  plan_dispatch(s.plan, routing.chosen.expert, real, N, E, K);
  const std::size_t slots = std::size_t(s.plan.slots), c = std::size_t(C), h = std::size_t(H);
  s.xs = tape.template keep<T>(slots * c);
  s.gu = tape.template keep<T>(slots * 2 * h);
  s.act = tape.template keep<T>(slots * h);
  s.y = tape.template keep<T>(slots * c);

  gather_rows_forward(s.xs, x.data, s.plan.token_from_slot, s.plan.slots, C);
  expert_products(
      s.plan, E,
      Gemm<T>{GemmForm::NN, 0, 2 * H, C, s.xs, C, gate_up.data, 2 * H, s.gu, 2 * H, false}, c,
      c * 2 * h, 2 * h);
  swiglu_forward(s.act, s.gu, s.plan.slots, H);
  expert_products(s.plan, E, Gemm<T>{GemmForm::NN, 0, C, H, s.act, H, down.data, C, s.y, C, false},
                  h, h * c, c);
  const Tensor<T> gate = routing.gate, out = tape.output({N, C}, x, gate, gate_up, down);
  combine_forward(out.data, s.y, gate.data, s.plan.slot_from_choice, N, K, C);
  tape.record(out, [&tape = tape, s, x, gate, gate_up, down, out] {
    experts_backward(tape, s, x, gate, gate_up, down, out);
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

#define RAMOE_INSTANTIATE(T)                                                                      \
  template void combine_forward(T*, const T*, const T*, const int*, int, int, int);               \
  template void combine_backward(T*, T*, const T*, const T*, const int*, const T*, int, int, int, \
                                 bool);                                                           \
  template void experts_forward_plain(T*, const T*, const T*, const T*, const T*, const int*,     \
                                      const unsigned char*, int, int, int, int);                  \
  template Tensor<T> experts(Tape<T>&, const Tensor<T>&, const Routing<T>&, const Tensor<T>&,     \
                             const Tensor<T>&, const unsigned char*);                             \
  template Tensor<T> sigmoid_gate(Tape<T>&, const Tensor<T>&, const Tensor<T>&);
RAMOE_INSTANTIATE(float)
RAMOE_INSTANTIATE(double)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
