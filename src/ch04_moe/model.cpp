#include "ch04_moe/model.h"

#include <algorithm>
#include <cmath>

#include "ch01_tensor/philox.h"
#include "ch02_autograd/basic_ops.h"
#include "ch03_transformer/transformer_ops.h"
#include "support/stop.h"

namespace ramoe {

TokenBatch make_batch(const std::vector<std::vector<int>>& sequences, int pad, int bos) {
  TokenBatch batch;
  batch.B = static_cast<int>(sequences.size());
  for (std::size_t b = 0; b < sequences.size(); ++b) {
    check(!sequences[b].empty(), "sequence ", b, " of the batch is empty.");
    batch.T = std::max(batch.T, static_cast<int>(sequences[b].size()));
  }
  for (const std::vector<int>& sequence : sequences) {
    const int length = static_cast<int>(sequence.size());
    batch.length.push_back(length);
    for (int t = 0; t < batch.T; ++t) {
      const bool real = t < length;
      const int token = real ? sequence[std::size_t(t)] : std::max(pad, 0);
      batch.token.push_back(token);
      batch.position.push_back(t);
      batch.real.push_back(real);
      batch.counts.push_back(real && token != bos);
    }
  }
  return batch;
}

template <class T>
Parameter<T>* Model<T>::add(std::string name, const Shape& shape, double deviation, Seed seed) {
  parameters_.push_back(std::make_unique<Parameter<T>>(std::move(name), shape));
  Parameter<T>* parameter = parameters_.back().get();
  if (!seed) return parameter;
  if (deviation < 0) {  // a norm's weight
    std::fill(parameter->value.begin(), parameter->value.end(), T(1));
  } else if (deviation > 0) {
    // Every parameter has a stream of its own: adding one does not move the others.
    Random random(*seed, 1000 + parameters_.size());
    for (T& value : parameter->value) {
      stop_point();
      value = static_cast<T>(deviation * random.normal());
    }
  }
  return parameter;
}

namespace {
constexpr double kOnes = -1, kZeros = 0;  // in place of a deviation
}

template <class T>
Model<T>::Model(const ModelConfig& config, std::uint64_t seed) : Model(config, Seed(seed)) {}

template <class T>
Model<T>::Model(const ModelConfig& config) : Model(config, Seed()) {}

template <class T>
Model<T>::Model(const ModelConfig& config, Seed seed) : config_(config) {
  config_.validate();
  config_.resolve_widths();
  const ModelConfig& c = config_;
  const int C = c.hidden_size;
  embedding_ = add("embed_tokens", {c.vocab_size, C}, c.initializer_range, seed);
  for (int l = 0; l < c.num_hidden_layers; ++l) add_layer(l, seed);
  final_norm_ = add("norm", {C}, kOnes, seed);
  if (!c.tie_word_embeddings)
    lm_head_ = add("lm_head", {C, c.vocab_size}, c.initializer_range, seed);
}

template <class T>
void Model<T>::add_layer(int l, Seed seed) {
  const ModelConfig& c = config_;
  const int C = c.hidden_size, HS = c.head_size(), E = c.num_experts, H = c.moe_intermediate_size;
  const int query = c.num_attention_heads * HS, key = c.num_key_value_heads * HS;
  const double range = c.initializer_range;
  const double residual = range / std::sqrt(2.0 * c.num_hidden_layers);
  const std::string at = "layers." + std::to_string(l) + ".";
  LayerParameters<T> p{};
  p.norm1 = add(at + "input_layernorm", {C}, kOnes, seed);
  p.q = add(at + "q_proj", {C, query}, range, seed);
  p.k = add(at + "k_proj", {C, key}, range, seed);
  p.v = add(at + "v_proj", {C, key}, range, seed);
  p.o = add(at + "o_proj", {query, C}, residual, seed);
  if (c.qkv_bias()) {
    p.q_bias = add(at + "q_bias", {query}, kZeros, seed);
    p.k_bias = add(at + "k_bias", {key}, kZeros, seed);
    p.v_bias = add(at + "v_bias", {key}, kZeros, seed);
  }
  if (c.qk_norm_whole() || c.qk_norm_heads()) {
    p.q_norm = add(at + "q_norm", {c.qk_norm_whole() ? query : HS}, kOnes, seed);
    p.k_norm = add(at + "k_norm", {c.qk_norm_whole() ? key : HS}, kOnes, seed);
  }
  p.norm2 = add(at + "post_attention_layernorm", {C}, kOnes, seed);
  if (!c.is_moe_layer(l)) {
    const int I = c.intermediate_size;
    p.dense_gate_up = add(at + "mlp.gate_up", {C, 2 * I}, range, seed);
    p.dense_down = add(at + "mlp.down", {I, C}, residual, seed);
    layers_.push_back(p);
    return;
  }
  p.router = add(at + "router", {C, E}, range, seed);
  p.gate_up = add(at + "experts.gate_up", {E, C, 2 * H}, range, seed);
  p.down = add(at + "experts.down", {E, H, C}, residual, seed);
  if (c.shared_expert()) {
    const int HShared = c.shared_expert_intermediate_size;
    p.shared_gate_up = add(at + "shared_expert.gate_up", {C, 2 * HShared}, range, seed);
    p.shared_down = add(at + "shared_expert.down", {HShared, C}, residual, seed);
    p.shared_gate = add(at + "shared_expert_gate", {C, 1}, range, seed);
  }
  layers_.push_back(p);
}

template <class T>
Tensor<T> Model<T>::attention_block(Tape<T>& tape, const Tensor<T>& x, int l,
                                    const TokenBatch& batch, KvCache* cache) {
  const LayerParameters<T>& p = layers_[std::size_t(l)];
  const int HS = config_.head_size();
  const double eps = config_.rms_norm_eps;
  const auto bias = [&](Parameter<T>* b) { return b ? tape.leaf(*b) : Tensor<T>{}; };
  const Tensor<T> h = rmsnorm(tape, x, tape.leaf(*p.norm1), eps);
  Tensor<T> q = linear(tape, h, tape.leaf(*p.q), bias(p.q_bias));  // (N,NH*HS)
  Tensor<T> k = linear(tape, h, tape.leaf(*p.k), bias(p.k_bias));  // (N,NKV*HS)
  Tensor<T> v = linear(tape, h, tape.leaf(*p.v), bias(p.v_bias));  // (N,NKV*HS)
  if (config_.qk_norm_whole()) {
    q = rmsnorm(tape, q, tape.leaf(*p.q_norm), eps);
    k = rmsnorm(tape, k, tape.leaf(*p.k_norm), eps);
  } else if (config_.qk_norm_heads()) {
    q = rmsnorm_heads(tape, q, tape.leaf(*p.q_norm), eps);
    k = rmsnorm_heads(tape, k, tape.leaf(*p.k_norm), eps);
  }
  if (config_.clip_qkv > 0)
    for (Tensor<T>* clipped : {&q, &k, &v}) *clipped = clip(tape, *clipped, config_.clip_qkv);
  q = rope_over(tape, q, batch.position.data(), HS, config_.rope_theta);
  k = rope_over(tape, k, batch.position.data(), HS, config_.rope_theta);
  const AttentionDims dims{batch.B, batch.T, config_.num_attention_heads,
                           config_.num_key_value_heads, HS};
  Tensor<T> mixed;
  if constexpr (std::is_same_v<T, float>) {
    if (cache) {
      for (int b = 0; b < batch.B; ++b) {  // append the new rows to the cache
        const std::size_t old = static_cast<std::size_t>(cache->length[std::size_t(b)]);
        const std::size_t width = std::size_t(cache->width);
        const std::size_t to = (std::size_t(b) * std::size_t(cache->capacity) + old) * width;
        const std::size_t count = std::size_t(batch.length[std::size_t(b)]) * width;
        std::copy_n(row(k.data, b * batch.T, cache->width), count, cache->keys(l) + to);
        std::copy_n(row(v.data, b * batch.T, cache->width), count, cache->values(l) + to);
      }
      if (batch.T == 1 && cache->length[0] > 0) {
        std::vector<int> length(cache->length);
        for (int& n : length) ++n;
        mixed = tape.output(q.shape);
        attention_cached(mixed.data, q.data, cache->keys(l), cache->values(l), length.data(),
                         cache->capacity, dims);
      }
    }
  }
  if (!mixed.data) mixed = attention(tape, q, k, v, batch.length.data(), dims);
  return add_over(tape, x, linear(tape, mixed, tape.leaf(*p.o)));
}

template <class T>
Tensor<T> Model<T>::mixture_block(Tape<T>& tape, const Tensor<T>& x, int l, const TokenBatch& batch,
                                  const RouterHook* hook, std::vector<Routing<T>>& routing) {
  const LayerParameters<T>& p = layers_[std::size_t(l)];
  const Tensor<T> h = rmsnorm(tape, x, tape.leaf(*p.norm2), config_.rms_norm_eps);
  const auto dense = [&](Parameter<T>& gate_up, Parameter<T>& down) {
    return linear(tape, swiglu(tape, linear(tape, h, tape.leaf(gate_up))), tape.leaf(down));
  };
  if (!p.router) return add_over(tape, x, dense(*p.dense_gate_up, *p.dense_down));
  routing.push_back(route(tape, h, tape.leaf(*p.router), config_.num_experts_per_tok,
                          config_.norm_topk_prob, hook, static_cast<int>(routing.size())));
  routing.back().layer = l;
  Tensor<T> y = experts(tape, h, routing.back(), tape.leaf(*p.gate_up), tape.leaf(*p.down),
                        batch.real.data());
  if (p.shared_gate) {
    const Tensor<T> shared = dense(*p.shared_gate_up, *p.shared_down);
    y = add_over(tape, y,
                 sigmoid_gate(tape, linear_fp32(tape, h, tape.leaf(*p.shared_gate)), shared));
  }
  return add_over(tape, x, y);
}

template <class T>
ForwardResult<T> Model<T>::forward(Tape<T>& tape, const TokenBatch& batch,
                                   const ForwardOptions& options) {
  for (int b = 0; b < batch.B; ++b) {
    const int before = options.cache ? options.cache->length[std::size_t(b)] : 0;
    check(before + batch.length[std::size_t(b)] <= config_.max_position_embeddings, "sequence ", b,
          " has ", before + batch.length[std::size_t(b)], " tokens; this model reads at most ",
          config_.max_position_embeddings, " (max_position_embeddings).");
  }
  const int N = batch.B * batch.T;
  ForwardResult<T> result;
  result.routing.reserve(layers_.size());
  Tensor<T> x = ramoe::embedding(tape, tape.leaf(*embedding_), batch.token.data(), N);
  for (int l = 0; l < config_.num_hidden_layers; ++l) {
    x = attention_block(tape, x, l, batch, options.cache);
    x = mixture_block(tape, x, l, batch, options.hook, result.routing);
  }
  if (options.cache)
    for (int b = 0; b < batch.B; ++b)
      options.cache->length[std::size_t(b)] += batch.length[std::size_t(b)];
  if (options.routing_only) return result;
  if (options.logit_rows)
    x = gather_rows(tape, x, options.logit_rows->data(),
                    static_cast<int>(options.logit_rows->size()));
  x = rmsnorm(tape, x, tape.leaf(*final_norm_), config_.rms_norm_eps);
  result.logits = lm_head_ ? linear(tape, x, tape.leaf(*lm_head_))
                           : linear_transposed(tape, x, tape.leaf(*embedding_));
  return result;
}

template <class T>
void Model<T>::copy_values(const Model& other) {
  check(parameters_.size() == other.parameters_.size(), "copy_values: the models differ.");
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    check(parameters_[i]->shape == other.parameters_[i]->shape,
          "copy_values: ", parameters_[i]->name, " has shapes ", parameters_[i]->shape, " and ",
          other.parameters_[i]->shape, ".");
    parameters_[i]->value = other.parameters_[i]->value;
  }
}

template class Model<float>;
template class Model<double>;

}  // namespace ramoe
