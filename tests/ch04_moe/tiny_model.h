// Small models and batches for the tests of chapter 4.
#pragma once

#include <string>

#include "ch02_autograd/basic_ops.h"
#include "ch03_transformer/transformer_ops.h"
#include "ch04_moe/model.h"
#include "support/compare.h"

namespace ramoe {

inline constexpr const char* kFamilyNames[] = {"olmoe", "qwen3_moe", "qwen2_moe"};

/// C=8, L=2, NH=2, E=4, K=2, V=11, H=5; NKV = 1 except for olmoe.
inline ModelConfig tiny_config(const std::string& family, bool tied) {
  ModelConfig c;
  c.model_type = from_name<Family>(family, "family");
  c.vocab_size = 11;
  c.hidden_size = 8;
  c.num_hidden_layers = 2;
  c.num_attention_heads = 2;
  c.num_key_value_heads = family == "olmoe" ? 2 : 1;
  c.num_experts = 4;
  c.num_experts_per_tok = 2;
  c.moe_intermediate_size = 5;
  c.max_position_embeddings = 32;
  c.initializer_range = 0.5;  // large, so that every part of the model matters
  c.tie_word_embeddings = tied;
  c.set_family_defaults();
  return c;
}

/// Five layers of which 1 and 3 have experts, and the dense ones a width of 7: layer 2 is dense by
/// decoder_sparse_step, layer 4 too, and 0 by both.
inline ModelConfig with_dense_layers(const std::string& family) {
  ModelConfig c = tiny_config(family, false);
  c.num_hidden_layers = 5;
  c.decoder_sparse_step = 2;
  c.mlp_only_layers = {0};
  c.intermediate_size = 7;
  return c;
}

/// Moves every value by a little: norms away from 1, biases away from 0.
template <class T>
void stir(Model<T>& model, unsigned seed) {
  for (const auto& parameter : model.parameters()) {
    const auto noise = random_values<T>(parameter->value.size(), ++seed, 0.2);
    for (std::size_t i = 0; i < noise.size(); ++i) parameter->value[i] += noise[i];
  }
}

inline void expect_same(const Model<float>& a, const Model<float>& b) {
  ASSERT_EQ(a.parameters().size(), b.parameters().size());
  for (std::size_t i = 0; i < a.parameters().size(); ++i)
    EXPECT_EQ(a.parameters()[i]->value, b.parameters()[i]->value) << a.parameters()[i]->name;
}

/// The next token of each row, nothing behind the last one and in the padding.
inline std::vector<int> next_tokens(const TokenBatch& batch) {
  std::vector<int> target;
  for (int n = 0; n < batch.B * batch.T; ++n) {
    const bool inside = n % batch.T + 1 < batch.length[std::size_t(n / batch.T)];
    target.push_back(inside ? batch.token[std::size_t(n) + 1] : kIgnore);
  }
  return target;
}

/// Cross-entropy + 0.01 balance + 0.001 z-loss of a two-layer model.
template <class T>
Tensor<T> total_loss(Tape<T>& tape, const ForwardResult<T>& result, const TokenBatch& batch,
                     const std::vector<int>& target) {
  const unsigned char* scored = batch.scored.data();
  const int rows = batch.scored_rows();
  const Routing<T>&first = result.routing[0], &second = result.routing[1];
  return weighted_sum<T>(tape, {{cross_entropy(tape, result.logits, target.data()), 1.0},
                                {balance_loss(tape, first, scored, rows), 0.01},
                                {balance_loss(tape, second, scored, rows), 0.01},
                                {z_loss(tape, first, scored, rows), 0.001},
                                {z_loss(tape, second, scored, rows), 0.001}});
}

}  // namespace ramoe
