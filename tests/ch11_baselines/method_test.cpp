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
    e.target = encode_example(encoder, small_tokenizer(), pair.target.question, pair.target.answer);
    e.target.example = 0;
    e.english =
        encode_example(encoder, small_tokenizer(), pair.english.question, pair.english.answer);
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
  for (const Method method : {Method::sft, Method::ramoe, Method::sara}) {
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
  EXPECT_NEAR(extra->add(tape, batch, forward, 0).data[0], 1.5 * js, 1e-6);
}

}  // namespace
}  // namespace ramoe
