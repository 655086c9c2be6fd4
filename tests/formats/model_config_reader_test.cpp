// config.json as real files hold it: what transformers 4 and 5 and other tools write into it.
#include <gtest/gtest.h>

#include "ch04_moe/tiny_model.h"
#include "support/json.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// As Qwen3-Coder's checkpoints carry it.
const char* const kQwen3Coder = R"({
 "architectures": ["Qwen3MoeForCausalLM"], "model_type": "qwen3_moe",
 "attention_dropout": 0.0, "decoder_sparse_step": 1, "eos_token_id": 151645, "head_dim": 128,
 "hidden_act": "silu", "hidden_size": 2048, "initializer_range": 0.02, "intermediate_size": 5472,
 "max_position_embeddings": 262144, "max_window_layers": 28, "mlp_only_layers": [],
 "moe_intermediate_size": 768, "norm_topk_prob": true, "num_attention_heads": 32,
 "num_experts": 128, "num_experts_per_tok": 8, "num_hidden_layers": 48, "num_key_value_heads": 4,
 "output_router_logits": false, "qkv_bias": false, "rms_norm_eps": 1e-06, "rope_scaling": null,
 "rope_theta": 10000000, "router_aux_loss_coef": 0.0, "shared_expert_intermediate_size": 0,
 "sliding_window": null, "tie_word_embeddings": false, "torch_dtype": "bfloat16",
 "transformers_version": "4.52.3", "use_cache": true, "use_qk_norm": true,
 "use_sliding_window": false, "vocab_size": 151936})";

struct Outcome {
  std::string error = "no error";
  std::vector<std::string> notes;
  ModelConfig config;
};

Outcome read(const Json& json) {
  Outcome outcome;
  outcome.error =
      error_of([&] { outcome.config = from_hugging_face(json, "here.json", &outcome.notes); });
  return outcome;
}

/// A tiny model's file with one key changed.
Outcome with(const std::string& family, const std::string& key, const Json& value) {
  Json json = to_hugging_face(tiny_config(family, false));
  json[key] = value;
  return read(json);
}

TEST(ModelConfigReader, AFileOfQwen3Coder) {
  const Outcome outcome = read(parse_json(kQwen3Coder));
  EXPECT_EQ(outcome.error, "no error");
  EXPECT_TRUE(outcome.notes.empty());
  EXPECT_EQ(outcome.config.rope_theta, 1e7);
  EXPECT_EQ(outcome.config.head_size(), 128);
  EXPECT_EQ(outcome.config.moe_layer_count(), 48);
  EXPECT_EQ(outcome.config.eos_token_id, 151645);
}

TEST(ModelConfigReader, WhatToolsLeaveBehindIsPassedOver) {
  const std::pair<const char*, Json> keys[] = {
      {"_commit_hash", "5f6e0bb3"},
      {"_attn_implementation", "sdpa"},
      {"unsloth_fixed", true},
      {"unsloth_version", "2025.9.1"},
      {"seq_length", 4096},
      {"max_sequence_length", 4096},
      {"num_nextn_predict_layers", 0},
      {"pretraining_tp", 1},
      {"auto_map", {{"AutoConfig", "configuration_qwen3_moe.Qwen3MoeConfig"}}},
      {"id2label", {{"0", "LABEL_0"}}},
      {"task_specific_params", nullptr},
      {"mlp_bias", false},
      {"quantization_config", nullptr},
      {"partial_rotary_factor", 1.0},
      {"router_jitter_noise", 0.0},
      {"mlp_layer_types", {"sparse", "sparse"}},
      {"scoring_func", "softmax"},
      {"dtype", "bfloat16"}};
  for (const char* family : kFamilyNames)
    for (const auto& [key, value] : keys) {
      const Outcome outcome = with(family, key, value);
      EXPECT_EQ(outcome.error, "no error") << family << " " << key;
      EXPECT_TRUE(outcome.notes.empty()) << family << " " << key;
      Json with_key = to_hugging_face(outcome.config);
      EXPECT_EQ(with_key, to_hugging_face(tiny_config(family, false))) << key;
    }
}

TEST(ModelConfigReader, WhatChangesTheComputationIsRefusedWithTheValueThatIsAccepted) {
  struct Case {
    const char *family, *key;
    Json refused, accepted;
  };
  const Case cases[] = {{"qwen3_moe", "use_qk_norm", false, true},
                        {"olmoe", "use_qk_norm", false, true},
                        {"qwen2_moe", "use_qk_norm", true, false},
                        {"qwen3_moe", "qkv_bias", true, false},
                        {"qwen2_moe", "qkv_bias", false, true},
                        {"olmoe", "attention_bias", true, false},
                        {"qwen3_moe", "mlp_bias", true, false},
                        {"qwen3_moe", "hidden_act", "gelu", "swish"},
                        {"qwen3_moe", "num_nextn_predict_layers", 1, 0},
                        {"qwen3_moe", "n_shared_experts", 1, 0},
                        {"qwen3_moe", "scoring_func", "sigmoid", "softmax"},
                        {"qwen3_moe", "routed_scaling_factor", 2.5, 1.0},
                        {"qwen3_moe", "partial_rotary_factor", 0.5, 1.0},
                        {"olmoe", "attention_dropout", 0.1, 0},
                        {"olmoe", "logit_scale", 0.0625, 1},
                        {"olmoe", "quantization_config", {{"quant_method", "awq"}}, nullptr},
                        {"olmoe", "quantization", {{"bits", 4}}, nullptr},
                        {"qwen3_moe", "per_layer_config", {{"0", {{"head_dim", 2}}}}, nullptr},
                        {"qwen3_moe", "mlp_layer_types", {"dense", "sparse"}, {"sparse", "sparse"}},
                        {"qwen3_moe", "clip_qkv", 8.0, nullptr},
                        {"qwen3_moe", "final_logit_softcapping", 30.0, nullptr},
                        {"olmoe", "moe_intermediate_size", 6, 5},
                        {"olmoe", "bos_token_id", {1, 2}, {1}}};
  for (const Case& c : cases) {
    const std::string error = with(c.family, c.key, c.refused).error;
    expect_contains(error, "here.json");
    expect_contains(error, c.key);
    if (c.accepted.is_primitive()) expect_contains(error, c.accepted.dump());
    EXPECT_EQ(with(c.family, c.key, c.accepted).error, "no error") << c.key;
  }
}

TEST(ModelConfigReader, UnknownKeys) {
  // Nothing of a model's computation is in the name: a note.
  for (const std::string key : {"project", "trained_by", "conversion_script", "multilingual",
                                "training_steps", "aggregated_from"}) {
    const Outcome outcome = with("qwen3_moe", key, 3);
    if (key == "aggregated_from") {  // "gate" is in it: better one refusal too many
      expect_contains(outcome.error, key);
      continue;
    }
    EXPECT_EQ(outcome.error, "no error") << key;
    ASSERT_EQ(outcome.notes.size(), 1u) << key;
    expect_contains(outcome.notes[0], "here.json");
    expect_contains(outcome.notes[0], key);
  }
  Json json = to_hugging_face(tiny_config("olmoe", false));
  json["project"] = "x";
  json["owner"] = {{"name", "y"}};
  ASSERT_EQ(read(json).notes.size(), 1u);
  expect_contains(read(json).notes[0], "project, owner");
  // It may mean something, or is a key misspelt: an error that tells which keys are read.
  for (const std::string key : {"attention_sinks", "router_scale", "hiden_size", "rms_norm_epsilon",
                                "norm_topk_probs", "n_routed_experts", "ffn_width"}) {
    const std::string error = with("qwen3_moe", key, 3).error;
    expect_contains(error, "unknown key \"" + key + "\" = 3");
    expect_contains(error, "num_key_value_heads");
    expect_contains(error, "rope_parameters");
    EXPECT_FALSE(mentions(error, "--help")) << error;
    EXPECT_EQ(with("qwen3_moe", key, nullptr).error, "no error") << key;
  }
  expect_contains(with("qwen3_moe", "hiden_size", 3).error, "did you mean \"hidden_size\"?");
}

TEST(ModelConfigReader, ListsOfTokens) {
  const Outcome two = with("qwen3_moe", "eos_token_id", {5, 1, 5, 7, 1});
  EXPECT_EQ(two.config.eos_token_id, 5);
  EXPECT_EQ(two.config.more_eos, (std::vector<int>{1, 7}));
  EXPECT_EQ(to_hugging_face(two.config)["eos_token_id"], Json({5, 1, 7}));
  EXPECT_EQ(with("qwen3_moe", "eos_token_id", {3}).config.eos_token_id, 3);
  EXPECT_TRUE(with("qwen3_moe", "eos_token_id", {3}).config.more_eos.empty());
  EXPECT_EQ(with("qwen3_moe", "eos_token_id", Json::array()).config.eos_token_id, -1);
  EXPECT_EQ(with("qwen3_moe", "pad_token_id", {4, 5}).config.pad_token_id, 4);
  for (const Json& wrong : {Json({1, "2"}), Json({1, -1}), Json({1, 2.5}), Json({1, 99}),
                            Json({1, 99999999999999}), Json("2")})
    EXPECT_NE(with("qwen3_moe", "eos_token_id", wrong).error, "no error") << wrong;
  EXPECT_NE(with("qwen3_moe", "pad_token_id", "2").error, "no error");
}

TEST(ModelConfigReader, ContradictionsNameBothPlacesAndValues) {
  const std::string rope =
      with("qwen3_moe", "rope_parameters", {{"rope_theta", 12345.0}}).error;  // rope_theta = 1e4
  expect_contains(rope, "rope_parameters.rope_theta = 12345.0");
  expect_contains(rope, "rope_theta = 10000.0");
  const std::string experts = with("qwen3_moe", "num_local_experts", 5).error;
  expect_contains(experts, "num_local_experts = 5");
  expect_contains(experts, "num_experts = 4");
  const std::string width = with("olmoe", "moe_intermediate_size", 6).error;
  expect_contains(width, "moe_intermediate_size = 6");
  expect_contains(width, "intermediate_size = 5");
}

// transformers computes with these zeros; among our own keys they mean "not set".
TEST(ModelConfigReader, AZeroIsNotReadAsOff) {
  const std::tuple<const char*, const char*, Json> cases[] = {
      {"olmoe", "clip_qkv", 0.0},
      {"olmoe", "clip_qkv", 0},
      {"olmoe", "clip_qkv", -1.0},
      {"olmoe", "sliding_window", 0},
      {"qwen3_moe", "head_dim", 0},
      {"qwen2_moe", "head_dim", 0},
      {"qwen2_moe", "shared_expert_intermediate_size", 0},
      {"qwen3_moe", "rope_theta", 0},
      {"qwen3_moe", "decoder_sparse_step", 0},
      {"qwen3_moe", "rms_norm_eps", -1e-6},
      {"qwen3_moe", "num_experts", 0},
      {"qwen3_moe", "num_key_value_heads", nullptr}};
  for (const auto& [family, key, value] : cases)
    expect_contains(with(family, key, value).error, key);
  expect_contains(with("olmoe", "clip_qkv", 0.0).error, "null");
  EXPECT_EQ(with("olmoe", "clip_qkv", nullptr).config.clip_qkv, 0);
  EXPECT_EQ(with("olmoe", "clip_qkv", 0.5).config.clip_qkv, 0.5);
  Json json = to_hugging_face(with_dense_layers("qwen3_moe"));
  json["intermediate_size"] = 0;
  expect_contains(read(json).error, "intermediate_size");
  json = to_hugging_face(tiny_config("qwen3_moe", false));
  json["use_sliding_window"] = true;
  json["sliding_window"] = 0;
  expect_contains(read(json).error, "sliding_window");
  json.erase("rope_parameters");
  json["sliding_window"] = nullptr;
  json["rope_theta"] = nullptr;
  expect_contains(read(json).error, "rope_theta");
}

}  // namespace
}  // namespace ramoe
