#include "ch03_transformer/transformer_ops.h"

#include <gtest/gtest.h>

#include <cmath>

#include "ch02_autograd/basic_ops.h"
#include "ch02_autograd/gradcheck.h"
#include "support/compare.h"

namespace ramoe {
namespace {

using Tensors = std::vector<Tensor<double>>;
using DTape = Tape<double>;

TEST(TransformerOps, RmsNormHeadsNormalisesEachHead) {
  Arena arena;
  Tape<double> tape(arena);
  double x[] = {3, 4, 30, 40}, w[] = {1, 2};
  const Tensor<double> y =
      rmsnorm_heads(tape, tape.constant(x, {1, 4}), tape.constant(w, {2}), 0.0);
  const double r = 1 / std::sqrt(12.5);
  EXPECT_EQ(difference(y.data, std::vector<double>{3 * r, 8 * r, 3 * r, 8 * r}.data(), 4, 0, 1e-15),
            "");
  EXPECT_EQ(y.shape, (Shape{1, 4}));
}

TEST(TransformerOps, ClipByHand) {
  Arena arena;
  Tape<double> tape(arena);
  double x[] = {-3, -2, 0.5, 2, 2.5, std::nan("")}, dx[6] = {};
  const Tensor<double> y = clip(tape, tape.leaf(x, dx, {1, 6}), 2);
  EXPECT_EQ(difference(y.data, std::vector<double>{-2, -2, 0.5, 2, 2}.data(), 5, 0, 0), "");
  EXPECT_TRUE(std::isnan(y.data[5]));
  clip_backward(dx, x, 2.0, std::vector<double>{1, 2, 3, 4, 5, 6}.data(), 6);
  EXPECT_EQ(std::vector<double>(dx, dx + 6), (std::vector<double>{0, 2, 3, 4, 0, 0}));
  EXPECT_TRUE(mentions(error_of([&] { clip(tape, y, 0); }), "positive"));
}

TEST(TransformerOps, GradientOfRope) {
  // Of a sum, whose memory it may take over; and of a sum that somebody else reads too.
  const std::vector<int> position = {0, 3, 3, 100};
  for (const int HS : {2, 6})
    for (const bool alone : {true, false})
      EXPECT_EQ(gradient_error(
                    [&](DTape& t, const Tensors& in) {
                      const Tensor<double> x = add(t, in[0], in[1]);
                      const Tensor<double> other = alone ? in[0] : add(t, x, in[1]);
                      return add(t, rope_over(t, x, position.data(), HS, 10000), other);
                    },
                    {random_input("x", {4, 3 * HS}, 1), random_input("y", {4, 3 * HS}, 2)}),
                "")
          << HS << alone;
}

TEST(TransformerOps, CrossEntropyIsTheMeanOverCountedRows) {
  Arena arena;
  Tape<double> tape(arena);
  double z[] = {5, 5, 0, std::log(3.0), 9, -9};
  const int target[] = {1, 0, kIgnore}, nobody[] = {kIgnore, kIgnore, kIgnore};
  const Tensor<double> logits = tape.constant(z, {3, 2});
  EXPECT_NEAR(cross_entropy(tape, logits, target).data[0], (std::log(2.0) + std::log(4.0)) / 2,
              1e-15);
  EXPECT_EQ(cross_entropy(tape, logits, nobody).data[0], 0);
}

TEST(TransformerOps, BadInputIsNamed) {
  Arena arena;
  Tape<float> tape(arena);
  float v[24] = {};
  const auto tensor = [&](const Shape& shape) { return tape.constant(v, shape); };
  const int bad[] = {0, 5}, negative[] = {-1, 0}, lengths[] = {2};
  EXPECT_TRUE(mentions(error_of([&] { rmsnorm(tape, tensor({2, 3}), tensor({2}), 0); }), "(3)"));
  EXPECT_TRUE(mentions(error_of([&] {
                         rmsnorm_heads(tape, tensor({2, 3}), tensor({2}), 0);
                       }),
                       "heads of 2"));
  EXPECT_TRUE(mentions(error_of([&] { rope_over(tape, tensor({2, 6}), bad, 3, 1e4); }), "even"));
  EXPECT_TRUE(mentions(error_of([&] { swiglu(tape, tensor({2, 3})); }), "3 values"));
  EXPECT_TRUE(mentions(error_of([&] {
                         cross_entropy(tape, tensor({2, 5}), bad);
                       }),
                       "target 5 at place 1: expected 0 to 4"));
  EXPECT_TRUE(mentions(error_of([&] {
                         cross_entropy(tape, tensor({2, 5}), negative);
                       }),
                       "target -1"));
  const auto attend = [&](int NH, int NKV, const Shape& k) {
    return error_of([&] {
      attention(tape, tensor({2, 4}), tensor(k), tensor({2, 4}), lengths, {1, 2, NH, NKV, 2});
    });
  };
  EXPECT_TRUE(mentions(attend(3, 2, {2, 4}), "do not group"));
  EXPECT_TRUE(mentions(attend(2, 2, {2, 2}), "k of attention"));
}

}  // namespace
}  // namespace ramoe
