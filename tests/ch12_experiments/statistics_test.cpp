#include "ch12_experiments/statistics.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "support/texts.h"

namespace ramoe {
namespace {

const double nan = std::numeric_limits<double>::quiet_NaN();

TEST(Statistics, MeanAndDeviationByHand) {
  EXPECT_DOUBLE_EQ(mean({2, 4, 9}), 5.0);
  // (9 + 1 + 16) / 2 = 13
  EXPECT_DOUBLE_EQ(sample_deviation({2, 4, 9}), std::sqrt(13.0));
  EXPECT_TRUE(std::isnan(mean({})));
  EXPECT_TRUE(std::isnan(sample_deviation({7})));
  EXPECT_DOUBLE_EQ(sample_deviation({7, 7}), 0.0);
}

TEST(Statistics, QuantileByHand) {
  EXPECT_DOUBLE_EQ(quantile({40, 10, 30, 20}, 0.5), 25.0);
  EXPECT_DOUBLE_EQ(quantile({40, 10, 30, 20}, 0.1), 13.0);  // position 0.3
  EXPECT_DOUBLE_EQ(quantile({40, 10, 30, 20}, 1.0), 40.0);
  EXPECT_DOUBLE_EQ(quantile({5}, 0.7), 5.0);
  EXPECT_TRUE(std::isnan(quantile({}, 0.5)));
  expect_contains(error_of([] { quantile({1}, 1.5); }), "from 0 to 1");
}

TEST(Statistics, StudentQuantileAgainstTheTables) {
  // Closed forms: 1 degree tan(pi (p - 1/2)); 2 degrees (2p-1) sqrt(2 / (4p(1-p))).
  EXPECT_NEAR(student_quantile(0.975, 1), std::tan(M_PI * 0.475), 1e-8);
  EXPECT_NEAR(student_quantile(0.975, 2), 0.95 * std::sqrt(2 / (4 * 0.975 * 0.025)), 1e-9);
  // Printed tables, three decimals.
  EXPECT_NEAR(student_quantile(0.975, 4), 2.776, 5e-4);
  EXPECT_NEAR(student_quantile(0.975, 9), 2.262, 5e-4);
  EXPECT_NEAR(student_quantile(0.95, 30), 1.697, 5e-4);
  EXPECT_NEAR(student_quantile(0.975, 1e6), 1.960, 5e-4);  // the normal distribution
  EXPECT_DOUBLE_EQ(student_quantile(0.025, 4), -student_quantile(0.975, 4));
  EXPECT_EQ(student_quantile(0.5, 3), 0.0);
  expect_contains(error_of([] { student_quantile(1.0, 3); }), "between 0 and 1");
  expect_contains(error_of([] { student_quantile(0.9, 0); }), "at least 1 degree");
}

TEST(Statistics, StudentIntervalByHand) {
  // Seeds 1, 2, 3: mean 2, s = 1, t(0.975, 2) = 4.302653, half = t / sqrt(3).
  const Interval interval = student_interval({1, 2, 3});
  EXPECT_NEAR(interval.low, 2 - 4.30265273 / std::sqrt(3.0), 1e-7);
  EXPECT_NEAR(interval.high, 2 + 4.30265273 / std::sqrt(3.0), 1e-7);
  EXPECT_FALSE(student_interval({1}).known());
  EXPECT_FALSE(student_interval({}).known());
  // Three equal seeds say nothing of chance, whatever rounding does to them.
  EXPECT_FALSE(student_interval({3, 3, 3}).known());
  EXPECT_FALSE(student_interval({0.1 + 0.2, 0.3, 0.3}).known());
  EXPECT_FALSE(student_interval({0, 0, 0}).known());
  EXPECT_TRUE(student_interval({3, 3, 3.001}).known());
  expect_contains(error_of([] { student_interval({1, nan}); }), "value 1 is nan");
}

TEST(Statistics, BootstrapOfTwoValuesIsTheBinomial) {
  // Means of two draws of {0, 1}: 0, 1/2, 1 with probability 1/4, 1/2, 1/4.
  const Interval wide = bootstrap_interval({0, 1});
  EXPECT_EQ(wide.low, 0.0);
  EXPECT_EQ(wide.high, 1.0);
  const Interval narrow = bootstrap_interval({0, 1}, {.level = 0.4});  // quantiles 0.3 and 0.7
  EXPECT_EQ(narrow.low, 0.5);
  EXPECT_EQ(narrow.high, 0.5);
}

TEST(Statistics, BootstrapFollowsTheStandardError) {
  std::vector<double> values;
  for (int i = 0; i < 400; ++i) values.push_back(i % 2 ? 1.0 : -1.0);  // deviation 1, mean 0
  const Interval interval = bootstrap_interval(values);
  // 1.96 / sqrt(400) = 0.098; the quantile of 10,000 resamples strays by about 0.0013.
  EXPECT_NEAR(interval.low, -0.098, 0.008);
  EXPECT_NEAR(interval.high, 0.098, 0.008);
}

TEST(Statistics, BootstrapIsDeterministicAndSeeded) {
  const std::vector<double> values = {0.3, -0.1, 0.45, 0.2, 0.9, -0.6, 0.05};
  const Interval first = bootstrap_interval(values), again = bootstrap_interval(values);
  EXPECT_EQ(first.low, again.low);
  EXPECT_EQ(first.high, again.high);
  const Interval other = bootstrap_interval(values, {.seed = 2});
  EXPECT_TRUE(other.low != first.low || other.high != first.high);
  EXPECT_FALSE(bootstrap_interval({4}).known());
  expect_contains(error_of([] { bootstrap_interval({1, 2}, {.resamples = 0}); }), "resample");
}

TEST(Statistics, PairedIsTheBootstrapOfDifferences) {
  const std::vector<double> a = {0.50, 0.61, 0.72}, b = {0.25, 0.11, 0.60};
  const Interval paired = paired_bootstrap_interval(a, b);
  const Interval direct = bootstrap_interval({a[0] - b[0], a[1] - b[1], a[2] - b[2]});
  EXPECT_EQ(paired.low, direct.low);
  EXPECT_EQ(paired.high, direct.high);
  // What pairing is for: a large spread between seeds that both methods share costs nothing.
  const Interval shared = paired_bootstrap_interval({1.5, 11.5, 101.75}, {1, 11, 101});
  EXPECT_DOUBLE_EQ(shared.low, 0.5);
  EXPECT_DOUBLE_EQ(shared.high, 0.75);
  // Without any spread there is nothing to draw from.
  EXPECT_FALSE(paired_bootstrap_interval({1.5, 11.5, 101.5}, {1, 11, 101}).known());
  expect_contains(error_of([] { paired_bootstrap_interval({1}, {1, 2}); }), "1 and 2");
}

TEST(Statistics, GrandMeanWeighsCellsNotValues) {
  const GrandMean grand = grand_mean({{1, 1, 1, 1}, {3}});
  EXPECT_DOUBLE_EQ(grand.mean, 2.0);
  // Cells drawn: both 1, one of each, both 3.
  EXPECT_DOUBLE_EQ(grand.interval.low, 1.0);
  EXPECT_DOUBLE_EQ(grand.interval.high, 3.0);
}

TEST(Statistics, GrandMeanSeesBothLevels) {
  // No spread between cells: what is left comes from the seeds.
  const GrandMean seeds = grand_mean({{-1, 1}, {-1, 1}, {-1, 1}, {-1, 1}});
  EXPECT_DOUBLE_EQ(seeds.mean, 0.0);
  EXPECT_LT(seeds.interval.low, -0.4);
  EXPECT_GT(seeds.interval.high, 0.4);
  // No spread between seeds: what is left comes from the cells.
  const GrandMean cells = grand_mean({{-1, -1}, {1, 1}, {-1, -1}, {1, 1}});
  EXPECT_LT(cells.interval.low, -0.9);
  EXPECT_FALSE(grand_mean({{2}}).interval.known());
  EXPECT_TRUE(grand_mean({{2, 3}}).interval.known());
  EXPECT_TRUE(grand_mean({{2, 2}, {3, 3}}).interval.known());
  EXPECT_FALSE(grand_mean({{2, 2}, {2, 2, 2}}).interval.known());
  EXPECT_FALSE(grand_mean({{0}, {0}, {0}}).interval.known());
  EXPECT_TRUE(std::isnan(grand_mean({}).mean));
  expect_contains(error_of([] { grand_mean({{1}, {}}); }), "cell 1 has no values");
}

TEST(Statistics, CorrelationWithInterval) {
  // By hand: x -1 0 1, y -1 1 0: r = 1 / 2.
  EXPECT_DOUBLE_EQ(estimate_correlation({1, 2, 3}, {4, 6, 5}).r, 0.5);
  const CorrelationEstimate line = estimate_correlation({1, 2, 3, 4, 5}, {10, 8, 6, 4, 2});
  EXPECT_NEAR(line.r, -1, 1e-12);
  EXPECT_FALSE(line.interval.known());  // every resample lies on the line
  EXPECT_EQ(line.points, 5);
  // Four points that rise one after another do so in every resample; that is no evidence.
  EXPECT_FALSE(estimate_correlation({1, 2, 3, 4}, {1, 2, 4, 5}).interval.known());
  EXPECT_TRUE(estimate_correlation({1, 2, 3, 4, 5}, {1, 2, 4, 5, 5.5}).interval.known());
  const CorrelationEstimate loose = estimate_correlation({1, 2, 3, 4, 5, 6}, {2, 1, 4, 3, 6, 2});
  EXPECT_LT(loose.interval.low, loose.r);
  EXPECT_GT(loose.interval.high, loose.r);
  EXPECT_TRUE(std::isnan(estimate_correlation({1, 2}, {1, 2}).r));
  EXPECT_FALSE(estimate_correlation({1, 1, 1}, {1, 2, 3}).interval.known());
}

TEST(Statistics, CentredByHand) {
  // Group 7 has the mean 2, group 1 the mean 10, group 4 one value.
  EXPECT_EQ(centred({1, 9, 3, 11, 5}, {7, 1, 7, 1, 4}), (std::vector<double>{-1, -1, 1, 1, 0}));
  // Equal but for the last bit, beside others that are not.
  const std::vector<double> rounded = centred({0.1 + 0.2, 0.3, 1, 2}, {0, 0, 1, 1});
  EXPECT_EQ(rounded, (std::vector<double>{0, 0, -0.5, 0.5}));
  expect_contains(error_of([] { centred({1, 2}, {0}); }), "2 values in groups of 1");
}

// Within each of three groups of two, y rises with x in two and falls in one: r = (2 - 1) / 3. The
// groups' own means would turn it round. A resample keeps or flattens each group, as likely: of the
// 7 ways that leave one, one has the falling group alone (-1), three none of it (+1).
TEST(Statistics, CorrelationWithinGroups) {
  const std::vector<double> x = {1, 3, 11, 13, 21, 23}, y = {51, 53, 31, 33, 13, 11};
  const std::vector<int> groups = {0, 0, 1, 1, 2, 2};
  const CorrelationEstimate within = estimate_correlation(x, y, {}, groups);
  EXPECT_NEAR(within.r, 1.0 / 3, 1e-12);
  EXPECT_NEAR(within.interval.low, -1, 1e-12);
  EXPECT_NEAR(within.interval.high, 1, 1e-12);
  EXPECT_LT(estimate_correlation(x, y).r, -0.9);
  // Without the falling group every resample that has an r has 1.
  const CorrelationEstimate rising =
      estimate_correlation({1, 3, 11, 13}, {51, 53, 31, 33}, {}, {0, 0, 1, 1});
  EXPECT_NEAR(rising.r, 1, 1e-12);
  EXPECT_FALSE(rising.interval.known());
  expect_contains(error_of([&] { estimate_correlation(x, y, {}, {0, 1}); }), "groups of 2");
}

TEST(Statistics, CorrelationsAreComparedOnTheSameResamples) {
  const std::vector<double> x = {1, 2, 3, 4, 5, 6}, y = {2, 1, 4, 3, 6, 2};
  std::vector<double> twice = x, minus = x;
  for (double& value : twice) value = 3 + 2 * value;
  for (double& value : minus) value = -value;
  // The same but for its scale: no difference in any resample, though each r is loose.
  const CorrelationDifference same = compare_correlations(x, twice, y);
  EXPECT_NEAR(same.value, 0, 1e-12);
  EXPECT_FALSE(same.interval.known());
  // Each side is estimated as it is alone, and the difference from its own negative is 2 r.
  const CorrelationEstimate alone = estimate_correlation(x, y);
  const CorrelationDifference opposite = compare_correlations(x, minus, y);
  EXPECT_EQ(opposite.first.interval.low, alone.interval.low);
  EXPECT_EQ(opposite.first.r, alone.r);
  EXPECT_EQ(opposite.second.points, 6);
  EXPECT_NEAR(opposite.second.interval.high, -alone.interval.low, 1e-12);
  EXPECT_NEAR(opposite.value, 2 * alone.r, 1e-12);
  EXPECT_NEAR(opposite.interval.low, 2 * alone.interval.low, 1e-12);
  EXPECT_NEAR(opposite.interval.high, 2 * alone.interval.high, 1e-12);
  // A constant side has no r, the other one keeps its own.
  const CorrelationDifference constant = compare_correlations(x, std::vector<double>(6, 1), y);
  EXPECT_TRUE(std::isnan(constant.value));
  EXPECT_FALSE(constant.interval.known());
  EXPECT_EQ(constant.first.interval.high, alone.interval.high);
  expect_contains(error_of([&] { compare_correlations(x, {1}, y); }), "1 with 6");
}

// Of the 8 signs of (1, 2, 3) two sum to 6 in size: 2/8. (1, 1, -1): |sum| >= 1 always.
TEST(SignFlip, ByHand) {
  EXPECT_DOUBLE_EQ(sign_flip_p_value({1, 2, 3}), 0.25);
  EXPECT_DOUBLE_EQ(sign_flip_p_value({-1, -2, -3}), 0.25);
  EXPECT_DOUBLE_EQ(sign_flip_p_value({1, 1, -1}), 1.0);
  EXPECT_DOUBLE_EQ(sign_flip_p_value({0.1, 0.2, -0.3}), 1.0);  // sums to 0 but for rounding
  EXPECT_DOUBLE_EQ(sign_flip_p_value(std::vector<double>(10, 0.01)), 2.0 / 1024);
  EXPECT_DOUBLE_EQ(sign_flip_p_value({0, 0, 0}), 1.0);
  EXPECT_DOUBLE_EQ(sign_flip_p_value({}), 1.0);
  expect_contains(error_of([] { sign_flip_p_value({1, nan}); }), "not finite");
}

TEST(SignFlip, DrawnSignsComeNearTheExactOnes) {
  std::vector<double> differences;
  for (int i = 0; i < 20; ++i) differences.push_back(i % 4 == 0 ? -1.0 : 1.0);  // sum 10 of 20
  // P(|sum| >= 10) for 20 signs: 2 * P(at least 15 heads of 20) = 2 * 0.0206947
  EXPECT_NEAR(sign_flip_p_value(differences), 0.0413894, 0.003);
  EXPECT_EQ(sign_flip_p_value(differences), sign_flip_p_value(differences));
}

// Sorted .01 .02 .03 .5 times 4 3 2 1 = .04 .06 .06 .5, never falling.
TEST(Holm, ByHand) {
  const std::vector<double> adjusted = holm_adjusted({.03, .5, .01, .02}),
                            wanted = {.06, .5, .04, .06};
  ASSERT_EQ(adjusted.size(), wanted.size());
  for (std::size_t i = 0; i < wanted.size(); ++i) EXPECT_NEAR(adjusted[i], wanted[i], 1e-15);
  EXPECT_EQ(holm_adjusted({.6, .9}), (std::vector<double>{1, 1}));
  EXPECT_TRUE(holm_adjusted({}).empty());
  expect_contains(error_of([] { holm_adjusted({1.5}); }), "1.5");
}

}  // namespace
}  // namespace ramoe
