#include "ch07_divergence/routing_stats.h"

#include <gtest/gtest.h>

#include <numeric>

#include "ch04_moe/tiny_model.h"

namespace ramoe {
namespace {

constexpr int kBos = 0, kPad = 2;

/// BOS and 1 to 9 tokens; some hold the pad token's id as a real token.
std::vector<std::vector<int>> mixed_sequences(int count) {
  std::vector<std::vector<int>> sequences;
  Random random(3, 1);
  for (int i = 0; i < count; ++i) {
    std::vector<int> tokens{kBos};
    for (std::uint32_t t = 1 + random.below(9); t > 0; --t)
      tokens.push_back(1 + static_cast<int>(random.below(10)));
    sequences.push_back(tokens);
  }
  return sequences;
}

double sum(const std::vector<double>& values) {
  return std::accumulate(values.begin(), values.end(), 0.0);
}

/// What one forward pass over a single sequence says of the tokens begin..end-1.
SequenceRouting by_definition(Model<float>& model, const std::vector<int>& tokens, int begin,
                              int end) {
  Arena arena;
  Tape<float> tape(arena);
  const TokenBatch batch = make_batch({tokens}, kPad, kBos);
  const auto forward = model.forward(tape, batch);
  SequenceRouting result;
  for (const Routing<float>& r : forward.routing) {
    std::vector<double> q(4), u(4);
    for (int t = begin; t < end; ++t) {
      for (std::size_t e = 0; e < 4; ++e)
        q[e] += double(row(r.probabilities.p, t, 4)[e]) / (end - begin);
      for (int k = 0; k < 2; ++k)
        u[std::size_t(row(r.chosen.expert, t, 2)[k])] += 1.0 / (end - begin);
    }
    result.q.push_back(q);
    result.u.push_back(u);
  }
  return result;
}

TEST(SequenceRouting, WithoutBosAndPaddingInAnyCompany) {
  for (const char* family : kFamilyNames) {
    Model<float> model(tiny_config(family, true), 4);
    stir(model, 2);
    const auto sequences = mixed_sequences(150);  // more than two batches
    const std::vector<SequenceRouting> all = sequence_routing(model, sequences);
    ASSERT_EQ(all.size(), sequences.size());
    for (std::size_t i = 0; i < sequences.size(); i += 7) {
      const SequenceRouting wanted =
          by_definition(model, sequences[i], 1, static_cast<int>(sequences[i].size()));
      for (std::size_t l = 0; l < 2; ++l) {
        EXPECT_EQ(difference(all[i].q[l], wanted.q[l], 1e-6, 0), "") << family << i;
        EXPECT_EQ(difference(all[i].u[l], wanted.u[l], 1e-12, 0), "") << family << i;
      }
    }
  }
}

TEST(SequenceRouting, SumsToOneAndToK) {
  Model<float> model(tiny_config("qwen3_moe", true), 4);  // renormalised gates change nothing here
  for (const SequenceRouting& r : sequence_routing(model, mixed_sequences(20)))
    for (std::size_t l = 0; l < 2; ++l) {
      EXPECT_NEAR(sum(r.q[l]), 1, 1e-6);
      EXPECT_NEAR(sum(r.u[l]), 2, 1e-12);
    }
}

TEST(SequenceRouting, SpansAndTheMean) {
  Model<float> model(tiny_config("olmoe", true), 4);
  const std::vector<std::vector<int>> sequences = {{0, 3, 4, 5, 6}, {0, 7, 8}};
  const auto spanned = sequence_routing(model, sequences, {{0, 3}, {2, 99}});
  const SequenceRouting first = by_definition(model, sequences[0], 1, 3),
                        second = by_definition(model, sequences[1], 2, 3);
  for (std::size_t l = 0; l < 2; ++l) {
    EXPECT_EQ(difference(spanned[0].q[l], first.q[l], 1e-6, 0), "");
    EXPECT_EQ(difference(spanned[0].u[l], first.u[l], 1e-12, 0), "");
    EXPECT_EQ(difference(spanned[1].q[l], second.q[l], 1e-6, 0), "");
  }
  const PerLayer mean = mean_of(spanned, &SequenceRouting::u);
  for (std::size_t l = 0; l < 2; ++l)
    for (std::size_t e = 0; e < 4; ++e)
      EXPECT_NEAR(mean[l][e], (first.u[l][e] + second.u[l][e]) / 2, 1e-12);
}

TEST(SequenceRouting, MeanRoutingByHand) {
  // Two sequences of T = 3: the second has two tokens; E = 2.
  const TokenBatch batch = make_batch({{0, 5, 6}, {0, 7}}, kPad, kBos);
  const std::vector<float> p = {0.9f, 0.1f, 0.5f,  0.5f,  0.25f, 0.75f,
                                0.1f, 0.9f, 0.75f, 0.25f, 0.0f,  1.0f};
  const std::vector<int> chosen(6);
  Routing<float> decided;
  decided.N = 6;
  decided.E = 2;
  decided.K = 1;
  decided.probabilities.p = p.data();
  decided.chosen.expert = chosen.data();
  const FetchedRouting routing(decided);
  std::vector<double> q;
  EXPECT_EQ(mean_routing(q, routing, batch, 0, {}), 2);
  EXPECT_EQ(q, (std::vector<double>{0.375, 0.625}));
  EXPECT_EQ(mean_routing(q, routing, batch, 1, {}), 1);
  EXPECT_EQ(q, (std::vector<double>{0.75, 0.25}));
  EXPECT_EQ(mean_routing(q, routing, batch, 0, {2, 3}), 1);
  EXPECT_EQ(q, (std::vector<double>{0.25, 0.75}));
  EXPECT_EQ(mean_routing(q, routing, batch, 1, {2, 3}), 0);  // padding alone
  EXPECT_EQ(q, (std::vector<double>{0, 0}));
}

TEST(SequenceRouting, Errors) {
  Model<float> model(tiny_config("olmoe", true), 4);
  const std::string empty = error_of([&] { sequence_routing(model, {{0, 3}, {0}}); });
  EXPECT_TRUE(mentions(empty, "sequence 1") && mentions(empty, "BOS")) << empty;
  EXPECT_TRUE(mentions(error_of([&] { sequence_routing(model, {{0, 3}}, {{0, 1}}); }), "span"));
  EXPECT_TRUE(mentions(error_of([&] { sequence_routing(model, {{0, 3}}, {{}, {}}); }), "2 spans"));
  EXPECT_TRUE(mentions(error_of([&] { mean_of({}, &SequenceRouting::q); }), "no sequence"));
  EXPECT_TRUE(sequence_routing(model, {}).empty());
}

}  // namespace
}  // namespace ramoe
