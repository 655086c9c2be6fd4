#include "ch04_moe/model_config.h"

#include <array>

#include "support/error.h"

namespace ramoe {

void ModelConfig::list(FieldList& f) {
  const double inf = std::numeric_limits<double>::infinity();
  f.add("model_type", &model_type, "router family, by its Hugging Face name",
        {.choices = {"olmoe", "qwen3_moe", "qwen2_moe"}});
  f.add("vocab_size", &vocab_size, "V, tokens of the tokenizer", {1, 1 << 24});
  f.add("hidden_size", &hidden_size, "C, model width", {1, 1 << 16});
  f.add("num_hidden_layers", &num_hidden_layers, "L, layers", {1, 1024});
  f.add("num_attention_heads", &num_attention_heads, "NH, query heads", {1, 1024});
  f.add("num_key_value_heads", &num_key_value_heads, "NKV, key/value heads, divides NH", {1, 1024});
  f.add("head_dim", &head_dim, "HS, head size; 0: hidden_size / num_attention_heads", {0, 4096});
  f.add("num_experts", &num_experts, "E, routed experts per layer", {1, 4096});
  f.add("num_experts_per_tok", &num_experts_per_tok, "K, experts per token", {1, 4096});
  f.add("moe_intermediate_size", &moe_intermediate_size, "H, hidden width of one expert",
        {1, 1 << 20});
  f.add("shared_expert_intermediate_size", &shared_expert_intermediate_size,
        "hidden width of qwen2_moe's shared expert; 0: K * H", {0, 1 << 20});
  f.add("norm_topk_prob", &norm_topk_prob, "whether the gates of the chosen experts sum to 1");
  f.add("tie_word_embeddings", &tie_word_embeddings, "whether the output layer is the embedding");
  f.add("max_position_embeddings", &max_position_embeddings, "longest sequence", {1, 1 << 24});
  f.add("rope_theta", &rope_theta, "base of the rotary angles", {1, inf});
  f.add("rms_norm_eps", &rms_norm_eps, "epsilon of RMSNorm", {0, 1});
  f.add("initializer_range", &initializer_range, "deviation of the initial weights", {0, 10});
  f.add("bos_token_id", &bos_token_id, "token that opens every sequence", {0, 1 << 24});
  f.add("eos_token_id", &eos_token_id, "token that closes every sequence", {0, 1 << 24});
  f.add("pad_token_id", &pad_token_id, "token that fills short rows", {0, 1 << 24});
}

void ModelConfig::set_family_defaults() {
  norm_topk_prob = model_type == "qwen3_moe";
  shared_expert_intermediate_size =
      shared_expert() ? num_experts_per_tok * moe_intermediate_size : 0;
}

void ModelConfig::validate() const {
  check(num_experts_per_tok <= num_experts, "num_experts_per_tok = ", num_experts_per_tok,
        " (K) exceeds num_experts = ", num_experts,
        " (E); a token cannot visit more experts than "
        "there are. Lower K or raise E.");
  check(num_attention_heads % num_key_value_heads == 0,
        "num_attention_heads = ", num_attention_heads,
        " is not a multiple of num_key_value_heads = ", num_key_value_heads,
        "; each key/value head serves an equal group of query heads.");
  check(head_dim > 0 || hidden_size % num_attention_heads == 0, "hidden_size = ", hidden_size,
        " does not divide into num_attention_heads = ", num_attention_heads, "; set head_dim.");
  check(head_size() % 2 == 0, "head_dim = ", head_size(),
        " is odd; rotary positions turn pairs of elements.");
  check(model_type != "olmoe" || head_dim == 0 || head_dim * num_attention_heads == hidden_size,
        "olmoe has no head_dim of its own; hidden_size must be num_attention_heads * head_dim.");
  for (const int token : {bos_token_id, eos_token_id, pad_token_id})
    check(token < vocab_size, "special token ", token, " is outside vocab_size = ", vocab_size,
          ".");
}

namespace {

struct FamilyName {
  const char *type, *architecture, *hidden_key;
};
constexpr std::array<FamilyName, 3> kFamilies{{
    {"olmoe", "OlmoeForCausalLM", "intermediate_size"},
    {"qwen3_moe", "Qwen3MoeForCausalLM", "moe_intermediate_size"},
    {"qwen2_moe", "Qwen2MoeForCausalLM", "moe_intermediate_size"},
}};

const FamilyName& family(const std::string& type, const std::string& where) {
  for (const FamilyName& name : kFamilies)
    if (type == name.type) return name;
  fail(where, ": model_type = \"", type,
       "\" is not a family of this project; there are olmoe, qwen3_moe and qwen2_moe.");
}

/// Keys of config.json that are fixed for a family: any other value could not be honoured.
Json fixed_keys(const ModelConfig& config) {
  return {{"hidden_act", "silu"},
          {"rope_scaling", nullptr},
          {"sliding_window", nullptr},
          {"use_sliding_window", false},
          {"clip_qkv", nullptr},
          {"decoder_sparse_step", 1},
          {"mlp_only_layers", Json::array()},
          {"attention_dropout", 0.0},
          {"attention_bias", false},
          {"qkv_bias", config.qkv_bias()}};
}

/// Keys that change nothing in the numbers computed here.
bool harmless(const std::string& key) {
  static constexpr std::array<const char*, 10> kKeys = {
      "architectures",        "torch_dtype",   "dtype",
      "transformers_version", "use_cache",     "output_router_logits",
      "router_aux_loss_coef", "_name_or_path", "max_window_layers",
      "intermediate_size"};
  for (const char* known : kKeys)
    if (key == known) return true;
  return false;
}

}  // namespace

Json to_hugging_face(const ModelConfig& given) {
  ModelConfig config = given;
  const FamilyName& name = family(config.model_type, "model configuration");
  if (config.shared_expert() && config.shared_expert_intermediate_size == 0)
    config.shared_expert_intermediate_size =
        config.num_experts_per_tok * config.moe_intermediate_size;
  Json json = fields_of(config).to_json();
  json["architectures"] = {name.architecture};
  json["torch_dtype"] = "float32";
  json["hidden_act"] = "silu";
  if (config.model_type == "olmoe") {
    json["intermediate_size"] = config.moe_intermediate_size;
    json.erase("moe_intermediate_size");
    json.erase("head_dim");
  } else {
    json["head_dim"] = config.head_size();
    json["decoder_sparse_step"] = 1;
    json["mlp_only_layers"] = Json::array();
    // The width of dense layers, of which there are none; transformers wants the key.
    json["intermediate_size"] = config.moe_intermediate_size;
  }
  if (!config.shared_expert()) json.erase("shared_expert_intermediate_size");
  return json;
}

ModelConfig from_hugging_face(const Json& json, const std::string& where) {
  check(json.is_object() && json.contains("model_type") && json["model_type"].is_string(), where,
        ": a model's config.json with the key model_type was expected.");
  ModelConfig config;
  config.model_type = json["model_type"].get<std::string>();
  const FamilyName& name = family(config.model_type, where);
  config.set_family_defaults();
  Json fixed = fixed_keys(config);
  // A width of the window means nothing where windows are said not to be used.
  if (json.contains("use_sliding_window")) fixed.erase("sliding_window");
  Json known = Json::object();
  for (const auto& [key, value] : json.items()) {
    if (key == "sliding_window" && !fixed.contains(key)) continue;
    if (key == name.hidden_key)
      known["moe_intermediate_size"] = value;
    else if (fixed.contains(key))
      check(value == fixed[key], where, ": ", key, " = ", value.dump(),
            " is not supported; this model computes with ", fixed[key].dump(), ".");
    else if (!harmless(key))
      known[key] = value;
  }
  fields_of(config).read_json(known, where);
  config.validate();
  return config;
}

}  // namespace ramoe
