#include "ch07_divergence/lesion.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "ch07_divergence/small_world.h"
#include "support/compare.h"
#include "support/texts.h"

namespace ramoe {
namespace {

void expect_near(const std::vector<double>& got, const std::vector<double>& expected) {
  ASSERT_EQ(got.size(), expected.size());
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-6) << i;
}

template <class Action>
void expect_error(const Action& action, const std::string& part) {
  expect_contains(error_of(action), part);
}

// A = L L' with L = [2 0 0; 1 3 0; -1 2 1], and x = (1, -2, 3).
TEST(Lesion, SolvesByHand) {
  const std::vector<double> A = {4, 2, -2, 2, 10, 5, -2, 5, 6};
  expect_near(solve_symmetric(A, {-6, -3, 6}), {1, -2, 3});
  expect_error([&] { solve_symmetric({1, 2, 2, 1}, {1, 1}); }, "positive definite");
  expect_error([&] { solve_symmetric({1, 2, 2}, {1, 1}); }, "3 values");
}

Moments moments_of(const std::vector<std::vector<double>>& tokens) {
  Moments moments(3);
  for (const std::vector<double>& h : tokens) moments.add(h.data());
  return moments;
}

// What all languages share, h[0], is left alone: d = (0, 1, 0) is exact.
TEST(Lesion, DirectionThatIsExact) {
  const Moments english = moments_of({{1, 0, 0}, {2, 0, 1}, {1, 0, 1}});
  const Moments target = moments_of({{1, 1, 0}, {2, 1, 1}, {1, 1, 1}});
  expect_near(language_direction(target, english, 10), {0, 1, 0});
  EXPECT_NEAR(target.mean({0, 1, 0}), 1, 1e-12);
  EXPECT_NEAR(english.mean_square({1, 0, 0}), 2, 1e-12);
}

// English (1,0,0) and (1,2,0), target (0,1,0): minimise (d1 - 1)^2 + g/2 (d0^2 + (d0 + 2 d1)^2).
// The derivative by d0 gives d0 = -d1; scaled to d.h = 1 on the target, d = (-1, 1, 0) for each g
// but 0, and English lies at -1 and 1: a mean of 0, a mean square of 1. Without a guard d0 is free,
// and the small ridge sets it to 0.
TEST(Lesion, DirectionThatCompromises) {
  const Moments english = moments_of({{1, 0, 0}, {1, 2, 0}}), target = moments_of({{0, 1, 0}});
  for (const double guard : {0.1, 1.0, 10.0})
    expect_near(language_direction(target, english, guard), {-1, 1, 0});
  expect_near(language_direction(target, english, 0), {0, 1, 0});
  EXPECT_NEAR(english.mean({-1, 1, 0}), 0, 1e-12);
  EXPECT_NEAR(english.mean_square({-1, 1, 0}), 1, 1e-12);
  expect_error([&] { language_direction(target, Moments(3), 1); }, "1 and 0");
}

// ---- A model made by hand: C = 3, two experts, no attention -------------------------------------
//
// English a has h = sqrt(3) (1,0,0), the target's x sqrt(3) (0,1,0), the answer p sqrt(3) (0,0,1).

int letter_token(const char* letter) {
  return small_tokenizer().find_token(letter);
}

std::unique_ptr<Model<double>> three_wide_model() {
  ModelConfig c = small_model_config();
  c.model_type = Family::qwen3_moe;
  c.hidden_size = 3;
  c.num_attention_heads = c.num_key_value_heads = 1;
  c.head_dim = 2;
  c.num_hidden_layers = 1;
  c.num_experts = 2;
  c.num_experts_per_tok = 1;
  c.moe_intermediate_size = 1;
  auto model = std::make_unique<Model<double>>(c);
  for (const auto& [letter, feature] : {std::pair{"a", 0}, {"x", 1}, {"p", 2}})
    model->embedding()->value[std::size_t(letter_token(letter) * 3 + feature)] = 1;
  std::fill(model->layer(0).norm2->value.begin(), model->layer(0).norm2->value.end(), 1.0);
  model->layer(0).router->value = {5, 4, 2, 0, 1, 3};
  return model;
}

std::vector<TrainingSequence> sequence_of(const char* letter) {
  const Tokenizer& t = small_tokenizer();
  return {{.tokens = {t.bos(), letter_token(letter), letter_token("p"), t.eos()}, .prompt = 2}};
}

// d = (0, 1/sqrt(3), 0). The logits of x are 2 sqrt(3) and 0: centred +-sqrt(3), so the scale is
// sqrt(3) and u = (-1, 1). Row 1 of W becomes (2 - s, s), the others stay.
TEST(Lesion, DamagesByHand) {
  for (const double s : {0.5, 1.0, 4.0}) {
    const auto model = three_wide_model();
    const auto layers = damage_routers(*model, {0, 0}, sequence_of("a"), sequence_of("x"),
                                       {.strength = s, .guard = 1, .span = ForcedTokens::prompt});
    ASSERT_EQ(layers.size(), 1u);
    EXPECT_NEAR(layers[0].scale, std::sqrt(3.0), 1e-5);
    expect_near(layers[0].u, {-1, 1});
    EXPECT_NEAR(layers[0].prompts.mean, 1, 1e-9);
    EXPECT_NEAR(layers[0].english.mean, 0, 1e-6);
    EXPECT_NEAR(layers[0].answers.deviation, 0, 1e-6);
    const std::vector<double> W(model->layer(0).router->value.begin(),
                                model->layer(0).router->value.end());
    const std::vector<double> expected = {5, 4, 2 - s, s, 1, 3};
    for (std::size_t i = 0; i < W.size(); ++i) EXPECT_NEAR(W[i], expected[i], 1e-4) << i;
  }
}

TEST(Lesion, NothingAtStrengthZero) {
  for (const LesionForm form : every<LesionForm>()) {
    const Model<float> before(small_model_config(), 3);
    Model<float> model(small_model_config(), 3);
    damage_routers(model, {0, 2}, sequence_of("a"), sequence_of("x"),
                   {.form = form, .strength = 0});
    for (std::size_t i = 0; i < model.parameters().size(); ++i)
      EXPECT_EQ(model.parameters()[i]->value, before.parameters()[i]->value);
  }
}

// Layer 1 is damaged as it is once layer 0 is: one call is two calls, layer by layer.
TEST(Lesion, LayersSeeWhatTheLesionBelowDid) {
  const LesionConfig config{.strength = 3};
  Model<double> at_once(small_model_config(), 3), in_turn(small_model_config(), 3);
  damage_routers(at_once, {0, 1}, sequence_of("a"), sequence_of("x"), config);
  for (int l = 0; l < 2; ++l)
    damage_routers(in_turn, {l, l}, sequence_of("a"), sequence_of("x"), config);
  const Model<double> before(small_model_config(), 3);
  for (int l = 0; l < 3; ++l) {
    EXPECT_EQ(at_once.layer(l).router->value, in_turn.layer(l).router->value);
    EXPECT_EQ(at_once.layer(l).router->value == before.layer(l).router->value, l == 2);
  }
}

TEST(Lesion, NoiseIsSeededAndScaled) {
  const auto noisy = [](double strength, std::uint64_t seed) {
    const auto model = three_wide_model();
    damage_routers(*model, {0, 0}, {}, {},
                   {.form = LesionForm::noise, .strength = strength, .seed = seed});
    const auto before = three_wide_model();
    std::vector<double> change;
    for (std::size_t i = 0; i < 6; ++i)
      change.push_back(model->layer(0).router->value[i] - before->layer(0).router->value[i]);
    return change;
  };
  const std::vector<double> one = noisy(1, 1), two = noisy(2, 1);
  EXPECT_NE(one, noisy(1, 2));
  for (std::size_t i = 0; i < 6; ++i) EXPECT_NEAR(two[i], 2 * one[i], 1e-12);
}

TEST(Lesion, SaysWhatIsWrong) {
  const auto model = three_wide_model();
  const auto wrong = [&](Zone zone, LesionConfig config, const std::string& part) {
    expect_error([&] { damage_routers(*model, zone, sequence_of("a"), sequence_of("x"), config); },
                 part);
  };
  wrong({0, 0}, {.strength = std::numeric_limits<double>::quiet_NaN()}, "strength = nan");
  wrong({0, 0}, {.strength = -1}, "strength = -1");
  wrong({0, 0}, {.guard = std::numeric_limits<double>::infinity()}, "guard = inf");
  wrong({0, 1}, {}, "a zone from layer 0 to 1");
  wrong({1, 0}, {}, "at least one");
  expect_error([&] { damage_routers(*model, {0, 0}, sequence_of("a"), {}, {}); }, "0 and");
}

}  // namespace
}  // namespace ramoe
