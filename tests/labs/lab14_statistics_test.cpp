// Lab 14: intervals from few values, and why one of width 0 lies.
#include "ch12_experiments/statistics.h"
#include "labs/lab.h"

namespace ramoe {
namespace {

TEST(Lab14Statistics, TheMedianOfThree) {
  expect_value(quantile({30, 10, 20}, 0.5), 20, "sort the values first");
}

TEST(Lab14Statistics, QuantilesLieBetweenValues) {
  expect_value(quantile({0, 10}, 0.25), 2.5, "position p (n-1), linear between two values");
  expect_value(quantile({0, 10, 20}, 1), 20, "p = 1 is the last value, not one behind it");
}

TEST(Lab14Statistics, EqualValuesSayNothingOfChance) {
  EXPECT_TRUE(all_same({2, 2, 2})) << "  usually: the smallest is the largest";
  EXPECT_TRUE(all_same({0.1 + 0.2, 0.3})) << "  usually: up to rounding, 1e-12 of the values";
  EXPECT_TRUE(all_same({5}) && all_same({})) << "  usually: fewer than 2 values show no spread";
  EXPECT_FALSE(all_same({2, 2, 2.001}));
}

TEST(Lab14Statistics, AnIntervalOfWidthZeroIsNotGiven) {
  EXPECT_FALSE(bootstrap_interval({3, 3, 3}).known())
      << "  usually: all resamples of equal values are equal; that is no certainty";
}

TEST(Lab14Statistics, ABootstrapByHand) {
  // Means of two draws of {0, 1}: 0, 1/2 and 1 with probabilities 1/4, 1/2 and 1/4.
  const Interval interval = bootstrap_interval({0, 1}, {.level = 0.4});
  expect_value(interval.low, 0.5, "the middle 40 % of the resampled means: quantiles 0.3 and 0.7");
  expect_value(interval.high, 0.5, "each resample draws as many values as there are");
}

TEST(Lab14Statistics, ABootstrapIsAsWideAsTheStandardErrorSays) {
  Doubles values;
  for (int i = 0; i < 100; ++i) values.push_back(i % 2 ? 11.0 : 9.0);
  const Interval interval = bootstrap_interval(values);
  expect_value(interval.low, 10 - 0.196, "draw n values WITH replacement, mean of each", 0.002);
  expect_value(interval.high, 10 + 0.196, "draw n values WITH replacement, mean of each", 0.002);
}

TEST(Lab14Statistics, PairingTakesOutWhatBothShare) {
  const Interval paired = paired_bootstrap_interval({1.5, 11.5, 101.75}, {1, 11, 101});
  expect_value(paired.low, 0.5, "the bootstrap of a[i] - b[i], pair by pair");
  expect_value(paired.high, 0.75, "the bootstrap of a[i] - b[i], pair by pair");
}

TEST(Lab14Statistics, SeveralTestsAtOnce) {
  expect_values(holm_adjusted({0.01, 0.04, 0.03}), {0.03, 0.06, 0.06},
                "by rising p: times 3, times 2, times 1, and never below the one before");
  expect_values(holm_adjusted({0.9, 0.8}), {1, 1}, "a probability is at most 1");
}

}  // namespace
}  // namespace ramoe
