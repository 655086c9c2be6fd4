// Chapter 2.4 - is the derivative right? Finite differences in double precision
//
//   dL/dx[i]  ~  ( L(x + h e_i) - L(x - h e_i) ) / 2h,    h = 1e-5 * max(1, |x[i]|)
//
// The error of the central difference is O(h^2) and the rounding error about 1e-16 / h, so 1e-7 can
// be expected in double. Tests: tests/ch02_autograd/gradcheck_test.cpp (a wrong backward is caught)
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ch02_autograd/tape.h"

namespace ramoe {

/// One input of a function under check: a name for the report, a shape and the values.
struct CheckedInput {
  std::string name;
  Shape shape;
  std::vector<double> values;
};

/// Builds the function on a tape from tensors for the inputs, in order; returns a tensor of any
/// shape.
using CheckedFunction =
    std::function<Tensor<double>(Tape<double>&, const std::vector<Tensor<double>>& inputs)>;

/// Compares the tape's gradients of L = sum_i c[i] f(x)[i], with fixed weights c from `seed`, with
/// finite differences for every element of every input. Gradients start from a non-zero value, so
/// that a backward which overwrites instead of accumulating is caught. Returns "" if all agree
/// within atol + rtol * |finite difference|, else a line for the worst element.
std::string gradient_error(const CheckedFunction& function, std::vector<CheckedInput> inputs,
                           double rtol = 1e-6, double atol = 1e-8, unsigned seed = 1);

/// An input of standard normal values from a seed.
CheckedInput random_input(const std::string& name, const Shape& shape, unsigned seed);

}  // namespace ramoe
