// The judge is judged: right derivatives pass, and each kind of wrong one is caught.
#include "ch02_autograd/gradcheck.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/compare.h"

namespace ramoe {
namespace {

enum class Fault { none, factor, one_element, overwrites, sign, forgets_input, nan };

/// y[i] = x[i]^2 w[i] with a backward that has the given fault.
Tensor<double> square_times(Tape<double>& tape, const Tensor<double>& x, const Tensor<double>& w,
                            Fault fault) {
  const Tensor<double> y = tape.output(x.shape, x, w);
  for (std::size_t i = 0; i < y.count(); ++i) y.data[i] = x.data[i] * x.data[i] * w.data[i];
  tape.record(y, [&tape = tape, x, w, y, fault] {
    double *dx = tape.grad(x), *dw = tape.grad(w), *dy = tape.grad(y);
    for (std::size_t i = 0; i < y.count(); ++i) {
      double right = 2 * x.data[i] * w.data[i] * dy[i];
      if (fault == Fault::factor) right *= 1 + 1e-4;
      if (fault == Fault::sign) right = -right;
      if (fault == Fault::one_element && i + 1 == y.count()) right = 0;
      if (fault == Fault::nan && i == 1) right = std::nan("");
      if (fault == Fault::overwrites)
        dx[i] = right;
      else
        dx[i] += right;
      if (fault != Fault::forgets_input) dw[i] += x.data[i] * x.data[i] * dy[i];
    }
  });
  return y;
}

std::string error_with(Fault fault) {
  return gradient_error(
      [fault](Tape<double>& tape, const std::vector<Tensor<double>>& in) {
        return square_times(tape, in[0], in[1], fault);
      },
      {random_input("x", {2, 3}, 1), random_input("w", {2, 3}, 2)});
}

TEST(GradientError, RightBackwardPasses) {
  EXPECT_EQ(error_with(Fault::none), "");
}

TEST(GradientError, WrongBackwardIsCaughtAndNamed) {
  EXPECT_TRUE(mentions(error_with(Fault::factor), "x["));
  EXPECT_TRUE(mentions(error_with(Fault::sign), "x["));
  EXPECT_TRUE(mentions(error_with(Fault::one_element), "x[5]"));
  EXPECT_TRUE(mentions(error_with(Fault::forgets_input), "w["));
  EXPECT_TRUE(mentions(error_with(Fault::nan), "x[1]: the backward gives nan"));
}

TEST(GradientError, OverwritingInsteadOfAddingIsCaught) {
  EXPECT_TRUE(mentions(error_with(Fault::overwrites), "x["));
}

TEST(GradientError, RandomInputsDependOnTheSeedOnly) {
  EXPECT_EQ(random_input("a", {4}, 3).values, random_input("b", {2, 2}, 3).values);
  EXPECT_NE(random_input("a", {4}, 3).values, random_input("a", {4}, 4).values);
}

}  // namespace
}  // namespace ramoe
