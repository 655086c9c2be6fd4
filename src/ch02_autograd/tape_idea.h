// Chapter 2.1 - reverse-mode differentiation: the idea
//
// Let L be computed in steps, each from the results of earlier ones. The chain rule says that a
// step out = f(a, b) passes the gradient of its output on to its inputs:
//
//   dL/da += dL/dout dout/da       dL/db += dL/dout dout/db       (+=: a may be read elsewhere too)
//
// For that dL/dout must be complete: all steps that read `out` have passed theirs on.
// So: write down each step as it is computed, and go through the list backwards. The list is the
// tape; what is written down is a function that undoes the step.
//
//   SimpleTape tape;
//   Variable& x = tape.variable({3});
//   Variable& L = add(tape, multiply(tape, x, x), x);      // x^2 + x = 12
//   tape.backward(L);                                      // x.gradient = 2x + 1 = 7
//
// This is the whole of it, and enough to train with. tape.h does the same in reused memory.
// Tests: tests/ch02_autograd/tape_idea_test.cpp
#pragma once

#include <functional>
#include <memory>
#include <vector>

namespace ramoe {

/// A list of numbers, and the gradient of the loss with respect to each.
struct Variable {
  std::vector<double> value, gradient;
};

class SimpleTape {
 public:
  /// A new variable; the tape owns it.
  Variable& variable(std::vector<double> value) {
    std::vector<double> zeros(value.size(), 0.0);
    variables_.push_back(std::make_unique<Variable>(std::move(value), std::move(zeros)));
    return *variables_.back();
  }
  /// Writes down how to undo the step just computed.
  void record(std::function<void()> undo) { steps_.push_back(std::move(undo)); }

  /// Adds dL/dx to the gradient of every variable x that led to L, which is one number.
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
