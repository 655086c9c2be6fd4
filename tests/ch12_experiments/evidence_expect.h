// What the tests of the evidence share.
#pragma once

#include <gtest/gtest.h>

#include <cmath>

#include "ch12_experiments/evidence.h"
#include "ch12_experiments/made_grid.h"
#include "support/compare.h"

namespace ramoe {

inline void expect_values(const std::vector<double>& got, const std::vector<double>& wanted) {
  EXPECT_EQ(difference(got, wanted, 1e-12, 0), "");  // rounding alone
}
inline void expect_estimate(const Estimate& e, double value, double low, double high, int count) {
  EXPECT_NEAR(e.value, value, 1e-12);
  EXPECT_NEAR(e.interval.low, low, 1e-12);
  EXPECT_NEAR(e.interval.high, high, 1e-12);
  EXPECT_EQ(e.count, count);
}
inline void expect_unknown(const Estimate& e, int count = 0) {
  EXPECT_FALSE(e.interval.known());
  EXPECT_TRUE(std::isnan(e.p) && std::isnan(e.p_adjusted));
  EXPECT_EQ(e.count, count);
}

/// Gains by cell and seed: .06 and .02 in all cells of model a, twice -.02 in b/facts, .01 and -.01
/// in b/sums. The means of the cells are .04 four times, -.02 twice, 0 twice.
inline MadeGrid gains_grid(bool steering = false) {
  MadeGrid grid(MadeGrid::three_methods(), 2, steering);
  for (const std::string& cell : MadeGrid::cells()) {
    grid.set_test(cell, "sft", {0.50, 0.60});
    grid.set_test(cell, "base", {0.2});
    if (cell[0] == 'a')
      grid.set_test(cell, "ramoe", {0.56, 0.62});
    else if (cell[2] == 'f')
      grid.set_test(cell, "ramoe", {0.48, 0.58});
    else
      grid.set_test(cell, "ramoe", {0.51, 0.59});
  }
  return grid;
}

}  // namespace ramoe
