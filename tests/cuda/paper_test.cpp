// The method of the paper in small on the GPU, or emulated, beside the processor: answers, routing,
// and fine-tuning with each alignment form.
#include <gtest/gtest.h>

#include "ch07_divergence/answers.h"
#include "ch07_divergence/headroom.h"
#include "ch07_divergence/routing_stats.h"
#include "ch07_divergence/small_world.h"
#include "ch10_alignment/alignment_term.h"
#include "support/compare.h"

namespace ramoe {
namespace {

/// A model that knows the English answers by heart.
const Model<float>& taught() {
  static const Model<float>& shared = [&]() -> Model<float>& {
    static Model<float> model(small_model_config(), 1);
    std::vector<Example> english;
    for (const ExamplePair& pair : small_pairs()) english.push_back(pair.english);
    teach(model, english);
    return model;
  }();
  return shared;
}

std::vector<FinetuneExample> small_examples() {
  std::vector<FinetuneExample> examples;
  CachedEncoder encoder(small_tokenizer());
  const auto encoded = [&](const Example& e) {
    return Prompts(small_tokenizer()).example(encoder, e.question, e.answer);
  };
  for (const ExamplePair& pair : small_pairs()) {
    examples.push_back({pair.target.id, "sums", PairType::ci, encoded(pair.target),
                        encoded(pair.english)});
    FinetuneExample& e = examples.back();
    e.target.example = int(examples.size()) - 1;
    e.target_prompt = prompt_tokens(small_tokenizer(), e.target, small_tokenizer().bos());
    e.english_prompt = prompt_tokens(small_tokenizer(), e.english, small_tokenizer().bos());
  }
  return examples;
}

TEST(GpuPaper, AnswersAreThoseOfTheProcessor) {
  Model<float> cpu(small_model_config());
  Model<GpuFloat> gpu(small_model_config());
  cpu.copy_values(taught());
  gpu.copy_values(taught());
  std::vector<Example> questions;
  for (const ExamplePair& pair : small_pairs()) {
    questions.push_back(pair.english);
    questions.push_back(pair.target);
  }
  const std::vector<Answer> a = answer_questions(cpu, small_tokenizer(), questions);
  const std::vector<Answer> b = answer_questions(gpu, small_tokenizer(), questions);
  for (std::size_t i = 0; i < a.size(); ++i) EXPECT_EQ(b[i].output, a[i].output) << i;
  EXPECT_GE(accuracy(b), 0.5);
}

TEST(GpuPaper, RoutingIsThatOfTheProcessor) {
  Model<float> cpu(small_model_config());
  Model<GpuFloat> gpu(small_model_config());
  cpu.copy_values(taught());
  gpu.copy_values(taught());
  std::vector<std::vector<int>> sequences;
  for (const FinetuneExample& e : small_examples()) sequences.push_back(e.target.tokens);
  const auto a = sequence_routing(cpu, sequences), b = sequence_routing(gpu, sequences);
  for (std::size_t s = 0; s < a.size(); ++s)
    for (std::size_t l = 0; l < a[s].q.size(); ++l) {
      EXPECT_EQ(difference(b[s].q[l], a[s].q[l], 1e-5, 0), "") << s << " layer " << l;
      EXPECT_EQ(b[s].u[l], a[s].u[l]) << s << " layer " << l;
    }
}

/// Every item of the oracle, in all layers.
template <class T>
std::vector<OracleItem> oracle_items(const HeadroomConfig& config) {
  Model<T> model(small_model_config());
  model.copy_values(taught());
  PromptFormat format;
  format.bos = small_tokenizer().bos();
  format.eos = {small_tokenizer().eos()};
  const Prompts prompts(small_tokenizer(), format);
  return RoutingOracle<T>(model, prompts, config, {true, true, true}).measure(small_pairs());
}

TEST(GpuPaper, HeadroomIsThatOfTheProcessor) {
  for (const RoutingForm form : every<RoutingForm>())
    for (const RoutingControl control : {RoutingControl::other, RoutingControl::target}) {
      const HeadroomConfig config{.form = form, .control = control};
      const auto cpu = oracle_items<float>(config), gpu = oracle_items<GpuFloat>(config);
      ASSERT_EQ(gpu.size(), cpu.size());
      for (std::size_t i = 0; i < cpu.size(); ++i) {
        SCOPED_TRACE(cat(name_of(form), " ", name_of(control), " ", cpu[i].id));
        EXPECT_TRUE(cpu[i].english);
        const auto answers = [](const OracleItem& item) {
          return std::array{item.english, item.base, item.own, item.control};
        };
        EXPECT_EQ(answers(gpu[i]), answers(cpu[i]));
        EXPECT_GT(cpu[i].base_divergence, 1e-3);
        EXPECT_NEAR(gpu[i].base_divergence, cpu[i].base_divergence, 1e-4);
        EXPECT_NEAR(gpu[i].own_divergence, cpu[i].own_divergence, 1e-4);
      }
    }
}

/// Eight steps with the alignment loss: the report of the last.
template <class T>
StepReport finetuned(const AlignmentConfig& alignment) {
  Model<T> model(small_model_config());
  model.copy_values(taught());
  const std::vector<FinetuneExample> examples = small_examples();
  const StageResults stages{{1, 2}, {{"sums", {{0}, {0, 2}, {1, 3}}}}};
  TrainConfig config;
  config.steps = 8;
  AlignmentTerm<T> term(model, alignment, stages, examples, config.steps, 1);
  Trainer<T> trainer(model, config);
  std::vector<TrainingSequence> sequences;
  for (const FinetuneExample& e : examples) sequences.push_back(e.target);
  StepReport report;
  while (trainer.steps_done() < config.steps)
    report = trainer.step(
        [&](int) {
          return make_training_batch(sequences, small_tokenizer().pad(), small_tokenizer().bos());
        },
        &term);
  return report;
}

TEST(GpuPaper, FineTuningWithEveryAlignmentFormIsThatOfTheProcessor) {
  for (const AlignmentForm form : every<AlignmentForm>()) {
    AlignmentConfig alignment;
    alignment.divergence = form;
    alignment.lambda = 1;
    const StepReport cpu = finetuned<float>(alignment), gpu = finetuned<GpuFloat>(alignment);
    EXPECT_EQ(gpu.step, 8);
    EXPECT_GT(cpu.extra, 1e-4) << name_of(form);
    EXPECT_NEAR(gpu.extra, cpu.extra, 1e-3 * (1 + cpu.extra)) << name_of(form);
    EXPECT_NEAR(gpu.loss, cpu.loss, 1e-3 * (1 + cpu.loss)) << name_of(form);
    EXPECT_NEAR(gpu.gradient_norm, cpu.gradient_norm, 1e-2 * cpu.gradient_norm) << name_of(form);
  }
}

TEST(GpuPaper, AlignmentOfRoutersAloneAndOfTheCurrentEnglishSide) {
  AlignmentConfig alignment;
  alignment.gradient_scope = GradientScope::router;
  alignment.english_side = EnglishSide::current;
  const StepReport cpu = finetuned<float>(alignment), gpu = finetuned<GpuFloat>(alignment);
  EXPECT_NEAR(gpu.extra, cpu.extra, 1e-3 * (1 + cpu.extra));
  EXPECT_NEAR(gpu.loss, cpu.loss, 1e-3 * (1 + cpu.loss));
}

// The extensions and controls: tokens, chosen experts, other sides, and hidden states.
TEST(GpuPaper, EveryFollowedSideAndSignalIsThatOfTheProcessor) {
  for (const AlignedTokens span : {AlignedTokens::last, AlignedTokens::tokens})
    for (const EnglishSide side : {EnglishSide::base, EnglishSide::shuffled, EnglishSide::own})
      for (const AlignedSignal signal : every<AlignedSignal>()) {
        AlignmentConfig alignment;
        alignment.span = span;
        alignment.english_side = side;
        alignment.signal = signal;
        if (signal == AlignedSignal::routing) alignment.support = AlignedExperts::chosen;
        const StepReport cpu = finetuned<float>(alignment), gpu = finetuned<GpuFloat>(alignment);
        const std::string what = cat(name_of(span), " ", name_of(side), " ", name_of(signal));
        EXPECT_GT(cpu.extra, 1e-6) << what;
        EXPECT_NEAR(gpu.extra, cpu.extra, 1e-3 * (1 + cpu.extra)) << what;
        EXPECT_NEAR(gpu.loss, cpu.loss, 1e-3 * (1 + cpu.loss)) << what;
        EXPECT_NEAR(gpu.gradient_norm, cpu.gradient_norm, 1e-2 * cpu.gradient_norm) << what;
      }
}

}  // namespace
}  // namespace ramoe
