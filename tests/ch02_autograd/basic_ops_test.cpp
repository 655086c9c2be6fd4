#include "ch02_autograd/basic_ops.h"

#include <gtest/gtest.h>

#include "ch02_autograd/gradcheck.h"
#include "fast/gemm_bf16.h"
#include "support/compare.h"

namespace ramoe {
namespace {

using Tensors = std::vector<Tensor<double>>;

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

// Forward and backward of a linear layer against the definitions of the products, bit by bit.
TEST(BasicOps, LinearMultipliesInThePrecisionOfTheTape) {
  constexpr int N = 5, I = 7, O = 3;
  enum Kind { kLinear, kFp32, kTransposed };
  for (const Precision precision : {Precision::fp32, Precision::bf16})
    for (const Kind kind : {kLinear, kFp32, kTransposed}) {
      std::vector<float> x = random_values<float>(N * I, 1), w = random_values<float>(I * O, 2);
      std::vector<float> dy = random_values<float>(N * O, 3), dx(N * I), dw(I * O);
      Arena arena;
      Tape<float> tape(arena, precision);
      const Tensor<float> x_t = tape.leaf(x.data(), dx.data(), {N, I});
      const bool turned = kind == kTransposed;
      const Tensor<float> w_t = tape.leaf(w.data(), dw.data(), turned ? Shape{O, I} : Shape{I, O});
      const Tensor<float> y = kind == kLinear ? linear(tape, x_t, w_t)
                              : kind == kFp32 ? linear_fp32(tape, x_t, w_t)
                                              : linear_transposed(tape, x_t, w_t);
      EXPECT_EQ(tape.precision(), precision);
      {
        const Tape<float>::InPrecision other(tape, Precision::bf16);  // recorded before: no effect
        EXPECT_EQ(tape.precision(), Precision::bf16);
        // loss = sum of dy y, as a product
        const Tensor<float> loss = tape.output(Shape{}, y);
        loss.data[0] = 0;
        tape.record(
            loss, [&tape = tape, y, from = dy.data()] { std::copy_n(from, N * O, tape.grad(y)); });
        tape.backward(loss);
      }
      const bool rounds = precision == Precision::bf16 && kind != kFp32;
      const auto product = [&](GemmForm form, int m, int n, int k, const std::vector<float>& a,
                               const std::vector<float>& b) {
        std::vector<float> c(std::size_t(m * n));
        const Gemm<float> g{form,     m,
                            n,        k,
                            a.data(), form == GemmForm::TN ? m : k,
                            b.data(), form == GemmForm::NT ? k : n,
                            c.data(), n,
                            false};
        rounds ? gemm_bf16_plain(g) : gemm_serial(g);
        return c;
      };
      const std::vector<float> got(y.data, y.data + N * O);
      if (turned) {
        EXPECT_EQ(got, product(GemmForm::NT, N, O, I, x, w));
        EXPECT_EQ(dx, product(GemmForm::NN, N, I, O, dy, w));
        EXPECT_EQ(dw, product(GemmForm::TN, O, I, N, dy, x));
      } else {
        EXPECT_EQ(got, product(GemmForm::NN, N, O, I, x, w));
        EXPECT_EQ(dx, product(GemmForm::NT, N, I, O, dy, w));
        EXPECT_EQ(dw, product(GemmForm::TN, I, O, N, x, dy));
      }
    }
}

TEST(BasicOps, ShapesThatDoNotFitAreNamed) {
  Arena arena;
  Tape<float> tape(arena);
  float v[12] = {};
  const Tensor<float> a = tape.constant(v, {2, 3}), b = tape.constant(v, {3, 2});
  EXPECT_EQ(error_of([&] { add(tape, a, b); }),
            "the second operand of add has shape (3,2); expected (2,3).");
  EXPECT_TRUE(mentions(error_of([&] { linear(tape, a, a); }), "x (2,3) times w (2,3)"));
  EXPECT_TRUE(mentions(error_of([&] { linear_transposed(tape, a, b); }), "w (3,2)"));
  EXPECT_TRUE(mentions(error_of([&] { linear(tape, a, b, tape.constant(v, {3})); }), "the bias"));
  EXPECT_TRUE(mentions(error_of([&] { softmax(tape, tape.constant(v, {4})); }), "(4)"));
  EXPECT_TRUE(mentions(error_of([&] { weighted_sum<float>(tape, {{a, 1}}); }), "(2,3)"));
}

}  // namespace
}  // namespace ramoe
