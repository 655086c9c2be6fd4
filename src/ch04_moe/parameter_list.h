// Chapter 4.4 - what a model of a configuration consists of: every parameter, once
//
// This list says what the model allocates, what is counted, and how files name their tensors.
#pragma once

#include <cmath>
#include <string>
#include <vector>

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/tensor.h"
#include "ch04_moe/model_config.h"

namespace ramoe {

/// One P for each parameter of a layer; a default P if the layer does not have that parameter.
template <class P>
struct LayerOf {
  P norm1{}, q{}, k{}, v{}, o{};
  P q_bias{}, k_bias{}, v_bias{};
  P q_norm{}, k_norm{};
  P norm2{};
  P router{}, gate_up{}, down{};  // gate_up and down of the experts
  P shared_gate_up{}, shared_down{}, shared_gate{};
  P dense_gate_up{}, dense_down{};  // of a layer without experts
};
/// The same for a whole model; lm_head is a default P if it is tied to the embedding.
template <class P>
struct ModelOf {
  P embedding{};
  std::vector<LayerOf<P>> layers;
  P final_norm{}, lm_head{};
};

/// Whether a parameter of this shape is a weight matrix, or one for each expert, and no vector (a
/// norm or a bias).
inline bool is_matrix(const Shape& shape) {
  return shape.rank() >= 2;
}
/// Whether a model with such weights keeps a parameter of this shape as bf16: its matrices alone.
inline bool kept_as_bf16(const Shape& shape, Precision weights) {
  return weights == Precision::bf16 && is_matrix(shape);
}

/// Instead of a deviation: all initial values are 1, or 0.
inline constexpr double kOnes = -1, kZeros = 0;

template <class P, class Add>
LayerOf<P> list_layer(const ModelConfig& c, int l, const Add& add) {
  const int C = c.hidden_size, HS = c.head_size(), E = c.num_experts, H = c.moe_intermediate_size;
  const int query = c.num_attention_heads * HS, key = c.num_key_value_heads * HS;
  const double range = c.initializer_range;
  const double residual = range / std::sqrt(2.0 * c.num_hidden_layers);
  const std::string at = "layers." + std::to_string(l) + ".";
  LayerOf<P> p{};
  p.norm1 = add(at + "input_layernorm", Shape{C}, kOnes);
  p.q = add(at + "q_proj", Shape{C, query}, range);
  p.k = add(at + "k_proj", Shape{C, key}, range);
  p.v = add(at + "v_proj", Shape{C, key}, range);
  p.o = add(at + "o_proj", Shape{query, C}, residual);
  if (c.qkv_bias()) {
    p.q_bias = add(at + "q_bias", Shape{query}, kZeros);
    p.k_bias = add(at + "k_bias", Shape{key}, kZeros);
    p.v_bias = add(at + "v_bias", Shape{key}, kZeros);
  }
  if (c.qk_norm_whole() || c.qk_norm_heads()) {
    p.q_norm = add(at + "q_norm", Shape{c.qk_norm_whole() ? query : HS}, kOnes);
    p.k_norm = add(at + "k_norm", Shape{c.qk_norm_whole() ? key : HS}, kOnes);
  }
  p.norm2 = add(at + "post_attention_layernorm", Shape{C}, kOnes);
  if (!c.is_moe_layer(l)) {
    const int I = c.intermediate_size;
    p.dense_gate_up = add(at + "mlp.gate_up", Shape{C, 2 * I}, range);
    p.dense_down = add(at + "mlp.down", Shape{I, C}, residual);
    return p;
  }
  p.router = add(at + "router", Shape{C, E}, range);
  p.gate_up = add(at + "experts.gate_up", Shape{E, C, 2 * H}, range);
  p.down = add(at + "experts.down", Shape{E, H, C}, residual);
  if (c.shared_expert()) {
    const int HShared = c.shared_expert_intermediate_size;
    p.shared_gate_up = add(at + "shared_expert.gate_up", Shape{C, 2 * HShared}, range);
    p.shared_down = add(at + "shared_expert.down", Shape{HShared, C}, residual);
    p.shared_gate = add(at + "shared_expert_gate", Shape{C, 1}, range);
  }
  return p;
}

/// Calls add(name, shape, deviation) -> P for every parameter, in order. The initial values are
/// normal with this deviation; norms have kOnes, biases kZeros. The widths of `config` must be
/// resolved.
template <class P, class Add>
ModelOf<P> list_parameters(const ModelConfig& config, const Add& add) {
  const int C = config.hidden_size, V = config.vocab_size;
  ModelOf<P> model;
  model.embedding = add("embed_tokens", Shape{V, C}, config.initializer_range);
  for (int l = 0; l < config.num_hidden_layers; ++l)
    model.layers.push_back(list_layer<P>(config, l, add));
  model.final_norm = add("norm", Shape{C}, kOnes);
  if (!config.tie_word_embeddings)
    model.lm_head = add("lm_head", Shape{C, V}, config.initializer_range);
  return model;
}

}  // namespace ramoe
