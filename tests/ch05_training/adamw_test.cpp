#include "ch05_training/adamw.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <functional>

#include "support/compare.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

/// Updates of n values that all decay, or none.
template <class T>
void update(T* w, T* g, T* m, T* v, std::size_t n, double lr, bool decays, int t,
            const AdamWConfig& config) {
  constexpr std::size_t kChunk = 16384;
  std::vector<AdamWChunk<T>> chunks;
  for (std::size_t at = 0; at < n; at += kChunk)
    chunks.push_back({w + at, m + at, v + at, g + at, int(std::min(kChunk, n - at)), decays});
  AdamWOutcome outcome;
  const AdamWRule rule{lr, 0, t, config};
  adamw_step<T>(&outcome, chunks.data(), int(chunks.size()), &rule, nullptr, 0);
  EXPECT_TRUE(outcome.done);
}

template <class T>
double updated(double from, const std::vector<double>& gradients, double lr, double decay,
               AdamWConfig config) {
  config.weight_decay = decay;
  T w = T(from), m = 0, v = 0;
  int t = 0;
  for (const double gradient : gradients) {
    T g = T(gradient);
    update(&w, &g, &m, &v, 1, lr, true, ++t, config);
  }
  return double(w);
}

void expect_both(double wanted, double w, const std::vector<double>& gradients, double decay,
                 const AdamWConfig& config) {
  EXPECT_NEAR(updated<double>(w, gradients, 0.1, decay, config), wanted, 1e-14);
  EXPECT_NEAR(updated<float>(w, gradients, 0.1, decay, config), wanted, 1e-6);
}

TEST(AdamW, ByHand) {
  const AdamWConfig exact{0.9, 0.95, 0, 0};
  // m = 0.1 g, v = 0.05 g^2; corrected g and g^2: the first step is lr times the sign of g.
  expect_both(0.9, 1, {0.5}, 0, exact);
  expect_both(1.1, 1, {-2}, 0, exact);
  // eps 0.5: 0.5 / (0.5 + 0.5).
  expect_both(0.95, 1, {0.5}, 0, {0.9, 0.95, 0.5, 0});
  // Decay acts on the old weight, beside the step: 1 - 0.1 (1 + 0.2 * 1).
  expect_both(0.88, 1, {0.5}, 0.2, exact);
  // Second step with g = -1: m = 0.9*0.05 - 0.1 = -0.055, v = 0.95*0.0125 + 0.05 = 0.061875,
  // corrected by 1 - 0.81 and 1 - 0.9025.
  const double second = (-0.055 / 0.19) / std::sqrt(0.061875 / 0.0975);
  expect_both(0.9 - 0.1 * second, 1, {0.5, -1}, 0, exact);
}

TEST(AdamW, FastEqualsPlain) {
  for (const std::size_t n : {1u, 7u, 33u, 16384u, 16385u, 40001u}) {
    const std::vector<float> w0 = random_values<float>(n, 1);
    std::vector<double> w(w0.begin(), w0.end()), m(n), v(n);
    Fenced<float> fast_w(n), fast_m(n, 0.0f), fast_v(n, 0.0f), fast_g(n);
    std::copy(w0.begin(), w0.end(), fast_w.data());
    for (int t = 1; t <= 4; ++t) {
      const auto g = random_values<float>(n, 10 + unsigned(t), std::pow(10.0, t - 3));
      std::vector<double> exact(g.begin(), g.end());
      std::copy(g.begin(), g.end(), fast_g.data());
      update(w.data(), exact.data(), m.data(), v.data(), n, 0.02, true, t, {});
      update(fast_w.data(), fast_g.data(), fast_m.data(), fast_v.data(), n, 0.02, true, t, {});
      EXPECT_EQ(difference(fast_g, g, 0, 0), "") << "the gradient stays";
    }
    // A few roundings of 6e-8 in another order.
    EXPECT_EQ(difference(fast_w, w, 1e-6, 1e-6), "") << n;
    EXPECT_EQ(difference(fast_m, m, 1e-6, 1e-6), "") << n;
    EXPECT_EQ(difference(fast_v, v, 1e-6, 1e-6), "") << n;
  }
}

TEST(AdamW, SameBitsOnAnyNumberOfThreads) {
  const std::size_t n = 50000;
  std::vector<std::vector<float>> results;
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    const PoolScope scope(pool);
    std::vector<float> w = random_values<float>(n, 1), g = random_values<float>(n, 2), m(n), v(n);
    update(w.data(), g.data(), m.data(), v.data(), n, 0.1, true, 1, {});
    results.push_back(w);
  }
  EXPECT_EQ(results[0], results[1]);
  EXPECT_EQ(results[0], results[2]);
}

/// A matrix, a vector, the embedding and a block of experts, all 1 with gradient 0.
AdamW<float>::Parameters some_parameters() {
  AdamW<float>::Parameters p;
  p.push_back(std::make_unique<Parameter<float>>("layers.0.q_proj", Shape{2, 3}));
  p.push_back(std::make_unique<Parameter<float>>("layers.0.q_bias", Shape{3}));
  p.push_back(std::make_unique<Parameter<float>>("embed_tokens", Shape{4, 2}));
  p.push_back(std::make_unique<Parameter<float>>("layers.0.experts.down", Shape{2, 1, 2}));
  for (const auto& parameter : p) parameter->value.assign(parameter->value.size(), 1.0f);
  return p;
}

/// A step as the trainer takes it: one that failed does not count.
AdamWOutcome step(AdamW<float>& optimiser, double rate, double clip) {
  optimiser.prepare(rate, clip);
  optimiser.update();
  optimiser.count_step();
  const AdamWOutcome outcome = *optimiser.outcome();
  if (!outcome.done) optimiser.set_steps_done(optimiser.steps_done() - 1);
  return outcome;
}

TEST(AdamW, OnlyMatricesDecay) {
  const AdamW<float>::Parameters p = some_parameters();
  AdamW<float> optimiser(p, {0.9, 0.95, 1e-8, 0.5});
  EXPECT_EQ(step(optimiser, 0.5, 1).norm, 0);  // no gradient: only decay moves anything
  for (const std::size_t i : {0u, 3u})
    for (const float w : p[i]->value) EXPECT_EQ(w, 0.75f) << p[i]->name;
  for (const std::size_t i : {1u, 2u})
    for (const float w : p[i]->value) EXPECT_EQ(w, 1.0f) << p[i]->name;
  EXPECT_EQ(optimiser.steps_done(), 1);
}

TEST(AdamW, ClipsByTheGlobalNorm) {
  struct Case {
    double clip, factor;
  };
  // Gradients 3 and 4 in two parameters: norm 5 in all.
  for (const Case c : {Case{0, 1}, {10, 1}, {1, 0.2}}) {
    const AdamW<float>::Parameters p = some_parameters();
    AdamW<float> optimiser(p, {0.9, 0.95, 1e-8, 0});
    p[0]->gradient[2] = 3;
    p[1]->gradient[0] = -4;
    EXPECT_NEAR(step(optimiser, 0.1, c.clip).norm, 5, 1e-12);
    EXPECT_NEAR(optimiser.m(0)[2], 0.1 * 3 * c.factor, 1e-7);
    EXPECT_NEAR(optimiser.m(1)[0], -0.1 * 4 * c.factor, 1e-7);
    EXPECT_NEAR(optimiser.v(1)[0], 0.05 * 16 * c.factor * c.factor, 1e-6);
    for (const auto& parameter : p) EXPECT_TRUE(parameter->gradient_spent);
  }
}

TEST(AdamW, FrozenParametersAreNeitherReadNorWritten) {
  const AdamW<float>::Parameters p = some_parameters();
  p[0]->trainable = false;
  AdamW<float> optimiser(p, {});
  EXPECT_TRUE(optimiser.m(0).empty());
  EXPECT_TRUE(optimiser.v(0).empty());
  p[0]->want_gradient()[0] = float(kNan);  // would spoil the norm
  p[1]->gradient[1] = 2;
  EXPECT_EQ(step(optimiser, 0.1, 1).norm, 2);
  EXPECT_EQ(p[0]->value, std::vector<float>(6, 1.0f));
  EXPECT_NEAR(p[1]->value[1], 0.9, 1e-6);
}

// What the last step left in a gradient is nobody's: a parameter that the loss does not reach has
// gradient zero, and one that is frozen meanwhile stays spent.
TEST(AdamW, SpentGradientsCountAsZero) {
  const AdamW<float>::Parameters p = some_parameters();
  AdamW<float> optimiser(p, {0.9, 0.95, 1e-8, 0});
  p[1]->gradient[0] = 3;
  p[3]->gradient[1] = 4;
  EXPECT_EQ(step(optimiser, 0.1, 0).norm, 5);
  p[3]->trainable = false;
  p[0]->want_gradient()[0] = 2;
  EXPECT_EQ(step(optimiser, 0.1, 0).norm, 2);
  p[3]->trainable = true;
  EXPECT_EQ(step(optimiser, 0.1, 0).norm, 0);
}

TEST(AdamW, ANormThatIsNotFiniteUpdatesNothing) {
  for (const double bad : {double(kNan), double(INFINITY), -double(INFINITY)}) {
    const AdamW<float>::Parameters p = some_parameters();
    AdamW<float> optimiser(p, {});
    p[1]->gradient[0] = 1;
    step(optimiser, 0.1, 1);
    const std::vector<float> w = p[1]->value, m = optimiser.m(1), v = optimiser.v(1);
    p[1]->want_gradient()[0] = 1;
    p[3]->want_gradient()[1] = float(bad);
    const AdamWOutcome outcome = step(optimiser, 0.1, 1);
    EXPECT_FALSE(std::isfinite(outcome.norm) || outcome.done);
    EXPECT_EQ(p[1]->value, w);
    EXPECT_EQ(optimiser.m(1), m);
    EXPECT_EQ(optimiser.v(1), v);
    EXPECT_EQ(optimiser.steps_done(), 1);
  }
}

// The host may read the outcome several steps later: until then nothing is done.
TEST(AdamW, AfterAFailedStepLaterOnesDoNothing) {
  const AdamW<float>::Parameters p = some_parameters();
  AdamW<float> optimiser(p, {});
  const float losses[] = {1, float(kNan)};
  optimiser.prepare(0.1, 1);
  p[1]->gradient[0] = 1;
  optimiser.update(losses, 2);
  EXPECT_TRUE(optimiser.outcome()->stopped);
  const std::vector<float> w = p[1]->value;
  optimiser.prepare(0.1, 1);
  p[1]->want_gradient()[0] = 1;
  optimiser.update();
  EXPECT_FALSE(optimiser.outcome()->done);
  EXPECT_EQ(p[1]->value, w);
  EXPECT_TRUE(step(optimiser, 0.1, 1).stopped);
  EXPECT_TRUE(step(optimiser, 0.1, 1).done) << "the host knows of it now";
}

/// What is to be as it was after a step that was not done.
struct State {
  std::vector<std::vector<float>> values;
  int steps;
  State(const AdamW<float>::Parameters& p, AdamW<float>& optimiser)
      : steps(optimiser.steps_done()) {
    for (std::size_t i = 0; i < p.size(); ++i)
      for (const auto* v : {&p[i]->value, &optimiser.m(i), &optimiser.v(i)}) values.push_back(*v);
  }
};

/// One good step from some_parameters() with gradients 1; then `spoil`, gradients `g`, and a step
/// that must not be done because of the parameter `name`.
void expect_spoilt(const AdamWConfig& config, double lr, float g, const std::string& name,
                   const std::function<void(AdamW<float>::Parameters&, AdamW<float>&)>& spoil = {},
                   bool one_good_step = true) {
  AdamW<float>::Parameters p = some_parameters();
  AdamW<float> optimiser(p, config);
  const auto gradients = [&](float value) {
    for (const auto& parameter : p)
      std::fill_n(parameter->want_gradient(), parameter->value.size(), value);
  };
  gradients(1);
  if (one_good_step) {
    EXPECT_TRUE(step(optimiser, 0.1, 0).done);
  }
  if (spoil) spoil(p, optimiser);
  const State before(p, optimiser);
  gradients(g);
  const AdamWOutcome outcome = step(optimiser, lr, 0);
  EXPECT_FALSE(outcome.done);
  ASSERT_NE(optimiser.spoilt(outcome), nullptr) << name;
  EXPECT_EQ(optimiser.spoilt(outcome)->name, name);
  const State after(p, optimiser);
  EXPECT_EQ(after.steps, before.steps);
  for (std::size_t i = 0; i < before.values.size(); ++i)  // as bytes: NaN does not equal itself
    EXPECT_EQ(std::memcmp(after.values[i].data(), before.values[i].data(),
                          before.values[i].size() * sizeof(float)),
              0);
}

TEST(AdamW, AnUpdateThatIsNotFiniteIsNotDone) {
  const AdamWConfig usual{0.9, 0.95, 1e-8, 0.1};
  const float kHuge = 3e38f, kNanF = float(kNan);
  // eps = 0, and a gradient of 0 in the first step: 0/0.
  expect_spoilt({0.9, 0.95, 0, 0}, 0.1, 0, "layers.0.q_proj", {}, false);
  // The same from eps that is 0 as a float.
  expect_spoilt({0.9, 0.95, 1e-60, 0}, 0.1, 0, "layers.0.q_proj", {}, false);
  // g^2 = 1e40 does not fit in v, though the norm is finite.
  expect_spoilt(usual, 0.1, 1e20f, "layers.0.q_proj");
  // The decay drives a large weight out: 3e38 (1 - 10 * 1). Vectors do not decay.
  const auto set = [](std::size_t i, float value) {
    return [=](AdamW<float>::Parameters& p, AdamW<float>&) { p[i]->value.back() = value; };
  };
  expect_spoilt({0.9, 0.95, 1e-8, 1}, 10, 1, "layers.0.experts.down",
                [&](AdamW<float>::Parameters& p, AdamW<float>& optimiser) {
                  set(3, kHuge)(p, optimiser), set(1, kHuge)(p, optimiser);
                  optimiser.set_steps_done(1);
                });
  // What was loaded is not finite, in the weights or in the moments.
  for (const float bad : {kNanF, INFINITY})
    expect_spoilt(usual, 0.1, 1, "embed_tokens",
                  [&](AdamW<float>::Parameters& p, AdamW<float>& optimiser) {
                    set(2, bad)(p, optimiser);
                    optimiser.set_steps_done(1);
                  });
  expect_spoilt(usual, 0.1, 1, "layers.0.q_bias",
                [&](AdamW<float>::Parameters&, AdamW<float>& optimiser) {
                  optimiser.m(1)[0] = kNanF;
                  optimiser.set_steps_done(1);
                });
  expect_spoilt(usual, 0.1, 1, "layers.0.q_bias",
                [&](AdamW<float>::Parameters&, AdamW<float>& optimiser) {
                  optimiser.v(1)[2] = -5;  // its root is NaN
                  optimiser.set_steps_done(1);
                });
}

// A weight that each step makes 9 times as large, with one that stays small beside it: it is done
// while it is finite, and the last finite value stays.
TEST(AdamW, WeightsThatRunAwayAreStoppedAtTheLastFiniteOnes) {
  const AdamW<float>::Parameters p = some_parameters();
  AdamW<float> optimiser(p, {0.9, 0.95, 1e-8, 1});
  int done = 0;
  while (done < 100 && step(optimiser, 10, 1).done) ++done;
  EXPECT_NEAR(double(p[0]->value[0]), std::pow(-9.0, done), 1e-5 * std::pow(9.0, done));
  EXPECT_EQ(done, 40);  // 9^40 = 1.5e38, 9^41 is beyond the largest float
  EXPECT_EQ(p[1]->value[0], 1);
}

TEST(AdamW, TheStepNumberEntersTheCorrection) {
  const AdamW<float>::Parameters p = some_parameters();
  AdamW<float> optimiser(p, {0.9, 0.95, 0, 0});
  optimiser.set_steps_done(1);  // as after a resume, with moments that are still zero
  for (const auto& parameter : p) parameter->gradient.assign(parameter->gradient.size(), 1.0f);
  step(optimiser, 0.1, 0);
  EXPECT_NEAR(p[1]->value[0], 1 - 0.1 * (0.1 / 0.19) / std::sqrt(0.05 / 0.0975), 1e-6);
  EXPECT_EQ(optimiser.steps_done(), 2);
}

}  // namespace
}  // namespace ramoe
