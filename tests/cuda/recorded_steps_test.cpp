// Steps of batches of many sizes: those of one bucket (chapter 5.3) are replayed from one
// recording, with the bits of steps that are not.
#include <cmath>

#include "ch05_training/small_training.h"
#include "cuda/unrecorded.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// Three rows of 5 to 8 and fewer tokens: all in one bucket.
TrainingBatch of_one_bucket(int number) {
  std::vector<TrainingSequence> sequences;
  Random random(3, std::uint64_t(number));
  const int T = 5 + number % 4;
  for (const int length : {T, 2, (T + 2) / 2}) {
    std::vector<int> tokens{kBos};
    for (int t = 1; t < length; ++t) tokens.push_back(3 + int(random.below(8)));
    sequences.push_back({tokens, length > 4 ? length - 3 : 1, -1});
  }
  return make_training_batch(sequences, kPad, kBos);
}

TEST(GpuRecordedSteps, BatchesOfOneBucketRecordOnceAndReplayWithTheSameBits) {
  for (const BalanceForm form : every<BalanceForm>()) {
    TrainConfig config = read_each_step(7);
    config.balance_form = form;
    Model<GpuFloat> a(tiny_config("olmoe", false), 1), b(tiny_config("olmoe", false), 1);
    Trainer<GpuFloat> recorded(a, config), plain(b, config);
    Unrecorded never(nullptr);
    for (int step = 0; step < 7; ++step) {
      const auto next = [&](int) { return of_one_bucket(step); };
      expect_same(recorded.step(next), plain.step(next, &never));
    }
    EXPECT_EQ(recorded.replay().recordings(), 1u);
    EXPECT_EQ(recorded.replay().replayed(), 6) << "all but the first";
    EXPECT_EQ(recorded.padding().padded_tokens, 7 * 4 * 8);
    EXPECT_LT(recorded.padding().tokens, 7 * 3 * 8);
    EXPECT_EQ(plain.replay().replayed(), 0);
    EXPECT_EQ(values_of(a), values_of(b));
  }
}

// The last step of an epoch has fewer rows, some batches have other buckets: the same bits.
TEST(GpuRecordedSteps, BucketsTakeTurns) {
  Model<GpuFloat> a(tiny_config("qwen3_moe", false), 1), b(tiny_config("qwen3_moe", false), 1);
  Trainer<GpuFloat> recorded(a, read_each_step(12)), plain(b, read_each_step(12));
  Unrecorded never(nullptr);
  for (int step = 0; step < 12; ++step) {
    const auto next = [&](int) {
      std::vector<TrainingSequence> rows(std::size_t(1 + step % 3), {{kBos, 3, 4}, 1, -1});
      rows[0].tokens.resize(std::size_t(step % 2 ? 12 : 4), 5 + step % 3);
      rows[0].prompt = int(rows[0].tokens.size()) - 2;  // as many targets for any T
      return make_training_batch(rows, kPad, kBos);
    };
    expect_same(recorded.step(next), plain.step(next, &never));
  }
  EXPECT_EQ(recorded.replay().recordings(), 6u);
  EXPECT_EQ(recorded.replay().replayed(), 6);
  EXPECT_EQ(values_of(a), values_of(b));
}

// Padding is not a token of the batch: what the step computes is what the processor computes.
TEST(GpuRecordedSteps, ThePaddingEntersNothing) {
  Model<double> exact(tiny_config("qwen2_moe", false), 1);
  Model<GpuFloat> gpu(exact.config());
  gpu.copy_values(exact);
  Trainer<double> plain(exact, read_each_step(4));
  Trainer<GpuFloat> trainer(gpu, read_each_step(4));
  for (int step = 0; step < 4; ++step) {
    const auto next = [&](int) { return of_one_bucket(step); };
    const StepReport wanted = plain.step(next), got = trainer.step(next);
    EXPECT_NEAR(got.loss, wanted.loss, 1e-4) << step;
    EXPECT_NEAR(got.balance, wanted.balance, 1e-4) << step;
    EXPECT_NEAR(got.z_loss, wanted.z_loss, 1e-4) << step;
    EXPECT_NEAR(got.gradient_norm, wanted.gradient_norm, 1e-3 * wanted.gradient_norm) << step;
    EXPECT_EQ(got.tokens, wanted.tokens) << step;
  }
  EXPECT_EQ(trainer.replay().replayed(), 3);
}

// 2,050 rows with a full batch of 2,049: their bucket would have 4,098 rows of 4 tokens.
TEST(GpuRecordedSteps, ABatchLargerThanEveryBucketRunsPlainly) {
  TrainConfig config = read_each_step(1);
  config.batch = kMostCommonTokens / 4 / 2 + 1;
  ModelConfig one_layer = tiny_config("olmoe", false);
  one_layer.num_hidden_layers = 1;
  Model<GpuFloat> model(one_layer, 1);
  Trainer<GpuFloat> trainer(model, config);
  std::vector<TrainingSequence> rows(std::size_t(config.batch) + 1, {{kBos, 3}, 2, -1});
  rows[0].prompt = 1;
  EXPECT_GT(trainer.step([&](int) { return make_training_batch(rows, kPad, kBos); }).loss, 0);
  EXPECT_EQ(trainer.padding().padded_tokens, trainer.padding().tokens);
}

TEST(GpuRecordedSteps, AStepThatIsNotFiniteIsSkippedAndNamed) {
  TrainConfig config = quick();
  config.steps = 20;
  config.log_every = 20;
  Model<GpuFloat> model(tiny_config("olmoe", false), 1);
  Trainer<GpuFloat> trainer(model, config);
  int number = 0;
  const auto next = [&](int) { return of_one_bucket(number++); };
  for (int step = 0; step < 4; ++step) trainer.step(next);
  trainer.settle();
  GpuFloat* const weight = model.layer(0).down->value.data();
  const float good = fetched(weight, 1)[0], bad = std::nanf("");
  copy_in(weight, &bad, 1);
  const Values before = values_of(model);
  for (int step = 0; step < 2; ++step) trainer.step(next);
  EXPECT_EQ(trainer.replay().replayed(), 5) << "both were replayed";
  const std::string error = error_of([&] { trainer.settle(); });
  EXPECT_TRUE(mentions(error, "step 5: the loss is not finite")) << error;
  EXPECT_EQ(trainer.steps_done(), 4);
  expect_same_bytes(before, values_of(model));
  copy_in(weight, &good, 1);
  EXPECT_EQ(trainer.step(next).step, 4) << "it goes on";
  EXPECT_EQ(trainer.settle().step, 5);
}

}  // namespace
}  // namespace ramoe
