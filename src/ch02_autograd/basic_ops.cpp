#include "ch02_autograd/basic_ops.h"

#include <array>

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/vector_ops.h"

namespace ramoe {

namespace {

template <class T>
Tensor<T> record_sum(Tape<T>& tape, const Tensor<T>& out, const Tensor<T>& a, const Tensor<T>& b) {
  add_forward(out.data, a.data, b.data, out.count());
  tape.record(out, [&tape = tape, out, a, b] {
    // out = a + b:  da += dout, db += dout
    const T* dout = tape.grad(out);
    bool fresh;
    if (T* db = tape.grad(b, fresh)) {
      if (fresh)
        copy_values(db, dout, out.count());
      else
        axpy(db, T(1), dout, out.count());
    }
    if (tape.hand_over(out, a)) return;
    if (T* da = tape.grad(a)) axpy(da, T(1), dout, out.count());
  });
  return out;
}

}  // namespace

template <class T>
Tensor<T> add(Tape<T>& tape, const Tensor<T>& a, const Tensor<T>& b) {
  expect_shape(b, a.shape, "the second operand of add");
  return record_sum(tape, tape.output(a.shape, a, b), a, b);
}

template <class T>
Tensor<T> add_over(Tape<T>& tape, const Tensor<T>& a, const Tensor<T>& b) {
  expect_shape(b, a.shape, "the second operand of add_over");
  return record_sum(tape, tape.output_over(b, a, b), a, b);
}

template <class T>
Tensor<T> linear(Tape<T>& tape, const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>& bias) {
  check(x.shape.rank() == 2 && w.shape.rank() == 2 && x.columns() == w.rows(), "linear: x ",
        x.shape, " times w ", w.shape, ": the inner extents differ.");
  const int N = x.rows(), I = x.columns(), O = w.columns();
  if (bias.data) expect_shape(bias, Shape{O}, "the bias of linear");
  const Tensor<T> y = tape.output({N, O}, x, w, bias);
  const Precision in = tape.precision();
  gemm(Gemm<T>{GemmForm::NN, N, O, I, x.data, I, w.data, O, y.data, O, false, in});
  if (bias.data) add_bias_forward(y.data, bias.data, N, O);
  tape.record(y, [&tape = tape, x, w, bias, y, N, I, O, in] {
    const T* dy = tape.grad(y);
    // y = x w + bias:  dbias += sum_n dy
    if (T* dbias = tape.grad(bias)) add_bias_backward(dbias, dy, N, O);
    // dw += x^T dy
    bool fresh;
    if (T* dw = tape.grad(w, fresh))
      gemm(Gemm<T>{GemmForm::TN, I, O, N, x.data, I, dy, O, dw, O, !fresh, in});
    // dx += dy w^T
    if (T* dx = tape.grad(x, fresh))
      gemm(Gemm<T>{GemmForm::NT, N, I, O, dy, O, w.data, O, dx, I, !fresh, in});
  });
  return y;
}

template <class T>
Tensor<T> linear_fp32(Tape<T>& tape, const Tensor<T>& x, const Tensor<T>& w) {
  const typename Tape<T>::InPrecision exact(tape, Precision::fp32);
  return linear(tape, x, w);
}

template <class T>
Tensor<T> linear_transposed(Tape<T>& tape, const Tensor<T>& x, const Tensor<T>& w) {
  check(x.shape.rank() == 2 && w.shape.rank() == 2 && x.columns() == w.columns(),
        "linear_transposed: x ", x.shape, " times the transpose of w ", w.shape,
        ": the inner extents differ.");
  const int N = x.rows(), I = x.columns(), O = w.rows();
  const Tensor<T> y = tape.output({N, O}, x, w);
  const Precision in = tape.precision();
  gemm(Gemm<T>{GemmForm::NT, N, O, I, x.data, I, w.data, I, y.data, O, false, in});
  tape.record(y, [&tape = tape, x, w, y, N, I, O, in] {
    const T* dy = tape.grad(y);
    // y = x w^T:  dw += dy^T x,  dx += dy w
    bool fresh;
    if (T* dw = tape.grad(w, fresh))
      gemm(Gemm<T>{GemmForm::TN, O, I, N, dy, O, x.data, I, dw, I, !fresh, in});
    if (T* dx = tape.grad(x, fresh))
      gemm(Gemm<T>{GemmForm::NN, N, I, O, dy, O, w.data, I, dx, I, !fresh, in});
  });
  return y;
}

template <class T>
Tensor<T> softmax(Tape<T>& tape, const Tensor<T>& z) {
  check(z.shape.rank() == 2 && z.columns() > 0, "softmax: z has shape ", z.shape,
        "; expected (N,E) with E > 0.");
  const Tensor<T> p = tape.output(z.shape, z);
  softmax_forward(p.data, z.data, z.rows(), z.columns());
  tape.record(p, [&tape = tape, z, p] {
    softmax_backward(tape.grad(z), p.data, tape.grad(p), z.rows(), z.columns());
  });
  return p;
}

template <class T>
Tensor<T> weighted_sum(Tape<T>& tape, std::initializer_list<WeightedTerm<T>> terms) {
  constexpr std::size_t kMost = 8;
  check(terms.size() <= kMost, "weighted_sum takes at most 8 terms; ", terms.size(),
        " were given.");
  std::array<WeightedTerm<T>, kMost> kept{};
  std::size_t count = 0;
  Tensor<T> any_gradient;
  double total = 0;
  for (const WeightedTerm<T>& term : terms) {
    if (!term.value.data) continue;
    check(term.value.count() == 1, "weighted_sum: a term has shape ", term.value.shape,
          "; expected one value.");
    total += term.weight * double(term.value.data[0]);
    if (term.value.node >= 0) any_gradient = term.value;
    kept[count++] = term;
  }
  const Tensor<T> out = tape.output(Shape{}, any_gradient);
  out.data[0] = static_cast<T>(total);
  tape.record(out, [&tape = tape, out, kept, count] {
    const T dout = tape.grad(out)[0];
    for (std::size_t i = 0; i < count; ++i)
      if (T* dvalue = tape.grad(kept[i].value)) dvalue[0] += static_cast<T>(kept[i].weight) * dout;
  });
  return out;
}

#define RAMOE_INSTANTIATE(T)                                                                 \
  template Tensor<T> add(Tape<T>&, const Tensor<T>&, const Tensor<T>&);                      \
  template Tensor<T> add_over(Tape<T>&, const Tensor<T>&, const Tensor<T>&);                 \
  template Tensor<T> linear(Tape<T>&, const Tensor<T>&, const Tensor<T>&, const Tensor<T>&); \
  template Tensor<T> linear_fp32(Tape<T>&, const Tensor<T>&, const Tensor<T>&);              \
  template Tensor<T> linear_transposed(Tape<T>&, const Tensor<T>&, const Tensor<T>&);        \
  template Tensor<T> softmax(Tape<T>&, const Tensor<T>&);                                    \
  template Tensor<T> weighted_sum(Tape<T>&, std::initializer_list<WeightedTerm<T>>);
RAMOE_INSTANTIATE(float)
RAMOE_INSTANTIATE(double)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
