#include "ch11_baselines/steering.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ch04_moe/tiny_model.h"
#include "support/compare.h"

namespace ramoe {
namespace {

/// Three layers of four experts; scores fall from expert 3 to expert 0.
TaskExperts experts_of(const std::vector<std::vector<int>>& sets) {
  TaskExperts experts{"sums", {}, sets};
  experts.score.assign(sets.size(), {0.1, 0.2, 0.3, 0.4});
  return experts;
}

TEST(Steering, AtMostKExpertsAndOnlyInTheZone) {
  const TaskExperts experts = experts_of({{0, 1}, {0, 1, 3}, {2}});
  using Sets = std::vector<std::vector<int>>;
  EXPECT_EQ(RoutingSteering<float>({}, {1, 2}, experts, 2).experts(), (Sets{{}, {1, 3}, {2}}));
  EXPECT_EQ(RoutingSteering<float>({}, {0, 1}, experts, 1).experts(), (Sets{{1}, {3}, {}}));
  EXPECT_TRUE(mentions(error_of([&] {
                         RoutingSteering<float>({}, {1, 3}, experts, 2);
                       }),
                       "3 layers"));
}

// z = (1, 2, 3, 6): mean 3, deviation sqrt((4 + 1 + 0 + 9) / 4) = sqrt(3.5).
TEST(Steering, SoftByHand) {
  const RoutingSteering<float> steering({Steering::soft, 2.0, 1}, {1, 1},
                                        experts_of({{0}, {0, 2}, {1}}), 2);
  std::vector<float> z = {1, 2, 3, 6, 5, 5, 5, 5};
  const float push = 2 * std::sqrt(3.5f);
  steering.change(z.data(), 1, 2, 4);
  EXPECT_EQ(difference(z, std::vector<float>{1 + push, 2, 3 + push, 6, 5, 5, 5, 5}, 0, 1e-6), "");
  const std::vector<float> before = z;
  steering.change(z.data(), 0, 2, 4);  // outside of the zone
  EXPECT_EQ(z, before);
}

TEST(Steering, HardPutsTheExpertsAboveAllOthers) {
  const RoutingSteering<float> steering({Steering::hard, 0, 7}, {1, 1},
                                        experts_of({{0}, {0, 2}, {1}}), 2);
  for (const float scale : {0.01f, 1.0f, 1000.0f, -1000.0f}) {
    std::vector<float> z = {scale, 2 * scale, -scale, 2 * scale, scale, scale, scale, scale};
    const float first = *std::max_element(z.begin(), z.begin() + 4);
    steering.change(z.data(), 1, 2, 4);
    for (const std::size_t e : {0u, 2u}) {
      EXPECT_GT(z[e], first) << scale;
      EXPECT_NEAR(z[e], first, 2e-6 * std::abs(scale) + 2e-6) << scale;
      EXPECT_GT(z[4 + e], scale);
    }
    EXPECT_EQ(z[1], 2 * scale);
    EXPECT_EQ(z[3], 2 * scale);
  }
}

/// The experts chosen by a model with and without steering.
std::vector<int> chosen_in(Model<float>& model, const RouterHook<float>* hook, std::size_t layer) {
  Arena arena;
  Tape<float> tape(arena);
  const Tape<float>::NoGrad no_grad(tape);
  const TokenBatch batch = make_batch({{3, 4, 5, 6}, {7, 8, 9, 10}}, 2, -1);
  const auto result = model.forward(tape, batch, {.hook = hook});
  const Routing<float>& r = result.routing[layer];
  return {r.chosen.expert, r.chosen.expert + r.N * r.K};
}

TEST(Steering, EveryTokenOfASteeredLayerVisitsTheExperts) {
  Model<float> model(tiny_config("qwen3_moe", false), 5);
  const RoutingSteering<float> steering({Steering::hard, 0, 1}, {1, 1}, experts_of({{}, {0, 2}}),
                                        2);
  EXPECT_EQ(chosen_in(model, &steering, 0), chosen_in(model, nullptr, 0));
  const std::vector<int> chosen = chosen_in(model, &steering, 1);
  ASSERT_EQ(chosen.size(), 16u);
  for (std::size_t n = 0; n < 8; ++n) {
    EXPECT_EQ(chosen[2 * n] + chosen[2 * n + 1], 2) << n;
    EXPECT_EQ(chosen[2 * n] * chosen[2 * n + 1], 0) << n;
  }
  EXPECT_NE(chosen, chosen_in(model, nullptr, 1));
}

TEST(Steering, IsForInferenceAlone) {
  Model<float> model(tiny_config("olmoe", false), 5);
  const RoutingSteering<float> steering({Steering::soft, 1, 1}, {0, 1}, experts_of({{0}, {1}}), 2);
  Arena arena;
  Tape<float> tape(arena);
  const TokenBatch batch = make_batch({{3, 4}}, 2, -1);
  EXPECT_TRUE(mentions(error_of([&] { model.forward(tape, batch, {.hook = &steering}); }),
                       "inference alone"));
}

// Decoding with the cache gives what whole sequences give: the hook is applied in both.
TEST(Steering, CachedDecodingIsSteeredToo) {
  Model<float> model(tiny_config("qwen2_moe", false), 9);
  const RoutingSteering<float> steering({Steering::soft, 3.0, 1}, {0, 1}, experts_of({{1}, {2}}),
                                        2);
  CachedMoe<float> plain(model), steered(model, &steering);
  const std::vector<std::vector<int>> prompts = {{3, 4, 5}, {6}};
  const GenerateOptions options{.max_new_tokens = 6};
  const auto answers = generate(steered, prompts, options);
  EXPECT_NE(answers, generate(plain, prompts, options));
  for (std::size_t b = 0; b < prompts.size(); ++b) {
    std::vector<int> tokens = prompts[b];
    for (int i = 0; i < 6; ++i) {
      Arena arena;
      Tape<float> tape(arena);
      const Tape<float>::NoGrad no_grad(tape);
      const TokenBatch batch = make_batch({tokens}, 2, -1);
      const auto logits = model.forward(tape, batch, {.hook = &steering}).logits;
      const float* last = row(logits.data, batch.T - 1, 11);
      tokens.push_back(static_cast<int>(std::max_element(last, last + 11) - last));
    }
    EXPECT_EQ(answers[b], std::vector<int>(tokens.end() - 6, tokens.end())) << b;
  }
}

}  // namespace
}  // namespace ramoe
