// Whole models on the GPU, or emulated: against transformers, against the definitions in double,
// resumed, and with a step that fails and is noticed later.
#include <gtest/gtest.h>

#include "ch05_training/small_training.h"
#include "ch05_training/trainer.h"
#include "cuda/support/launch.h"
#include "cuda/unrecorded.h"
#include "formats/golden.h"
#include "runs/checkpoint.h"

namespace ramoe {
namespace {

/// A model on the GPU with the values of one on the host.
struct Copied {
  explicit Copied(const Model<float>& host) : model(host.config()) { model.copy_values(host); }
  Model<GpuFloat> model;
};

// ---- Against transformers -----------------------------------------------------------------------

class GpuGolden : public testing::TestWithParam<std::string>, public GoldenModel {
 protected:
  GpuGolden() : GoldenModel(GetParam()), gpu_(*model_) {}

  /// Sums are in another order.
  void expect_parameters(const std::string& prefix, const std::vector<std::vector<float>>& got) {
    expect_tensors(parameters(prefix), got, prefix, 1e-7, 1e-4);
  }
  Copied gpu_;
};

TEST_P(GpuGolden, LogitsAndRouterLogits) {
  const ModelConfig& c = model_->config();
  const TokenBatch tokens = batch();
  GpuArena arena;
  Tape<GpuFloat> tape(arena);
  const auto result = gpu_.model.forward(tape, tokens);
  const std::int64_t B = tokens.B, T = tokens.T;
  const auto expect_rows = [&](const GpuFloat* from, const std::string& name, int width) {
    const std::vector<float> wanted = tensor(name, {B, T, width});
    const std::vector<float> got = fetched(from, wanted.size());
    for (int n = 0; n < tokens.B * tokens.T; ++n) {
      if (!tokens.is_token[std::size_t(n)]) continue;
      EXPECT_EQ(difference(row(got.data(), n, width), row(wanted.data(), n, width),
                           std::size_t(width), 1e-5, 0),
                "")
          << name << " " << n;
    }
  };
  expect_rows(result.logits.data, "logits", c.vocab_size);
  for (std::size_t i = 0; i < result.routing.size(); ++i)
    expect_rows(result.routing[i].logits.z.data, cat("router.", i), c.num_experts);
}

TEST_P(GpuGolden, ThreeStepsOfAdamW) {
  Trainer<GpuFloat> trainer(gpu_.model, [&] {
    TrainConfig config = train_config();
    config.log_every = 1;
    return config;
  }());
  for (int step = 0; step < 3; ++step) {
    const StepReport report = trainer.step([&](int) { return training_batch(); });
    const Json& wanted = json_["steps"][std::size_t(step)];
    EXPECT_NEAR(report.loss, wanted["loss"].get<double>(), 1e-5) << step;
    EXPECT_NEAR(report.balance, wanted["balance"].get<double>(), 1e-5) << step;
    const double norm = wanted["gradient_norm"];
    EXPECT_NEAR(report.gradient_norm, norm, 1e-4 * norm) << step;
  }
  expect_parameters("step3.", values_of(gpu_.model));
}

TEST_P(GpuGolden, GreedyGenerations) {
  const auto wanted = json_["generated"].get<std::vector<std::vector<int>>>();
  GenerateOptions options{.max_new_tokens = 8, .eos = model_->config().more_eos};
  options.eos.push_back(model_->config().eos_token_id);
  CachedMoe<GpuFloat> cached(gpu_.model);
  const auto together = generate(cached, rows_, options);
  for (std::size_t b = 0; b < rows_.size(); ++b)  // transformers ends with EOS, we leave it out
    EXPECT_TRUE(std::equal(together[b].begin(), together[b].end(), wanted[b].begin())) << b;
}

INSTANTIATE_TEST_SUITE_P(, GpuGolden, testing::ValuesIn(golden_names()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

// ---- Training -----------------------------------------------------------------------------------

TrainConfig twenty_steps() {
  TrainConfig config = quick();
  config.steps = 20;
  config.learning_rate = 0.005;
  return config;
}

TEST(GpuTraining, TwentyStepsAsInDouble) {
  for (const char* family : kFamilyNames) {
    Model<double> exact(tiny_config(family, false), 3);
    Model<float> start(tiny_config(family, false));
    start.copy_values(exact);
    Copied gpu(start);
    Trainer<double> plain(exact, twenty_steps());
    Trainer<GpuFloat> trainer(gpu.model, twenty_steps());
    StepReport of_plain, of_gpu;
    for (int step = 0; step < 20; ++step) {
      of_plain = plain.step([&](int) { return numbered_batch(step % 3); });
      of_gpu = trainer.step([&](int) { return numbered_batch(step % 3); });
    }
    EXPECT_EQ(of_gpu.step, 20);
    // Roundings of 6e-8 grow over twenty steps of Adam, which divides by small moments.
    EXPECT_NEAR(of_gpu.loss, of_plain.loss, 1e-3) << family;
    EXPECT_NEAR(of_gpu.gradient_norm, of_plain.gradient_norm, 2e-2 * of_plain.gradient_norm);
  }
}

TEST(GpuTraining, AResumedRunHasTheBitsOfOneThatNeverStopped) {
  const ScratchFolder folder;
  const TrainConfig config = quick();
  Model<GpuFloat> model(tiny_config("qwen3_moe", false), 1);
  Trainer<GpuFloat> trainer(model, config);
  train(trainer, config, 3);
  trainer.settle();
  save_checkpoint(trainer, folder.file("c"));
  train(trainer, config, 6);
  Model<GpuFloat> other(tiny_config("qwen3_moe", false), 9);
  Trainer<GpuFloat> resumed(other, config);
  load_checkpoint(resumed, folder.file("c"));
  EXPECT_EQ(resumed.steps_done(), 3);
  train(resumed, config, 6);
  EXPECT_EQ(values_of(other), values_of(model));
}

TEST(GpuTraining, AFailedStepIsFoundAtTheNextReading) {
  TrainConfig config = twenty_steps();
  config.log_every = 5;
  Model<GpuFloat> model(tiny_config("olmoe", false), 1);
  Trainer<GpuFloat> trainer(model, config);
  const auto next = [](int) { return numbered_batch(1); };
  for (int step = 0; step < 6; ++step) trainer.step(next);
  trainer.settle();
  GpuFloat* const weight = model.layer(1).down->value.data();
  const float good = fetched(weight, 1)[0], bad = std::nanf("");
  copy_in(weight, &bad, 1);
  const auto before = values_of(model);
  EXPECT_EQ(trainer.step(next).step, 6) << "nothing was read yet";
  trainer.step(next);
  const std::string error = error_of([&] { trainer.settle(); });
  EXPECT_TRUE(mentions(error, "step 7: the loss is not finite")) << error;
  EXPECT_EQ(trainer.steps_done(), 6);
  expect_same_bytes(before, values_of(model));
  copy_in(weight, &good, 1);
  for (int step = 0; step < 4; ++step) trainer.step(next);
  EXPECT_EQ(trainer.steps_done(), 10) << "and it goes on";
}

}  // namespace
}  // namespace ramoe
