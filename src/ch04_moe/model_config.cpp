#include "ch04_moe/model_config.h"

#include <algorithm>
#include <array>
#include <set>

#include "support/error.h"

namespace ramoe {
namespace {
constexpr int kMostWidth = 1 << 20;  // of an expert or a dense layer
}

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
        {1, kMostWidth});
  f.add("shared_expert_intermediate_size", &shared_expert_intermediate_size,
        "hidden width of qwen2_moe's shared expert; 0: K * H", {0, kMostWidth});
  f.add("intermediate_size", &intermediate_size, "hidden width of dense layers; 0: K * H",
        {0, kMostWidth});
  f.add("decoder_sparse_step", &decoder_sparse_step,
        "layer l has experts if this divides l + 1 (qwen families)", {1, 1024});
  f.add("mlp_only_layers", &mlp_only_layers, "layers without experts (qwen families)", {0, 1023});
  f.add("norm_topk_prob", &norm_topk_prob, "whether the gates of the chosen experts sum to 1");
  f.add("tie_word_embeddings", &tie_word_embeddings, "whether the output layer is the embedding");
  f.add("max_position_embeddings", &max_position_embeddings, "longest sequence", {1, 1 << 24});
  f.add("rope_theta", &rope_theta, "base of the rotary angles", {1, inf});
  f.add("rms_norm_eps", &rms_norm_eps, "epsilon of RMSNorm", {0, 1});
  f.add("clip_qkv", &clip_qkv, "largest size of queries, keys and values (olmoe); 0: no limit",
        {0, inf});
  f.add("initializer_range", &initializer_range, "deviation of the initial weights", {0, 10});
  f.add("bos_token_id", &bos_token_id, "token that opens every sequence; -1: none", {-1, 1 << 24});
  f.add("eos_token_id", &eos_token_id, "token that closes every sequence; -1: none", {-1, 1 << 24});
  f.add("pad_token_id", &pad_token_id, "token that fills short rows; -1: none", {-1, 1 << 24});
}

void ModelConfig::set_family_defaults() {
  norm_topk_prob = model_type == "qwen3_moe";
  shared_expert_intermediate_size = 0;
  resolve_widths();
}

void ModelConfig::resolve_widths() {
  const std::int64_t active = std::int64_t{num_experts_per_tok} * moe_intermediate_size;
  const auto take = [&](int& width, const char* key) {
    if (width != 0) return;
    check(active <= kMostWidth, key, " = 0 means K * H = ", active, ", more than ", kMostWidth,
          "; give the width itself, or lower num_experts_per_tok or moe_intermediate_size.");
    width = static_cast<int>(active);
  };
  if (shared_expert()) take(shared_expert_intermediate_size, "shared_expert_intermediate_size");
  if (moe_layer_count() != num_hidden_layers) take(intermediate_size, "intermediate_size");
}

bool ModelConfig::is_moe_layer(int l) const {
  return !all_dense && (l + 1) % decoder_sparse_step == 0 &&
         std::find(mlp_only_layers.begin(), mlp_only_layers.end(), l) == mlp_only_layers.end();
}

std::vector<int> ModelConfig::moe_layers() const {
  std::vector<int> layers;
  for (int l = 0; l < num_hidden_layers; ++l)
    if (is_moe_layer(l)) layers.push_back(l);
  return layers;
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
  const int moe = moe_layer_count();
  check(moe > 0 || all_dense, "decoder_sparse_step = ", decoder_sparse_step,
        " and mlp_only_layers leave none of ", num_hidden_layers,
        " layers with experts; there is nothing to route.");
  for (const int layer : mlp_only_layers)
    check(layer < num_hidden_layers, "mlp_only_layers names layer ", layer, "; there are 0 to ",
          num_hidden_layers - 1, ".");
  check(
      model_type != "olmoe" || moe == num_hidden_layers || all_dense,
      "olmoe has experts in every layer; decoder_sparse_step must be 1 and mlp_only_layers empty.");
  check(model_type == "olmoe" || clip_qkv == 0, "clip_qkv = ", clip_qkv, ": only olmoe clips.");
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
          {"attention_dropout", 0.0},
          {"attention_bias", false},
          {"qkv_bias", config.qkv_bias()}};
}

/// Keys that change nothing in the numbers computed here: what was saved how, what to return, and
/// how to sample.
bool harmless(const std::string& key) {
  static const std::set<std::string> kKeys = {"architectures",
                                              "torch_dtype",
                                              "dtype",
                                              "transformers_version",
                                              "use_cache",
                                              "output_router_logits",
                                              "router_aux_loss_coef",
                                              "_name_or_path",
                                              "max_window_layers",
                                              "return_dict",
                                              "output_hidden_states",
                                              "output_attentions",
                                              "torchscript",
                                              "use_bfloat16",
                                              "tf_legacy_loss",
                                              "pruned_heads",
                                              "chunk_size_feed_forward",
                                              "is_encoder_decoder",
                                              "is_decoder",
                                              "cross_attention_hidden_size",
                                              "add_cross_attention",
                                              "tie_encoder_decoder",
                                              "decoder_start_token_id",
                                              "sep_token_id",
                                              "id2label",
                                              "label2id",
                                              "problem_type",
                                              "finetuning_task",
                                              "task_specific_params",
                                              "tokenizer_class",
                                              "prefix",
                                              "do_sample",
                                              "temperature",
                                              "top_k",
                                              "top_p",
                                              "typical_p",
                                              "max_length",
                                              "min_length",
                                              "early_stopping",
                                              "num_beams",
                                              "num_beam_groups",
                                              "diversity_penalty",
                                              "length_penalty",
                                              "repetition_penalty",
                                              "no_repeat_ngram_size",
                                              "encoder_no_repeat_ngram_size",
                                              "bad_words_ids",
                                              "num_return_sequences",
                                              "output_scores",
                                              "return_dict_in_generate",
                                              "forced_bos_token_id",
                                              "forced_eos_token_id",
                                              "remove_invalid_values",
                                              "exponential_decay_length_penalty",
                                              "suppress_tokens",
                                              "begin_suppress_tokens",
                                              "max_new_tokens",
                                              "_attn_implementation_autoset"};
  return kKeys.contains(key);
}

std::string shown(const Json& value) {
  return excerpt(value, 80);
}

/// Reads config.json key by key: `known` becomes an object for our own list of fields.
class Reader {
 public:
  Reader(const Json& json, const FamilyName& name, const std::string& where)
      : json_(json), name_(name), where_(where) {}

  ModelConfig read() {
    ModelConfig config;
    config.model_type = name_.type;
    const bool olmoe = config.model_type == "olmoe";
    // Defaults of transformers, where they are not ours.
    config.norm_topk_prob = false;
    config.rms_norm_eps = olmoe ? 1e-5 : 1e-6;
    config.max_position_embeddings = olmoe ? 4096 : 32768;
    config.bos_token_id = config.eos_token_id = config.pad_token_id = -1;
    require(config);
    const Json fixed = fixed_keys(config);
    for (const auto& [key, value] : json_.items()) take(key, value, fixed);
    check(known_.contains("num_experts"), where_, ": num_experts is null; wanted a number.");
    if (!known_.contains("num_key_value_heads"))
      known_["num_key_value_heads"] = json_["num_attention_heads"];
    fields_of(config).read_json(known_, where_);
    config.validate();
    config.resolve_widths();
    check_window(config);
    return config;
  }

 private:
  void require(const ModelConfig& config) const {
    std::vector<std::string> keys = {"vocab_size",          "hidden_size", "num_hidden_layers",
                                     "num_attention_heads", "num_experts", "num_experts_per_tok",
                                     name_.hidden_key};
    if (config.model_type != "olmoe") keys.push_back("num_key_value_heads");
    if (config.shared_expert()) keys.push_back("shared_expert_intermediate_size");
    const bool sparse = json_.value("decoder_sparse_step", Json(1)) == Json(1) &&
                        json_.value("mlp_only_layers", Json()).empty();
    if (!sparse) keys.push_back("intermediate_size");
    for (const std::string& key : keys)
      check(json_.contains(key) || (key == "num_experts" && json_.contains(kExpertsToo)), where_,
            ": the key ", key, " is missing; a ", name_.type, " model cannot be read without it.");
  }

  void take(const std::string& key, const Json& value, const Json& fixed) {
    if (key == name_.hidden_key)
      known_["moe_intermediate_size"] = value;
    else if (key == "rope_parameters" || key == "rope_scaling")
      take_rope(key, value);
    else if (key == "rope_theta")
      take_once("rope_theta", key, value);
    else if (key == "num_experts" || key == kExpertsToo)
      take_once("num_experts", key, value);
    else if (key == "layer_types")
      take_layer_types(value);
    else if (key == "bos_token_id" || key == "eos_token_id" || key == "pad_token_id")
      known_[key] = value.is_null()                         ? Json(-1)
                    : value.is_array() && value.size() == 1 ? value[0]
                                                            : value;
    else if (fixed.contains(key))
      check(value == fixed[key], where_, ": ", key, " = ", shown(value),
            " is not supported; this model computes with ", fixed[key].dump(), ".");
    else if (key != "sliding_window" && key != "use_sliding_window" && !value.is_null() &&
             !harmless(key))
      known_[key] = value;  // null: not set
  }

  void take_rope(const std::string& key, const Json& value) {
    if (value.is_null()) return;
    check(value.is_object(), where_, ": ", key, " = ", shown(value),
          " is no object; wanted {\"rope_type\": \"default\", \"rope_theta\": 10000.0}.");
    for (const auto& [part, setting] : value.items()) {
      const std::string full = key + "." + part;
      if (part == "rope_theta")
        take_once("rope_theta", full, setting);
      else
        check(((part == "rope_type" || part == "type") && setting == "default") ||
                  (part == "partial_rotary_factor" && setting == Json(1.0)) || setting.is_null(),
              where_, ": ", full, " = ", shown(setting),
              " is not supported; rotary positions are turned whole and without scaling "
              "(rope_type \"default\").");
    }
  }

  /// A value that stands in several places. Old files have rope_theta alone, new ones have it
  /// within rope_parameters, ours have both; transformers 5 calls Qwen3's experts "local".
  void take_once(const char* name, const std::string& key, const Json& value) {
    if (value.is_null()) return;
    check(!known_.contains(name) || known_[name] == value, where_, ": ", key, " = ", shown(value),
          " contradicts ", name, " = ", shown(known_.value(name, Json())), ".");
    known_[name] = value;
  }

  void take_layer_types(const Json& value) const {
    if (value.is_null()) return;
    check(value.is_array(), where_, ": layer_types = ", shown(value), " is not a list.");
    for (const Json& type : value)
      check(type == "full_attention", where_, ": layer_types names ", shown(type),
            "; every layer must be \"full_attention\".");
  }

  /// A window matters if it is shorter than a sequence can be. The Qwen families have a switch.
  void check_window(const ModelConfig& config) const {
    const Json window = json_.value("sliding_window", Json());
    const Json use = json_.value("use_sliding_window", Json());
    check(use.is_null() || use.is_boolean(), where_, ": use_sliding_window = ", shown(use),
          " is neither true nor false.");
    check(window.is_null() || (window.is_number_integer() && window >= Json(0)), where_,
          ": sliding_window = ", shown(window), " is neither null nor a whole number.");
    const bool used = config.model_type == "olmoe" || use == Json(true);
    check(!used || window.is_null() || window == Json(0) ||
              window >= Json(config.max_position_embeddings),
          where_, ": sliding_window = ", shown(window), " with use_sliding_window = ", shown(use),
          " is not supported: attention here sees the whole sequence, up to "
          "max_position_embeddings = ",
          config.max_position_embeddings, ".");
  }

  static constexpr const char* kExpertsToo = "num_local_experts";
  const Json& json_;
  const FamilyName& name_;
  const std::string& where_;
  Json known_ = Json::object();
};

}  // namespace

Json to_hugging_face(const ModelConfig& given) {
  ModelConfig config = given;
  const FamilyName& name = family(config.model_type, "model configuration");
  config.resolve_widths();
  if (config.all_dense) {
    check(config.model_type != "olmoe", "olmoe has no config.json for a model without experts.");
    config.mlp_only_layers.clear();
    for (int l = 0; l < config.num_hidden_layers; ++l) config.mlp_only_layers.push_back(l);
  }
  Json json = fields_of(config).to_json();
  json["architectures"] = {name.architecture};
  json["torch_dtype"] = "float32";
  json["hidden_act"] = "silu";
  // transformers 4 reads rope_theta alone, transformers 5 reads it within rope_parameters.
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", config.rope_theta}};
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"})
    if (json[key] == -1) json[key] = nullptr;
  if (config.model_type == "olmoe") {
    json["intermediate_size"] = config.moe_intermediate_size;
    if (config.clip_qkv == 0) json["clip_qkv"] = nullptr;
    for (const char* key :
         {"moe_intermediate_size", "head_dim", "decoder_sparse_step", "mlp_only_layers"})
      json.erase(key);
  } else {
    json["head_dim"] = config.head_size();
    json.erase("clip_qkv");
    // Where there are no dense layers, transformers wants a width for them all the same.
    if (config.intermediate_size == 0) json["intermediate_size"] = config.moe_intermediate_size;
  }
  if (!config.shared_expert()) json.erase("shared_expert_intermediate_size");
  return json;
}

ModelConfig from_hugging_face(const Json& json, const std::string& where) {
  check(json.is_object() && json.contains("model_type") && json["model_type"].is_string(), where,
        ": a model's config.json with the key model_type was expected.");
  return Reader(json, family(json["model_type"].get<std::string>(), where), where).read();
}

}  // namespace ramoe
