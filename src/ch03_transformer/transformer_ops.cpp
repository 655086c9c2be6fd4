#include "ch03_transformer/transformer_ops.h"

#include <algorithm>

#include "ch01_tensor/vector_ops.h"

namespace ramoe {

template <class T>
Tensor<T> embedding(Tape<T>& tape, const Tensor<T>& table, const int* token, int N) {
  const int V = table.rows(), C = table.columns();
  for (int n = 0; n < N; ++n)
    check(token[n] >= 0 && token[n] < V, "token ", token[n], " at place ", n,
          " is outside the vocabulary of ", V,
          "; was the text encoded with this model's tokenizer?");
  const Tensor<T> out = tape.output({N, C}, table);
  embedding_forward(out.data, table.data, token, N, C);
  tape.record(out, [&tape = tape, table, token, out, N, C] {
    embedding_backward(tape.grad(table), token, tape.grad(out), N, C);
  });
  return out;
}

template <class T>
Tensor<T> gather_rows(Tape<T>& tape, const Tensor<T>& x, const int* index, int R) {
  const int C = x.columns();
  for (int i = 0; i < R; ++i)
    check(index[i] >= 0 && index[i] < x.rows(), "gather_rows: row ", index[i], " of ", x.rows(),
          " was asked for.");
  const Tensor<T> out = tape.output({R, C}, x);
  gather_rows_forward(out.data, x.data, index, R, C);
  tape.record(out, [&tape = tape, x, index, out, R, C] {
    gather_rows_backward(tape.grad(x), index, tape.grad(out), R, C);
  });
  return out;
}

template <class T>
Tensor<T> rmsnorm(Tape<T>& tape, const Tensor<T>& x, const Tensor<T>& w, double eps) {
  const int N = x.rows(), C = x.columns();
  expect_shape(w, Shape{C}, "the weight of rmsnorm");
  const Tensor<T> out = tape.output(x.shape, x, w);
  T* rstd = tape.template keep<T>(static_cast<std::size_t>(N));
  rmsnorm_forward(out.data, rstd, x.data, w.data, N, C, eps);
  tape.record(out, [&tape = tape, x, w, rstd, out, N, C] {
    bool fresh;
    T* dx = tape.grad(x, fresh);
    rmsnorm_backward(dx, tape.grad(w), x.data, w.data, rstd, tape.grad(out), N, C, !fresh);
  });
  return out;
}

template <class T>
Tensor<T> rmsnorm_heads(Tape<T>& tape, const Tensor<T>& x, const Tensor<T>& w, double eps) {
  const int HS = w.shape[0];
  check(HS > 0 && x.columns() % HS == 0, "rmsnorm_heads: rows of ", x.columns(),
        " values do not split into heads of ", HS, ".");
  const Tensor<T> heads = tape.reshape(x, {x.rows() * (x.columns() / HS), HS});
  return tape.reshape(rmsnorm(tape, heads, w, eps), x.shape);
}

template <class T>
Tensor<T> rope_over(Tape<T>& tape, const Tensor<T>& x, const int* position, int HS, double theta) {
  check(HS > 0 && HS % 2 == 0 && x.columns() % HS == 0, "rope: rows of ", x.columns(),
        " values with heads of ", HS, "; the head size must be even and divide the row.");
  const int N = x.rows(), heads = x.columns() / HS;
  const Tensor<T> out = tape.output_over(x, x);
  rope_forward(out.data, position, N, heads, HS, theta);
  tape.record(out, [&tape = tape, x, position, out, N, heads, HS, theta] {
    T* dout = tape.grad(out);
    rope_backward(dout, position, N, heads, HS, theta);
    if (!tape.hand_over(out, x)) axpy(tape.grad(x), T(1), dout, out.count());
  });
  return out;
}

template <class T>
Tensor<T> clip(Tape<T>& tape, const Tensor<T>& x, double limit) {
  check(limit > 0, "clip: the limit is ", limit, "; it must be positive.");
  const int n = static_cast<int>(x.count());
  const Tensor<T> out = tape.output(x.shape, x);
  clip_forward(out.data, x.data, T(limit), n);
  tape.record(out, [&tape = tape, x, out, limit, n] {
    clip_backward(tape.grad(x), x.data, T(limit), tape.grad(out), n);
  });
  return out;
}

template <class T>
Tensor<T> attention(Tape<T>& tape, const Tensor<T>& q, const Tensor<T>& k, const Tensor<T>& v,
                    const int* length, const AttentionDims& d) {
  check(d.NKV > 0 && d.NH % d.NKV == 0, "attention: ", d.NH, " query heads do not group over ",
        d.NKV, " key/value heads.");
  expect_shape(q, Shape{d.B * d.T, d.NH * d.HS}, "q of attention");
  expect_shape(k, Shape{d.B * d.T, d.NKV * d.HS}, "k of attention");
  expect_shape(v, Shape{d.B * d.T, d.NKV * d.HS}, "v of attention");
  for (int b = 0; b < d.B; ++b)
    check(length[b] >= 0 && length[b] <= d.T, "attention: sequence ", b, " has length ", length[b],
          " in rows of ", d.T, " tokens.");
  const Tensor<T> out = tape.output(q.shape, q, k, v);
  const std::size_t cells = std::size_t(d.B) * std::size_t(d.NH) * std::size_t(d.T);
  T* p = tape.template keep<T>(cells * std::size_t(d.T));
  attention_forward(out.data, p, q.data, k.data, v.data, length, d);
  tape.record(out, [&tape = tape, q, k, v, p, out, length, d] {
    bool fresh[3];
    T *dq = tape.grad(q, fresh[0]), *dk = tape.grad(k, fresh[1]), *dv = tape.grad(v, fresh[2]);
    // One tensor may be two of them, so only if all three hold nothing are they overwritten.
    const bool overwrite = fresh[0] && fresh[1] && fresh[2];
    if (!overwrite) {
      if (fresh[0]) std::fill_n(dq, q.count(), T(0));
      if (fresh[1]) std::fill_n(dk, k.count(), T(0));
      if (fresh[2]) std::fill_n(dv, v.count(), T(0));
    }
    attention_backward(dq, dk, dv, p, q.data, k.data, v.data, tape.grad(out), length, d,
                       !overwrite);
  });
  return out;
}

template <class T>
Tensor<T> swiglu(Tape<T>& tape, const Tensor<T>& gu) {
  check(gu.columns() % 2 == 0, "swiglu: rows of ", gu.columns(), " values; gate and up need 2H.");
  const int N = gu.rows(), H = gu.columns() / 2;
  const Tensor<T> out = tape.output({N, H}, gu);
  swiglu_forward(out.data, gu.data, N, H);
  tape.record(out, [&tape = tape, gu, out, N, H] {
    bool fresh;
    T* dgu = tape.grad(gu, fresh);
    swiglu_backward(dgu, gu.data, tape.grad(out), N, H, !fresh);
  });
  return out;
}

template <class T>
Tensor<T> cross_entropy(Tape<T>& tape, const Tensor<T>& z, const int* target) {
  const int N = z.rows(), V = z.columns();
  T* losses = tape.template keep<T>(static_cast<std::size_t>(N));
  T* lse = tape.template keep<T>(static_cast<std::size_t>(N));
  int counted = 0;
  for (int n = 0; n < N; ++n) {
    check(target[n] == kIgnore || (target[n] >= 0 && target[n] < V), "target ", target[n],
          " at row ", n, " is neither in the vocabulary of ", V, " nor ", kIgnore, " (ignored).");
    counted += target[n] != kIgnore;
  }
  cross_entropy_forward(losses, lse, z.data, target, N, V);
  double total = 0;
  for (int n = 0; n < N; ++n) total += double(losses[n]);
  const Tensor<T> loss = tape.output(Shape{}, z);
  loss.data[0] = static_cast<T>(counted > 0 ? total / counted : 0.0);
  tape.record(loss, [&tape = tape, z, target, lse, loss, counted, N, V] {
    // loss = mean over counted rows:  every row's share is dloss / counted
    if (counted == 0) return;
    const T scale = tape.grad(loss)[0] / static_cast<T>(counted);
    bool fresh;
    T* dz = tape.grad(z, fresh);
    cross_entropy_backward(dz, z.data, lse, target, scale, N, V, !fresh);
  });
  return loss;
}

#define RAMOE_INSTANTIATE(T)                                                                   \
  template Tensor<T> embedding(Tape<T>&, const Tensor<T>&, const int*, int);                   \
  template Tensor<T> gather_rows(Tape<T>&, const Tensor<T>&, const int*, int);                 \
  template Tensor<T> rmsnorm(Tape<T>&, const Tensor<T>&, const Tensor<T>&, double);            \
  template Tensor<T> rmsnorm_heads(Tape<T>&, const Tensor<T>&, const Tensor<T>&, double);      \
  template Tensor<T> rope_over(Tape<T>&, const Tensor<T>&, const int*, int, double);           \
  template Tensor<T> clip(Tape<T>&, const Tensor<T>&, double);                                 \
  template Tensor<T> attention(Tape<T>&, const Tensor<T>&, const Tensor<T>&, const Tensor<T>&, \
                               const int*, const AttentionDims&);                              \
  template Tensor<T> swiglu(Tape<T>&, const Tensor<T>&);                                       \
  template Tensor<T> cross_entropy(Tape<T>&, const Tensor<T>&, const int*);
RAMOE_INSTANTIATE(float)
RAMOE_INSTANTIATE(double)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
