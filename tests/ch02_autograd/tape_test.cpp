#include "ch02_autograd/tape.h"

#include <gtest/gtest.h>

#include <array>
#include <limits>

#include "ch02_autograd/basic_ops.h"
#include "support/compare.h"

namespace ramoe {
namespace {

/// y = factor * x; counts how often its backward was played.
Tensor<double> scaled(Tape<double>& tape, const Tensor<double>& x, double factor, int* played) {
  const Tensor<double> y = tape.output(x.shape, x);
  for (std::size_t i = 0; i < x.count(); ++i) y.data[i] = factor * x.data[i];
  tape.record(y, [&tape = tape, x, y, factor, played] {
    ++*played;
    for (std::size_t i = 0; i < x.count(); ++i) tape.grad(x)[i] += factor * tape.grad(y)[i];
  });
  return y;
}

struct TapeTest : testing::Test {
  Arena arena;
  Tape<double> tape{arena};
  int played = 0;
};

TEST_F(TapeTest, ProductRuleThroughADiamond) {
  // L = 3 (2x) + 5 (2x) = 16 x, on top of the gradient that was there.
  double x = 7, dx = 100;
  const Tensor<double> leaf = tape.leaf(&x, &dx, Shape{});
  const Tensor<double> middle = scaled(tape, leaf, 2, &played);
  const Tensor<double> loss =
      add(tape, scaled(tape, middle, 3, &played), scaled(tape, middle, 5, &played));
  EXPECT_EQ(loss.data[0], 112);
  EXPECT_EQ(tape.operations(), 4u);
  tape.backward(loss);
  EXPECT_EQ(dx, 116);
  EXPECT_EQ(played, 3);
  EXPECT_EQ(tape.operations(), 0u);
}

TEST_F(TapeTest, ATensorAddedToItselfAndAParameterUsedTwice) {
  Parameter<double> p("p", Shape{1, 1});
  p.value = {3};
  const Tensor<double> a = tape.leaf(p), b = tape.leaf(p);
  tape.backward(add(tape, linear(tape, a, b), add(tape, a, a)));  // p^2 + 2p
  EXPECT_EQ(p.gradient[0], 8);
}

// An operation with two outputs, of which the loss needs one: the other's gradient is zero.
TEST_F(TapeTest, AnOperationWithTwoOutputsIsPlayedOnceIfAnyIsNeeded) {
  double x = 3, dx = 0;
  const Tensor<double> leaf = tape.leaf(&x, &dx, Shape{});
  const auto twofold = [&] {
    const std::array y{tape.output(Shape{}, leaf), tape.output(Shape{}, leaf)};
    y[0].data[0] = 2 * x, y[1].data[0] = 5 * x;
    tape.record(y.data(), 2, [&tape = tape, leaf, y, played = &played] {
      ++*played;
      tape.grad(leaf)[0] += 2 * tape.grad(y[0])[0] + 5 * tape.grad(y[1])[0];
    });
    return y;
  };
  twofold();
  const auto y = twofold();
  tape.backward(add(tape, y[1], tape.constant(&x, Shape{})));
  EXPECT_EQ(dx, 5);
  EXPECT_EQ(played, 1);
  const Tensor<double> apart[] = {tape.output(Shape{}, leaf), y[0]};
  EXPECT_THROW(tape.record(apart, 2, [] {}), Error);
}

TEST_F(TapeTest, WhatDoesNotLeadToTheLossIsNotPlayed) {
  double x = 1, dx = 0;
  const Tensor<double> leaf = tape.leaf(&x, &dx, Shape{});
  const Tensor<double> loss = scaled(tape, leaf, 2, &played);
  scaled(tape, loss, 5, &played);
  scaled(tape, leaf, 7, &played);
  tape.backward(loss);
  EXPECT_EQ(played, 1);
  EXPECT_EQ(dx, 2);
}

TEST_F(TapeTest, GradientMemoryIsUsedAgainAndStartsAtZero) {
  // A chain of 20 operations needs two gradients at a time, not 20.
  constexpr int kCount = 100000;
  std::vector<double> x(kCount, 1.0), dx(kCount, 0.0);
  Tensor<double> y = tape.leaf(x.data(), dx.data(), Shape{kCount});
  std::vector<double> one(kCount, 1.0);
  for (int i = 0; i < 20; ++i) y = scaled(tape, y, i % 2 == 0 ? 2 : 0.5, &played);
  const Tensor<double> loss = tape.output(Shape{}, y);
  loss.data[0] = y.data[kCount - 1];
  tape.record(loss, [&tape = tape, y, loss] { tape.grad(y)[kCount - 1] += tape.grad(loss)[0]; });
  const std::size_t before = arena.most_bytes();
  tape.backward(loss);
  EXPECT_EQ(dx[kCount - 1], 1);
  EXPECT_EQ(dx[0], 0);
  EXPECT_LT(arena.most_bytes() - before, 12 * kCount * sizeof(double));
}

TEST_F(TapeTest, NoGradRecordsNothing) {
  Parameter<double> p("p", Shape{2});
  {
    const Tape<double>::NoGrad outer(tape);
    EXPECT_FALSE(tape.recording());
    { const Tape<double>::NoGrad inner(tape); }
    EXPECT_FALSE(tape.recording());  // the inner end does not end the outer
    const Tensor<double> x = tape.leaf(p);
    const Tensor<double> y = scaled(tape, x, 2, &played);
    EXPECT_EQ(x.node, -1);
    EXPECT_EQ(y.node, -1);
    EXPECT_EQ(tape.grad(y), nullptr);
  }
  EXPECT_TRUE(tape.recording());
  EXPECT_EQ(tape.operations(), 0u);
  scaled(tape, tape.leaf(p), 2, &played);
  EXPECT_EQ(tape.operations(), 1u);
}

TEST_F(TapeTest, ConstantsFrozenParametersAndDetachedTensorsLearnNothing) {
  Parameter<double> frozen("frozen", Shape{1, 1}), learns("learns", Shape{1, 1});
  frozen.trainable = false;
  frozen.value = {3};
  learns.value = {5};
  const Tensor<double> y = linear(tape, tape.leaf(learns), tape.leaf(frozen));
  const Tensor<double> z = linear(tape, tape.detach(y), tape.leaf(learns));
  EXPECT_EQ(linear(tape, tape.leaf(frozen), tape.leaf(frozen)).node, -1);
  tape.backward(z);  // 15 * learns, the 15 counting as constant
  EXPECT_TRUE(frozen.gradient.empty());
  EXPECT_EQ(learns.gradient[0], 15);
}

TEST_F(TapeTest, ASpentGradientIsOverwrittenByItsFirstWriter) {
  Parameter<double> p("p", Shape{1, 1}), unused("unused", Shape{1, 1});
  p.value = {3};
  for (Parameter<double>* each : {&p, &unused}) {
    each->gradient = {std::numeric_limits<double>::quiet_NaN()};
    each->gradient_spent = true;
  }
  const Tensor<double> a = tape.leaf(p), b = tape.leaf(p);  // both leaves are one parameter
  tape.leaf(unused);
  EXPECT_TRUE(p.gradient_spent);                                  // a forward pass writes nothing
  tape.backward(add(tape, linear(tape, a, b), add(tape, a, a)));  // p^2 + 2p
  EXPECT_EQ(p.gradient[0], 8);
  EXPECT_FALSE(p.gradient_spent);
  EXPECT_TRUE(unused.gradient_spent);
  EXPECT_EQ(unused.want_gradient()[0], 0);
  EXPECT_FALSE(unused.gradient_spent);
}

TEST_F(TapeTest, AParameterKeptAsBf16IsWidenedWhereNothingIsRecorded) {
  auto kept = Parameter<double>::kept_as_bf16("kept", Shape{1, 2, 1});
  EXPECT_TRUE(kept.value.empty());
  kept.bf16 = {0x3f80, 0xc000};  // 1, -2
  expect_contains(error_of([&] { tape.leaf(kept); }), "kept is kept as BF16");
  const Tape<double>::NoGrad no_grad(tape);
  const Tensor<double> a = tape.leaf(kept), b = tape.leaf(kept);
  EXPECT_EQ(a.shape, (Shape{1, 2, 1}));
  EXPECT_EQ(a.data[0], 1);
  EXPECT_EQ(a.data[1], -2);
  EXPECT_NE(a.data, b.data) << "both are there";
}

TEST_F(TapeTest, ABlockGivesItsMemoryBackWhereNothingIsRecorded) {
  const auto run = [&] {
    const Tape<double>::Block block(tape);
    double* taken = tape.keep<double>(1000);
    std::fill_n(taken, 1000, 7.0);
    return std::pair{taken, tape.carry(taken, 1000)};
  };
  EXPECT_NE(run().first, run().first) << "backward reads both";
  const Tape<double>::NoGrad no_grad(tape);
  const auto used = arena.mark().used;
  const auto [taken, carried] = run();
  EXPECT_EQ(arena.mark().used, used);
  std::fill_n(tape.keep<double>(2000), 2000, 8.0);
  EXPECT_EQ(carried[0], 7);
  EXPECT_EQ(carried[999], 7);
}

TEST_F(TapeTest, AnOutputTakesTheMemoryItIsGiven) {
  double memory[6] = {};
  const Tensor<double> given = tape.constant(memory, {2, 3});
  EXPECT_EQ(tape.output_in(given, {2, 3}).data, memory);
  const Tensor<double> own = tape.output_in({}, {2, 3});
  EXPECT_NE(own.data, nullptr);
  EXPECT_NE(own.data, memory);
}

TEST_F(TapeTest, ReshapeSharesValuesAndGradient) {
  Parameter<double> p("p", Shape{2, 3});
  const Tensor<double> x = tape.leaf(p), y = tape.reshape(x, Shape{6});
  EXPECT_EQ(y.data, x.data);
  EXPECT_EQ(tape.grad(y), p.gradient.data());
  EXPECT_EQ(error_of([&] { tape.reshape(x, Shape{5}); }),
            "cannot reshape (2,3) to (5): the counts differ.");
}

TEST_F(TapeTest, BackwardNeedsOneRecordedValue) {
  Parameter<double> p("p", Shape{2});
  EXPECT_TRUE(mentions(error_of([&] { tape.backward(tape.leaf(p)); }), "(2)"));
  double x = 0;
  const std::string message = error_of([&] { tape.backward(tape.constant(&x, Shape{})); });
  EXPECT_TRUE(mentions(message, "does not depend on any trainable parameter")) << message;
}

TEST_F(TapeTest, NothingIsAllocatedAfterTheFirstStep) {
  Parameter<double> w("w", Shape{300, 300});
  std::vector<double> x = random_values<double>(300 * 300, 1);
  int allocations = 0;
  for (int step = 0; step < 4; ++step) {
    Tensor<double> y = tape.constant(x.data(), Shape{300, 300});
    for (int i = 0; i < 4; ++i) y = softmax(tape, add(tape, y, tape.leaf(w)));
    const Tensor<double> loss = tape.output(Shape{}, y);
    loss.data[0] = y.data[0];
    tape.record(loss, [&tape = tape, y, loss] { tape.grad(y)[0] += tape.grad(loss)[0]; });
    tape.backward(loss);
    if (step == 0) allocations = arena.allocations();
    tape.reset();
  }
  EXPECT_EQ(arena.allocations(), allocations);
}

}  // namespace
}  // namespace ramoe
