#include "ch04_moe/model_config.h"

#include <gtest/gtest.h>

#include <functional>

#include "ch04_moe/tiny_model.h"
#include "support/json.h"

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

TEST(ModelConfig, AModelWithoutExpertsIsForComparisonAlone) {
  for (const char* family : kFamilyNames) {
    ModelConfig config = tiny_config(family, false);
    config.all_dense = true;
    config.validate();
    EXPECT_TRUE(config.moe_layers().empty());
    const Model<float> model(config, 1);
    std::size_t parameters = 0;
    for (const auto& p : model.parameters()) {
      EXPECT_EQ(p->name.find("expert"), std::string::npos) << p->name;
      EXPECT_EQ(p->name.find("router"), std::string::npos) << p->name;
      parameters += p->value.size();
    }
    EXPECT_EQ(count_parameters(config).total, parameters);
    EXPECT_EQ(model.config().intermediate_size,
              config.num_experts_per_tok * config.moe_intermediate_size);
    if (config.model_type == Family::olmoe) {
      EXPECT_TRUE(mentions(error_of([&] { to_hugging_face(config); }), "olmoe"));
      continue;
    }
    // transformers opens such a folder; here there is nothing to route.
    const Json json = to_hugging_face(config);
    EXPECT_EQ(json["mlp_only_layers"].size(), std::size_t(config.num_hidden_layers));
    EXPECT_TRUE(mentions(error_of([&] { from_hugging_face(json, "x"); }), "nothing to route"));
  }
}

TEST(ModelConfig, HuggingFaceRoundTrip) {
  for (const char* family : kFamilyNames)
    for (const bool tied : {false, true}) {
      ModelConfig config = tiny_config(family, tied);
      config.norm_topk_prob = tied;
      config.rope_theta = 500000;
      config.rms_norm_eps = 1e-5;
      if (config.model_type == Family::qwen3_moe) config.head_dim = 6;
      if (config.shared_expert()) config.shared_expert_intermediate_size = 7;
      const Json json = to_hugging_face(config);
      ModelConfig back = from_hugging_face(json, "config.json");
      if (config.head_dim == 0) back.head_dim = 0;  // written out: the same head size
      back.intermediate_size = 0;                   // written out, though no layer is dense
      EXPECT_EQ(fields_of(back).to_json(), fields_of(config).to_json());
      EXPECT_EQ(to_hugging_face(back), json);
    }
  const ModelConfig dense = with_dense_layers("qwen2_moe");
  EXPECT_EQ(from_hugging_face(to_hugging_face(dense), "x").moe_layers(), dense.moe_layers());
  ModelConfig clipped = tiny_config("olmoe", false);
  clipped.clip_qkv = 8;
  clipped.bos_token_id = -1;
  EXPECT_TRUE(to_hugging_face(clipped)["bos_token_id"].is_null());
  EXPECT_EQ(from_hugging_face(to_hugging_face(clipped), "x").clip_qkv, 8);
  EXPECT_EQ(from_hugging_face(to_hugging_face(clipped), "x").bos_token_id, -1);
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
      {"rope_scaling", scaling},
      {"rope_scaling", {{"rope_type", "default"}, {"factor", 2}}},
      {"rope_parameters", {{"rope_type", "default"}, {"partial_rotary_factor", 0.5}}},
      {"rope_parameters", {{"rope_theta", 12345.0}}},  // and rope_theta says otherwise
      {"hidden_act", "gelu"},
      {"clip_qkv", 8.0},
      {"decoder_sparse_step", 3},  // of two layers none is left
      {"mlp_only_layers", {0, 1}},
      {"mlp_only_layers", {2}},
      {"attention_dropout", 0.1},
      {"quantization_config", {{"quant_method", "awq"}}},
      {"layer_types", {"full_attention", "sliding_attention"}},
      {"model_type", "mixtral"},
      {"num_experts_per_tok", 99},
      {"num_local_experts", 5},
      {"vocab_size", "many"}};
  for (const auto& [key, value] : refused) {
    const std::string message = reading_error("qwen3_moe", key, value);
    EXPECT_TRUE(mentions(message, key)) << key << ": " << message;
  }
  EXPECT_TRUE(mentions(reading_error("qwen3_moe", "attention_bias", true), "attention_bias"));
  EXPECT_TRUE(mentions(reading_error("olmoe", "attention_bias", true), "attention_bias"));
  EXPECT_TRUE(mentions(reading_error("olmoe", "decoder_sparse_step", 2), "decoder_sparse_step"));
  EXPECT_TRUE(mentions(reading_error("olmoe", "sliding_window", 8), "sliding_window = 8"));
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
  const std::pair<const char*, Json> fine[] = {
      {"rope_scaling", nullptr},        {"rope_scaling", {{"rope_type", "default"}}},
      {"attention_dropout", 0},         {"attention_bias", false},
      {"quantization_config", nullptr}, {"layer_types", {"full_attention", "full_attention"}},
      {"decoder_sparse_step", 2},       {"mlp_only_layers", {1}},
      {"num_local_experts", 4},         {"eos_token_id", {1}},
      {"bos_token_id", nullptr}};
  for (const auto& [key, value] : fine)
    EXPECT_EQ(reading_error("qwen3_moe", key, value), "no error") << key << " " << value;
  EXPECT_EQ(reading_error("qwen2_moe", "qkv_bias", true), "no error");
}

// The Qwen files name a window that they switch off; what is longer than any sequence cuts nothing.
TEST(ModelConfig, SlidingWindows) {
  Json json = to_hugging_face(tiny_config("qwen2_moe", false));
  const auto error = [&](const Json& window, const Json& use) {
    json["sliding_window"] = window;
    json["use_sliding_window"] = use;
    return error_of([&] { from_hugging_face(json, "x"); });
  };
  EXPECT_EQ(error(32768, false), "no error");
  EXPECT_EQ(error(8, false), "no error");
  EXPECT_EQ(error(nullptr, true), "no error");
  EXPECT_EQ(error(32, true), "no error");  // max_position_embeddings
  EXPECT_TRUE(mentions(error(31, true), "sliding_window = 31"));
  EXPECT_TRUE(mentions(error("wide", false), "sliding_window"));
  EXPECT_TRUE(mentions(error(8, "no"), "use_sliding_window"));
}

TEST(ModelConfig, DefaultsAreThoseOfTransformers) {
  for (const std::string family : kFamilyNames) {
    Json json = to_hugging_face(tiny_config(family, false));
    for (const char* key : {"norm_topk_prob", "rms_norm_eps", "max_position_embeddings",
                            "rope_theta", "rope_parameters", "bos_token_id", "eos_token_id",
                            "pad_token_id", "tie_word_embeddings", "head_dim"})
      json.erase(key);
    const ModelConfig c = from_hugging_face(json, "x");
    EXPECT_FALSE(c.norm_topk_prob);
    EXPECT_EQ(c.rms_norm_eps, family == "olmoe" ? 1e-5 : 1e-6);
    EXPECT_EQ(c.max_position_embeddings, family == "olmoe" ? 4096 : 32768);
    EXPECT_EQ(c.rope_theta, 10000);
    EXPECT_EQ(c.bos_token_id, -1);
    EXPECT_FALSE(c.tie_word_embeddings);
    EXPECT_EQ(c.head_size(), 4);
  }
}

TEST(ModelConfig, LayersWithExperts) {
  ModelConfig c = with_dense_layers("qwen3_moe");
  EXPECT_EQ(c.moe_layers(), (std::vector<int>{1, 3}));
  c.decoder_sparse_step = 1;
  EXPECT_EQ(c.moe_layers(), (std::vector<int>{1, 2, 3, 4}));
  c.intermediate_size = 0;
  c.resolve_widths();
  EXPECT_EQ(c.intermediate_size, 10);  // K H
}

/// What can be put in the place of a value.
std::vector<Json> wrong_values() {
  return {nullptr, true, -1,     -1e300,     1e300,         99999999999999, 0.5,
          "text",  "",   {1, 2}, {{"a", 1}}, Json::array(), Json::object(), "\xff"};
}

// Every key of each family's file, broken in every way: an Error that names file and key, or a
// configuration that holds together.
TEST(ModelConfig, EveryKeyBrokenInTurn) {
  int refused = 0;
  for (const char* family : kFamilyNames) {
    const Json good =
        to_hugging_face(with_dense_layers(std::string(family) == "olmoe" ? "qwen3_moe" : family));
    const Json start =
        std::string(family) == "olmoe" ? to_hugging_face(tiny_config(family, false)) : good;
    for (const auto& [key, unused] : start.items()) {
      const auto attempt = [&, k = key](const Json& json, const std::string& how) {
        try {
          from_hugging_face(json, "here.json").validate();
        } catch (const Error& error) {
          ++refused;
          EXPECT_TRUE(mentions(error.what(), k)) << k << " " << how << ": " << error.what();
        }
      };
      Json json = start;
      json.erase(key);
      attempt(json, "left out");
      for (const Json& value : wrong_values()) {
        json[key] = value;
        attempt(json, value.dump(-1, ' ', false, Json::error_handler_t::replace));
      }
    }
  }
  EXPECT_GT(refused, 500);
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
  for (const char* family : {"qwen3_moe", "qwen2_moe"}) {
    const Model<float> model(with_dense_layers(family));
    std::size_t total = 0;
    for (const auto& parameter : model.parameters()) total += parameter->value.size();
    EXPECT_EQ(count_parameters(with_dense_layers(family)).total, total) << family;
    EXPECT_EQ(count_parameters(with_dense_layers(family)).active, total - 2 * 2 * 120) << family;
  }
}

}  // namespace
}  // namespace ramoe
