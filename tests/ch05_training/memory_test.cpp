#include "ch05_training/memory.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <set>

#include "ch05_training/memory_shapes.h"
#include "support/json.h"
#include "support/texts.h"

namespace ramoe {
namespace {

TEST(Memory, ActivationsOfAStepAreThoseOfTheArena) {
  const int B = 8, T = 32;
  for (const char* family : kFamilyNames)
    for (const ModelConfig& config : memory_shapes(family)) {
      Model<float> model(config, 1);
      Trainer<float> trainer(model, {});
      const std::vector<TrainingSequence> sequences = measured_sequences(B, T);
      // The first step finds out how much it takes; the second has it in one block.
      for (int step = 0; step < 2; ++step)
        trainer.step([&](int) { return make_training_batch(sequences, 2, 0); });
      // Gradients are reused by size, not by name: the formula leaves that out, some per cent.
      ActivationCount count = count_activations(config, T);
      count.lent = 0;  // given back before the end of the step
      const double used = static_cast<double>(trainer.arena().mark().used);
      EXPECT_NEAR(count.bytes(B * T, measured_targets(B, T)) / used, 1, 0.05)
          << family << " V=" << config.vocab_size << " E=" << config.num_experts
          << " H=" << config.moe_intermediate_size << " NKV=" << config.num_key_value_heads;
    }
}

TEST(Memory, ReadingPromptsTakesWhatTheArenaHolds) {
  const int B = 8, T = 32;
  for (const char* family : kFamilyNames)
    for (const ModelConfig& config : memory_shapes(family))
      for (const Precision weights : {Precision::fp32, Precision::bf16}) {
        Model<float> model(config, weights);
        Arena arena;
        Tape<float> tape(arena);
        read_prompts(model, tape, measured_sequences(B, T));
        const double bytes = count_forward(config, T).bytes(B * T, B, weights);
        EXPECT_NEAR(bytes / double(arena.most_bytes()), 1, 0.01)
            << family << " V=" << config.vocab_size << " E=" << config.num_experts << " "
            << name_of(weights);
      }
}

/// Each of the three parts of a pass is the largest in one of these.
TEST(Memory, TheLargestOfAttentionMixtureAndHeadIsWhatAPassTakes) {
  const auto expect_taken = [](const ModelConfig& config, int B, int T,
                               const ForwardCount::Block ForwardCount::*largest) {
    Model<float> model(config, Precision::bf16);
    Arena arena;
    Tape<float> tape(arena);
    read_prompts(model, tape, measured_sequences(B, T));
    const ForwardCount count = count_forward(config, T);
    const double rows = largest == &ForwardCount::head ? B : B * T;
    const double floats = B * T * count.stream + rows * (count.*largest).per_row +
                          (count.*largest).weights;
    EXPECT_NEAR(4 * floats / double(arena.most_bytes()), 1, 0.05);
    EXPECT_EQ(count.bytes(B * T, B, Precision::bf16), 4 * floats);
  };
  const std::vector<ModelConfig> shapes = memory_shapes("qwen3_moe");
  expect_taken(shapes[0], 2, 128, &ForwardCount::attention);
  expect_taken(shapes[2], 8, 16, &ForwardCount::mixture);
  expect_taken(shapes[1], 8, 8, &ForwardCount::head);
}

double need_of(const std::vector<MemoryNeed>& needs, const std::string& what) {
  for (const MemoryNeed& need : needs)
    if (need.what == what) return need.bytes;
  ADD_FAILURE() << what;
  return 0;
}

TEST(Memory, StateIsWhatAModelAndItsOptimiserHold) {
  const ModelConfig config = memory_shapes("qwen2_moe")[3];
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
  EXPECT_EQ(need_of(needs, "answering, Routing Steering"),
            values + cache_bytes_per_token(config) +
                count_forward(config, 1).bytes(1, 1, Precision::fp32));
  question.examples = 10;  // of 3 layers with 8 experts, doubles
  EXPECT_EQ(need_of(memory_needs(config, question), "RA-MoE, SARA"),
            values + state + step + 10 * 3 * 8 * 8);
}

TEST(Memory, WeightsInBf16TakeWhatTheModelHolds) {
  const ModelConfig config = memory_shapes("qwen2_moe")[3];
  const Model<float> model(config, Precision::bf16);
  double weights = 0, vectors = 0;
  for (const auto& p : model.parameters()) {
    weights += 4.0 * double(p->value.size()) + 2.0 * double(p->bf16.size());
    vectors += double(p->value.size());
    EXPECT_EQ(p->value.empty(), p->shape.rank() > 1) << p->name;
  }
  const double P = double(count_parameters(config).total);
  EXPECT_EQ(weights, 2 * P + 2 * vectors);
  EXPECT_EQ(weight_bytes(config, Precision::bf16), weights);
  EXPECT_EQ(weight_bytes(config, Precision::fp32), 4 * P);
  MemoryQuestion question;
  question.batch = question.tokens = 1;
  const auto pass = [&](MemoryOf of) {
    return count_forward(config, 1, of).bytes(1, 1, Precision::bf16);
  };
  const double cache = cache_bytes_per_token(config);
  EXPECT_EQ(need_of(memory_needs(config, question), "answering, weights in bf16"),
            weights + cache + pass(MemoryOf::host));
  EXPECT_EQ(need_of(gpu_memory_needs(config, question), "answering, weights in bf16"),
            weights + cache + pass(MemoryOf::gpu));
}

TEST(Memory, TheRowsOfAGpuFollowFromItsParts) {
  const ModelConfig config = memory_shapes("olmoe")[0];
  MemoryQuestion question;
  question.batch = 2;
  question.tokens = 8;
  const std::vector<MemoryNeed> needs = gpu_memory_needs(config, question);
  const double P = double(count_parameters(config).total), experts = expert_parameters(config);
  const ActivationCount host = count_activations(config, 8);
  const ActivationCount gpu = count_activations(config, 8, MemoryOf::gpu);
  const double again = gpu.bytes_computed_again(16, 8);
  // 2 experts a token of width 48: gradients of gate, up and act, and act.
  EXPECT_EQ(gpu.bytes(16, 8) - host.bytes(16, 8), 4 * 16 * 2 * 48 * (3 + 1));
  // The inputs of 4 layers instead of their values, but for one layer.
  EXPECT_EQ(gpu.stream, 64 * 5);
  EXPECT_EQ(gpu.per_token, 64 + 4 * gpu.widest_layer);
  EXPECT_EQ(need_of(needs, "SFT, RA-MoE, SARA"), 16 * P + gpu.bytes(16, 8));
  EXPECT_EQ(need_of(needs, "the same, activations computed again in backward"), 16 * P + again);
  EXPECT_EQ(need_of(needs, "... weights and gradients in bf16, no masters, 8-bit moments"),
            6 * P + again);
  EXPECT_EQ(need_of(needs, "RISE, 25 % of the experts, gradients and moments for those alone"),
            4 * P + 12 * experts / 4 + gpu.bytes(16, 8));
  const auto pass = [&](Precision weights) {
    return count_forward(config, 4, MemoryOf::gpu).bytes(8, 2, weights);
  };
  const double cache = 16 * cache_bytes_per_token(config);
  EXPECT_EQ(need_of(needs, "answering, Routing Steering"), 4 * P + pass(Precision::fp32) + cache);
  EXPECT_EQ(need_of(needs, "... and keys and values in bf16"),
            need_of(needs, "answering, weights in bf16") - cache / 2);
  std::set<std::string> names;
  for (const MemoryNeed& need : needs) names.insert(need.what);
  EXPECT_EQ(names.size(), needs.size());
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
  config.model_type = Family::qwen2_moe;
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
  for (const MemoryNeed& need : gpu_memory_needs(config, question)) EXPECT_GT(need.bytes, 1e18);
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
  check_memory_for<float>(1.5 * gib, "this", "take less");
  expect_contains(
      error_of([&] { check_memory_for<double>(1.5 * gib, "this", "take less", gib / 4); }),
      "this needs 3.00 GiB (512 MiB of it is loaded)");
  ::unsetenv("RAMOE_MEMORY_GB");
}

TEST(Memory, SizesAsText) {
  EXPECT_EQ(size_text(17 << 10), "17.0 KiB");
  EXPECT_EQ(size_text(340 << 20), "340 MiB");
  EXPECT_EQ(size_text(2.5 * (1 << 30)), "2.50 GiB");
}

}  // namespace
}  // namespace ramoe
