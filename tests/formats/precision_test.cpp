// Training with precision=bf16 against transformers in fp32, by tolerances that follow from the
// rounding: an input moves by up to 2^-9 of itself, 0.2 %, at random. A logit lies some 15 products
// behind the tokens, two roundings each: sqrt(30) 0.2 % is about 1 %, and all quantities below are
// functions of such. A token whose two best experts are that close goes to the other one, which no
// tolerance of rounding covers; what such tokens touch has bounds of its own.
#include <gtest/gtest.h>

#include <cmath>

#include "formats/golden.h"
#include "runs/checkpoint.h"
#include "support/parallel.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

using Arrays = std::vector<std::vector<float>>;

double product(const Arrays& a, const Arrays& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i)
    for (std::size_t j = 0; j < a[i].size(); ++j) sum += double(a[i][j]) * double(b[i][j]);
  return sum;
}
double cosine(const Arrays& a, const Arrays& b) {
  return product(a, b) / std::sqrt(product(a, a) * product(b, b));
}
Arrays change(Arrays after, const Arrays& before) {
  for (std::size_t i = 0; i < after.size(); ++i)
    for (std::size_t j = 0; j < after[i].size(); ++j) after[i][j] -= before[i][j];
  return after;
}

class GoldenBf16 : public testing::TestWithParam<std::string>, public GoldenModel {
 protected:
  GoldenBf16() : GoldenModel(GetParam()) {}

  /// For each row the experts of all layers, in order.
  std::vector<std::vector<int>> choices(const ForwardResult<float>& result) const {
    std::vector<std::vector<int>> all(std::size_t(result.logits.rows()));
    for (const Routing<float>& r : result.routing)
      for (int n = 0; n < r.N; ++n) {
        const int* chosen = row(r.chosen.expert, n, r.K);
        std::vector<int> sorted(chosen, chosen + r.K);
        std::sort(sorted.begin(), sorted.end());
        std::vector<int>& mine = all[std::size_t(n)];
        mine.insert(mine.end(), sorted.begin(), sorted.end());
      }
    return all;
  }
};

TEST_P(GoldenBf16, Logits) {
  const TokenBatch tokens = batch();
  const int V = model_->config().vocab_size;
  Arena arena, exact_arena;
  Tape<float> tape(arena, Precision::bf16), exact_tape(exact_arena);
  const auto result = model_->forward(tape, tokens);
  const auto here = choices(result), wanted_choices = choices(model_->forward(exact_tape, tokens));
  const std::vector<float> wanted = tensor("logits", {tokens.B, tokens.T, V});
  int real = 0, flipped = 0;
  double all_error = 0, all_size = 0;
  for (int b = 0; b < tokens.B; ++b) {
    bool same = true;  // attention reads the rows before
    for (int t = 0; t < tokens.length[std::size_t(b)]; ++t) {
      const int n = b * tokens.T + t;
      double error = 0, size = 0;
      for (int v = 0; v < V; ++v) {
        const double w = row(wanted.data(), n, V)[v];
        error += std::pow(double(row(result.logits.data, n, V)[v]) - w, 2);
        size += w * w;
      }
      all_error += error, all_size += size;
      const bool flip = here[std::size_t(n)] != wanted_choices[std::size_t(n)];
      ++real, flipped += flip;
      same = same && !flip;
      // Four times the typical 1 %: the largest of some hundred rows.
      EXPECT_TRUE(!same || std::sqrt(error / size) <= 0.04)
          << "row " << n << ": " << std::sqrt(error / size);
    }
  }
  EXPECT_LE(flipped, 1 + real / 10);
  // One row of ten that flips moves by some 20 % of itself.
  EXPECT_LE(std::sqrt(all_error / all_size), 0.06);
  EXPECT_GE(std::sqrt(all_error / all_size), 0.001) << "nothing was rounded";
}

// The direction of the gradient is what training uses. An error of a share r at random turns it by
// a cosine of 1 - r^2/2: 6 % for all of it; a small tensor behind flipped tokens has up to 30 %.
TEST_P(GoldenBf16, LossesAndGradients) {
  const TokenBatch tokens = batch();
  const std::vector<int> target = next_tokens(tokens);
  Arena arena;
  Tape<float> tape(arena, Precision::bf16);
  const Losses loss = losses(tape, tokens, target);
  // 1 % of each logit, in a mean over the tokens.
  EXPECT_NEAR(loss.ce.data[0], json_["loss"].get<double>(), 0.02);
  EXPECT_NEAR(loss.balance.data[0], json_["balance"].get<double>(), 0.02);
  tape.backward(loss.total);
  const Arrays got = gradients(), wanted = parameters("grad.");
  EXPECT_GE(cosine(got, wanted), 0.998);
  EXPECT_NEAR(std::sqrt(product(got, got) / product(wanted, wanted)), 1, 0.02);
  for (std::size_t i = 0; i < got.size(); ++i)
    EXPECT_GE(cosine({got[i]}, {wanted[i]}), 0.95) << model_->parameters()[i]->name;
  EXPECT_LE(cosine(got, wanted), 1 - 1e-6) << "nothing was rounded";
}

// Three steps compound the error of one: three times the tolerances above.
TEST_P(GoldenBf16, ThreeStepsOfAdamW) {
  TrainConfig config = train_config();
  config.precision = Precision::bf16;
  const Arrays before = values();
  Trainer<float> trainer(*model_, config);
  for (int step = 0; step < 3; ++step) {
    const StepReport report = trainer.step([&](int) { return training_batch(); });
    const Json& wanted = json_["steps"][std::size_t(step)];
    EXPECT_NEAR(report.loss, wanted["loss"].get<double>(), 0.06) << step;
    const double norm = wanted["gradient_norm"];
    EXPECT_NEAR(report.gradient_norm, norm, 0.06 * norm) << step;
  }
  EXPECT_GE(cosine(change(values(), before), change(parameters("step3."), before)), 0.99);
}

INSTANTIATE_TEST_SUITE_P(, GoldenBf16, testing::ValuesIn(golden_names()), [](const auto& info) {
  std::string name = info.param;
  std::replace(name.begin(), name.end(), '-', '_');
  return name;
});

ModelConfig small_model() {
  ModelConfig c = tiny_config("qwen2_moe", false);
  c.vocab_size = 24;
  c.hidden_size = 32;
  c.moe_intermediate_size = c.shared_expert_intermediate_size = 24;
  c.initializer_range = 0.1;
  return c;
}

/// 32 walks of 24 tokens: from x to 5 x + 3 three times of four, otherwise anywhere.
TrainingBatch walks(int step) {
  Random random(11, static_cast<std::uint64_t>(step));
  std::vector<TrainingSequence> sequences;
  for (int b = 0; b < 32; ++b) {
    std::vector<int> tokens{static_cast<int>(random.below(24))};
    while (tokens.size() < 24)
      tokens.push_back(random.below(4) == 0 ? static_cast<int>(random.below(24))
                                            : (5 * tokens.back() + 3) % 24);
    sequences.push_back({tokens, 1, -1});
  }
  return make_training_batch(sequences, 0, -1);
}

struct Run {
  std::string state;  // the checkpoint's bytes
  double loss = 0;    // mean over the last 20 steps
};
Run train(Precision precision, int steps) {
  Model<float> model(small_model(), 5);
  TrainConfig config;
  config.steps = steps;
  config.learning_rate = 0.01;
  config.precision = precision;
  Trainer<float> trainer(model, config);
  Run run;
  for (int step = 0; step < steps; ++step) {
    const StepReport report = trainer.step([&](int) { return walks(step); });
    if (step >= steps - 20) run.loss += report.loss / 20;
  }
  const ScratchFolder folder;
  save_checkpoint(trainer, folder.file("state"));
  run.state = read_file(folder.file("state"));
  return run;
}

// The walk's entropy is 1.30 nats (log 24 = 3.18 for a guess): what both must come down to. Two
// runs that differ by chance, as by their seed, end within 0.02 of one another.
TEST(Bf16, TrainingComesDownToTheSameLoss) {
  const double full = train(Precision::fp32, 150).loss, rounded = train(Precision::bf16, 150).loss;
  EXPECT_LT(full, 1.5);
  EXPECT_NEAR(rounded, full, 0.02);
}

TEST(Bf16, SameBitsOnAnyNumberOfThreads) {
  std::vector<std::string> states;
  for (const int threads : {1, 2, 3}) {
    ThreadPool pool(threads);
    const PoolScope scope(pool);
    states.push_back(train(Precision::bf16, 3).state);
  }
  EXPECT_EQ(states[0], states[1]);
  EXPECT_EQ(states[0], states[2]);
  EXPECT_NE(states[0], train(Precision::fp32, 3).state);
}

TEST(Bf16, AnotherPrecisionIsAnError) {
  TrainConfig config;
  FieldList fields = fields_of(config);
  fields.read_flag("precision=bf16");
  EXPECT_EQ(config.precision, Precision::bf16);
  const std::string error = error_of([&] { fields.read_flag("precision=fp16"); });
  EXPECT_TRUE(mentions(error, "fp32") && mentions(error, "bf16")) << error;
}

}  // namespace
}  // namespace ramoe
