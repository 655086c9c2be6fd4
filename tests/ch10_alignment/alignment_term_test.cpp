#include "ch10_alignment/alignment_term.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "ch10_alignment/measured.h"
#include "ch10_alignment/world3.h"
#include "support/compare.h"

namespace ramoe {
namespace {

/// The weighted loss of a batch under the term; with backward if `tape` records.
Tensor<float> add_term(Tape<float>& tape, AlignmentTerm<float>& term, Model<float>& model,
                       const TrainingBatch& batch, int step = 0) {
  tape.reset();
  term.place(tape, batch, step);
  return term.add(tape, batch, model.forward(tape, batch.tokens), step);
}

/// The places of an example that are compared: of the English side, and of the target.
std::vector<std::pair<TokenSpan, TokenSpan>> places_of(const FinetuneExample& e,
                                                       AlignedTokens span) {
  const TrainingSequence &english = e.english, &target = e.target;
  if (span == AlignedTokens::both) return {{{}, {}}};
  if (span == AlignedTokens::prompt) return {{{0, english.prompt}, {0, target.prompt}}};
  if (span == AlignedTokens::answer)
    return {
        {{english.prompt, int(english.tokens.size())}, {target.prompt, int(target.tokens.size())}}};
  if (span == AlignedTokens::last)
    return {{{english.prompt - 1, english.prompt}, {target.prompt - 1, target.prompt}}};
  std::vector<std::pair<TokenSpan, TokenSpan>> places;  // BOS is token 0 of both
  const std::vector<int> from = counterparts(e.english_prompt.signs, e.target_prompt.signs);
  for (int t = 0; t < int(from.size()); ++t) {
    const int other = from[std::size_t(t)];
    if (other >= 0) places.push_back({{1 + other, 2 + other}, {1 + t, 2 + t}});
  }
  return places;
}

/// Mean D over examples (over tokens) and layers 1 and 2 by its definition, English side from
/// `english`.
double by_definition(Model<float>& english, World3& world, const std::vector<int>& members,
                     AlignedTokens span) {
  double total = 0;
  int count = 0;
  for (const int i : members) {
    const FinetuneExample& e = world.examples[std::size_t(i)];
    for (const auto& [there, here] : places_of(e, span)) {
      const auto star = sequence_routing(english, {e.english.tokens}, {there});
      const auto target = sequence_routing(world.model, {e.target.tokens}, {here});
      std::vector<double> g;
      for (const std::size_t l : {1u, 2u})
        total += alignment_divergence({}, star[0].q[l], target[0].q[l],
                                      world.stages.experts["sums"][l], g);
      ++count;
    }
  }
  return total / (2 * count);
}

TEST(AlignmentTerm, IsLambdaTimesTheMeanDivergence) {
  for (const AlignedTokens span : every<AlignedTokens>()) {
    World3 world;
    Model<float> base(small_model_config(), 1);
    AlignmentConfig config;
    config.lambda = 3;
    config.examples = AlignedExamples::cc_ci;
    config.span = span;
    AlignmentTerm<float> term = world.term(config);
    EXPECT_EQ(term.layers(), (std::vector<int>{1, 2}));
    for (const auto& p : world.model.parameters())  // the model moves on; its base side stays
      for (float& w : p->value) w *= 1.3f;
    Arena arena;
    Tape<float> tape(arena);
    const Tensor<float> loss = add_term(tape, term, world.model, world.batch_of({3, 1, 0, 2}));
    const double wanted = by_definition(base, world, {0, 1}, span);
    EXPECT_NEAR(term.last().data[0], wanted, 1e-5) << name_of(span);
    EXPECT_NEAR(loss.data[0], 3 * wanted, 1e-4) << name_of(span);

    config.english_side = EnglishSide::current;
    AlignmentTerm<float> current = world.term(config);
    add_term(tape, current, world.model, world.batch_of({0, 1}));
    const double present = by_definition(world.model, world, {0, 1}, span);
    EXPECT_NEAR(current.last().data[0], present, 1e-5) << name_of(span);
    EXPECT_GT(std::abs(present - wanted), 1e-4) << "the test could not tell them apart";
  }
}

TEST(AlignmentTerm, WithoutAlignedExamplesThereIsNone) {
  World3 world;
  AlignmentTerm<float> term = world.term({});
  Arena arena;
  Tape<float> tape(arena);
  EXPECT_NE(add_term(tape, term, world.model, world.batch_of({0, 1})).data, nullptr);
  EXPECT_GT(term.last().data[0], 0);
  EXPECT_EQ(add_term(tape, term, world.model, world.batch_of({0, 2, 3})).data, nullptr);
  EXPECT_EQ(term.last().data, nullptr);
  world.examples[1].target.example = -1;  // a sequence that is nobody's example
  EXPECT_EQ(add_term(tape, term, world.model, world.batch_of({1})).data, nullptr);
}

TEST(AlignmentTerm, FollowsTheSchedule) {
  World3 world;
  AlignmentConfig config;
  config.lambda = 2;
  config.lambda_schedule = LambdaSchedule::decay;
  AlignmentTerm<float> term = world.term(config, 11);
  Arena arena;
  Tape<float> tape(arena);
  const auto weighted = [&](int step) {
    return add_term(tape, term, world.model, world.batch_of({1}), step);
  };
  const double first = weighted(0).data[0], D = term.last().data[0];
  EXPECT_NEAR(first, 2 * D, 1e-6);
  EXPECT_NEAR(weighted(5).data[0], D, 1e-6);
  EXPECT_EQ(weighted(10).data, nullptr);
}

/// Names of the parameters with a gradient after the term alone.
std::vector<std::string> moved_by(World3& world, const AlignmentConfig& config) {
  AlignmentTerm<float> term = world.term(config);
  Arena arena;
  Tape<float> tape(arena);
  for (const auto& p : world.model.parameters())
    std::fill(p->gradient.begin(), p->gradient.end(), 0.f);
  tape.backward(add_term(tape, term, world.model, world.batch_of({1})));
  std::vector<std::string> names;
  for (const auto& p : world.model.parameters())
    if (std::any_of(p->gradient.begin(), p->gradient.end(), [](float g) { return g != 0; }))
      names.push_back(p->name);
  return names;
}

TEST(AlignmentTerm, GradientScopeRouterReachesOnlyTheRouters) {
  World3 world;
  AlignmentConfig config;
  config.layers = AlignedLayers::early;  // layers 0 and 1
  EXPECT_GT(moved_by(world, config).size(), 8u);
  const std::vector<float> all = world.model.layer(0).router->gradient;
  config.gradient_scope = GradientScope::router;
  EXPECT_EQ(moved_by(world, config),
            (std::vector<std::string>{"layers.0.router", "layers.1.router"}));
  // Layer 0's router reads nothing that a later layer's loss goes through; its own part is that of
  // scope all less what reaches it through layer 1.
  EXPECT_NE(world.model.layer(0).router->gradient, all);
  config.layers = AlignedLayers::zone;
  world.stages.zone = {2, 2};
  moved_by(world, config);
  const std::vector<float> last = world.model.layer(2).router->gradient;
  config.gradient_scope = GradientScope::all;
  moved_by(world, config);
  EXPECT_EQ(difference(last, world.model.layer(2).router->gradient, 1e-8, 1e-5), "");
}

// Statistics number the layers that have experts; the weights are those of the layer itself.
TEST(AlignmentTerm, DenseLayersAreNoneOfTheLayers) {
  ModelConfig config = small_model_config();
  config.model_type = Family::qwen3_moe;
  config.num_hidden_layers = 4;
  config.mlp_only_layers = {0};
  World3 world(config);
  AlignmentConfig alignment;
  alignment.layers = AlignedLayers::early;  // the first two of three
  alignment.gradient_scope = GradientScope::router;
  EXPECT_EQ(moved_by(world, alignment),
            (std::vector<std::string>{"layers.1.router", "layers.2.router"}));
}

std::vector<std::vector<float>> trained(const AlignmentConfig* config, double* last_D = nullptr) {
  World3 world;
  TrainConfig train;
  train.steps = 25;
  train.learning_rate = 0.01;
  Trainer<float> trainer(world.model, train);
  std::unique_ptr<AlignmentTerm<float>> term;
  if (config)
    term = std::make_unique<AlignmentTerm<float>>(world.model, *config, world.stages,
                                                  world.examples, 25, 1);
  while (trainer.steps_done() < 25)
    trainer.step([&](int) { return world.batch_of({0, 1, 2, 3}); }, term.get());
  std::vector<std::vector<float>> values;
  for (const auto& p : world.model.parameters()) values.push_back(p->value);
  if (last_D) {
    Model<float> base(small_model_config(), 1);
    *last_D = by_definition(base, world, {1}, AlignedTokens::prompt);
  }
  return values;
}

TEST(AlignmentTerm, LambdaZeroIsSftToTheLastBit) {
  AlignmentConfig zero, one;
  zero.lambda = 0;
  const auto sft = trained(nullptr);
  EXPECT_EQ(trained(&zero), sft);
  EXPECT_NE(trained(&one), sft);
}

TEST(AlignmentTerm, TrainingBringsTheRoutingsTogether) {
  World3 world;
  Model<float> base(small_model_config(), 1);
  const double before = by_definition(base, world, {1}, AlignedTokens::prompt);
  for (const AlignmentForm form : every<AlignmentForm>()) {
    AlignmentConfig config;
    config.divergence = form;
    config.lambda = form == AlignmentForm::mse ? 100 : 10;  // D of mse is a tenth of the others'
    double with = 0, without = 0;
    trained(&config, &with);
    trained(nullptr, &without);
    EXPECT_LT(with, 0.2 * before) << name_of(form);
    EXPECT_LT(with, 0.2 * without) << name_of(form);
  }
}

// Two of four examples are aligned: their mean is that of the step, whatever batch each is in, and
// not that of the batches that have some.
TEST(AlignmentTerm, IsTheMeanOverTheAlignedExamplesOfAStepInAnyCut) {
  const auto step = [](const std::vector<std::vector<int>>& cut, AlignedTokens span = {}) {
    World3 world;
    AlignmentConfig config;
    config.lambda = 3;
    config.examples = AlignedExamples::cc_ci;
    config.span = span;
    AlignmentTerm<float> term = world.term(config);
    const std::size_t tokens =
        places_of(world.examples[0], span).size() + places_of(world.examples[1], span).size();
    EXPECT_EQ(term.count(world.batch_of({3, 1, 0, 2})), int(tokens));
    EXPECT_EQ(term.count(world.batch_of({2, 3})), 0);
    TrainConfig train;
    train.accumulate = static_cast<int>(cut.size());
    Trainer<float> trainer(world.model, train);
    return trainer.step([&](int micro) { return world.batch_of(cut[std::size_t(micro)]); }, &term);
  };
  const StepReport whole = step({{3, 1, 0, 2}}), first = step({{0}}), second = step({{1}});
  EXPECT_NEAR(whole.extra, (first.extra + second.extra) / 2, 1e-5);
  for (const auto& cut : std::vector<std::vector<std::vector<int>>>{
           {{0, 1}, {2, 3}}, {{0, 2}, {1, 3}}, {{0, 2, 3}, {1}}, {{0}, {1}, {2}, {3}}}) {
    const StepReport report = step(cut);
    EXPECT_NEAR(report.extra, whole.extra, 1e-6);
    EXPECT_NEAR(report.loss, whole.loss, 1e-6);
    EXPECT_NEAR(report.gradient_norm, whole.gradient_norm, 1e-5 * whole.gradient_norm);
  }
  // Token by token: the two prompts differ in length, so a mean over examples would be another one.
  const AlignedTokens tokens = AlignedTokens::tokens;
  const StepReport all = step({{3, 1, 0, 2}}, tokens), cut = step({{0}, {1, 2, 3}}, tokens);
  EXPECT_NEAR(cut.extra, all.extra, 1e-6);
  EXPECT_NEAR(cut.gradient_norm, all.gradient_norm, 1e-5 * all.gradient_norm);
  EXPECT_GT(std::abs(all.extra - (step({{0}}, tokens).extra + step({{1}}, tokens).extra) / 2),
            1e-6);
}

TEST(AlignmentTerm, AnotherTaskThanStage2FoundIsAnError) {
  World3 world;
  world.examples[2].task = "facts";
  const std::string error = error_of([&] { world.term({}); });
  EXPECT_TRUE(mentions(error, "facts") && mentions(error, "ramoe experts")) << error;
}

}  // namespace
}  // namespace ramoe
