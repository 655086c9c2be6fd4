#include "ch04_moe/model_config.h"

#include <algorithm>

#include "support/error.h"

namespace ramoe {
namespace {
constexpr int kMostWidth = 1 << 20;  // max width of an expert or a dense layer
}

void ModelConfig::list(FieldList& f) {
  const double inf = std::numeric_limits<double>::infinity();
  f.add("model_type", &model_type, "router family, by its Hugging Face name");
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
  norm_topk_prob = model_type == Family::qwen3_moe;
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
  return !all_dense && (l + 1) % decoder_sparse_step == 0 && !contains(mlp_only_layers, l);
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
  check(
      model_type != Family::olmoe || head_dim == 0 || head_dim * num_attention_heads == hidden_size,
      "olmoe has no head_dim of its own; hidden_size must be num_attention_heads * head_dim.");
  const int moe = moe_layer_count();
  check(moe > 0 || all_dense, "decoder_sparse_step = ", decoder_sparse_step,
        " and mlp_only_layers leave none of ", num_hidden_layers,
        " layers with experts; there is nothing to route.");
  for (const int layer : mlp_only_layers)
    check(layer < num_hidden_layers, "mlp_only_layers names layer ", layer, "; there are 0 to ",
          num_hidden_layers - 1, ".");
  check(
      model_type != Family::olmoe || moe == num_hidden_layers || all_dense,
      "olmoe has experts in every layer; decoder_sparse_step must be 1 and mlp_only_layers empty.");
  check(model_type == Family::olmoe || clip_qkv == 0, "clip_qkv = ", clip_qkv,
        ": only olmoe clips.");
  std::vector<int> tokens = {bos_token_id, eos_token_id, pad_token_id};
  tokens.insert(tokens.end(), more_eos.begin(), more_eos.end());
  for (const int token : tokens)
    check(token < vocab_size, "special token ", token, " is outside vocab_size = ", vocab_size,
          ".");
}

}  // namespace ramoe
