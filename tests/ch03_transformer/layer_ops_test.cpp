#include "ch03_transformer/layer_ops.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/compare.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

using Doubles = std::vector<double>;

std::size_t cells(int rows, int columns) {
  return std::size_t(rows) * std::size_t(columns);
}

TEST(Embedding, CopiesRowsAndAddsRepeatedOnes) {
  const Doubles table = {1, 2, 3, 4, 5, 6};
  const int token[] = {2, 0, 2};
  Fenced<double> out(6), dtable(6, 100);
  embedding_forward(out.data(), table.data(), token, 3, 2);
  EXPECT_EQ(difference(out, Doubles{5, 6, 1, 2, 5, 6}, 0, 0), "");
  const Doubles dout = {1, 2, 3, 4, 5, 6};
  embedding_backward(dtable.data(), token, dout.data(), 3, 2);
  EXPECT_EQ(difference(dtable, Doubles{103, 104, 100, 100, 106, 108}, 0, 0), "");
}

TEST(RmsNorm, ByHand) {
  // x = (3,4): mean square 12.5, so out = x / sqrt(12.5) * w.
  const double x[] = {3, 4}, w[] = {1, 10};
  Fenced<double> out(2), rstd(1);
  rmsnorm_forward(out.data(), rstd.data(), x, w, 1, 2, 0.0);
  const double r = 1 / std::sqrt(12.5);
  EXPECT_EQ(difference(rstd, Doubles{r}, 0, 1e-15), "");
  EXPECT_EQ(difference(out, Doubles{3 * r, 40 * r}, 0, 1e-15), "");
  // eps is added to the mean square: zeros stay zeros.
  const double zero[] = {0, 0};
  rmsnorm_forward(out.data(), rstd.data(), zero, w, 1, 2, 1e-6);
  EXPECT_EQ(difference(out, Doubles{0, 0}, 0, 0), "");
  EXPECT_NEAR(rstd[0], 1000, 1e-9);
}

TEST(RmsNorm, BackwardSkipsWhatIsNotWantedAndDoesNotDependOnThreads) {
  const int N = 700, C = 65;
  const auto x = random_values<float>(cells(N, C), 1), w = random_values<float>(cells(1, C), 2);
  const auto dout = random_values<float>(cells(N, C), 3);
  std::vector<float> out(x.size()), rstd(cells(N, 1));
  rmsnorm_forward(out.data(), rstd.data(), x.data(), w.data(), N, C, 1e-6);
  std::vector<float> dx(x.size(), 0.5f), dw(w.size(), 0.25f);
  rmsnorm_backward(dx.data(), dw.data(), x.data(), w.data(), rstd.data(), dout.data(), N, C);
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    const PoolScope scope(pool);
    Fenced<float> dx2(x.size(), 0.5f), dw2(w.size(), 0.25f);
    rmsnorm_backward<float>(dx2.data(), nullptr, x.data(), w.data(), rstd.data(), dout.data(), N,
                            C);
    rmsnorm_backward<float>(nullptr, dw2.data(), x.data(), w.data(), rstd.data(), dout.data(), N,
                            C);
    EXPECT_EQ(difference(dx2, dx, 0, 0), "");
    EXPECT_EQ(difference(dw2, dw, 0, 0), "");
  }
}

TEST(Rope, QuarterTurnByHand) {
  // HS = 4: the pair (1,3) turns by position * theta^(-1/2); with theta = (2/pi)^2 a quarter turn
  // per position. The pair (0,2) turns by position radians.
  const double theta = 4 / (M_PI * M_PI);
  const double x[] = {1, 2, 3, 4, 1, 2, 3, 4}, c = std::cos(1.0), s = std::sin(1.0);
  const int position[] = {1, 0};
  Fenced<double> out(8);
  std::copy_n(x, 8, out.data());
  rope_forward(out.data(), position, 2, 1, 4, theta);
  EXPECT_EQ(difference(out, Doubles{c - 3 * s, -4, 3 * c + s, 2, 1, 2, 3, 4}, 1e-14, 0), "");
}

TEST(Rope, KeepsLengthsAndDependsOnDistanceOnly) {
  const int HS = 16, heads = 3;
  const auto x = random_values<double>(48, 1), y = random_values<double>(48, 2);
  const auto product = [&](int at_x, int at_y) {
    Doubles a(x), b(y);
    rope_forward(a.data(), &at_x, 1, heads, HS, 10000);
    rope_forward(b.data(), &at_y, 1, heads, HS, 10000);
    double total = 0, before = 0, after = 0;
    for (std::size_t i = 32; i < 48; ++i) {
      total += a[i] * b[i];
      before += x[i] * x[i];
      after += a[i] * a[i];
    }
    EXPECT_NEAR(before, after, 1e-12);
    return total;
  };
  EXPECT_NEAR(product(7, 3), product(104, 100), 1e-11);
  EXPECT_GT(std::abs(product(7, 3) - product(7, 4)), 1e-3);
}

TEST(Rope, BackwardTurnsBack) {
  const auto x = random_values<double>(24, 1);
  const int position[] = {5, 9};
  Fenced<double> turned(24);
  std::copy_n(x.data(), 24, turned.data());
  rope_forward(turned.data(), position, 2, 2, 6, 100);
  EXPECT_NE(difference(turned, x, 1e-3, 0), "");
  rope_backward(turned.data(), position, 2, 2, 6, 100);
  EXPECT_EQ(difference(turned, x, 1e-14, 0), "");
}

// For float a table of angles is kept from call to call: whatever was asked before, they are right.
// Cosine, sine, two products and their sum of values below 3 are rounded to 1e-7 each.
TEST(Rope, EveryCallHasItsOwnAngles) {
  const auto x = random_values<float>(8, 1);
  struct Call {
    int position, HS;
    double theta;
  };
  for (const Call& call :
       {Call{3, 8, 100}, Call{3, 8, 1e4}, Call{2, 8, 1e4}, Call{40, 8, 1e4}, Call{41, 8, 1e4},
        Call{41, 4, 1e4}, Call{700, 2, 1e4}, Call{1, 8, 1e4}}) {
    std::vector<float> turned(x.begin(), x.begin() + call.HS);
    Doubles wanted(turned.begin(), turned.end());
    rope_forward(turned.data(), &call.position, 1, 1, call.HS, call.theta);
    for (int i = 0, half = call.HS / 2; i < half; ++i) {
      const double angle = call.position * std::pow(call.theta, -2.0 * i / call.HS);
      const double a = double(x[std::size_t(i)]), b = double(x[std::size_t(i + half)]);
      wanted[std::size_t(i)] = a * std::cos(angle) - b * std::sin(angle);
      wanted[std::size_t(i + half)] = b * std::cos(angle) + a * std::sin(angle);
    }
    EXPECT_EQ(difference(turned, wanted, 1e-6, 0), "")
        << call.position << " " << call.HS << " " << call.theta;
  }
}

TEST(SwiGlu, ByHand) {
  // silu(0) = 0; silu(ln 3) = ln 3 * 3/4; the gate comes first in a row, the up half behind.
  const double gu[] = {0, std::log(3.0), 5, 2};
  Fenced<double> out(2);
  swiglu_forward(out.data(), gu, 1, 2);
  EXPECT_EQ(difference(out, Doubles{0, 1.5 * std::log(3.0)}, 0, 1e-15), "");
}

TEST(SwiGlu, Saturates) {
  const float gu[] = {200, -200, 3, 3};  // e^200 is beyond float: silu(-200) is 0, not NaN
  Fenced<float> out(2);
  swiglu_forward(out.data(), gu, 1, 2);
  EXPECT_EQ(difference(out, Doubles{600, 0}, 0, 1e-6), "");
}

TEST(CrossEntropy, ByHand) {
  // Uniform logits: ln V. Two classes (0, ln 3): target 1 costs ln(4/3), target 0 costs ln 4.
  const double z[] = {5, 5, 0, std::log(3.0), 0, std::log(3.0), 9, 9};
  const int target[] = {1, 1, 0, kIgnore};
  Fenced<double> loss(1), lse(4);
  cross_entropy_forward(loss.data(), lse.data(), z, target, 3, 4, 2);
  const double wanted = (std::log(2.0) + std::log(4.0 / 3) + std::log(4.0)) / 3;
  EXPECT_EQ(difference(loss, Doubles{wanted}, 1e-15, 0), "");
  EXPECT_EQ(lse[3], 0);
  for (const int V : {1, 7, 64, 1000}) {
    const std::vector<float> same(std::size_t(V), -3.5f);
    const int last = V - 1;
    float one = -1, sum = -1;
    cross_entropy_forward(&one, &sum, same.data(), &last, 1, 1, V);
    EXPECT_NEAR(one, std::log(double(V)), 1e-6) << V;
  }
}

TEST(CrossEntropy, BackwardByHandLeavesIgnoredRowsAlone) {
  const double z[] = {0, std::log(3.0), 7, 8}, dloss = 2;
  const int target[] = {0, kIgnore};
  Fenced<double> loss(1), lse(2), dz(4, 10);
  cross_entropy_forward(loss.data(), lse.data(), z, target, 1, 2, 2);
  cross_entropy_backward(dz.data(), z, lse.data(), target, &dloss, 1, 2, 2);
  EXPECT_EQ(difference(dz, Doubles{10 - 1.5, 10 + 1.5, 10, 10}, 1e-14, 0), "");
}

}  // namespace
}  // namespace ramoe
