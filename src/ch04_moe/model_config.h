// Chapter 4.3 - one model, three families
//
// The keys are those of Hugging Face's config.json, so that a folder written here opens there.
//
//   family      router                     shared expert           attention
//   olmoe       softmax, top-K             none                    QK-norm over all heads, clip_qkv
//   qwen3_moe   softmax, top-K, sum = 1    none                    QK-norm per head
//   qwen2_moe   softmax, top-K             one, with sigmoid gate  bias on q, k, v
//
// Renormalisation has its own key (norm_topk_prob); the table gives the published settings of the
// families. The two Qwen families may have dense layers among their MoE layers: layer l has experts
// if mlp_only_layers does not list it and decoder_sparse_step divides l + 1.
// Tests: tests/ch04_moe/model_config_test.cpp
#pragma once

#include <string>
#include <vector>

#include "support/config.h"

namespace ramoe {

/// By their Hugging Face names.
enum class Family { olmoe, qwen3_moe, qwen2_moe };
constexpr auto names(Family) {
  return std::array{"olmoe", "qwen3_moe", "qwen2_moe"};
}

struct ModelConfig {
  Family model_type = Family::olmoe;
  int vocab_size = 2048;                    // V
  int hidden_size = 64;                     // C
  int num_hidden_layers = 6;                // L
  int num_attention_heads = 4;              // NH
  int num_key_value_heads = 4;              // NKV
  int head_dim = 0;                         // HS; 0: hidden_size / num_attention_heads
  int num_experts = 8;                      // E
  int num_experts_per_tok = 2;              // K
  int moe_intermediate_size = 64;           // H (olmoe's config.json calls it intermediate_size)
  int shared_expert_intermediate_size = 0;  // qwen2_moe's shared expert
  int intermediate_size = 0;                // hidden width of dense layers
  int decoder_sparse_step = 1;
  std::vector<int> mlp_only_layers;
  /// No layer has experts: for comparing a mixture with a dense model of the same shapes. Not a key
  /// of config.json, because such a model has nothing to route.
  bool all_dense = false;
  bool norm_topk_prob = false;
  bool tie_word_embeddings = false;
  int max_position_embeddings = 128;  // longest sequence
  double rope_theta = 10000;
  double rms_norm_eps = 1e-6;
  double clip_qkv = 0;  // max absolute value in queries, keys and values; 0: no limit
  double initializer_range = 0.02;
  int bos_token_id = 0, eos_token_id = 1, pad_token_id = 2;  // -1: there is none
  /// More tokens that end a text, where config.json lists several as eos_token_id. Not a key.
  std::vector<int> more_eos;

  void list(FieldList& fields);

  int head_size() const { return head_dim > 0 ? head_dim : hidden_size / num_attention_heads; }
  bool qk_norm_whole() const { return model_type == Family::olmoe; }
  bool qk_norm_heads() const { return model_type == Family::qwen3_moe; }
  bool qkv_bias() const { return model_type == Family::qwen2_moe; }
  bool shared_expert() const { return model_type == Family::qwen2_moe; }
  bool is_moe_layer(int l) const;
  /// The layers with experts, in order. Routing statistics have one entry for each of them.
  std::vector<int> moe_layers() const;
  int moe_layer_count() const { return static_cast<int>(moe_layers().size()); }

  /// Error, naming the keys that do not fit together (K > E, heads that do not group, ...).
  void validate() const;
  /// The published settings of a family: renormalisation, shared expert.
  void set_family_defaults();
  /// Sets widths that are 0 (shared expert, dense layers) to K * H.
  void resolve_widths();
};

/// config.json as Hugging Face writes it for the family, and back. Missing keys have the defaults
/// of transformers 5. Error, naming the key: a missing key without a sensible default, a value that
/// this model does not support (another activation, scaled rotary positions, a window shorter than
/// the longest sequence, quantised weights), an unknown key that may change the computation
/// (model_config_keys.h). For any other unknown key, `notes` gets a line.
Json to_hugging_face(const ModelConfig& config);
ModelConfig from_hugging_face(const Json& json, const std::string& where,
                              std::vector<std::string>* notes = nullptr);

}  // namespace ramoe
