// Lab 10: how far apart two routings are, and where the curve over the layers is low.
#include "ch07_divergence/divergence.h"
#include "labs/lab.h"

namespace ramoe {
namespace {

TEST(Lab10Divergence, EntropyOfTwoEqualHalves) {
  expect_value(entropy({0.5, 0.5}), std::log(2.0), "H = - sum of q log q, natural logarithm");
}

TEST(Lab10Divergence, NothingTimesLogNothingIsNothing) {
  expect_value(entropy({1, 0, 0}), 0, "0 log 0 = 0: leave zeros out, or the sum is NaN");
}

TEST(Lab10Divergence, OneIsTheLargest) {
  expect_value(routing_divergence({1, 0}, {0, 1}), 1,
               "two certain and different choices: JS = log 2, divided by the most, log E");
}

TEST(Lab10Divergence, ADivisionByTheMostThatIsPossible) {
  // H(1/2, 1/2, 0) = log 2 on both sides; the middle is (1/4, 1/2, 1/4).
  const double most = std::log(3.0) - std::log(2.0);
  expect_value(routing_divergence({0.5, 0.5, 0}, {0, 0.5, 0.5}),
               std::min(1.0, (1.5 * std::log(2.0) - std::log(2.0)) / most),
               "divide by log E - (H(q) + H(q')) / 2, and keep to [0,1]");
}

TEST(Lab10Divergence, TheMeanIsOverPairsLayerByLayer) {
  const SequenceRouting a{{{1, 0}, {1, 0}}, {}}, b{{{0, 1}, {1, 0}}, {}};
  expect_values(mean_divergence({a, a}, {b, a}), {0.5, 0}, "one mean for each layer");
}

TEST(Lab10Divergence, TheZoneIsTheLongestLowRun) {
  const Zone zone = zone_from_curve({0.9, 0.1, 0.8, 0.2, 0.3, 0.1, 0.9});
  EXPECT_EQ(zone.first, 3) << "  usually: low is at most (minimum + maximum) / 2 = 0.5";
  EXPECT_EQ(zone.last, 5) << "  usually: last is included";
}

TEST(Lab10Divergence, OfEqualRunsTheLowerOne) {
  const Zone zone = zone_from_curve({0.3, 0.9, 0.1, 0.9, 0.2});
  EXPECT_EQ(zone.first, 2) << "  usually: of runs of one length the one with the lower mean";
}

}  // namespace
}  // namespace ramoe
