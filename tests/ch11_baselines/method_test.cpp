#include "ch11_baselines/method.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ch08_taxonomy/small_world.h"
#include "support/compare.h"

namespace ramoe {
namespace {

TEST(Method, NamesAndErrors) {
  EXPECT_FALSE(method_names().empty());
  for (const std::string& name : method_names()) EXPECT_EQ(make_method(name)->name(), name);
  const std::string error = error_of([] { make_method("ramo"); });
  EXPECT_TRUE(mentions(error, "\"ramo\"") && mentions(error, "did you mean ramoe?")) << error;
  for (const std::string& name : method_names()) EXPECT_TRUE(mentions(error, name)) << error;
  EXPECT_TRUE(mentions(error_of([] { make_method(""); }), "unknown"));
}

/// One ci example of the small world and stages that fit it.
struct Stage3 {
  Model<float> model{small_model_config(), 1};
  AlignmentConfig alignment;
  StageResults stages{{1, 1}, {{"sums", {{0}, {1}, {2}}}}};
  std::vector<FinetuneExample> examples;
  Stage3() {
    CachedEncoder encoder(small_tokenizer());
    const ExamplePair pair = small_pairs()[0];
    FinetuneExample e{pair.target.id, "sums", PairType::ci, {}, {}};
    e.target = encode_example(encoder, small_tokenizer(), pair.target.question, pair.target.answer);
    e.target.example = 0;
    e.english =
        encode_example(encoder, small_tokenizer(), pair.english.question, pair.english.answer);
    examples.push_back(e);
  }
  MethodConfig config;
  MethodContext context() const {
    return {config, alignment, stages, examples, 10, 1, "sw", [] {
              const PerLayer even(3, {0.5, 0.5, 0.5, 0.5});
              PerLayer uneven = even;
              uneven[0] = {1.0, 0.2, 0.2, 0.6};  // expert 0 is the target's
              return UsageByLanguage{{"en", even}, {"sw", uneven}};
            }};
  }
};

TEST(Method, AllButRiseTrainEverything) {
  for (const char* name : {"sft", "ramoe", "sara"}) {
    Stage3 s;
    for (const auto& p : s.model.parameters()) p->trainable = false;
    make_method(name)->prepare(s.model, s.context());
    for (const auto& p : s.model.parameters()) EXPECT_TRUE(p->trainable) << name << p->name;
  }
}

TEST(Method, SftHasNoExtraLossAndRaMoeHasTheAlignment) {
  Stage3 s;
  EXPECT_EQ(make_method("sft")->extra_loss(s.model, s.context()), nullptr);
  s.alignment.lambda = 4;
  const std::unique_ptr<ExtraLoss<float>> extra =
      make_method("ramoe")->extra_loss(s.model, s.context());
  ASSERT_NE(extra, nullptr);
  const TrainingBatch batch =
      make_training_batch({s.examples[0].target}, small_tokenizer().pad(), small_tokenizer().bos());
  Arena arena;
  Tape<float> tape(arena);
  const ForwardResult<float> forward = s.model.forward(tape, batch.tokens);
  AlignmentTerm term(s.model, s.alignment, s.stages, s.examples, 10, 1);
  const float got = extra->add(tape, batch, forward, 0).data[0];
  EXPECT_EQ(got, term.add(tape, batch, forward, 0).data[0]);
  EXPECT_NEAR(got, 4 * term.last_value(), 1e-6);
  EXPECT_GT(got, 0);
}

TEST(Method, RiseTrainsItsExpertsAlone) {
  Stage3 s;
  s.config.rise_share = 0.25;  // 3 of 12: one for each part of the depth
  const auto rise = make_method("rise");
  rise->prepare(s.model, s.context());
  EXPECT_EQ(rise->extra_loss(s.model, s.context()), nullptr);
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
  Stage3 s;
  s.examples[0].type = PairType::cc;  // every example counts
  const auto extra = make_method("sara")->extra_loss(s.model, s.context());
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
