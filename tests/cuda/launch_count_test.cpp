// How many kernels a training step launches: the tables of docs/cuda.md.
//
//   cuda_test --gtest_filter='LaunchCount*'
//
// A step of two layers less one of one is a layer. Sizes are small, but large enough that weights'
// gradients are cut along the tokens.
#include <gtest/gtest.h>

#include <map>

#include "ch05_training/small_training.h"
#include "ch05_training/trainer.h"
#include "cuda/support/launch.h"

namespace ramoe {
namespace {

/// Launches by kernel: forward with the losses, and backward with all that is behind it.
struct Counts {
  std::map<std::string, std::array<long, 2>> of;
  long all = 0;
  explicit Counts(const std::vector<std::string_view>& names) {
    bool backward = false;
    for (const std::string_view name : names) {
      backward = backward || name.starts_with("weighted_sum_backward");
      ++of[std::string(name.substr(0, name.find('<')))][backward];
      ++all;
    }
  }
};

ModelConfig small_model(const std::string& family, int L) {
  ModelConfig c = tiny_config(family, false);
  c.num_hidden_layers = L;
  c.hidden_size = 16;
  c.num_experts = 8;
  c.moe_intermediate_size = 8;
  c.max_position_embeddings = 64;
  return c;
}

/// B sequences of T tokens.
TrainingBatch full_batch(int B, int T) {
  std::vector<TrainingSequence> sequences;
  for (int b = 0; b < B; ++b) {
    std::vector<int> tokens{kBos};
    for (int t = 1; t < T; ++t) tokens.push_back(3 + (7 * b + 5 * t + b * t) % 8);
    sequences.push_back({tokens, 1, -1});
  }
  return make_training_batch(sequences, kPad, kBos);
}

/// The second step, after one that has cleared new memory.
Counts counts_of(const std::string& family, int L, Precision precision = Precision::fp32) {
  Model<GpuFloat> model(small_model(family, L), 1);
  TrainConfig train;
  train.precision = precision;
  Trainer<GpuFloat> trainer(model, train);
  trainer.step([](int) { return full_batch(1, 3); });
  std::vector<std::string_view> names;
  cuda::launch_names = &names;
  trainer.step([](int) { return full_batch(5, 58); });
  cuda::launch_names = nullptr;
  return Counts(names);
}

/// The counts of a layer, two layers less one; or what a step has besides.
std::string table(const Counts& one, const Counts& two, bool layer) {
  std::string text = "| kernel | forward | backward |\n|---|---:|---:|\n";
  std::map<std::string, std::array<long, 2>> all = two.of;
  for (auto& [name, count] : all) {
    const auto found = one.of.find(name);
    std::array<long, 2> shown{};
    for (std::size_t i = 0; i < 2; ++i) {
      const long before = found == one.of.end() ? 0 : found->second[i];
      shown[i] = layer ? count[i] - before : 2 * before - count[i];
    }
    if (shown[0] != 0 || shown[1] != 0)
      text += cat("| `", name, "` | ", shown[0], " | ", shown[1], " |\n");
  }
  return text;
}

TEST(LaunchCount, OfALayer) {
  for (const char* family : kFamilyNames) {
    const Counts one = counts_of(family, 1), two = counts_of(family, 2);
    const long layer = two.all - one.all, besides = one.all - layer;
    std::cout << family << ": " << layer << " launches a layer, " << besides << " besides\n";
    std::cout << table(one, two, true);
    if (std::string(family) == "olmoe") std::cout << "besides:\n" << table(one, two, false);
    EXPECT_LE(layer, 34) << family;
    EXPECT_LE(besides, 29) << family;
  }
}

// What is rounded shares no launch with what is not: the gradients of biases, and a shared expert's
// gate.
TEST(LaunchCount, OfALayerWithRoundedProducts) {
  for (const char* family : kFamilyNames) {
    const Counts one = counts_of(family, 1, Precision::bf16),
                 two = counts_of(family, 2, Precision::bf16);
    const long layer = two.all - one.all;
    std::cout << family << ", bf16: " << layer << " launches a layer\n" << table(one, two, true);
    EXPECT_LE(layer, 37) << family;
  }
}

}  // namespace
}  // namespace ramoe
