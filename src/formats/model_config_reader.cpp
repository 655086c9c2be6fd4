#include <algorithm>
#include <array>

#include "formats/model_config_keys.h"
#include "support/error.h"
#include "support/json.h"

namespace ramoe {
namespace {

const char* architecture(Family family) {
  constexpr std::array names{"OlmoeForCausalLM", "Qwen3MoeForCausalLM", "Qwen2MoeForCausalLM"};
  return names[static_cast<std::size_t>(family)];
}

Family family_named(const std::string& type, const std::string& where) {
  for (const Family family : every<Family>())
    if (type == name_of(family)) return family;
  fail(where, ": model_type = \"", type,
       "\" is not a family of this project; there are olmoe, qwen3_moe and qwen2_moe.");
}

std::string shown(const Json& value) {
  return excerpt(value, 80);
}

/// Reads config.json key by key; `known_` becomes a JSON object for our own list of fields.
class Reader {
 public:
  Reader(const Json& json, Family family, const std::string& where) : json_(json), where_(where) {
    config_.model_type = family;
  }

  ModelConfig read(std::vector<std::string>* notes) {
    // Defaults of transformers that differ from ours.
    config_.norm_topk_prob = false;
    config_.rms_norm_eps = olmoe() ? 1e-5 : 1e-6;
    config_.max_position_embeddings = olmoe() ? 4096 : 32768;
    config_.bos_token_id = config_.eos_token_id = config_.pad_token_id = -1;
    require();
    fixed_ = fixed_keys(config_);
    FieldList fields = fields_of(config_);
    for (const Field& field : fields.fields()) read_.push_back(field.key);
    for (const auto& [key, value] : json_.items()) take(key, value);
    check(known_.contains("num_experts"), where_, ": num_experts is null; expected a number.");
    check(known_.contains("rope_theta") || !json_.contains("rope_theta"), where_,
          ": rope_theta is null; expected a number of at least 1.");
    if (!known_.contains("num_key_value_heads"))
      known_["num_key_value_heads"] = json_["num_attention_heads"];
    fields.read_json(known_, where_);
    config_.validate();
    check_zeros();
    config_.resolve_widths();
    check_window();
    check_mlp_types();
    if (notes && !unknown_.empty())
      notes->push_back(where_ +
                       ": passed over, since transformers ignores what its models do not "
                       "know: " +
                       unknown_ + ".");
    return config_;
  }

 private:
  const char* hidden_key() const { return olmoe() ? "intermediate_size" : "moe_intermediate_size"; }
  bool olmoe() const { return config_.model_type == Family::olmoe; }

  void require() const {
    std::vector<std::string> keys = {"vocab_size",          "hidden_size", "num_hidden_layers",
                                     "num_attention_heads", "num_experts", "num_experts_per_tok",
                                     hidden_key()};
    if (!olmoe()) keys.push_back("num_key_value_heads");
    if (config_.shared_expert()) keys.push_back("shared_expert_intermediate_size");
    const bool sparse = json_.value("decoder_sparse_step", Json(1)) == Json(1) &&
                        json_.value("mlp_only_layers", Json()).empty();
    if (!sparse) keys.push_back("intermediate_size");
    for (const std::string& key : keys)
      check(!json_.value(key, Json()).is_null() ||
                (key == "num_experts" && json_.contains(kExpertsToo)),
            where_, ": the key ", key, " is missing; a ", name_of(config_.model_type),
            " model cannot be read without it.");
  }

  void take(const std::string& key, const Json& value) {
    const auto fixed = fixed_.find(key);
    if (key == hidden_key() || key == "moe_intermediate_size")
      take_once("moe_intermediate_size", key, value);
    else if (key == "rope_parameters" || key == "rope_scaling")
      take_rope(key, value);
    else if (key == "rope_theta")
      take_once("rope_theta", key, value);
    else if (key == "num_experts" || key == kExpertsToo)
      take_once("num_experts", key, value);
    else if (key == "layer_types")
      take_layer_types(value);
    else if (key == "bos_token_id" || key == "eos_token_id" || key == "pad_token_id")
      take_token(key, value);
    else if (key == "shared_expert_intermediate_size" && !config_.shared_expert())
      return;  // the family has none
    else if (fixed != fixed_.end())
      take_fixed(key, value, fixed->second);
    else if (!value.is_null() && !is_read_apart(key) && !is_passive_key(key))
      take_field(key, value);  // null: not set
  }

  /// Keys that are read together with others at the end.
  static bool is_read_apart(const std::string& key) {
    return key == "sliding_window" || key == "use_sliding_window" || key == "mlp_layer_types";
  }

  void take_field(const std::string& key, const Json& value) {
    check(key != "clip_qkv" || olmoe(), where_, ": clip_qkv = ", shown(value),
          ": only olmoe clips; expected null.");
    if (contains(read_, key)) {
      known_[key] = value;
      return;
    }
    const std::string nearest = nearest_word(key, read_);
    check(may_be_passed_over(key, read_), where_, ": unknown key \"", key, "\" = ", shown(value),
          nearest.empty() ? "." : "; did you mean \"" + nearest + "\"?",
          " It may change what the model computes; remove it from the file if it does not. The "
          "keys that are read: ",
          joined(read_), ", rope_parameters, rope_scaling, layer_types, sliding_window.");
    unknown_ += (unknown_.empty() ? "" : ", ") + key;
  }

  void take_fixed(const std::string& key, const Json& value,
                  const std::vector<Json>& accepted) const {
    std::string list;
    for (const Json& one : accepted)
      list += (list.empty() ? "" : " or ") + (one.is_object() ? "null" : one.dump());
    check(value.is_null() || contains(accepted, value), where_, ": ", key, " = ", shown(value),
          " is not supported; this model computes with ", list.empty() ? "null" : list, ".");
  }

  void take_rope(const std::string& key, const Json& value) {
    if (value.is_null()) return;
    check(value.is_object(), where_, ": ", key, " = ", shown(value),
          " is no object; expected {\"rope_type\": \"default\", \"rope_theta\": 10000.0}.");
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

  /// A value that may be in several places. Old files have only rope_theta, new ones have it within
  /// rope_parameters, ours have both; transformers 5 calls Qwen3's experts "local".
  void take_once(const char* name, const std::string& place, const Json& value) {
    if (value.is_null()) return;
    check(!known_.contains(name) || known_[name] == value, where_, ": ", place, " = ", shown(value),
          " contradicts ", place_[name], " = ", shown(known_.value(name, Json())),
          "; remove the one that is wrong.");
    known_[name] = value;
    place_[name] = place;
  }

  /// null, one id or a list of ids. Each EOS of a list ends a text; padding is never read, so any
  /// of several will do.
  void take_token(const std::string& key, const Json& value) {
    if (value.is_null() || value == Json::array())
      known_[key] = -1;
    else
      known_[key] = value.is_array() ? value[0] : value;
    if (!value.is_array() || value.size() < 2) return;
    check(key != "bos_token_id", where_, ": bos_token_id = ", shown(value),
          " is a list; expected null or the one token that opens a text.");
    for (const Json& id : value) {
      check(id.is_number_integer() && id >= Json(0) && id < Json(1 << 24), where_, ": ", key, " = ",
            shown(value), " does not fit; expected a token's id or a list of ids.");
      std::vector<int>& more = config_.more_eos;
      if (key == "eos_token_id" && id != value[0] && !contains(more, id.get<int>()))
        more.push_back(id.get<int>());
    }
  }

  void take_layer_types(const Json& value) const {
    if (value.is_null()) return;
    check(value.is_array(), where_, ": layer_types = ", shown(value), " is not a list.");
    for (const Json& type : value)
      check(type == "full_attention", where_, ": layer_types names ", shown(type),
            "; every layer must be \"full_attention\".");
  }

  /// Zeros that mean "not set" in our own keys, but are plain numbers for transformers.
  void check_zeros() const {
    const auto no_zero = [&](bool looked_at, const char* key, const char* wanted) {
      check(!looked_at || json_.value(key, Json()) != Json(0), where_, ": ", key,
            " = 0 does not fit; expected ", wanted, ".");
    };
    no_zero(olmoe(), "clip_qkv",
            "null for no limit, or a number above 0: 0 would make every query, key and value 0");
    no_zero(true, "head_dim", "null or an even number");
    no_zero(config_.shared_expert(), "shared_expert_intermediate_size", "a number of at least 1");
    no_zero(config_.moe_layer_count() < config_.num_hidden_layers, "intermediate_size",
            "a number of at least 1, for there are dense layers");
  }

  /// A window matters if it is shorter than the max sequence length. The Qwen families have a
  /// switch.
  void check_window() const {
    const Json window = json_.value("sliding_window", Json());
    const Json use = json_.value("use_sliding_window", Json());
    check(use.is_null() || use.is_boolean(), where_, ": use_sliding_window = ", shown(use),
          " is neither true nor false.");
    check(window.is_null() || (window.is_number_integer() && window >= Json(0)), where_,
          ": sliding_window = ", shown(window), " is neither null nor a whole number.");
    const bool used = olmoe() || use == Json(true);
    check(!used || window.is_null() || window >= Json(config_.max_position_embeddings), where_,
          ": sliding_window = ", shown(window), " with use_sliding_window = ", shown(use),
          " is not supported: attention here sees the whole sequence, up to "
          "max_position_embeddings = ",
          config_.max_position_embeddings, ". Expected null.");
  }

  /// The newer key for the layers that have experts; it must agree with the older ones.
  void check_mlp_types() const {
    const Json types = json_.value("mlp_layer_types", Json());
    if (types.is_null()) return;
    Json wanted = Json::array();
    for (int l = 0; l < config_.num_hidden_layers; ++l)
      wanted.push_back(config_.is_moe_layer(l) ? "sparse" : "dense");
    check(types == wanted, where_, ": mlp_layer_types = ", shown(types),
          " contradicts decoder_sparse_step and mlp_only_layers, by which it would be ",
          shown(wanted), ".");
  }

  static constexpr const char* kExpertsToo = "num_local_experts";
  const Json& json_;
  const std::string& where_;
  ModelConfig config_;
  std::map<std::string, std::vector<Json>> fixed_;
  std::vector<std::string> read_;             // keys of the list of fields
  Json known_ = Json::object();               // their values
  std::map<std::string, std::string> place_;  // the first place of a value that may be in several
  std::string unknown_;                       // skipped keys
};

}  // namespace

Json to_hugging_face(const ModelConfig& given) {
  ModelConfig config = given;
  config.resolve_widths();
  if (config.all_dense) {
    check(config.model_type != Family::olmoe,
          "olmoe has no config.json for a model without experts.");
    config.mlp_only_layers.clear();
    for (int l = 0; l < config.num_hidden_layers; ++l) config.mlp_only_layers.push_back(l);
  }
  Json json = fields_of(config).to_json();
  json["architectures"] = {architecture(config.model_type)};
  json["torch_dtype"] = "float32";
  json["hidden_act"] = "silu";
  // transformers 4 reads rope_theta, transformers 5 reads it within rope_parameters.
  json["rope_parameters"] = {{"rope_type", "default"}, {"rope_theta", config.rope_theta}};
  for (const char* key : {"bos_token_id", "eos_token_id", "pad_token_id"})
    if (json[key] == -1) json[key] = nullptr;
  if (!config.more_eos.empty()) {
    json["eos_token_id"] = Json::array({config.eos_token_id});
    for (const int id : config.more_eos) json["eos_token_id"].push_back(id);
  }
  if (config.model_type == Family::olmoe) {
    json["intermediate_size"] = config.moe_intermediate_size;
    if (config.clip_qkv == 0) json["clip_qkv"] = nullptr;
    for (const char* key :
         {"moe_intermediate_size", "head_dim", "decoder_sparse_step", "mlp_only_layers"})
      json.erase(key);
  } else {
    json["head_dim"] = config.head_size();
    json.erase("clip_qkv");
    // transformers needs a width of dense layers even if there are none.
    if (config.intermediate_size == 0) json["intermediate_size"] = config.moe_intermediate_size;
  }
  if (!config.shared_expert()) json.erase("shared_expert_intermediate_size");
  return json;
}

ModelConfig from_hugging_face(const Json& json, const std::string& where,
                              std::vector<std::string>* notes) {
  check(json.is_object() && json.contains("model_type") && json["model_type"].is_string(), where,
        ": a model's config.json with the key model_type was expected.");
  return Reader(json, family_named(json["model_type"].get<std::string>(), where), where)
      .read(notes);
}

}  // namespace ramoe
