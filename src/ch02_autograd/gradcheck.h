// Chapter 2.4 - is the derivative right? Finite differences in double precision
//
//   dL/dx[i]  ~  ( L(x + h e_i) - L(x - h e_i) ) / 2h,    h = 1e-5 * max(1, |x[i]|)
//
// The error of the central difference is O(h^2), and rounding adds about 1e-16 |L| / h. In double
// both stay below the default tolerances of gradient_error.
// Tests: tests/ch02_autograd/gradcheck_test.cpp (a wrong backward is caught)
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "ch02_autograd/tape.h"

namespace ramoe {

/// One input of the checked function: a name for the report, a shape and the values.
struct CheckedInput {
  std::string name;
  Shape shape;
  std::vector<double> values;
};

/// Computes the function on a tape from one tensor per input, in order; returns a tensor of any
/// shape.
using CheckedFunction =
    std::function<Tensor<double>(Tape<double>&, const std::vector<Tensor<double>>& inputs)>;

/// Compares the tape's gradients of L = sum_i c[i] f(x)[i] with finite differences, for every
/// element of every input; the fixed weights c come from `seed`. Gradients start from a non-zero
/// value, so that a backward that overwrites instead of accumulating is caught. Returns "" if all
/// agree within atol + rtol * |finite difference|, otherwise a line about the worst element.
std::string gradient_error(const CheckedFunction& function, std::vector<CheckedInput> inputs,
                           double rtol = 1e-6, double atol = 1e-8, unsigned seed = 1);

/// An input of standard normal values from a seed.
CheckedInput random_input(const std::string& name, const Shape& shape, unsigned seed);

}  // namespace ramoe
