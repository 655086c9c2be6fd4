#include "formats/model_config_keys.h"
#include "support/json.h"

#include <algorithm>
#include <array>
#include <set>
#include <string_view>

namespace ramoe {

std::map<std::string, std::vector<Json>> fixed_keys(const ModelConfig& family) {
  std::map<std::string, std::vector<Json>> keys = {{"hidden_act", {"silu", "swish"}},
                                                   {"qkv_bias", {family.qkv_bias()}},
                                                   {"partial_rotary_factor", {1.0}},
                                                   {"rotary_pct", {1.0}},
                                                   {"rope_type", {"default"}},
                                                   {"moe_layer_freq", {1}},
                                                   {"scoring_func", {"softmax"}},
                                                   {"routed_scaling_factor", {1.0}},
                                                   {"n_group", {1}},
                                                   {"topk_group", {1}},
                                                   {"quantization_config", {Json::object()}},
                                                   {"per_layer_config", {Json::object()}},
                                                   {"pruned_heads", {Json::object()}}};
  for (const char* key : {"logit_scale", "logits_scaling", "embedding_multiplier",
                          "residual_multiplier", "router_temperature"})
    keys[key] = {1.0};
  for (const char* key : {"use_qk_norm", "qk_norm", "qk_layernorm", "use_qk_layernorm"})
    keys[key] = {family.qk_norm_whole() || family.qk_norm_heads()};
  for (const char* key :
       {"attention_bias", "mlp_bias", "use_bias", "lm_head_bias", "is_encoder_decoder",
        "add_cross_attention", "use_mrope", "use_parallel_residual"})
    keys[key] = {false};
  for (const char* key :
       {"attention_dropout", "attention_probs_dropout_prob", "attn_pdrop", "dropout", "embd_pdrop",
        "hidden_dropout", "hidden_dropout_prob", "resid_pdrop", "residual_dropout",
        "router_jitter_noise", "input_jitter_noise", "first_k_dense_replace",
        "num_nextn_predict_layers", "num_mtp_layers", "mtp_num_hidden_layers"})
    keys[key] = {0};
  for (const char* key : {"n_shared_experts", "num_shared_experts"})
    keys[key] = {family.shared_expert() ? 1 : 0};
  for (const char* key : {"attn_logit_softcapping", "final_logit_softcapping", "quantization",
                          "compression_config", "text_config", "vision_config", "audio_config"})
    keys[key] = {};
  return keys;
}

bool is_passive_key(const std::string& key) {
  static const std::set<std::string> kKeys = {
      // How the file was made and stored.
      "architectures", "auto_map", "base_model", "base_model_name_or_path", "bf16", "dtype", "fp16",
      "fp32", "license", "license_link", "license_name", "model_id", "model_name", "model_version",
      "name_or_path", "torch_dtype", "torchscript", "transformers_version", "use_bfloat16",
      // How a program computes the same result.
      "attention_implementation", "attn_implementation", "cache_implementation",
      "chunk_size_feed_forward", "cross_attention_hidden_size", "ep_size", "experts_implementation",
      "flash_attention", "gradient_checkpointing", "hf_device_map", "low_cpu_mem_usage",
      "pretraining_tp", "tensor_parallel", "tensor_parallel_size", "tp_plan", "use_cache",
      "use_flash_attention", "use_flash_attention_2", "use_flash_attn", "use_fused_mlp",
      "use_fused_rms_norm", "use_fused_rope", "use_kernels", "use_reentrant",
      // What is returned.
      "keys_to_ignore_at_inference", "logits_to_keep", "num_logits_to_keep", "output_attentions",
      "output_hidden_states", "output_router_logits", "output_scores", "return_dict",
      "return_dict_in_generate", "tie_encoder_decoder", "tie_last_hidden_states", "tf_legacy_loss",
      "use_return_dict",
      // Training losses: we have our own keys for them.
      "aux_loss_alpha", "label_smoothing", "loss_type", "moe_aux_loss_coef", "router_aux_loss_coef",
      "router_z_loss_coef", "seq_aux", "z_loss_coef",
      // Lengths that other tools write; only max_position_embeddings counts.
      "max_length", "max_new_tokens", "max_seq_len", "max_seq_length", "max_sequence_length",
      "max_window_layers", "min_length", "min_new_tokens", "model_max_length", "n_ctx",
      "n_positions", "original_max_position_embeddings", "seq_len", "seq_length",
      // Classifiers.
      "classifier_bias", "classifier_dropout", "finetuning_task", "id2label", "label2id",
      "num_labels", "problem_type", "task_specific_params",
      // Tokens and tokenizers: only the files of the tokenizer count.
      "bos_token", "cls_token_id", "decoder_start_token_id", "eos_token", "image_token_id",
      "mask_token_id", "pad_token", "padding_side", "prefix", "sep_token_id", "tokenizer_class",
      "unk_token", "unk_token_id", "video_token_id", "vision_end_token_id", "vision_start_token_id",
      "vision_token_id",
      // Sampling, from before generation_config.json; is_decoder is equally old.
      "bad_words_ids", "begin_suppress_tokens", "diversity_penalty", "do_sample", "early_stopping",
      "encoder_no_repeat_ngram_size", "exponential_decay_length_penalty", "forced_bos_token_id",
      "forced_eos_token_id", "is_decoder", "length_penalty", "min_p", "no_repeat_ngram_size",
      "num_beam_groups", "num_beams", "num_return_sequences", "remove_invalid_values",
      "repetition_penalty", "suppress_tokens", "temperature", "top_k", "top_p", "typical_p"};
  // An underscore marks private members of Python objects.
  return kKeys.contains(key) || key.starts_with('_') || key.starts_with("unsloth_");
}

bool may_be_passed_over(const std::string& key, const std::vector<std::string>& read) {
  static constexpr std::array<std::string_view, 58> kWords = {
      "_eps",  "act_",   "activ",   "adapt", "alibi",  "alpha",  "attention", "attn",   "beta",
      "bias",  "block",  "capac",   "chunk", "clip",   "convol", "cross",     "d_conv", "dense",
      "depth", "dim",    "dropout", "embed", "epsil",  "expert", "factor",    "ffn",    "gate",
      "head",  "hidden", "kernel",  "kv",    "latent", "layer",  "linear",    "logit",  "lora",
      "mask",  "mlp",    "moe",     "mtp",   "multip", "norm",   "num_",      "posit",  "qk",
      "quant", "rank",   "recurr",  "resid", "rope",   "rotary", "rout",      "scal",   "sink",
      "size",  "soft",   "theta",   "window"};
  return nearest_word(key, read).empty() && !key.starts_with("n_") &&
         std::none_of(kWords.begin(), kWords.end(),
                      [&](std::string_view word) { return key.find(word) != std::string::npos; });
}

}  // namespace ramoe
