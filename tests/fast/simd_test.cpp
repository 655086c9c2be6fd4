#include "fast/simd.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/compare.h"

namespace ramoe {
namespace {

/// exp_of over n values, as the kernels call it.
RAMOE_INLINE void exp_all(float* y, const float* x, int n) {
  for (int i = 0; i < n; ++i) y[i] = exp_of(x[i]);
}

/// Distance of y from e^x in units of the last place of e^x.
double ulps(float x, float y) {
  const double wanted = std::exp(double(x));
  const double unit = std::ldexp(1.0, std::ilogb(wanted) - 23);
  return std::abs(double(y) - wanted) / unit;
}

TEST(ExpOf, IsExactToAUnitOverItsWholeRange) {
  constexpr int kCount = 1 << 20;
  std::vector<float> x(kCount), y(kCount);
  // A dense grid over the range, one about 0 where softmax and sigmoid live, and tiny arguments.
  for (int i = 0; i < kCount; ++i) {
    const float u = float(i) / float(kCount - 1);
    x[std::size_t(i)] = i % 3 == 0   ? -87.29f + u * (88.29f + 87.29f)
                        : i % 3 == 1 ? -4.0f + 8.0f * u
                                     : std::ldexp(u - 0.5f, -(i % 40));
  }
  // Rounding of the last addition and of r make up half a unit each; the polynomial adds a tenth.
  // Seen: 0.89 with fused multiply-add, 1.21 without.
  for (const InstructionSet set : runnable_instruction_sets()) {
    const InstructionSetScope scope(set);
    simd<exp_all>(y.data(), x.data(), kCount);
    double worst = 0;
    float where = 0;
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double error = ulps(x[i], y[i]);
      if (!(error <= worst)) worst = error, where = x[i];
    }
    EXPECT_LE(worst, 1.3) << name_of(set) << " at " << where;
    RecordProperty("worst_ulps_times_1000_" + name_of(set), int(worst * 1000));
  }
}

TEST(ExpOf, Extremes) {
  EXPECT_EQ(exp_of(0.0f), 1.0f);
  EXPECT_EQ(exp_of(-0.0f), 1.0f);
  EXPECT_EQ(exp_of(kInf), kInf);
  EXPECT_EQ(exp_of(-kInf), 0.0f);
  EXPECT_TRUE(std::isnan(exp_of(kNan)));
  EXPECT_TRUE(std::isnan(exp_of(-kNan)));
  EXPECT_TRUE(std::isnan(exp_of(std::nanf("0x1ff"))));  // whatever the NaN carries
  EXPECT_EQ(exp_of(88.4f), kInf);
  EXPECT_EQ(exp_of(std::numeric_limits<float>::max()), kInf);
  EXPECT_EQ(exp_of(std::numeric_limits<float>::lowest()), 0.0f);
  EXPECT_EQ(exp_of(-87.4f), 0.0f);
  EXPECT_EQ(exp_of(std::numeric_limits<float>::denorm_min()), 1.0f);
  EXPECT_LE(ulps(88.3f, exp_of(88.3f)), 2.0);
  EXPECT_LE(ulps(-87.3f, exp_of(-87.3f)), 2.0);
  EXPECT_GT(exp_of(-87.3f), 0.0f);
  // Vectorised in a loop, special values stay in their lane.
  std::vector<float> x(37, 1.0f), y(37);
  x[5] = kNan, x[20] = kInf, x[33] = -kInf;
  simd<exp_all>(y.data(), x.data(), 37);
  EXPECT_TRUE(std::isnan(y[5]));
  EXPECT_EQ(y[20], kInf);
  EXPECT_EQ(y[33], 0.0f);
  for (const std::size_t i : {0u, 4u, 6u, 19u, 21u, 32u, 34u, 36u}) EXPECT_LE(ulps(1, y[i]), 2.0);
}

TEST(ExpOf, Sigmoid) {
  EXPECT_EQ(sigmoid(0.0f), 0.5f);
  EXPECT_EQ(sigmoid(100.0f), 1.0f);
  EXPECT_EQ(sigmoid(-100.0f), 0.0f);
  EXPECT_NEAR(sigmoid(1.0f), 0.7310586f, 2e-7);
  EXPECT_NEAR(sigmoid(-2.0f), 0.11920292202211757, 2e-8);
}

TEST(Reductions, DotSumAndLargestForEveryLength) {
  for (int n = 0; n <= 70; ++n) {
    const std::vector<float> a = random_values<float>(std::size_t(n), 1), b(a.rbegin(), a.rend());
    double d = 0, s = 0, size = 0;
    float top = -kInf;
    for (std::size_t i = 0; i < a.size(); ++i) {
      d += double(a[i]) * double(b[i]);
      s += double(a[i]);
      size += std::abs(double(a[i])) + std::abs(double(a[i]) * double(b[i]));
      top = std::max(top, a[i]);
    }
    // n additions, each within half a unit (6e-8) of a partial sum of at most `size`.
    EXPECT_NEAR(dot(a.data(), b.data(), n), d, 6e-8 * (n + 1) * size + 1e-30) << n;
    EXPECT_NEAR(sum(a.data(), n), s, 6e-8 * (n + 1) * size + 1e-30) << n;
    if (n > 0) {
      EXPECT_EQ(largest(a.data(), n), top) << n;
    }
  }
  for (int n = 1; n <= 70; ++n)  // the largest is found wherever it stands, among negatives too
    for (int at = 0; at < n; ++at) {
      std::vector<float> a(std::size_t(n), -5.0f);
      a[std::size_t(at)] = -1;
      ASSERT_EQ(largest(a.data(), n), -1) << n << " " << at;
    }
}

}  // namespace
}  // namespace ramoe
