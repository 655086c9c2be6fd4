#include "ch07_divergence/divergence.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "ch01_tensor/philox.h"
#include "support/compare.h"

namespace ramoe {
namespace {

/// A random distribution over E, sharper with a larger deviation.
std::vector<double> distribution(std::size_t E, unsigned seed, double deviation) {
  std::vector<double> q = random_values<double>(E, seed, deviation);
  double sum = 0;
  for (double& value : q) sum += value = std::exp(value);
  for (double& value : q) value /= sum;
  return q;
}

TEST(Divergence, EntropyByHand) {
  EXPECT_EQ(entropy({1, 0, 0}), 0);
  EXPECT_NEAR(entropy({0.25, 0.25, 0.25, 0.25}), std::log(4.0), 1e-15);
  // -0.9 ln 0.9 - 0.1 ln 0.1 = 0.0948245 + 0.2302585
  EXPECT_NEAR(entropy({0.9, 0.1}), 0.3250830, 1e-7);
}

TEST(Divergence, ByHand) {
  // H = 0.3250830 and 0.6931472, mean 0.5091151; middle (0.7, 0.3) has 0.6108643;
  // (0.6108643 - 0.5091151) / (0.6931472 - 0.5091151).
  EXPECT_NEAR(routing_divergence({0.9, 0.1}, {0.5, 0.5}), 0.5528885, 1e-7);
  // Two experts, mirrored: the middle is uniform, the largest value there is.
  EXPECT_NEAR(routing_divergence({0.9, 0.1}, {0.1, 0.9}), 1, 1e-12);
  // One-hot on different experts: (log 2 - 0) / (log E - 0).
  EXPECT_NEAR(routing_divergence({1, 0}, {0, 1}), 1, 1e-12);
  EXPECT_NEAR(routing_divergence({1, 0, 0, 0}, {0, 1, 0, 0}), 0.5, 1e-12);
  EXPECT_NEAR(routing_divergence({0, 0, 0, 0, 0, 0, 0, 1}, {1, 0, 0, 0, 0, 0, 0, 0}), 1.0 / 3,
              1e-12);
}

// The example of tutorial/ch07_divergence.md.
TEST(Divergence, FourExpertsByHand) {
  const std::vector<double> english = {0.5, 0.2, 0.2, 0.1}, target = {0.3, 0.1, 0.4, 0.2};
  EXPECT_NEAR(entropy(english), 1.2206073, 1e-7);
  EXPECT_NEAR(entropy(target), 1.2798542, 1e-7);
  EXPECT_NEAR(entropy({0.4, 0.15, 0.3, 0.15}), 1.2968441, 1e-7);  // their middle
  // (1.2968441 - 1.2502307) / (1.3862944 - 1.2502307)
  EXPECT_NEAR(routing_divergence(english, target), 0.3425852, 1e-7);
}

TEST(Divergence, ZeroForEqualsAndForUniform) {
  const std::vector<double> uniform(8, 0.125);
  EXPECT_EQ(routing_divergence(uniform, uniform), 0);
  EXPECT_EQ(routing_divergence({1, 0, 0}, {1, 0, 0}), 0);
  EXPECT_EQ(routing_divergence({1}, {1}), 0);  // one expert: nothing to tell apart
  for (unsigned seed = 0; seed < 20; ++seed) {
    const auto q = distribution(7, seed, 2);
    EXPECT_NEAR(routing_divergence(q, q), 0, 1e-12);
  }
}

TEST(Divergence, SymmetricAndWithinZeroAndOne) {
  double largest = 0;
  for (unsigned seed = 0; seed < 300; ++seed) {
    const std::size_t E = 2 + seed % 9;
    const double deviation = 0.01 + seed % 5;
    const auto a = distribution(E, 2 * seed, deviation),
               b = distribution(E, 2 * seed + 1, deviation);
    const double d = routing_divergence(a, b);
    EXPECT_NEAR(d, routing_divergence(b, a), 1e-15);
    EXPECT_GT(d, 0);
    EXPECT_LE(d, 1);
    largest = std::max(largest, d);
  }
  EXPECT_GT(largest, 0.8);
}

TEST(Divergence, MeanOverPairsAndLayers) {
  const std::vector<double> one{1, 0}, two{0, 1}, half{0.5, 0.5}, sharp{0.9, 0.1};
  const std::vector<SequenceRouting> english = {{{one, sharp}, {}}, {{one, half}, {}}};
  const std::vector<SequenceRouting> target = {{{two, half}, {}}, {{one, sharp}, {}}};
  const std::vector<double> mean = mean_divergence(english, target);
  ASSERT_EQ(mean.size(), 2u);
  EXPECT_NEAR(mean[0], 0.5, 1e-12);  // 1 and 0
  EXPECT_NEAR(mean[1], 0.5528885, 1e-7);
}

TEST(Divergence, Errors) {
  EXPECT_TRUE(mentions(error_of([] { routing_divergence({1, 0}, {1, 0, 0}); }), "2 and 3"));
  EXPECT_TRUE(mentions(error_of([] { routing_divergence({}, {}); }), "0 and 0"));
  EXPECT_TRUE(mentions(error_of([] { mean_divergence({}, {}); }), "parallel"));
  EXPECT_TRUE(mentions(error_of([] { mean_divergence(std::vector<SequenceRouting>(2), {}); }),
                       "2 English and 0 target"));
}

void expect_zone(const Zone& zone, int first, int last) {
  EXPECT_EQ(zone.first, first);
  EXPECT_EQ(zone.last, last);
}

TEST(Zone, FromTheCurve) {
  expect_zone(zone_from_curve({0.9, 0.3, 0.2, 0.3, 0.8}), 1, 3);  // a U, mid-point 0.55
  expect_zone(zone_from_curve({0.1, 0.2, 0.7, 0.8, 0.9}), 0, 1);  // rising
  expect_zone(zone_from_curve({0.9, 0.8, 0.7, 0.2, 0.1}), 3, 4);  // falling
  expect_zone(zone_from_curve({0.4, 0.4, 0.4}), 0, 2);            // flat: no layer differs
  expect_zone(zone_from_curve({0.7}), 0, 0);
  expect_zone(zone_from_curve({0.1, 0.9, 0.2, 0.3, 0.9, 0.1}), 2, 3);  // the longest run
  expect_zone(zone_from_curve({0.9, 0.3, 0.2, 0.9, 0.1, 0.3}), 4, 5);  // of equals the lower
  expect_zone(zone_from_curve({0.9, 0.1, 0.3, 0.9, 0.3, 0.2}), 1, 2);
  EXPECT_TRUE(mentions(error_of([] { zone_from_curve({}); }), "without layers"));
}

TEST(Zone, ByDepth) {
  // Centres of six layers: 0.083 0.25 0.417 0.583 0.75 0.917.
  expect_zone(zone_from_depth(6, 0.2, 0.7), 1, 3);
  expect_zone(zone_from_depth(6, 0, 1), 0, 5);
  expect_zone(zone_from_depth(16, 0.2, 0.7), 3, 10);  // 3.5/16 = 0.219 to 10.5/16 = 0.656
  expect_zone(zone_from_depth(1, 0.2, 0.7), 0, 0);
  expect_zone(zone_from_depth(2, 0.4, 0.45), 0, 0);  // between the centres 0.25 and 0.75
  expect_zone(zone_from_depth(2, 0.9, 1), 1, 1);
  const Zone zone = zone_from_depth(6, 0.2, 0.7);
  EXPECT_EQ(zone.size(), 3);
  EXPECT_TRUE(zone.contains(1) && zone.contains(3));
  EXPECT_FALSE(zone.contains(0) || zone.contains(4));
  for (const auto& [begin, end] : {std::pair{-0.1, 0.5}, {0.5, 0.5}, {0.6, 0.5}, {0.5, 1.1}})
    EXPECT_TRUE(mentions(error_of([&] { zone_from_depth(6, begin, end); }), "begin < end"));
  EXPECT_TRUE(mentions(error_of([] { zone_from_depth(0, 0.2, 0.7); }), "0 layers"));
}

TEST(Zone, WhetherTheCurveIsAU) {
  EXPECT_TRUE(is_u_shaped({0.9, 0.3, 0.2, 0.3, 0.8}, {1, 3}));
  EXPECT_FALSE(is_u_shaped({0.1, 0.2, 0.7, 0.8, 0.9}, {0, 1}));  // the zone is an end
  EXPECT_FALSE(is_u_shaped({0.9, 0.8, 0.7, 0.2, 0.1}, {3, 4}));
  EXPECT_FALSE(is_u_shaped({0.9, 0.5, 0.5, 0.4}, {1, 2}));
  // Mean of the zone 0.3: ends 0.4 above it by 0.1.
  EXPECT_TRUE(is_u_shaped({0.4, 0.3, 0.3, 0.4}, {1, 2}, 0.05));
  EXPECT_FALSE(is_u_shaped({0.4, 0.3, 0.3, 0.4}, {1, 2}, 0.15));
}

TEST(Correlation, ByHand) {
  EXPECT_NEAR(correlation({1, 2, 3}, {10, 20, 30}), 1, 1e-12);
  EXPECT_NEAR(correlation({1, 2, 3}, {3, 2, 1}), -1, 1e-12);
  // Deviations (-1,0,1) and (-1,1,0): 1 / sqrt(2 * 2).
  EXPECT_NEAR(correlation({1, 2, 3}, {1, 3, 2}), 0.5, 1e-12);
  EXPECT_TRUE(std::isnan(correlation({1, 2}, {1, 2})));
  EXPECT_TRUE(std::isnan(correlation({}, {})));
  EXPECT_TRUE(std::isnan(correlation({1, 2, 3}, {5, 5, 5})));
  EXPECT_TRUE(mentions(error_of([] { correlation({1, 2, 3}, {1, 2}); }), "3 with 2"));
}

}  // namespace
}  // namespace ramoe
