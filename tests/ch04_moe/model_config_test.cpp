#include "ch04_moe/model_config.h"

#include <gtest/gtest.h>

#include <functional>

#include "ch04_moe/tiny_model.h"

namespace ramoe {
namespace {

std::string refusal(const std::function<void(ModelConfig&)>& change,
                    const std::string& family = "qwen3_moe") {
  ModelConfig config = tiny_config(family, false);
  change(config);
  return error_of([&] { config.validate(); });
}

TEST(ModelConfig, WhatDoesNotFitIsNamed) {
  EXPECT_EQ(refusal([](ModelConfig&) {}), "no error");
  EXPECT_EQ(refusal([](ModelConfig& c) { c.num_experts_per_tok = 4; }), "no error");  // K = E
  const std::string experts = refusal([](ModelConfig& c) { c.num_experts_per_tok = 5; });
  EXPECT_TRUE(mentions(experts, "num_experts_per_tok = 5")) << experts;
  EXPECT_TRUE(mentions(experts, "num_experts = 4")) << experts;
  const std::string heads = refusal([](ModelConfig& c) {
    c.num_attention_heads = 4;
    c.num_key_value_heads = 3;
  });
  EXPECT_TRUE(mentions(heads, "num_key_value_heads = 3")) << heads;
  EXPECT_TRUE(mentions(refusal([](ModelConfig& c) { c.head_dim = 3; }), "head_dim = 3 is odd"));
  EXPECT_TRUE(mentions(refusal([](ModelConfig& c) { c.hidden_size = 6; }), "odd"));  // 6 / 2 = 3
  EXPECT_TRUE(mentions(refusal([](ModelConfig& c) { c.hidden_size = 9; }), "hidden_size = 9"));
  EXPECT_TRUE(mentions(refusal([](ModelConfig& c) { c.head_dim = 6; }, "olmoe"), "olmoe"));
  EXPECT_EQ(refusal([](ModelConfig& c) { c.head_dim = 6; }), "no error");
  EXPECT_TRUE(mentions(refusal([](ModelConfig& c) { c.pad_token_id = 11; }), "11"));
}

TEST(ModelConfig, HuggingFaceRoundTrip) {
  for (const char* family : kFamilyNames)
    for (const bool tied : {false, true}) {
      ModelConfig config = tiny_config(family, tied);
      config.norm_topk_prob = tied;
      config.rope_theta = 500000;
      config.rms_norm_eps = 1e-5;
      if (config.model_type == "qwen3_moe") config.head_dim = 6;
      if (config.shared_expert()) config.shared_expert_intermediate_size = 7;
      const Json json = to_hugging_face(config);
      ModelConfig back = from_hugging_face(json, "config.json");
      if (config.head_dim == 0) back.head_dim = 0;  // written out: the same head size
      EXPECT_EQ(fields_of(back).to_json(), fields_of(config).to_json());
      EXPECT_EQ(to_hugging_face(back), json);
    }
}

TEST(ModelConfig, HuggingFaceKeysOfEachFamily) {
  const Json olmoe = to_hugging_face(tiny_config("olmoe", false));
  EXPECT_EQ(olmoe["architectures"], Json({"OlmoeForCausalLM"}));
  EXPECT_EQ(olmoe["intermediate_size"], 5);
  EXPECT_FALSE(olmoe.contains("moe_intermediate_size"));
  const Json qwen3 = to_hugging_face(tiny_config("qwen3_moe", true));
  EXPECT_EQ(qwen3["architectures"], Json({"Qwen3MoeForCausalLM"}));
  EXPECT_EQ(qwen3["moe_intermediate_size"], 5);
  EXPECT_EQ(qwen3["head_dim"], 4);
  EXPECT_EQ(qwen3["norm_topk_prob"], true);
  EXPECT_EQ(qwen3["tie_word_embeddings"], true);
  EXPECT_FALSE(qwen3.contains("shared_expert_intermediate_size"));
  ModelConfig shared = tiny_config("qwen2_moe", false);
  EXPECT_EQ(to_hugging_face(shared)["shared_expert_intermediate_size"], 10);
  shared.shared_expert_intermediate_size = 0;  // the default K H is written out
  EXPECT_EQ(to_hugging_face(shared)["shared_expert_intermediate_size"], 10);
}

std::string reading_error(const std::string& family, const std::string& key, const Json& value) {
  Json json = to_hugging_face(tiny_config(family, false));
  json[key] = value;
  return error_of([&] { from_hugging_face(json, "here.json"); });
}

TEST(ModelConfig, WhatCannotBeHonouredIsNamed) {
  const Json scaling = {{"type", "yarn"}, {"factor", 4}};
  const std::pair<const char*, Json> refused[] = {
      {"rope_scaling", scaling},   {"use_sliding_window", true}, {"hidden_act", "gelu"},
      {"clip_qkv", 8.0},           {"decoder_sparse_step", 2},   {"mlp_only_layers", {0}},
      {"attention_dropout", 0.1},  {"sliding_window", 4096},     {"model_type", "mixtral"},
      {"num_experts_per_tok", 99}, {"vocab_size", "many"}};
  for (const auto& [key, value] : refused) {
    const std::string message = reading_error("qwen3_moe", key, value);
    EXPECT_TRUE(mentions(message, key)) << key << ": " << message;
  }
  EXPECT_TRUE(mentions(reading_error("qwen3_moe", "attention_bias", true), "attention_bias"));
  EXPECT_TRUE(mentions(reading_error("olmoe", "attention_bias", true), "attention_bias"));
  EXPECT_TRUE(mentions(reading_error("qwen2_moe", "qkv_bias", false), "qkv_bias"));
  const std::string unknown = reading_error("qwen3_moe", "hiden_size", 8);
  EXPECT_TRUE(mentions(unknown, "hiden_size") && mentions(unknown, "hidden_size")) << unknown;
  EXPECT_TRUE(mentions(unknown, "here.json")) << unknown;
  EXPECT_TRUE(mentions(error_of([] { from_hugging_face(Json::array(), "x"); }), "model_type"));
  EXPECT_TRUE(mentions(error_of([] { from_hugging_face(Json::object(), "x"); }), "model_type"));
}

TEST(ModelConfig, WhatChangesNothingIsAccepted) {
  for (const char* key : {"torch_dtype", "transformers_version", "use_cache", "_name_or_path"})
    EXPECT_EQ(reading_error("olmoe", key, "anything"), "no error") << key;
  EXPECT_EQ(reading_error("qwen3_moe", "rope_scaling", nullptr), "no error");
  EXPECT_EQ(reading_error("qwen3_moe", "attention_dropout", 0), "no error");
  EXPECT_EQ(reading_error("qwen3_moe", "attention_bias", false), "no error");
  EXPECT_EQ(reading_error("qwen2_moe", "qkv_bias", true), "no error");
  // Qwen1.5-MoE's config.json names a window that it does not use.
  Json json = to_hugging_face(tiny_config("qwen2_moe", false));
  json["sliding_window"] = 32768;
  json["use_sliding_window"] = false;
  EXPECT_EQ(error_of([&] { from_hugging_face(json, "x"); }), "no error");
}

TEST(CountParameters, EqualsTheSumOverTheModel) {
  for (const char* family : kFamilyNames)
    for (const bool tied : {false, true})
      for (const int shared : {0, 7}) {
        ModelConfig config = tiny_config(family, tied);
        if (config.shared_expert()) config.shared_expert_intermediate_size = shared;
        const Model<float> model(config, 1);
        std::size_t total = 0;
        for (const auto& parameter : model.parameters()) total += parameter->value.size();
        const ParameterCount count = count_parameters(config);
        EXPECT_EQ(count.total, total) << family;
        // E - K = 2 experts of 3 C H = 120 values in each of 2 layers rest.
        EXPECT_EQ(count.active, total - 2 * 2 * 120) << family;
      }
}

}  // namespace
}  // namespace ramoe
