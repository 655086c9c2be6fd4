// Chapter 5.4 - how much memory a model needs, from its shapes alone
//
//   weights       4 bytes a parameter (fp32)
//   training      4 more for its gradient and 8 for AdamW's two moments, where a parameter is
//   trained activations   what the tape keeps of B*T tokens for backward, and the gradients of one
//   layer answers       keys and values of every layer and token of the sequences being answered
//
// Formulas of what this program allocates, term by term; the tests hold them against real
// parameters and, within 5 per cent, against a real arena.
// Tests: tests/ch05_training/memory_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch04_moe/model.h"

namespace ramoe {

/// Floats that a training step keeps in its arena.
struct ActivationCount {
  double per_token;   // of every token: the embedding's row and all layers
  double per_target;  // of every token whose logits are wanted
  double one_layer;   // of every token, once: gradients on their way through a layer
  double lent;        // of every token, once: given back within the layer (experts)
  double bytes(double tokens, double targets) const {
    return 4 * (tokens * (per_token + one_layer + lent) + targets * per_target);
  }
};
/// `T`: tokens per sequence, padding included; attention keeps NH * T probabilities of each token.
ActivationCount count_activations(const ModelConfig& config, int T);

/// Bytes of a training run with batches of B rows of T tokens, half of whose logits are wanted, if
/// `trained` of the model's parameters have gradients and moments.
double training_bytes(const ModelConfig& config, double B, int T, double trained);
/// Parameters of the routed experts, which RISE trains.
double expert_parameters(const ModelConfig& config);

/// Error if `bytes` are more than free_memory(): what they are for, both sizes, and what to lower.
/// `loaded`: what of them the process holds already.
void check_memory(double bytes, const std::string& what, const std::string& advice,
                  double loaded = 0);

/// Bytes of keys and values that answering keeps of one token of one sequence.
double cache_bytes_per_token(const ModelConfig& config);

/// "26.8 GiB", "340 MiB" or "17 KiB".
std::string size_text(double bytes);

struct MemoryQuestion {
  int batch = 8, tokens = 512;  // sequences trained or answered together, tokens of each
  int examples = 1000;          // pairs whose English routing RA-MoE keeps
  double share = 0.25;          // of the experts, for RISE

  void list(FieldList& fields);
};
/// One way to use a model, and the bytes it takes. `here`: this program does it so; the others say
/// what would have to change to fit in less.
struct MemoryNeed {
  std::string what;
  bool here;
  double bytes;
};
std::vector<MemoryNeed> memory_needs(const ModelConfig& config, const MemoryQuestion& question);

}  // namespace ramoe
