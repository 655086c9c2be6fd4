// Lab 2: a tape that runs its steps backwards, and two operations that record theirs.
#include "ch02_autograd/tape_idea.h"
#include "labs/lab.h"

namespace ramoe {
namespace {

TEST(Lab02Tape, ASumIsComputedAtOnce) {
  SimpleTape tape;
  Variable &a = tape.variable({1, 2, 3}), &b = tape.variable({10, 20, 30});
  expect_values(add(tape, a, b).value, {11, 22, 33}, "out[i] = a[i] + b[i] for every i");
  expect_values(a.value, {1, 2, 3}, "the inputs of a step stay as they are");
}

TEST(Lab02Tape, AProductIsComputedAtOnce) {
  SimpleTape tape;
  Variable &a = tape.variable({1, 2, 3}), &b = tape.variable({10, 20, 30});
  expect_values(multiply(tape, a, b).value, {10, 40, 90}, "out[i] = a[i] b[i] for every i");
}

TEST(Lab02Tape, TheLossHasGradientOne) {
  SimpleTape tape;
  Variable& L = tape.variable({5});
  tape.backward(L);
  expect_values(L.gradient, {1}, "backward() begins with dL/dL = 1");
}

TEST(Lab02Tape, ASumPassesItsGradientOn) {
  SimpleTape tape;
  Variable &a = tape.variable({2}), &b = tape.variable({3});
  tape.backward(add(tape, a, b));
  expect_values(a.gradient, {1}, "out = a + b: da += dout");
  expect_values(b.gradient, {1}, "out = a + b: db += dout, too");
}

TEST(Lab02Tape, AProductPassesTheOtherFactorOn) {
  SimpleTape tape;
  Variable &a = tape.variable({2}), &b = tape.variable({3});
  tape.backward(multiply(tape, a, b));
  expect_values(a.gradient, {3}, "out = a b: da += dout b");
  expect_values(b.gradient, {2}, "out = a b: db += dout a");
}

TEST(Lab02Tape, GradientsOfBothOperandsAreAdded) {
  SimpleTape tape;
  Variable& x = tape.variable({7});
  tape.backward(add(tape, x, x));
  expect_values(x.gradient, {2}, "a and b may be one variable: += and not =");
}

TEST(Lab02Tape, TheLastStepIsUndoneFirst) {
  SimpleTape tape;
  Variable& x = tape.variable({2});
  Variable& square = multiply(tape, x, x);
  tape.backward(multiply(tape, square, x));  // x^3
  expect_values(x.gradient, {12}, "the steps must be run from the last to the first");
}

TEST(Lab02Tape, ASecondBackwardRunsNoOldSteps) {
  SimpleTape tape;
  Variable& x = tape.variable({3});
  tape.backward(multiply(tape, x, x));
  tape.backward(add(tape, x, x));
  expect_values(x.gradient, {8}, "after backward() the list is empty: 6 of x^2, then 2 of x + x");
}

TEST(Lab02Tape, AgreesWithDifferences) {
  // L = ((x + y) x + y) y, as a chain of five steps.
  const auto loss = [](SimpleTape& tape, Variable& x, Variable& y) -> Variable& {
    return multiply(tape, add(tape, multiply(tape, add(tape, x, y), x), y), y);
  };
  SimpleTape tape;
  Variable &x = tape.variable({0.7}), &y = tape.variable({-1.3});
  tape.backward(loss(tape, x, y));
  const Doubles expected = slopes(
      [&](const Doubles& at) {
        SimpleTape other;
        return loss(other, other.variable({at[0]}), other.variable({at[1]})).value[0];
      },
      {0.7, -1.3});
  expect_values(Doubles{x.gradient[0], y.gradient[0]}, expected,
                "one of the two backward steps is wrong; try them alone", kSlope);
}

}  // namespace
}  // namespace ramoe
