#include "ch02_autograd/basic_ops.h"

#include <gtest/gtest.h>

#include "ch02_autograd/gradcheck.h"
#include "support/compare.h"

namespace ramoe {
namespace {

using Tensors = std::vector<Tensor<double>>;

struct Extents {
  int N, I, O;
};
constexpr Extents kExtents[] = {{1, 1, 1}, {1, 17, 3}, {5, 1, 2}, {3, 2, 1}, {4, 5, 17}};

TEST(BasicOps, GradientOfAdd) {
  for (const Shape& shape : {Shape{}, Shape{1}, Shape{3, 17}}) {
    EXPECT_EQ(
        gradient_error([](Tape<double>& t, const Tensors& in) { return add(t, in[0], in[1]); },
                       {random_input("a", shape, 1), random_input("b", shape, 2)}),
        "");
    EXPECT_EQ(
        gradient_error([](Tape<double>& t, const Tensors& in) { return add(t, in[0], in[0]); },
                       {random_input("a", shape, 1)}),
        "");
  }
}

TEST(BasicOps, GradientOfLinear) {
  for (const auto [N, I, O] : kExtents) {
    const CheckedInput x = random_input("x", {N, I}, 1), w = random_input("w", {I, O}, 2);
    EXPECT_EQ(
        gradient_error([](Tape<double>& t, const Tensors& in) { return linear(t, in[0], in[1]); },
                       {x, w}),
        "");
    EXPECT_EQ(gradient_error(
                  [](Tape<double>& t, const Tensors& in) { return linear(t, in[0], in[1], in[2]); },
                  {x, w, random_input("bias", {O}, 3)}),
              "");
    EXPECT_EQ(gradient_error([](Tape<double>& t,
                                const Tensors& in) { return linear_transposed(t, in[0], in[1]); },
                             {x, random_input("w", {O, I}, 2)}),
              "");
  }
}

TEST(BasicOps, GradientReachesOneOperandWhenTheOtherIsConstant) {
  std::vector<double> fixed = random_values<double>(6, 9);
  EXPECT_EQ(gradient_error(
                [&](Tape<double>& t, const Tensors& in) {
                  return linear(t, in[0], t.constant(fixed.data(), {3, 2}), in[1]);
                },
                {random_input("x", {4, 3}, 1), random_input("bias", {2}, 2)}),
            "");
  EXPECT_EQ(gradient_error(
                [&](Tape<double>& t, const Tensors& in) {
                  return linear_transposed(t, t.constant(fixed.data(), {2, 3}), in[0]);
                },
                {random_input("w", {5, 3}, 1)}),
            "");
}

TEST(BasicOps, GradientOfSoftmax) {
  for (const Shape& shape : {Shape{1, 1}, Shape{1, 17}, Shape{4, 2}, Shape{3, 8}})
    EXPECT_EQ(gradient_error([](Tape<double>& t, const Tensors& in) { return softmax(t, in[0]); },
                             {random_input("z", shape, 1)}),
              "");
}

TEST(BasicOps, GradientOfWeightedSum) {
  EXPECT_EQ(gradient_error(
                [](Tape<double>& t, const Tensors& in) {
                  return weighted_sum<double>(
                      t, {{in[0], 2.0}, {Tensor<double>{}, 9.0}, {in[1], -0.5}, {in[0], 3.0}});
                },
                {random_input("a", Shape{}, 1), random_input("b", {1}, 2)}),
            "");
}

TEST(BasicOps, WeightedSumByHand) {
  Arena arena;
  Tape<float> tape(arena);
  float a = 3, b = 4;
  const Tensor<float> ta = tape.constant(&a, {}), tb = tape.constant(&b, {});
  EXPECT_EQ(weighted_sum<float>(tape, {{ta, 1}, {{}, 100}, {tb, 0.25}}).data[0], 4);
  EXPECT_EQ(weighted_sum<float>(tape, {}).data[0], 0);
}

TEST(BasicOps, LinearByHand) {
  // (1 2; 3 4) (5 6; 7 8) + (1 0) = (20 22; 44 50); with the transpose (17 23; 39 53).
  Arena arena;
  Tape<float> tape(arena);
  float x[] = {1, 2, 3, 4}, w[] = {5, 6, 7, 8}, bias[] = {1, 0};
  const Tensor<float> tx = tape.constant(x, {2, 2}), tw = tape.constant(w, {2, 2});
  const Tensor<float> y = linear(tape, tx, tw, tape.constant(bias, {2}));
  EXPECT_EQ(difference(y.data, std::vector<float>{20, 22, 44, 50}.data(), 4, 0, 0), "");
  const Tensor<float> z = linear_transposed(tape, tx, tw);
  EXPECT_EQ(difference(z.data, std::vector<float>{17, 23, 39, 53}.data(), 4, 0, 0), "");
}

TEST(BasicOps, SumsOfSharedOperands) {
  // The gradient of a sum is handed to an operand that has none yet; it must still reach the other,
  // also where both are the same tensor or the operand is read once more.
  const std::vector<CheckedInput> inputs = {random_input("x", {3, 5}, 1),
                                            random_input("y", {3, 5}, 2)};
  using Tensors = std::vector<Tensor<double>>;
  EXPECT_EQ(
      gradient_error([](Tape<double>& tape, const Tensors& in) { return add(tape, in[0], in[0]); },
                     {inputs[0]}),
      "");
  EXPECT_EQ(gradient_error(
                [](Tape<double>& tape, const Tensors& in) {
                  const Tensor<double> p = softmax(tape, in[0]), q = softmax(tape, in[1]);
                  const Tensor<double> twice = add(tape, p, p);
                  return add(tape, add(tape, twice, q), add(tape, q, p));
                },
                inputs),
            "");
}

TEST(BasicOps, SumWrittenOverAnOperand) {
  using Tensors = std::vector<Tensor<double>>;
  EXPECT_EQ(gradient_error(
                [](Tape<double>& tape, const Tensors& in) {
                  const Tensor<double> y = linear(tape, in[0], in[1]);
                  const Tensor<double> sum = add_over(tape, in[0], y);
                  EXPECT_EQ(sum.data, y.data);
                  return add_over(tape, sum, linear(tape, sum, in[1]));
                },
                {random_input("x", {4, 3}, 3), random_input("w", {3, 3}, 4)}),
            "");
}

TEST(BasicOps, ShapesThatDoNotFitAreNamed) {
  Arena arena;
  Tape<float> tape(arena);
  float v[12] = {};
  const Tensor<float> a = tape.constant(v, {2, 3}), b = tape.constant(v, {3, 2});
  EXPECT_EQ(error_of([&] { add(tape, a, b); }),
            "the second operand of add has shape (3,2); wanted (2,3).");
  EXPECT_TRUE(mentions(error_of([&] { linear(tape, a, a); }), "x (2,3) times w (2,3)"));
  EXPECT_TRUE(mentions(error_of([&] { linear_transposed(tape, a, b); }), "w (3,2)"));
  EXPECT_TRUE(mentions(error_of([&] { linear(tape, a, b, tape.constant(v, {3})); }), "the bias"));
  EXPECT_TRUE(mentions(error_of([&] { softmax(tape, tape.constant(v, {4})); }), "(4)"));
  EXPECT_TRUE(mentions(error_of([&] { weighted_sum<float>(tape, {{a, 1}}); }), "(2,3)"));
}

}  // namespace
}  // namespace ramoe
