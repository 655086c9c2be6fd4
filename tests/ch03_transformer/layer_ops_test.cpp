#include "ch03_transformer/layer_ops.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/compare.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

using Doubles = std::vector<double>;

constexpr int kRows[] = {1, 3, 700};
constexpr int kWidths[] = {1, 2, 15, 16, 17, 64, 129};

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

TEST(RmsNorm, FastEqualsPlain) {
  ThreadPool pool(2);
  const PoolScope scope(pool);
  for (const int N : kRows)
    for (const int C : kWidths) {
      const auto x = random_values<float>(cells(N, C), 1), w = random_values<float>(cells(1, C), 2);
      const Doubles xd(x.begin(), x.end()), wd(w.begin(), w.end());
      Fenced<float> out(cells(N, C)), rstd(cells(N, 1));
      Doubles wanted(cells(N, C)), wanted_rstd(cells(N, 1));
      rmsnorm_forward(out.data(), rstd.data(), x.data(), w.data(), N, C, 1e-6);
      rmsnorm_forward_plain(wanted.data(), wanted_rstd.data(), xd.data(), wd.data(), N, C, 1e-6);
      // Squares are positive, so nothing cancels: a few units (6e-8 each) and the sum's C / 16.
      EXPECT_EQ(difference(rstd, wanted_rstd, 0, 1e-6), "") << N << " " << C;
      EXPECT_EQ(difference(out, wanted, 0, 1e-6), "") << N << " " << C;
    }
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

// The table of angles is kept from call to call: whatever was asked before, the angles are right.
TEST(Rope, EveryCallHasItsOwnAngles) {
  const auto x = random_values<double>(8, 1);
  struct Call {
    int position, HS;
    double theta;
  };
  for (const Call& call :
       {Call{3, 8, 100}, Call{3, 8, 1e4}, Call{2, 8, 1e4}, Call{40, 8, 1e4}, Call{41, 8, 1e4},
        Call{41, 4, 1e4}, Call{700, 2, 1e4}, Call{1, 8, 1e4}}) {
    Doubles turned(x.begin(), x.begin() + call.HS), wanted(turned);
    rope_forward(turned.data(), &call.position, 1, 1, call.HS, call.theta);
    for (int i = 0, half = call.HS / 2; i < half; ++i) {
      const double angle = call.position * std::pow(call.theta, -2.0 * i / call.HS);
      const double a = x[std::size_t(i)], b = x[std::size_t(i + half)];
      wanted[std::size_t(i)] = a * std::cos(angle) - b * std::sin(angle);
      wanted[std::size_t(i + half)] = b * std::cos(angle) + a * std::sin(angle);
    }
    EXPECT_EQ(difference(turned, wanted, 1e-12, 0), "")
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

TEST(SwiGlu, FastEqualsPlain) {
  ThreadPool pool(2);
  const PoolScope scope(pool);
  for (const int N : kRows)
    for (const int H : kWidths) {
      auto gu = random_values<float>(cells(N, 2 * H), 4, 4);
      gu[0] = 200;  // saturates: silu(200) = 200
      const Doubles exact(gu.begin(), gu.end());
      Fenced<float> out(cells(N, H));
      Doubles wanted(cells(N, H));
      swiglu_forward(out.data(), gu.data(), N, H);
      swiglu_forward_plain(wanted.data(), exact.data(), N, H);
      // exp, sum, division and two products: about 5 roundings of 6e-8, exp within 1.6e-7.
      EXPECT_EQ(difference(out, wanted, 0, 6e-7), "") << N << " " << H;
    }
  const float low[] = {-200, 3};  // e^200 is beyond float: the value is 0, not NaN
  float out = 1;
  swiglu_forward(&out, low, 1, 1);
  EXPECT_EQ(out, 0);
}

TEST(CrossEntropy, ByHand) {
  // Uniform logits: ln V. Two classes (0, ln 3): target 1 costs ln(4/3), target 0 costs ln 4.
  const double z[] = {5, 5, 0, std::log(3.0), 0, std::log(3.0), 9, 9};
  const int target[] = {1, 1, 0, kIgnore};
  Fenced<double> loss(4), lse(4);
  cross_entropy_forward(loss.data(), lse.data(), z, target, 4, 2);
  EXPECT_EQ(difference(loss, Doubles{std::log(2.0), std::log(4.0 / 3), std::log(4.0), 0}, 1e-15, 0),
            "");
  for (const int V : {1, 7, 64, 1000}) {
    const std::vector<float> same(std::size_t(V), -3.5f);
    const int last = V - 1;
    float one = -1, sum = -1;
    cross_entropy_forward(&one, &sum, same.data(), &last, 1, V);
    EXPECT_NEAR(one, std::log(double(V)), 1e-6) << V;
  }
}

TEST(CrossEntropy, FastEqualsPlain) {
  ThreadPool pool(2);
  const PoolScope scope(pool);
  for (const int N : {1, 5, 40})
    for (const int V : {1, 2, 17, 63, 64, 65, 130, 2048}) {
      const auto z = random_values<float>(cells(N, V), 5, 6);
      const Doubles exact(z.begin(), z.end());
      std::vector<int> target;
      for (int n = 0; n < N; ++n) target.push_back(n % 4 == 3 ? kIgnore : (n * 31) % V);
      Fenced<float> loss(cells(N, 1)), lse(cells(N, 1));
      Doubles wanted(cells(N, 1)), wanted_lse(cells(N, 1));
      cross_entropy_forward(loss.data(), lse.data(), z.data(), target.data(), N, V);
      cross_entropy_forward_plain(wanted.data(), wanted_lse.data(), exact.data(), target.data(), N,
                                  V);
      // Logits reach 30, and so does lse, whose last place is 2e-6; the loss is a difference of
      // two.
      EXPECT_EQ(difference(lse, wanted_lse, 4e-6, 0), "") << N << " " << V;
      EXPECT_EQ(difference(loss, wanted, 6e-6, 0), "") << N << " " << V;
    }
}

TEST(CrossEntropy, BackwardByHandLeavesIgnoredRowsAlone) {
  const double z[] = {0, std::log(3.0), 7, 8};
  const int target[] = {0, kIgnore};
  Fenced<double> loss(2), lse(2), dz(4, 10);
  cross_entropy_forward(loss.data(), lse.data(), z, target, 2, 2);
  cross_entropy_backward(dz.data(), z, lse.data(), target, 2.0, 2, 2);
  EXPECT_EQ(difference(dz, Doubles{10 - 1.5, 10 + 1.5, 10, 10}, 1e-14, 0), "");
}

}  // namespace
}  // namespace ramoe
