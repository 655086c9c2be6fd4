// Chapter 4.5 - the model: embedding, L pre-norm blocks of attention and experts, output layer
//
//   x = embed(tokens)
//   for each layer:   x += attention(norm1(x));   x += mixture(norm2(x))  (or a dense SwiGLU)
//   logits = lm_head(norm(x))
//
// Weights of linear layers are stored (in,out), so that forward is a row-major product x W. Files
// hold them as (out,in), with Hugging Face's names and shapes (src/formats transposes them).
// Tests: tests/ch04_moe/model_test.cpp
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <vector>

#include "ch03_transformer/generate.h"
#include "ch04_moe/experts.h"
#include "ch04_moe/parameter_list.h"

namespace ramoe {

/// B sequences side by side, padded on the right to T tokens; N = B*T rows.
/// `scored` marks the rows that enter routing statistics and router losses: tokens except BOS.
struct TokenBatch {
  int B = 0, T = 0;
  std::vector<int> token, position, length;  // (N), (N), (B)
  std::vector<unsigned char> is_token;       // (N): not padding
  std::vector<unsigned char> scored;         // (N): neither padding nor BOS
  int scored_rows() const {
    return static_cast<int>(
        std::count_if(scored.begin(), scored.end(), [](auto s) { return s != 0; }));
  }
};
/// Pads the sequences with `pad`, or with token 0 if `pad` is -1 (no pad token). `bos` is -1 if
/// there is none. Error: an empty sequence.
TokenBatch make_batch(const std::vector<std::vector<int>>& sequences, int pad, int bos);

/// The vector, copied to where the values of T live; valid until the tape's reset. On the host it
/// is the vector itself, which must live as long.
template <class T, class Value>
const Beside<T, Value>* place(Tape<T>& tape, const std::vector<Value>& host) {
  if constexpr (Lives<T>::on_gpu) {
    Beside<T, Value>* there = tape.template keep<Beside<T, Value>>(host.size());
    copy_in(there, host.data(), host.size());
    return there;
  } else {
    return host.data();
  }
}

/// A batch, placed where the values of `Value` live.
template <class Value>
struct PlacedBatch {
  int B = 0, T = 0, N = 0;
  Count<Value> scored_rows{};
  const Index<Value>*token = nullptr, *position = nullptr;  // (N)
  const Index<Value>* length = nullptr;                     // (B)
  const Flag<Value>*is_token = nullptr, *scored = nullptr;  // (N)
  const Index<Value>* logit_rows = nullptr;                 // (R)
  int R = -1;                                               // -1: the logits of all N rows
};
/// Error: a token outside [0, V), a length outside [0, T].
template <class Value>
PlacedBatch<Value> place(Tape<Value>& tape, const TokenBatch& batch, int V);

template <class T>
using LayerParameters = LayerOf<Parameter<T>*>;

/// What is left of each layer's routing after a pass that records nothing: nothing, all but the
/// router's inputs, or these too. What is not left has no data.
enum class RoutingLeft { none, decisions, inputs };

template <class T>
struct ForwardOptions {
  /// Rows (of N) whose logits are wanted, in order; nullptr: all N rows.
  const std::vector<int>* logit_rows = nullptr;
  /// Computes no logits: only the routing is wanted.
  bool routing_only = false;
  /// Reads and extends this cache: the first call fills it, each later call adds one token per
  /// sequence.
  KvCache<T>* cache = nullptr;
  /// Changes the router logits; for inference only.
  const RouterHook<T>* hook = nullptr;
  RoutingLeft left = RoutingLeft::decisions;
};

/// What the attention of a layer reads: normalised where the family does so, and rotated.
template <class T>
struct AttentionInput {
  Tensor<T> q, k, v;  // (N,NH*HS), (N,NKV*HS), (N,NKV*HS)
};

template <class T>
struct ForwardResult {
  Tensor<T> logits;                 // (R,V); no data if routing_only
  std::vector<Routing<T>> routing;  // one per MoE layer, in order; see RoutingLeft
  PlacedBatch<T> batch;
};

template <class T>
class Model {
 public:
  /// Random weights from `seed`: normal with deviation initializer_range; norms 1, biases 0. The
  /// projections back into the residual stream (o, down) are scaled by 1/sqrt(2L).
  Model(const ModelConfig& config, std::uint64_t seed);
  /// All weights are zero, norms too: to be filled from a file or another model. With weights in
  /// bf16, all matrices are kept in half the memory; such a model only answers.
  explicit Model(const ModelConfig& config, Precision weights = Precision::fp32);
  Model(const Model&) = delete;
  Model& operator=(const Model&) = delete;

  const ModelConfig& config() const { return config_; }
  /// How the matrices are kept.
  Precision weights() const {
    return all_.embedding->bf16.empty() ? Precision::fp32 : Precision::bf16;
  }
  const std::vector<std::unique_ptr<Parameter<T>>>& parameters() const { return parameters_; }
  const LayerParameters<T>& layer(int l) const { return all_.layers[static_cast<std::size_t>(l)]; }
  Parameter<T>* embedding() const { return all_.embedding; }
  Parameter<T>* final_norm() const { return all_.final_norm; }
  /// nullptr if tied to the embedding.
  Parameter<T>* lm_head() const { return all_.lm_head; }

  /// The batch must outlive the tape's step. On a tape that records nothing the memory of each
  /// layer is given back after it. Error: a token outside the vocabulary, a sequence longer than
  /// max_position_embeddings.
  ForwardResult<T> forward(Tape<T>& tape, const TokenBatch& batch,
                           const ForwardOptions<T>& options = {});
  /// The same in two steps: copies and checks the batch and the rows whose logits are wanted, and
  /// computes with what was placed, without reading anything of the host.
  PlacedBatch<T> place_batch(Tape<T>& tape, const TokenBatch& batch,
                             const std::vector<int>& logit_rows) const;
  ForwardResult<T> forward(Tape<T>& tape, const PlacedBatch<T>& batch);
  /// q, k and v of layer `l`, for looking inside: computes the layers before it. Error: no such
  /// layer, and as for forward().
  AttentionInput<T> attention_input(Tape<T>& tape, const TokenBatch& batch, int l);

  /// Copies all values from a model of the same configuration, of this type or another.
  template <class From>
  void copy_values(const Model<From>& other);

 private:
  using Seed = std::optional<std::uint64_t>;
  Model(const ModelConfig& config, Seed seed, Precision weights);
  Parameter<T>* add(std::string name, const Shape& shape, double deviation, Seed seed,
                    Precision weights);
  /// A cache, with the length of each sequence in it before and after this batch.
  struct Decoding {
    KvCache<T>* cache = nullptr;
    const Index<T>*before = nullptr, *after = nullptr;  // (B)
  };
  Decoding extend(Tape<T>& tape, KvCache<T>& cache, const TokenBatch& batch,
                  std::vector<int>& before) const;
  void check_lengths(const TokenBatch& batch, const KvCache<T>* cache) const;
  void place_rows(Tape<T>& tape, PlacedBatch<T>& batch, const std::vector<int>& logit_rows) const;
  /// How a pass goes through the layers, but for its logits.
  struct Passing {
    Decoding decoding{};
    const RouterHook<T>* hook = nullptr;
    RoutingLeft left = RoutingLeft::decisions;
  };
  ForwardResult<T> compute(Tape<T>& tape, const PlacedBatch<T>& batch, const Passing& passing,
                           bool routing_only);
  /// The residual stream after `count` layers.
  Tensor<T> pass_layers(Tape<T>& tape, int count, const PlacedBatch<T>& batch,
                        const Passing& passing, std::vector<Routing<T>>& routing);
  AttentionInput<T> project(Tape<T>& tape, const Tensor<T>& x, int l, const PlacedBatch<T>& batch);
  // x + the block, in the memory of `over` if that has data.
  Tensor<T> attention_block(Tape<T>& tape, const Tensor<T>& x, int l, const PlacedBatch<T>& batch,
                            const Decoding& decoding, const Tensor<T>& over);
  Tensor<T> mixture_block(Tape<T>& tape, const Tensor<T>& x, int l, const PlacedBatch<T>& batch,
                          const Passing& passing, std::vector<Routing<T>>& routing,
                          const Tensor<T>& over);

  ModelConfig config_;
  std::vector<std::unique_ptr<Parameter<T>>> parameters_;
  ModelOf<Parameter<T>*> all_;
};

template <class T>
template <class From>
void Model<T>::copy_values(const Model<From>& other) {
  check(parameters_.size() == other.parameters().size(), "copy_values: the models differ.");
  for (std::size_t i = 0; i < parameters_.size(); ++i) {
    Parameter<T>& to = *parameters_[i];
    const Parameter<From>& from = *other.parameters()[i];
    check(to.shape == from.shape, "copy_values: ", to.name, " has shapes ", to.shape, " and ",
          from.shape, ".");
    check(to.bf16.empty() && from.bf16.empty(), "copy_values: ", to.name,
          " is kept as BF16; expected fp32 weights on both sides.");
    if constexpr (std::is_same_v<T, From>) {
      copy_within(to.value.data(), from.value.data(), from.value.size());
    } else if constexpr (!Lives<T>::on_gpu && !Lives<From>::on_gpu) {
      std::copy(from.value.begin(), from.value.end(), to.value.begin());
    } else {
      std::vector<Number<From>> values(from.value.size());
      copy_out(values.data(), from.value.data(), values.size());
      const std::vector<Number<T>> converted(values.begin(), values.end());
      copy_in(to.value.data(), converted.data(), converted.size());
    }
  }
}

/// The number of parameters, and of those that one token uses.
struct ParameterCount {
  std::size_t total, active;
};
ParameterCount count_parameters(const ModelConfig& config);

/// A model behind the interface of chapter 3.5, with its own arena and cache.
template <class T>
class CachedMoe : public CachedModel {
 public:
  explicit CachedMoe(Model<T>& model, const RouterHook<T>* hook = nullptr)
      : model_(model), hook_(hook), tape_(arena_) {}
  int vocabulary() const override { return model_.config().vocab_size; }
  int max_length() const override { return model_.config().max_position_embeddings; }
  const float* start(const std::vector<std::vector<int>>& prompts, int capacity) override;
  const float* step(const std::vector<int>& tokens) override;
  void keep(const std::vector<int>& sequences) override;

 private:
  const float* run(const TokenBatch& batch, const std::vector<int>& rows);
  Model<T>& model_;
  const RouterHook<T>* hook_;
  ArenaOf<T> arena_;
  Tape<T> tape_;
  std::unique_ptr<KvCache<T>> cache_;
  std::vector<Number<T>> fetched_;  // the logits, copied to the host
  std::vector<float> logits_;       // the same as floats
};

}  // namespace ramoe
