#include "ch04_moe/model.h"

#include <algorithm>

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
      const bool is_token = t < length;
      const int token = is_token ? sequence[std::size_t(t)] : std::max(pad, 0);
      batch.token.push_back(token);
      batch.position.push_back(t);
      batch.is_token.push_back(is_token);
      batch.scored.push_back(is_token && token != bos);
    }
  }
  return batch;
}

template <class Value>
PlacedBatch<Value> place(Tape<Value>& tape, const TokenBatch& batch, int V) {
  PlacedBatch<Value> placed;
  placed.B = batch.B;
  placed.T = batch.T;
  placed.N = batch.B * batch.T;
  for (std::size_t n = 0; n < batch.token.size(); ++n)
    check(batch.token[n] >= 0 && batch.token[n] < V, "token ", batch.token[n], " at place ", n,
          " is outside the vocabulary of ", V,
          "; was the text encoded with this model's tokenizer?");
  for (std::size_t b = 0; b < batch.length.size(); ++b)
    check(batch.length[b] >= 0 && batch.length[b] <= batch.T, "sequence ", b, " has length ",
          batch.length[b], " in rows of ", batch.T, " tokens.");
  placed.scored_rows = tape.keep_count(batch.scored_rows());
  placed.token = place(tape, batch.token);
  placed.position = place(tape, batch.position);
  placed.length = place(tape, batch.length);
  placed.is_token = place(tape, batch.is_token);
  placed.scored = place(tape, batch.scored);
  return placed;
}

template <class T>
Parameter<T>* Model<T>::add(std::string name, const Shape& shape, double deviation, Seed seed,
                            Precision weights) {
  parameters_.push_back(std::make_unique<Parameter<T>>(
      kept_as_bf16(shape, weights) ? Parameter<T>::kept_as_bf16(std::move(name), shape)
                                   : Parameter<T>(std::move(name), shape)));
  Parameter<T>* parameter = parameters_.back().get();
  if (!seed || deviation == kZeros) return parameter;
  // Each parameter has its own stream: adding one does not change the values of the others.
  Random random(*seed, 1000 + parameters_.size());
  const auto draw = [&](std::vector<Number<T>>& values) {
    for (Number<T>& value : values) {
      stop_point();
      value = static_cast<Number<T>>(deviation == kOnes ? 1.0 : deviation * random.normal());
    }
  };
  if constexpr (Lives<T>::on_gpu) {
    std::vector<Number<T>> values(parameter->value.size());
    draw(values);
    copy_in(parameter->value.data(), values.data(), values.size());
  } else {
    draw(parameter->value);
  }
  return parameter;
}

template <class T>
Model<T>::Model(const ModelConfig& config, std::uint64_t seed)
    : Model(config, Seed(seed), Precision::fp32) {}

template <class T>
Model<T>::Model(const ModelConfig& config, Precision weights) : Model(config, Seed(), weights) {}

template <class T>
Model<T>::Model(const ModelConfig& config, Seed seed, Precision weights) : config_(config) {
  config_.validate();
  config_.resolve_widths();
  all_ = list_parameters<Parameter<T>*>(
      config_, [&](std::string name, const Shape& shape, double deviation) {
        return add(std::move(name), shape, deviation, seed, weights);
      });
}

template <class T>
typename Model<T>::Decoding Model<T>::extend(Tape<T>& tape, KvCache<T>& cache,
                                             const TokenBatch& batch,
                                             std::vector<int>& before) const {
  before = cache.length;
  for (std::size_t b = 0; b < before.size(); ++b) cache.length[b] += batch.length[b];
  return {&cache, place(tape, before), place(tape, cache.length)};
}

template <class T>
AttentionInput<T> Model<T>::project(Tape<T>& tape, const Tensor<T>& x, int l,
                                    const PlacedBatch<T>& batch) {
  const LayerParameters<T>& p = all_.layers[std::size_t(l)];
  const int HS = config_.head_size();
  const double eps = config_.rms_norm_eps;
  const auto layer = [&](Parameter<T>* w, Parameter<T>* b) {
    return Linear<T>{tape.leaf(*w), b ? tape.leaf(*b) : Tensor<T>{}};
  };
  const Tensor<T> h = rmsnorm(tape, x, tape.leaf(*p.norm1), eps);
  auto [q, k, v] = linears(  // (N,NH*HS), (N,NKV*HS), (N,NKV*HS)
      tape, h, std::array{layer(p.q, p.q_bias), layer(p.k, p.k_bias), layer(p.v, p.v_bias)});
  std::array qk{q, k};
  if (config_.qk_norm_whole() || config_.qk_norm_heads()) {
    const std::array w{tape.leaf(*p.q_norm), tape.leaf(*p.k_norm)};
    qk = config_.qk_norm_whole() ? rmsnorms(tape, qk, w, eps) : rmsnorms_heads(tape, qk, w, eps);
  }
  if (config_.clip_qkv > 0)
    for (Tensor<T>* clipped : {&qk[0], &qk[1], &v})
      *clipped = clip(tape, *clipped, config_.clip_qkv);
  qk = ropes_over(tape, qk, batch.position, HS, config_.rope_theta);
  return {qk[0], qk[1], v};
}

template <class T>
Tensor<T> Model<T>::attention_block(Tape<T>& tape, const Tensor<T>& x, int l,
                                    const PlacedBatch<T>& batch, const Decoding& decoding,
                                    const Tensor<T>& over) {
  const auto [q, k, v] = project(tape, x, l, batch);
  const AttentionDims dims{batch.B, batch.T, config_.num_attention_heads,
                           config_.num_key_value_heads, config_.head_size()};
  Tensor<T> mixed;
  if (KvCache<T>* cache = decoding.cache) {
    for (const auto& [to, from] : {std::pair{cache->keys(l), k}, {cache->values(l), v}})
      append_rows<T>(to, from.data, decoding.before, batch.length, batch.B, batch.T,
                     cache->capacity, cache->width);
    if (batch.T == 1 && cache->length[0] > 1) {
      mixed = tape.output(q.shape);
      attention_cached<T>(mixed.data, q.data, cache->keys(l), cache->values(l), decoding.after,
                          cache->capacity, dims);
    }
  }
  if (!mixed.data) mixed = attention(tape, q, k, v, batch.length, dims);
  return linear_plus(tape, x, mixed, tape.leaf(*all_.layers[std::size_t(l)].o), over);
}

/// What is to be left of the routing, in memory that outlives the block.
template <class T>
Routing<T> carried(Tape<T>& tape, Routing<T> r, RoutingLeft left) {
  if (left == RoutingLeft::none) return {};
  const bool inputs = left == RoutingLeft::inputs;
  const std::size_t N = std::size_t(r.N), all = N * std::size_t(r.E), some = N * std::size_t(r.K);
  r.input.data = inputs ? tape.carry(r.input.data, r.input.count()) : nullptr;
  r.logits.z.data = tape.carry(r.logits.z.data, all);
  r.probabilities.p = tape.carry(r.probabilities.p, all);
  r.chosen.expert = tape.carry(r.chosen.expert, some);
  r.gate.data = tape.carry(r.gate.data, some);
  return r;
}

template <class T>
Tensor<T> Model<T>::mixture_block(Tape<T>& tape, const Tensor<T>& x, int l,
                                  const PlacedBatch<T>& batch, const Passing& passing,
                                  std::vector<Routing<T>>& routing, const Tensor<T>& over) {
  const LayerParameters<T>& p = all_.layers[std::size_t(l)];
  const Tensor<T> h = rmsnorm(tape, x, tape.leaf(*p.norm2), config_.rms_norm_eps);
  if (!p.router) {
    const Tensor<T> act = swiglu(tape, linear(tape, h, tape.leaf(*p.dense_gate_up)));
    return linear_plus(tape, x, act, tape.leaf(*p.dense_down), over);
  }
  SharedExpert<T> shared;
  if (p.shared_gate)
    shared = {tape.leaf(*p.shared_gate_up), tape.leaf(*p.shared_gate), tape.leaf(*p.shared_down)};
  const RouterLogits<T> logits = router_logits(tape, h, tape.leaf(*p.router), shared);
  Routing<T> routed = route(tape, h, logits, config_.num_experts_per_tok, config_.norm_topk_prob,
                            passing.hook, static_cast<int>(routing.size()));
  routed.layer = l;
  const Tensor<T> sum = experts(tape, h, routed, tape.leaf(*p.gate_up), tape.leaf(*p.down),
                                batch.is_token, x, shared, over);
  routing.push_back(tape.recording() ? routed : carried(tape, routed, passing.left));
  return sum;
}

template <class T>
void Model<T>::check_lengths(const TokenBatch& batch, const KvCache<T>* cache) const {
  for (int b = 0; b < batch.B; ++b) {
    const int before = cache ? cache->length[std::size_t(b)] : 0;
    check(before + batch.length[std::size_t(b)] <= config_.max_position_embeddings, "sequence ", b,
          " has ", before + batch.length[std::size_t(b)], " tokens; this model reads at most ",
          config_.max_position_embeddings, " (max_position_embeddings).");
  }
}

template <class T>
void Model<T>::place_rows(Tape<T>& tape, PlacedBatch<T>& batch,
                          const std::vector<int>& logit_rows) const {
  for (const int n : logit_rows)
    check(n >= 0 && n < batch.N, "the logits of row ", n, " of ", batch.N, " were asked for.");
  batch.logit_rows = place(tape, logit_rows);
  batch.R = static_cast<int>(logit_rows.size());
}

template <class T>
ForwardResult<T> Model<T>::forward(Tape<T>& tape, const TokenBatch& batch,
                                   const ForwardOptions<T>& options) {
  check_lengths(batch, options.cache);
  PlacedBatch<T> placed = place(tape, batch, config_.vocab_size);
  std::vector<int> before;
  Passing passing{.hook = options.hook, .left = options.left};
  if (options.cache) passing.decoding = extend(tape, *options.cache, batch, before);
  if (options.logit_rows && !options.routing_only) place_rows(tape, placed, *options.logit_rows);
  return compute(tape, placed, passing, options.routing_only);
}

template <class T>
PlacedBatch<T> Model<T>::place_batch(Tape<T>& tape, const TokenBatch& batch,
                                     const std::vector<int>& logit_rows) const {
  check_lengths(batch, nullptr);
  PlacedBatch<T> placed = place(tape, batch, config_.vocab_size);
  place_rows(tape, placed, logit_rows);
  return placed;
}

template <class T>
ForwardResult<T> Model<T>::forward(Tape<T>& tape, const PlacedBatch<T>& batch) {
  return compute(tape, batch, {}, false);
}

template <class T>
AttentionInput<T> Model<T>::attention_input(Tape<T>& tape, const TokenBatch& batch, int l) {
  check(l >= 0 && l < config_.num_hidden_layers, "layer ", l, " was asked for; the model has 0 to ",
        config_.num_hidden_layers - 1, ".");
  check_lengths(batch, nullptr);
  const PlacedBatch<T> placed = place(tape, batch, config_.vocab_size);
  std::vector<Routing<T>> routing;
  return project(tape, pass_layers(tape, l, placed, {}, routing), l, placed);
}

template <class T>
Tensor<T> Model<T>::pass_layers(Tape<T>& tape, int count, const PlacedBatch<T>& batch,
                                const Passing& passing, std::vector<Routing<T>>& routing) {
  Tensor<T> x = ramoe::embedding(tape, *all_.embedding, batch.token, batch.N);
  // Where nothing is recorded, x before and after a block are all that is in memory between blocks.
  Tensor<T> other = tape.recording() ? Tensor<T>{} : tape.output(x.shape);
  const auto add = [&](const auto& block) {
    const typename Tape<T>::Block given_back(tape);
    const Tensor<T> sum = block();
    if (other.data) other = x;
    x = sum;
  };
  for (int l = 0; l < count; ++l) {
    stop_point();
    add([&] { return attention_block(tape, x, l, batch, passing.decoding, other); });
    add([&] { return mixture_block(tape, x, l, batch, passing, routing, other); });
  }
  return x;
}

template <class T>
ForwardResult<T> Model<T>::compute(Tape<T>& tape, const PlacedBatch<T>& batch,
                                   const Passing& passing, bool routing_only) {
  ForwardResult<T> result;
  result.batch = batch;
  result.routing.reserve(all_.layers.size());
  Tensor<T> x = pass_layers(tape, config_.num_hidden_layers, batch, passing, result.routing);
  if (routing_only) return result;
  if (batch.R >= 0) x = gather_rows(tape, x, batch.logit_rows, batch.R);
  x = rmsnorm(tape, x, tape.leaf(*all_.final_norm), config_.rms_norm_eps);
  result.logits = all_.lm_head ? linear(tape, x, tape.leaf(*all_.lm_head))
                               : linear_transposed(tape, x, tape.leaf(*all_.embedding));
  return result;
}

#define RAMOE_INSTANTIATE(T)                                       \
  template PlacedBatch<T> place(Tape<T>&, const TokenBatch&, int); \
  template class Model<T>;
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
