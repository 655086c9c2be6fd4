#include "ch04_moe/model.h"

namespace ramoe {

ParameterCount count_parameters(const ModelConfig& config) {
  ModelConfig c = config;
  c.resolve_widths();
  const std::size_t C = std::size_t(c.hidden_size), V = std::size_t(c.vocab_size);
  const std::size_t HS = std::size_t(c.head_size()), E = std::size_t(c.num_experts);
  const std::size_t query = std::size_t(c.num_attention_heads) * HS;
  const std::size_t key = std::size_t(c.num_key_value_heads) * HS;
  const std::size_t K = std::size_t(c.num_experts_per_tok);
  const auto swiglu = [C](int width) { return 3 * C * std::size_t(width); };
  std::size_t layer = 2 * C + 2 * C * query + 2 * C * key;
  if (c.qkv_bias()) layer += query + 2 * key;
  if (c.qk_norm_whole()) layer += query + key;
  if (c.qk_norm_heads()) layer += 2 * HS;
  std::size_t mixture = C * E;  // the router; the experts are counted apart
  if (c.shared_expert()) mixture += swiglu(c.shared_expert_intermediate_size) + C;
  const std::size_t outside = V * C * (c.tie_word_embeddings ? 1 : 2) + C;
  const std::size_t L = std::size_t(c.num_hidden_layers), moe = c.moe_layers().size();
  const std::size_t common =
      outside + L * layer + moe * mixture + (L - moe) * swiglu(c.intermediate_size);
  const std::size_t expert = moe * swiglu(c.moe_intermediate_size);
  return {common + E * expert, common + K * expert};
}

}  // namespace ramoe
