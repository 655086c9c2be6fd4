// Chapter 2.1 - reverse-mode differentiation: the idea
//
// L is computed in steps, each from the results of earlier steps. By the chain rule, a step
// out = f(a, b) passes the gradient of its output on to its inputs:
//
//   dL/da += dL/dout dout/da       dL/db += dL/dout dout/db       (+=: other steps may read a too)
//
// For this, dL/dout must be complete: every step that reads `out` must have added its part.
// So each step is recorded when it is computed, and the list is run backwards. The list is the
// tape; what is recorded for a step is a function, its backward.
//
//   SimpleTape tape;
//   Variable& x = tape.variable({3});
//   Variable& L = add(tape, multiply(tape, x, x), x);      // x^2 + x = 12
//   tape.backward(L);                                      // x.gradient = 2x + 1 = 7
//
// This is all of it, and enough for training. tape.h does the same and reuses memory.
// Tests: tests/ch02_autograd/tape_idea_test.cpp
#pragma once

#include <functional>
#include <memory>
#include <vector>

namespace ramoe {

/// A list of numbers, and the gradient of the loss with respect to each one.
struct Variable {
  std::vector<double> value, gradient;
};

class SimpleTape {
 public:
  /// A new variable; the tape owns it.
  Variable& variable(std::vector<double> value) {
    std::vector<double> zeros(value.size(), 0.0);
    variables_.push_back(std::make_unique<Variable>(Variable{std::move(value), std::move(zeros)}));
    return *variables_.back();
  }
  /// Records the backward of the step just computed.
  void record(std::function<void()> undo) { steps_.push_back(std::move(undo)); }

  /// Adds dL/dx to the gradient of every variable x that L depends on. L must be one number.
  void backward(Variable& L) {
    L.gradient[0] += 1;  // dL/dL
    for (std::size_t s = steps_.size(); s-- > 0;) steps_[s]();
    steps_.clear();
  }

 private:
  std::vector<std::unique_ptr<Variable>> variables_;
  std::vector<std::function<void()>> steps_;
};

/// out[i] = a[i] + b[i]
inline Variable& add(SimpleTape& tape, Variable& a, Variable& b) {
  Variable& out = tape.variable(a.value);
  for (std::size_t i = 0; i < out.value.size(); ++i) out.value[i] += b.value[i];
  tape.record([&a, &b, &out] {
    for (std::size_t i = 0; i < out.value.size(); ++i) {
      a.gradient[i] += out.gradient[i];
      b.gradient[i] += out.gradient[i];
    }
  });
  return out;
}

/// out[i] = a[i] b[i]
inline Variable& multiply(SimpleTape& tape, Variable& a, Variable& b) {
  Variable& out = tape.variable(a.value);
  for (std::size_t i = 0; i < out.value.size(); ++i) out.value[i] *= b.value[i];
  tape.record([&a, &b, &out] {
    for (std::size_t i = 0; i < out.value.size(); ++i) {
      a.gradient[i] += out.gradient[i] * b.value[i];
      b.gradient[i] += out.gradient[i] * a.value[i];
    }
  });
  return out;
}

}  // namespace ramoe
