#include "ch11_baselines/method.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ch07_divergence/small_world.h"
#include "support/compare.h"

namespace ramoe {
namespace {

/// One ci example of the small world and stages that fit it.
struct Stage3 {
  Model<float> model{small_model_config(), 1};
  MethodRun run;
  StageResults stages{{1, 1}, {{"sums", {{0}, {1}, {2}}}}};
  std::vector<FinetuneExample> examples;
  explicit Stage3(Method method) {
    run.method = method;
    run.train.steps = 10;
    run.language = "sw";
    CachedEncoder encoder(small_tokenizer());
    const ExamplePair pair = small_pairs()[0];
    FinetuneExample e{pair.target.id, "sums", PairType::ci, {}, {}};
    e.target =
        Prompts(small_tokenizer()).example(encoder, pair.target.question, pair.target.answer);
    e.target.example = 0;
    e.english =
        Prompts(small_tokenizer()).example(encoder, pair.english.question, pair.english.answer);
    examples.push_back(e);
  }
  MethodInputs inputs() const {
    return {stages, examples, [] {
              const PerLayer even(3, {0.5, 0.5, 0.5, 0.5});
              PerLayer uneven = even;
              uneven[0] = {1.0, 0.2, 0.2, 0.6};  // expert 0 is the target's
              return UsageByLanguage{{"en", even}, {"sw", uneven}};
            }};
  }
};

TEST(Method, AllButRiseTrainEverything) {
  for (const Method method : {Method::sft, Method::ramoe, Method::sara, Method::self_training}) {
    Stage3 s(method);
    for (const auto& p : s.model.parameters()) p->trainable = false;
    choose_trained(s.model, s.run, s.inputs());
    for (const auto& p : s.model.parameters())
      EXPECT_TRUE(p->trainable) << name_of(method) << p->name;
  }
}

TEST(Method, SftHasNoExtraLossAndRaMoeHasTheAlignment) {
  Stage3 s(Method::sft);
  EXPECT_EQ(extra_loss(s.model, s.run, s.inputs()), nullptr);
  s.run.method = Method::ramoe;
  s.run.alignment.lambda = 4;
  const std::unique_ptr<ExtraLoss<float>> extra = extra_loss(s.model, s.run, s.inputs());
  ASSERT_NE(extra, nullptr);
  const TrainingBatch batch =
      make_training_batch({s.examples[0].target}, small_tokenizer().pad(), small_tokenizer().bos());
  Arena arena;
  Tape<float> tape(arena);
  const ForwardResult<float> forward = s.model.forward(tape, batch.tokens);
  AlignmentTerm<float> term(s.model, s.run.alignment, s.stages, s.examples, 10, 1);
  extra->place(tape, batch, 0);
  term.place(tape, batch, 0);
  const float got = extra->add(tape, batch, forward, 0).data[0];
  EXPECT_EQ(got, term.add(tape, batch, forward, 0).data[0]);
  EXPECT_NEAR(got, 4 * term.last().data[0], 1e-6);
  EXPECT_GT(got, 0);
}

TEST(Method, RiseTrainsItsExpertsAlone) {
  Stage3 s(Method::rise);
  s.run.keys.rise_share = 0.25;  // 3 of 12: one for each part of the depth
  choose_trained(s.model, s.run, s.inputs());
  EXPECT_EQ(extra_loss(s.model, s.run, s.inputs()), nullptr);
  for (const auto& p : s.model.parameters()) {
    const bool experts = p->name.find("experts.") != std::string::npos;
    EXPECT_EQ(p->trainable, experts) << p->name;
    EXPECT_EQ(std::count(p->trained_blocks.begin(), p->trained_blocks.end(), 1), experts)
        << p->name;
  }
  EXPECT_EQ(s.model.layer(0).gate_up->trained_blocks[0], 1);
}

// JS of two distributions over all experts, by its definition, of the one example in the one layer.
TEST(Method, SaraIsTheDivergenceOfWholeRoutings) {
  Stage3 s(Method::sara);
  s.examples[0].type = PairType::cc;  // every example counts
  const auto extra = extra_loss(s.model, s.run, s.inputs());
  const TrainingBatch batch =
      make_training_batch({s.examples[0].target}, small_tokenizer().pad(), small_tokenizer().bos());
  Arena arena;
  Tape<float> tape(arena);
  const ForwardResult<float> forward = s.model.forward(tape, batch.tokens);
  const auto routing =
      sequence_routing(s.model, {s.examples[0].english.tokens, s.examples[0].target.tokens});
  double js = 0;
  for (std::size_t e = 0; e < 4; ++e) {
    const double a = routing[0].q[1][e], b = routing[1].q[1][e], middle = (a + b) / 2;
    js += (a * std::log(a / middle) + b * std::log(b / middle)) / 2;
  }
  EXPECT_GT(js, 1e-6);
  extra->place(tape, batch, 0);
  EXPECT_NEAR(extra->add(tape, batch, forward, 0).data[0], 1.5 * js, 1e-6);
}

TEST(Method, WhatMakesNoSenseTogetherIsRefused) {
  MethodRun run;
  const auto refused = [&](const char* part) {
    const std::string error = error_of([&] { check_method(run); });
    EXPECT_TRUE(mentions(error, part) && mentions(error, "expected")) << error;
  };
  for (const Method method : every<Method>()) {
    run.method = method;
    run.keys.pool = "0";
    if (method != Method::self_training) {
      EXPECT_NO_THROW(check_method(run)) << name_of(method);
    }
    run.keys.pool = "all";
    if (method == Method::ramoe || method == Method::self_training)
      EXPECT_NO_THROW(check_method(run)) << name_of(method);
    else
      EXPECT_TRUE(mentions(error_of([&] { check_method(run); }), "pool = all with method"));
  }
  run.method = Method::self_training;
  run.keys.pool = "0";
  refused("method = self_training with pool = 0");
  run.method = Method::ramoe;
  run.keys.pool = "30";
  for (const AlignedTokens span : {AlignedTokens::answer, AlignedTokens::both}) {
    run.alignment.span = span;
    refused("the prompts of a pool have no answers");
  }
  run.keys.pool = "0";
  EXPECT_NO_THROW(check_method(run));
  run.alignment.gradient_scope = GradientScope::router;
  run.alignment.signal = AlignedSignal::hidden;
  refused("gradient_scope = router");
}

/// Four examples of the small world: one cc and one ci with labels, and two of the pool.
struct PoolStage3 : Stage3 {
  explicit PoolStage3(Method method, const std::string& pool) : Stage3(method) {
    run.keys.pool = pool;
    run.train.learning_rate = 0.01;
    std::vector<ClassifiedPair> taxonomy;
    for (const ExamplePair& pair : small_pairs())
      taxonomy.push_back({pair.target.id, "sw", "sums", PairType::cc, "", "moja", false});
    taxonomy[1].type = PairType::ci;
    examples = finetune_examples(small_pairs(), taxonomy, small_tokenizer());
    for (std::size_t i = 2; i < 4; ++i) {
      examples[i].labelled = false;
      examples[i].target.tokens.resize(std::size_t(examples[i].target.prompt));
    }
  }
};

TEST(Method, ThePoolAndTheAlignedLabelledPairsAreAligned) {
  PoolStage3 s(Method::ramoe, "all");
  const BesideRows rows = beside_rows(s.run, s.examples);
  EXPECT_TRUE(rows.aligned);
  std::vector<int> numbers;
  for (const TrainingSequence& row : rows.sequences) {
    numbers.push_back(row.example);
    EXPECT_EQ(int(row.tokens.size()), row.prompt) << "an answer";
  }
  EXPECT_EQ(numbers, (std::vector<int>{1, 2, 3})) << "not the cc pair";
  s.run.keys.pool = "0";
  EXPECT_TRUE(beside_rows(s.run, s.examples).sequences.empty());
  s.run.keys.pool = "all";
  s.run.alignment.lambda = 0;
  EXPECT_TRUE(beside_rows(s.run, s.examples).sequences.empty()) << "lambda = 0 is SFT";
}

/// The reports of all steps of a training, with a model that was made for it.
std::vector<StepReport> reports_of(PoolStage3& s) {
  std::vector<StepReport> reports;
  MethodTraining<float> training(s.model, s.run, s.inputs());
  EXPECT_TRUE(training.run([&](int, const StepReport& report) {
    reports.push_back(report);
    return true;
  }));
  return reports;
}

// The first step of both has the same weights, so the losses of SFT are the same: prompts of a pool
// enter neither cross-entropy nor the router losses.
TEST(Method, ThePoolAddsTheAlignmentAndNothingElse) {
  PoolStage3 sft(Method::sft, "0"), pooled(Method::ramoe, "all");
  sft.examples.resize(2);
  pooled.run.alignment.span = AlignedTokens::last;
  PoolStage3 strong(Method::ramoe, "all");
  strong.run.alignment.span = AlignedTokens::last;
  strong.run.alignment.lambda = 30;
  const auto without = reports_of(sft), with = reports_of(pooled);
  EXPECT_NEAR(with[0].loss, without[0].loss, 1e-6);
  EXPECT_NEAR(with[0].balance, without[0].balance, 1e-6);
  EXPECT_NEAR(with[0].z_loss, without[0].z_loss, 1e-6);
  EXPECT_EQ(without[0].extra, 0);
  EXPECT_GT(with[0].extra, 1e-4);
  EXPECT_GT(std::abs(with[0].gradient_norm - without[0].gradient_norm), 1e-4);
  EXPECT_LT(reports_of(strong)[9].extra / 30, 0.5 * with[9].extra);
}

// The labels of the pool are what the base model said: after training it says so to the pool too.
TEST(Method, SelfTrainingLearnsTheBaseModelsAnswersToThePool) {
  PoolStage3 s(Method::self_training, "all");
  s.run.train.steps = 60;
  const BesideRows rows = beside_rows(s.run, s.examples);
  EXPECT_FALSE(rows.aligned);
  ASSERT_EQ(rows.sequences.size(), 2u);
  EXPECT_EQ(small_tokenizer().decode_text(rows.sequences[0].tokens), "tatu ? moja");
  EXPECT_EQ(reports_of(s).back().extra, 0);
  std::vector<Example> questions;
  for (const ExamplePair& pair : small_pairs()) questions.push_back(pair.target);
  const std::vector<Answer> answers = answer_questions(s.model, small_tokenizer(), questions);
  EXPECT_EQ(answers[0].output.substr(0, 6), " mbili");
  EXPECT_EQ(answers[2].output.substr(0, 5), " moja");
  EXPECT_EQ(answers[3].output.substr(0, 5), " moja");
}

}  // namespace
}  // namespace ramoe
