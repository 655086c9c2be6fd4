#include "ch02_autograd/tape_idea.h"

#include <gtest/gtest.h>

namespace ramoe {
namespace {

TEST(SimpleTape, TheExampleOfTheChapter) {
  SimpleTape tape;
  Variable& x = tape.variable({3});
  Variable& L = add(tape, multiply(tape, x, x), x);
  EXPECT_EQ(L.value[0], 12);
  tape.backward(L);
  EXPECT_EQ(x.gradient[0], 7);
}

TEST(SimpleTape, AVariableReadByTwoStepsGetsBothGradients) {
  // m = a b, L = m m + m c: dL/dm = 2m + c, and so for a and b behind it.
  SimpleTape tape;
  Variable &a = tape.variable({2}), &b = tape.variable({5}), &c = tape.variable({7});
  Variable& m = multiply(tape, a, b);
  tape.backward(add(tape, multiply(tape, m, m), multiply(tape, m, c)));
  EXPECT_EQ(m.gradient[0], 2 * 10 + 7);
  EXPECT_EQ(a.gradient[0], 27 * 5);
  EXPECT_EQ(b.gradient[0], 27 * 2);
  EXPECT_EQ(c.gradient[0], 10);
}

TEST(SimpleTape, WhatDoesNotLeadToTheLossHasNoGradient) {
  SimpleTape tape;
  Variable &a = tape.variable({2}), &b = tape.variable({5});
  Variable& L = multiply(tape, a, a);
  Variable& other = multiply(tape, L, b);
  tape.backward(L);
  EXPECT_EQ(a.gradient[0], 4);
  EXPECT_EQ(b.gradient[0], 0);
  EXPECT_EQ(other.gradient[0], 0);
}

}  // namespace
}  // namespace ramoe
