#include "ch05_training/memory.h"

#include <gtest/gtest.h>

#include <cstdlib>

#include "ch04_moe/tiny_model.h"
#include "ch05_training/trainer.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// Shapes that differ in what dominates: vocabulary, experts, width of experts, heads.
std::vector<ModelConfig> shapes(const std::string& family) {
  ModelConfig c;
  c.model_type = family;
  c.vocab_size = 300;
  c.hidden_size = 64;
  c.num_hidden_layers = 4;
  c.moe_intermediate_size = 48;
  std::vector<ModelConfig> all(5, c);
  all[1].vocab_size = 2000;
  all[2].num_experts = 32;
  all[2].num_experts_per_tok = 4;
  all[3].moe_intermediate_size = 128;
  if (family == "olmoe") all[3].clip_qkv = 1;
  if (family != "olmoe") all[3].mlp_only_layers = {0};
  if (family == "qwen3_moe") all[4].head_dim = 32;
  if (family != "olmoe") all[4].num_key_value_heads = 2;
  for (ModelConfig& config : all) config.set_family_defaults();
  return all;
}

TEST(Memory, ActivationsOfAStepAreThoseOfTheArena) {
  const int B = 8, T = 32;
  for (const char* family : kFamilyNames)
    for (const ModelConfig& config : shapes(family)) {
      Model<float> model(config, 1);
      Trainer<float> trainer(model, {});
      std::vector<TrainingSequence> sequences;
      Random random(1);
      for (int b = 0; b < B; ++b) {
        sequences.push_back({{}, T / 2 + 1, -1});
        for (int t = 0; t < T; ++t) sequences.back().tokens.push_back(3 + int(random.below(200)));
      }
      // The first step finds out how much it takes; the second has it in one block.
      for (int step = 0; step < 2; ++step)
        trainer.step([&](int) { return make_training_batch(sequences, 2, 0); });
      // Gradients are reused by size, not by name: the formula leaves that out, some per cent.
      ActivationCount count = count_activations(config, T);
      const double targets = B * (T - T / 2 - 1);
      count.lent = 0;  // given back before the end of the step
      const double used = static_cast<double>(trainer.arena().mark().used);
      EXPECT_NEAR(count.bytes(B * T, targets) / used, 1, 0.05)
          << family << " V=" << config.vocab_size << " E=" << config.num_experts
          << " H=" << config.moe_intermediate_size << " NKV=" << config.num_key_value_heads;
    }
}

double need_of(const std::vector<MemoryNeed>& needs, const std::string& what) {
  for (const MemoryNeed& need : needs)
    if (need.what == what) return need.bytes;
  ADD_FAILURE() << what;
  return 0;
}

TEST(Memory, StateIsWhatAModelAndItsOptimiserHold) {
  const ModelConfig config = shapes("qwen2_moe")[3];
  Model<float> model(config, 1);
  const AdamW<float> adamw(model.parameters(), {});
  double values = 0, state = 0;
  for (std::size_t i = 0; i < model.parameters().size(); ++i) {
    const Parameter<float>& p = *model.parameters()[i];
    values += 4.0 * double(p.value.size());
    state += 4.0 * double(p.gradient.size() + 2 * p.value.size());
  }
  MemoryQuestion question;
  question.batch = question.tokens = 1;
  question.examples = 0;
  const std::vector<MemoryNeed> needs = memory_needs(config, question);
  const double step = count_activations(config, 1).bytes(1, 0.5);
  EXPECT_EQ(need_of(needs, "SFT"), values + state + step);
  // Keys and values of 4 layers, 2 key/value heads of 16, one token.
  EXPECT_EQ(cache_bytes_per_token(config), 4 * 2 * 4 * (config.num_key_value_heads * 16));
  EXPECT_EQ(need_of(needs, "answering, Routing Steering"), values + cache_bytes_per_token(config));
  question.examples = 10;  // of 3 layers with 8 experts, doubles
  EXPECT_EQ(need_of(memory_needs(config, question), "RA-MoE, SARA"),
            values + state + step + 10 * 3 * 8 * 8);
}

TEST(Memory, RealModelsHaveThePublishedNumbersOfParameters) {
  struct Published {
    const char* name;
    double total, active;  // in units of 1e9, as published
  };
  for (const auto& [name, total, active] : {Published{"OLMoE-1B-7B-0924", 6.92, 1.28},
                                            {"Qwen1.5-MoE-A2.7B", 14.3, 2.7},
                                            {"Qwen3-30B-A3B", 30.5, 3.3}}) {
    const std::string path = cat(RAMOE_SOURCE_DIR, "/data/configs/real/", name, ".json");
    const ParameterCount count = count_parameters(from_hugging_face(read_json(path), path));
    EXPECT_NEAR(double(count.total) / 1e9, total, 0.05) << name;
    EXPECT_NEAR(double(count.active) / 1e9, active, 0.06) << name;
  }
}

TEST(Memory, HugeSizesAreCountedWithoutOverflow) {
  ModelConfig config;
  config.model_type = "qwen2_moe";
  config.hidden_size = 65536;
  config.num_attention_heads = config.num_key_value_heads = 1024;
  config.head_dim = 4096;
  config.num_experts = config.num_experts_per_tok = 4096;
  config.moe_intermediate_size = config.shared_expert_intermediate_size = 1 << 20;
  config.num_hidden_layers = 1024;
  MemoryQuestion question;
  question.batch = 1 << 20;
  question.tokens = 1 << 24;
  question.examples = 1 << 30;
  for (const MemoryNeed& need : memory_needs(config, question)) EXPECT_GT(need.bytes, 1e18);
  // NH * T alone exceeds 2^31.
  EXPECT_GT(count_activations(config, 1 << 24).per_token, 1024.0 * 1024 * (1 << 24));
  config.shared_expert_intermediate_size = 0;  // K * H = 2^32
  expect_contains(error_of([&] { config.resolve_widths(); }), "K * H = 4294967296");
}

TEST(Memory, WhatDoesNotFitIsRefusedByBothSizes) {
  ::setenv("RAMOE_MEMORY_GB", "2", 1);
  const double gib = 1 << 30;
  check_memory(2 * gib, "this", "take less");
  check_memory(5 * gib, "this", "take less", 3 * gib);  // of which 3 are loaded
  const std::string error = error_of([&] { check_memory(3 * gib, "this", "take less"); });
  for (const char* part :
       {"this needs 3.00 GiB", "2.00 GiB is allowed by RAMOE_MEMORY_GB", "take less"})
    expect_contains(error, part);
  ::unsetenv("RAMOE_MEMORY_GB");
}

TEST(Memory, SizesAsText) {
  EXPECT_EQ(size_text(17 << 10), "17.0 KiB");
  EXPECT_EQ(size_text(340 << 20), "340 MiB");
  EXPECT_EQ(size_text(2.5 * (1 << 30)), "2.50 GiB");
}

}  // namespace
}  // namespace ramoe
