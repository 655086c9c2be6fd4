// A short training has the same losses on every kind of machine: with each set of instructions, on
// x86-64 and on aarch64. Within a tolerance: compilers fuse multiplications and additions where the
// processor can, and libraries differ in the last bit of log and cos.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "ch04_moe/tiny_model.h"
#include "ch05_training/trainer.h"
#include "support/files.h"
#include "support/json.h"

namespace ramoe {
namespace {

constexpr int kSteps = 12, kPadding = 2, kBegin = 0;

/// Wide enough that whole tiles and vectors run, and their tails.
ModelConfig small_config(const std::string& family) {
  ModelConfig c = tiny_config(family, false);
  c.vocab_size = 101;
  c.hidden_size = 36;
  c.num_attention_heads = 6;
  c.num_key_value_heads = family == "olmoe" ? 6 : 3;
  c.num_experts = 8;
  c.moe_intermediate_size = 27;
  c.initializer_range = 0.2;
  c.set_family_defaults();
  return c;
}

/// Six sequences of 9 to 32 tokens, each of which depends on the one before it.
TrainingBatch counting_batch(int step) {
  std::vector<TrainingSequence> sequences;
  Random random(11, static_cast<std::uint64_t>(step));
  for (int b = 0; b < 6; ++b) {
    std::vector<int> tokens{kBegin, 3 + static_cast<int>(random.below(98))};
    for (std::uint32_t t = 7 + random.below(24); t > 0; --t)
      tokens.push_back(3 + (tokens.back() * 5 + static_cast<int>(random.below(3))) % 98);
    sequences.push_back({tokens, 1, -1});
  }
  return make_training_batch(sequences, kPadding, kBegin);
}

std::vector<double> losses_of(const std::string& family) {
  Model<float> model(small_config(family), 5);
  TrainConfig config;
  config.steps = kSteps;
  config.learning_rate = 0.01;
  Trainer<float> trainer(model, config);
  std::vector<double> losses;
  while (trainer.steps_done() < kSteps)
    losses.push_back(trainer.step([&](int) { return counting_batch(trainer.steps_done()); }).loss);
  return losses;
}

// Written by the failing test's own output, from x86-64 with AVX2.
TEST(SameLosses, OfAShortTrainingOnEveryKindOfMachine) {
  const std::string path =
      std::string(RAMOE_SOURCE_DIR) + "/tests/ch05_training/golden/losses.json";
  const Json wanted = read_json(path);
  for (const char* family : kFamilyNames) {
    const std::vector<double> got = losses_of(family);
    double largest = 0;
    for (std::size_t s = 0; s < got.size(); ++s)
      largest = std::max(largest, std::abs(got[s] / wanted[family].at(s).get<double>() - 1));
    RecordProperty(std::string(family) + "_times_1e9", int(1e9 * largest));
    EXPECT_LE(largest, 1e-5) << family << ": " << Json(got).dump();
  }
}

}  // namespace
}  // namespace ramoe
