// Chapter 3.5 - generation: greedy or sampled, many prompts at a time, with a key/value cache
//
// A model that can continue text implements CachedModel; generate() drives it. Prompts of different
// lengths share a batch: every sequence has its own length in the cache, so no padding enters the
// attention of a decoding step. Tests: tests/ch03_transformer/generate_test.cpp
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "ch01_tensor/storage.h"

namespace ramoe {

/// Keys (after rotation) and values of the tokens seen so far, for every layer.
template <class T>
struct KvCache {
  KvCache(int layers, int B_, int capacity_, int width_)
      : B(B_), capacity(capacity_), width(width_), length(static_cast<std::size_t>(B_), 0) {
    k.resize(offset(layers));
    v.resize(offset(layers));
  }
  T* keys(int layer) { return k.data() + offset(layer); }
  T* values(int layer) { return v.data() + offset(layer); }

  int B, capacity, width;   // width = NKV*HS; per layer (B, capacity, width)
  std::vector<int> length;  // tokens in the cache, per sequence
  Storage<T> k, v;

 private:
  std::size_t offset(int layer) const {
    return static_cast<std::size_t>(layer) * static_cast<std::size_t>(B) *
           static_cast<std::size_t>(capacity) * static_cast<std::size_t>(width);
  }
};

/// Appends new rows to the keys or values of a layer, (B,capacity,width):
///   cache[b, cached[b] + t, :] = rows[b*T + t, :]  for t < length[b]
template <class T_>
void append_rows(T_* cache, const T_* rows, const Index<T_>* cached, const Index<T_>* length, int B,
                 int T, int capacity, int width);

class CachedModel {
 public:
  virtual ~CachedModel() = default;
  virtual int vocabulary() const = 0;
  virtual int max_length() const = 0;
  /// Reads B prompts into an empty cache and returns the logits (B,V) after the last token of each,
  /// valid until the next call.
  virtual const float* start(const std::vector<std::vector<int>>& prompts, int capacity) = 0;
  /// Appends one token to each sequence of the current batch and returns the next logits (B,V).
  virtual const float* step(const std::vector<int>& tokens) = 0;
  /// Keeps only the listed sequences (ascending), e.g. those that have not ended.
  virtual void keep(const std::vector<int>& sequences) = 0;
};

struct GenerateOptions {
  int max_new_tokens = 32;
  std::vector<int> eos = {};  // each of these tokens ends a sequence; empty: only its length does
  int vocabulary = 0;         // only tokens below this are chosen; 0: all tokens of the model
  int batch = 64;             // max prompts per batch; a batch has prompts of similar length
  int batch_tokens = 0;       // max tokens of a batch of several prompts, new ones included; 0: any
  double temperature = 0;     // 0: greedy (ties to the lower token)
  int top_k = 0;              // sample from the k most likely; 0: from all
  double top_p = 1;           // sample from the smallest set with at least this probability
  std::uint64_t seed = 1;     // draws depend only on (seed, prompt index, position)
  /// Also ends a sequence: called after each new token, with all new tokens of the sequence.
  std::function<bool(const std::vector<int>& output)> has_stopped = {};
  /// Called after each position of a batch. `done` is the number of new tokens so far, out of
  /// prompts * max_new_tokens; an answer that ended early counts as if it had all of them.
  std::function<void(std::size_t done)> watch = {};
};

/// The continuation of each prompt, without the prompt and without eos, in the order of the
/// prompts. Error: an empty prompt, or prompt + max_new_tokens beyond the model's maximum length.
std::vector<std::vector<int>> generate(CachedModel& model,
                                       const std::vector<std::vector<int>>& prompts,
                                       const GenerateOptions& options);

/// Chooses one token from logits (V) by GenerateOptions. `uniform` is a draw from [0,1).
int sample_token(const float* logits, int V, const GenerateOptions& options, double uniform);

}  // namespace ramoe
