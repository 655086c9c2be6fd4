#include "ch07_divergence/forced_routing.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "ch04_moe/tiny_model.h"
#include "ch07_divergence/routing_stats.h"

namespace ramoe {
namespace {

/// The mean over the rows of softmax(z).
std::vector<double> mean_of_rows(const std::vector<double>& z, std::size_t E) {
  std::vector<double> mean(E, 0.0);
  const std::size_t N = z.size() / E;
  for (std::size_t n = 0; n < N; ++n) {
    double sum = 0;
    for (std::size_t e = 0; e < E; ++e) sum += std::exp(z[n * E + e]);
    for (std::size_t e = 0; e < E; ++e) mean[e] += std::exp(z[n * E + e]) / sum / double(N);
  }
  return mean;
}

// One row of two experts: p = (1/2, 1/2) becomes (4/5, 1/5) by b = (log 8/5, log 2/5), at once.
TEST(MatchMean, OneRowByHand) {
  std::vector<double> z = {0, 0};
  EXPECT_LE(match_mean(z, {0.8, 0.2}, {1, 1e-12}), 1e-12);
  EXPECT_NEAR(z[0], std::log(1.6), 1e-12);
  EXPECT_NEAR(z[1], std::log(0.4), 1e-12);
}

// Two rows with odds 1 and 4 (means 1/2 and 4/5) and q = 1/2: symmetric odds 1/2 and 2 have the
// means 1/3 and 2/3, so b lowers the first expert's odds by 2.
TEST(MatchMean, TwoRowsByHand) {
  std::vector<double> z = {0, 0, std::log(4), 0};
  match_mean(z, {0.5, 0.5}, {1000, 1e-12});
  // The slope of the mean in b is at least 2/9, so 1e-12 in the mean is under 1e-11 in b.
  EXPECT_NEAR(z[0] - z[1], -std::log(2), 1e-11);
  EXPECT_NEAR(z[2] - z[3], std::log(2), 1e-11);
}

// Any text can be routed as any other: 30 rows of 16 experts, logits some 3 apart.
TEST(MatchMean, ReachesTheMeanOfAnotherText) {
  for (unsigned seed = 1; seed <= 5; ++seed) {
    std::vector<double> z = random_values<double>(30 * 16, seed, 3);
    const std::vector<double> q = mean_of_rows(random_values<double>(7 * 16, seed + 100, 3), 16);
    const double left = match_mean(z, q, {500, 1e-6});
    EXPECT_LE(left, 1e-6) << seed;
    // The distance is the one of the logits it returns, up to rounding of doubles.
    EXPECT_EQ(difference(mean_of_rows(z, 16), q, 1e-6 + 1e-14, 0), "") << seed;
  }
}

TEST(MatchMean, SaysWhatIsLeftWhenTheRoundsEnd) {
  std::vector<double> z = {0, 0, 9, 0};
  const double left = match_mean(z, {0.3, 0.7}, {1, 1e-9});
  EXPECT_GT(left, 1e-3);
  EXPECT_NEAR(left, std::abs(mean_of_rows(z, 2)[0] - 0.3), 1e-14);
  EXPECT_TRUE(mentions(error_of([&] { match_mean(z, {0.2, 0.3, 0.5}, {}); }), "4 logits"));
}

/// All logits of the tiny batch, and of its routers.
struct Read {
  std::vector<float> logits;
  std::vector<std::vector<float>> z;
  std::vector<SequenceRouting> routing;  // by sequence
};
Read read(Model<float>& model, const RouterHook<float>* hook) {
  Arena arena;
  Tape<float> tape(arena);
  const Tape<float>::NoGrad no_grad(tape);
  const TokenBatch batch = make_batch({{3, 4, 5, 6}, {7, 8, 9}}, 2, -1);
  const auto forward = model.forward(tape, batch, {.hook = hook});
  Read result;
  result.logits.assign(forward.logits.data, forward.logits.data + 8 * 11);
  result.routing.resize(2);
  for (const Routing<float>& r : forward.routing) {
    result.z.emplace_back(r.logits.z.data, r.logits.z.data + r.N * r.E);
    for (int b = 0; b < 2; ++b)
      mean_routing(result.routing[std::size_t(b)].q.emplace_back(), FetchedRouting<float>(r), batch,
                   b, {});
  }
  return result;
}

TEST(ForcedRouting, WithNothingForcedNoBitChanges) {
  Model<float> model(tiny_config("olmoe", false), 5);
  const ForcedRouting<float> nothing(2, {});
  const Read plain = read(model, nullptr), hooked = read(model, &nothing);
  EXPECT_EQ(plain.logits, hooked.logits);
  EXPECT_EQ(plain.z, hooked.z);
}

TEST(ForcedRouting, ARowGetsItsLogitsAndTheOthersStay) {
  Model<float> model(tiny_config("olmoe", false), 5);
  const std::vector<float> given = {1, -2, 3, 0.5f};
  ForcedRouting<float> hook(2, {});
  hook.set_row(1, 2, given.data());
  const Read plain = read(model, nullptr), forced = read(model, &hook);
  EXPECT_EQ(plain.z[0], forced.z[0]);
  for (int n = 0; n < 8; ++n)
    for (int e = 0; e < 4; ++e)
      EXPECT_EQ(row(forced.z[1].data(), n, 4)[e],
                n == 2 ? given[std::size_t(e)] : row(plain.z[1].data(), n, 4)[e]);
  EXPECT_NE(plain.logits, forced.logits);
  // Another sequence of the batch, whose routing is its own, keeps its bits.
  EXPECT_EQ(std::vector<float>(plain.logits.begin() + 44, plain.logits.end()),
            std::vector<float>(forced.logits.begin() + 44, forced.logits.end()));
}

// In one pass, each layer on top of a layer that is forced already. Also where every token visits
// every expert (K = E), and for a mean over a single row.
TEST(ForcedRouting, TheMeanOfEveryLayerIsTheGivenOne) {
  for (const int K : {1, 2, 4}) {
    ModelConfig config = tiny_config("qwen3_moe", false);
    config.num_experts_per_tok = K;
    Model<float> model(config, 7);
    const std::vector<double> q0 = {0.1, 0.2, 0.3, 0.4}, q1 = {0.7, 0.1, 0.1, 0.1};
    const MatchLimits limits{2000, 1e-6};
    ForcedRouting<float> hook(2, limits);
    hook.set_mean(0, {0, 1, 2, 3}, q0);
    hook.set_mean(1, {0, 1, 2, 3}, q1);
    hook.set_mean(1, {6}, q0);
    const Read forced = read(model, &hook);
    EXPECT_LE(hook.farthest(), limits.tolerance);
    // The logits are floats, whose rounding moves a share by less than 1e-6.
    EXPECT_EQ(difference(forced.routing[0].q[0], q0, 2e-6, 0), "") << K;
    EXPECT_EQ(difference(forced.routing[0].q[1], q1, 2e-6, 0), "") << K;
    std::vector<double> last(forced.z[1].begin() + 6 * 4, forced.z[1].begin() + 7 * 4);
    EXPECT_EQ(difference(mean_of_rows(last, 4), q0, 2e-6, 0), "") << K;
  }
}

}  // namespace
}  // namespace ramoe
