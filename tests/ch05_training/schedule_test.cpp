#include "ch05_training/schedule.h"

#include <gtest/gtest.h>

#include <cmath>

#include "support/texts.h"

namespace ramoe {
namespace {

// One rounding per operation; the hand-worked values are exact up to cos.
constexpr double near = 1e-14;

TEST(Schedule, WarmupThenCosineByHand) {
  // 4 steps of warm-up, then 5 steps over half a cosine: heights 1, (1+sqrt(1/2))/2, 1/2, ..., 0.
  const Schedule s{.peak = 2, .steps = 9, .warmup = 4, .least = 0.1};
  const double r = std::sqrt(0.5);
  const double wanted[] = {
      0.5, 1, 1.5, 2, 2, 2 * (0.1 + 0.9 * (1 + r) / 2), 1.1, 2 * (0.1 + 0.9 * (1 - r) / 2), 0.2};
  for (int step = 0; step < 9; ++step)
    EXPECT_NEAR(learning_rate(s, step), wanted[step], near) << step;
  EXPECT_NEAR(learning_rate(s, 1000), 0.2, near);
}

TEST(Schedule, Constant) {
  const Schedule s{.peak = 3, .steps = 5, .warmup = 2, .least = 0.1, .decay = Decay::constant};
  const double wanted[] = {1.5, 3, 3, 3, 3};
  for (int step = 0; step < 5; ++step) EXPECT_EQ(learning_rate(s, step), wanted[step]) << step;
}

TEST(Schedule, OddLengths) {
  EXPECT_EQ(learning_rate({.peak = 3, .steps = 1}, 0), 3);
  EXPECT_EQ(learning_rate({.peak = 3, .steps = 1, .warmup = 1}, 0), 3);
  EXPECT_EQ(learning_rate({.peak = 4, .steps = 2, .warmup = 2}, 0), 2);
  EXPECT_EQ(learning_rate({.peak = 4, .steps = 2, .warmup = 2}, 7), 4);
  EXPECT_EQ(learning_rate({.peak = 4, .steps = 2, .warmup = 1}, 1), 4);
  EXPECT_EQ(learning_rate({.peak = 0, .steps = 2}, 1), 0);
  EXPECT_EQ(learning_rate({.peak = 5, .steps = 2, .least = 0}, 0), 5);
  EXPECT_EQ(learning_rate({.peak = 5, .steps = 2, .least = 0}, 1), 0);
}

TEST(Schedule, SaysWhatIsWrong) {
  const auto error = [](const Schedule& s, int step) {
    return error_of([&] { learning_rate(s, step); });
  };
  expect_contains(error({.steps = 0}, 0), "at least 1");
  expect_contains(error({.steps = 2, .warmup = 3}, 0), "warm-up of 3 steps: 0 to 2");
  expect_contains(error({.steps = 2, .warmup = -1}, 0), "warm-up of -1");
  expect_contains(error({.least = 1.5}, 0), "1.5");
  expect_contains(error({.least = std::nan("")}, 0), "nan");
  expect_contains(error({.peak = HUGE_VAL}, 0), "inf");
  expect_contains(error({.peak = -1}, 0), "-1");
  expect_contains(error({.steps = 3}, -1), "step -1");
}

}  // namespace
}  // namespace ramoe
