// Lab 7: one step of AdamW, and what must not be done by one.
#include "ch05_training/adamw.h"
#include "labs/lab.h"

namespace ramoe {
namespace {

/// A parameter of two values with its moments.
struct Weights {
  Doubles w = {1, -1}, m = {0, 0}, v = {0, 0};
};
AdamWOutcome step(Weights& x, const Doubles& g, const AdamWRule& rule, bool decays = false,
                  const Doubles& losses = {}) {
  const AdamWChunk<double> chunk{x.w.data(), x.m.data(), x.v.data(), g.data(), 2, decays};
  AdamWOutcome outcome;
  adamw_step(&outcome, &chunk, 1, &rule, losses.data(), int(losses.size()));
  return outcome;
}
const AdamWConfig plain{0.9, 0.95, 0, 0};

TEST(Lab07AdamW, TheFirstStepIsTheRateTimesTheSign) {
  Weights x;
  EXPECT_TRUE(step(x, {0.5, -20}, {0.1, 0, 1, plain}).done);
  expect_values(x.w, {0.9, -0.9},
                "m and v are divided by 1 - b^t: then m/sqrt(v) = g/|g| at t = 1");
}

TEST(Lab07AdamW, MomentsAreRunningMeans) {
  Weights x;
  step(x, {0.5, -2}, {0.1, 0, 1, plain});
  expect_values(x.m, {0.05, -0.2}, "m = b1 m + (1 - b1) g, stored without correction");
  expect_values(x.v, {0.0125, 0.2}, "v = b2 v + (1 - b2) g^2, stored without correction");
}

TEST(Lab07AdamW, TheSecondStep) {
  Weights x;
  step(x, {0.5, 0.5}, {0.1, 0, 1, plain});
  step(x, {-1, 0.5}, {0.1, 0, 2, plain});
  const double second = (-0.055 / 0.19) / std::sqrt(0.061875 / 0.0975);
  expect_values(x.w, {0.9 - 0.1 * second, -1.2}, "the correction is 1 - b^t with t of this step");
}

TEST(Lab07AdamW, EpsStandsBesideTheRoot) {
  Weights x;
  step(x, {0.5, 0.5}, {0.1, 0, 1, {0.9, 0.95, 0.5, 0}});
  expect_values(x.w, {0.95, -1.05}, "m / (sqrt(v) + eps): eps is not under the root");
}

TEST(Lab07AdamW, DecayIsDecoupled) {
  Weights x, none;
  const AdamWRule rule{0.1, 0, 1, {0.9, 0.95, 0, 0.2}};
  step(x, {0.5, 0.5}, rule, true);
  expect_values(x.w, {0.88, -1.08}, "decay w is added beside the step, of the old w, not to g");
  step(none, {0.5, 0.5}, rule, false);
  expect_values(none.w, {0.9, -1.1}, "chunks that do not decay are without it");
}

TEST(Lab07AdamW, ClipsByTheNormOfAllGradients) {
  Weights x;
  const AdamWOutcome outcome = step(x, {3, -4}, {0.1, 1, 1, plain});
  expect_value(outcome.norm, 5, "the norm of all gradients together, before clipping");
  expect_values(x.m, {0.1 * 3 / 5, -0.1 * 4 / 5}, "all gradients are scaled by clip / norm");
  Weights small;
  step(small, {0.3, -0.4}, {0.1, 1, 1, plain});
  expect_values(small.m, {0.03, -0.04}, "a norm below clip changes nothing");
}

TEST(Lab07AdamW, NothingIsWrittenIfAnythingIsNotFinite) {
  const double nan = std::nan("");
  for (const auto& [g, losses] : {std::pair{Doubles{1, nan}, Doubles{}}, {{1, 1}, {nan}}}) {
    Weights x;
    const AdamWOutcome outcome = step(x, g, {0.1, 0, 1, plain}, false, losses);
    EXPECT_FALSE(outcome.done) << "a loss or the norm was not finite";
    EXPECT_TRUE(outcome.stopped) << "later steps must do nothing either";
    expect_values(x.w, {1, -1}, "the whole step is checked before the first value is written");
    expect_values(x.m, {0, 0}, "the moments stay, too");
  }
}

TEST(Lab07AdamW, TheSpoiltChunkIsNamed) {
  Weights x;  // 0 / (sqrt(0) + 0) is no number, in the second value alone
  const AdamWOutcome outcome = step(x, {1, 0}, {0.1, 0, 1, plain});
  EXPECT_EQ(outcome.spoilt, 0) << "spoilt is the number of the first chunk with a bad new value";
  expect_values(x.w, {1, -1}, "the good values of a step that is not done are not written either");
}

TEST(Lab07AdamW, AStoppedOutcomeDoesNothing) {
  Weights x;
  const Doubles g = {1, 1};
  const AdamWChunk<double> chunk{x.w.data(), x.m.data(), x.v.data(), g.data(), 2, false};
  const AdamWRule rule{0.1, 0, 1, plain};
  AdamWOutcome outcome{.stopped = true};
  adamw_step<double>(&outcome, &chunk, 1, &rule, nullptr, 0);
  EXPECT_TRUE(outcome.stopped && !outcome.done) << "an earlier step failed: wait for the host";
  expect_values(x.w, {1, -1}, "an earlier step failed: nothing may be written");
}

}  // namespace
}  // namespace ramoe
