#include "ch11_baselines/method.h"

#include <gtest/gtest.h>

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
  MethodContext context() const { return {alignment, stages, examples, 10, 1}; }
};

TEST(Method, SftAndRaMoeTrainEverything) {
  for (const char* name : {"sft", "ramoe"}) {
    Stage3 s;
    for (const auto& p : s.model.parameters()) p->trainable = false;
    make_method(name)->prepare(s.model);
    for (const auto& p : s.model.parameters()) EXPECT_TRUE(p->trainable) << name << p->name;
  }
}

TEST(Method, SftHasNoExtraLossAndRaMoeHasTheAlignment) {
  Stage3 s;
  EXPECT_EQ(make_method("sft")->extra_loss(s.model, s.context()), nullptr);
  s.alignment.lambda = 4;
  const std::unique_ptr<ExtraLoss> extra = make_method("ramoe")->extra_loss(s.model, s.context());
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

}  // namespace
}  // namespace ramoe
