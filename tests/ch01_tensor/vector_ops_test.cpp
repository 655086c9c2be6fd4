#include "ch01_tensor/vector_ops.h"

#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "support/compare.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

constexpr std::size_t kCounts[] = {0, 1, 15, 17, 64, 1000, 16384, 16385, 40000};

TEST(VectorOps, AddAndAxpyForEveryLength) {
  ThreadPool pool(3);
  const PoolScope scope(pool);
  for (const std::size_t n : kCounts) {
    const std::vector<float> a = random_values<float>(n, 1), b = random_values<float>(n, 2);
    std::vector<float> total(n), moved(n);
    for (std::size_t i = 0; i < n; ++i) total[i] = a[i] + b[i], moved[i] = a[i] - 0.5f * b[i];
    Fenced<float> out(n);
    add_forward(out.data(), a.data(), b.data(), n);
    EXPECT_EQ(difference(out, total, 0, 0), "") << n;  // one addition: the same bits
    Fenced<float> y(n);
    std::copy(a.begin(), a.end(), y.data());
    axpy(y.data(), -0.5f, b.data(), n);
    EXPECT_EQ(difference(y, moved, 0, 0), "") << n;  // a half of b is exact: fused or not
  }
}

TEST(VectorOps, WidenIsExactForEveryBf16) {
  ThreadPool pool(3);
  const PoolScope scope(pool);
  std::vector<std::uint16_t> all(1 << 16);
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::uint16_t>(i);
  Fenced<float> wide(all.size());
  std::vector<double> defined(all.size());
  widen(wide.data(), all.data(), all.size());
  widen(defined.data(), all.data(), all.size());
  // Sign, 8 bits of exponent, 7 of mantissa: 1.5 is 0 01111111 1000000.
  EXPECT_EQ(wide.data()[0x3fc0], 1.5f);
  EXPECT_EQ(wide.data()[0xbf80], -1.0f);
  EXPECT_EQ(wide.data()[0x0001], std::ldexp(1.0f, -133));  // subnormal
  for (std::size_t i = 0; i < all.size(); ++i) {
    const std::uint32_t bits = std::bit_cast<std::uint32_t>(wide.data()[i]);
    ASSERT_EQ(bits, i << 16);
    if (std::isnan(wide.data()[i]))
      ASSERT_TRUE(std::isnan(defined[i]));
    else
      ASSERT_EQ(defined[i], wide.data()[i]);
  }
  for (const std::size_t n : kCounts) {
    Fenced<float> out(n);
    widen(out.data(), all.data(), n);
    if (n > 0) {
      EXPECT_EQ(std::bit_cast<std::uint32_t>(out.data()[n - 1]), (n - 1) << 16);
    }
  }
}

TEST(VectorOps, Bias) {
  const int N = 5, C = 17;
  const std::vector<double> bias = random_values<double>(17, 1),
                            before = random_values<double>(85, 2);
  Fenced<double> y(85), dbias(17, 3.0);
  std::copy(before.begin(), before.end(), y.data());
  add_bias_forward(y.data(), bias.data(), N, C);
  add_bias_backward(dbias.data(), before.data(), N, C);
  std::vector<double> wanted(before), sums(17, 3.0);
  for (std::size_t i = 0; i < 85; ++i) wanted[i] += bias[i % 17], sums[i % 17] += before[i];
  EXPECT_EQ(difference(y, wanted, 0, 0), "");
  EXPECT_EQ(difference(dbias, sums, 1e-14, 0), "");
}

TEST(Softmax, TwoClassesByHand) {
  // softmax(0, ln 3) = (1/4, 3/4); equal logits give equal shares; one class gives 1.
  const double z[] = {0, std::log(3.0), 5, 5, -1000, -1000};
  double p[6];
  softmax_forward(p, z, 3, 2);
  EXPECT_EQ(difference(std::vector<double>(p, p + 6),
                       std::vector<double>{0.25, 0.75, 0.5, 0.5, 0.5, 0.5}, 1e-15, 0),
            "");
  const float one[] = {3, -1e30f, 1e30f};
  float q[3];
  softmax_forward(q, one, 3, 1);
  EXPECT_EQ(std::vector<float>(q, q + 3), (std::vector<float>{1, 1, 1}));
}

TEST(Softmax, LargeLogitsAndInfinities) {
  const float z[] = {1e30f, 0, -1e30f, 88, 89, -kInf};
  float p[6];
  softmax_forward(p, z, 2, 3);
  EXPECT_EQ(p[0], 1);
  EXPECT_EQ(p[1], 0);
  EXPECT_EQ(p[2], 0);
  EXPECT_NEAR(p[3], 1 / (1 + std::exp(1.0)), 1e-7);
  EXPECT_EQ(p[5], 0);
}

TEST(Softmax, BackwardAccumulates) {
  // p = (1/4, 3/4), dp = (1, 0): dz = p (dp - 1/4) = (3/16, -3/16), on top of what was there.
  const double p[] = {0.25, 0.75}, dp[] = {1, 0};
  double dz[] = {10, 20};
  softmax_backward(dz, p, dp, 1, 2);
  EXPECT_EQ(dz[0], 10.1875);
  EXPECT_EQ(dz[1], 19.8125);
}

TEST(SumOfSquares, SameBitsForAnyThreadsAndInDouble) {
  for (const std::size_t n : kCounts) {
    const std::vector<float> x = random_values<float>(n, 4);
    double wanted = 0;
    for (const float value : x) wanted += double(value) * double(value);
    const double alone = sum_of_squares(x.data(), n);
    EXPECT_NEAR(alone, wanted, 1e-12 * wanted) << n;  // n additions in double
    ThreadPool pool(3);
    const PoolScope scope(pool);
    EXPECT_EQ(sum_of_squares(x.data(), n), alone) << n;
  }
  const float large[] = {3e30f, 4e30f};  // squares beyond float's range
  EXPECT_NEAR(std::sqrt(sum_of_squares(large, 2)), 5e30, 5e24);
}

TEST(AllFinite, FindsOneAnywhere) {
  for (const std::size_t n : {1u, 17u, 100u})
    for (const float bad : {kInf, -kInf, std::numeric_limits<float>::quiet_NaN()})
      for (std::size_t at = 0; at < n; ++at) {
        std::vector<float> x(n, 1.0f);
        ASSERT_TRUE(all_finite(x.data(), n));
        x[at] = bad;
        ASSERT_FALSE(all_finite(x.data(), n));
      }
  EXPECT_TRUE(all_finite<float>(nullptr, 0));
}

}  // namespace
}  // namespace ramoe
