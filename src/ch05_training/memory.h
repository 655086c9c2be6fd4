// Chapter 5.5 - how much memory a model needs, from its shapes alone
//
//   weights       4 bytes per parameter (fp32), or 2 where a model only answers
//   training      12 more per trained parameter: 4 for its gradient, 8 for AdamW's two moments
//   activations   what the tape keeps of B*T tokens for backward, and the gradients of one layer
//   answers       keys and values of every layer, for every token of the sequences in the batch;
//                 the residual stream and what one block of one layer takes, of the prompts
//
// The formulas give what this program allocates, term by term. The tests compare them with real
// parameters and, within 5 per cent, with a real arena, on the host and on a GPU. A GPU holds the
// same tensors, since its tape is the same, and more scratch memory for the experts.
// Tests: tests/ch05_training/memory_test.cpp, tests/cuda/memory_plan_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch04_moe/model.h"
#include "support/platform.h"

namespace ramoe {

/// Floats that a training step keeps in its arena.
struct ActivationCount {
  double per_token;     // for every token: the embedding's row and all layers
  double per_target;    // for every token whose logits are wanted
  double one_layer;     // for every token, once: gradients inside one layer
  double lent;          // for every token, once: released within the layer (experts)
  double scratch;       // for every token, once: beside the arena, within one operation (GPU)
  double stream;        // of per_token: the input of each layer
  double widest_layer;  // of per_token: the largest layer
  double bytes(double tokens, double targets) const {
    return 4 * (tokens * (per_token + one_layer + lent + scratch) + targets * per_target);
  }
  /// If backward kept the input of each layer alone, and computed one layer at a time again.
  double bytes_computed_again(double tokens, double targets) const {
    return 4 * (tokens * (stream + widest_layer + one_layer + lent + scratch) +
                targets * per_target);
  }
};
/// Where the step computes.
enum class MemoryOf { host, gpu };
template <class T>
constexpr MemoryOf memory_of = Lives<T>::on_gpu ? MemoryOf::gpu : MemoryOf::host;
/// `T`: tokens per sequence, padding included; attention keeps NH * T probabilities per token.
ActivationCount count_activations(const ModelConfig& config, int T, MemoryOf of = MemoryOf::host);

/// Floats that a forward pass takes that records nothing, whose blocks give their memory back.
struct ForwardCount {
  double stream;   // for every token: the residual stream before and after a block
  double scratch;  // for every token: beside the arena, within one operation (GPU)
  struct Block {
    double per_row = 0;  // what it takes for each row besides
    double weights = 0;  // numbers in its matrices
  };
  Block attention{}, mixture{}, dense{};  // of a layer
  Block head{};                           // its rows: the tokens whose logits are wanted
  /// With weights in bf16 a block also holds its matrices as fp32.
  double bytes(double tokens, double targets, Precision weights) const {
    const double wide = weights == Precision::bf16 ? 1 : 0;
    const auto floats = [&](const Block& b, double rows) {
      return rows * b.per_row + wide * b.weights;
    };
    const double most = std::max({floats(attention, tokens), floats(mixture, tokens),
                                  floats(dense, tokens), floats(head, targets)});
    return 4 * (tokens * (stream + scratch) + most);
  }
};
ForwardCount count_forward(const ModelConfig& config, int T, MemoryOf of = MemoryOf::host);

/// Bytes of the weights.
double weight_bytes(const ModelConfig& config, Precision weights);

/// Bytes of a training run with batches of B sequences of T tokens. `trained` parameters have
/// gradients and moments; the logits of half of the tokens are wanted.
double training_bytes(const ModelConfig& config, double B, int T, double trained,
                      MemoryOf of = MemoryOf::host);
/// Number of parameters of the routed experts, which RISE trains.
double expert_parameters(const ModelConfig& config);

/// Error if `bytes` are more than there are. It says what they are for, both sizes, and what to
/// lower. `loaded`: the part of them that the process already holds.
void check_memory(double bytes, const std::string& what, const std::string& advice,
                  double loaded = 0, const FreeMemory& there = free_memory());
/// The same for bytes that were counted as floats but are of values of T, where these live: on the
/// host, or on the GPU. RAMOE_MEMORY_GB stands for what is free on either.
template <class T>
void check_memory_for(double bytes, const std::string& what, const std::string& advice,
                      double loaded = 0) {
  constexpr double kWidth = sizeof(T) / sizeof(float);
  if constexpr (Lives<T>::on_gpu)
    if (!environment_gigabytes("RAMOE_MEMORY_GB"))
      return check_memory(kWidth * bytes, what, advice, kWidth * loaded,
                          {static_cast<double>(gpu_memory_free()), "free on the GPU"});
  check_memory(kWidth * bytes, what, advice, kWidth * loaded);
}

/// Bytes of keys and values that answering keeps for each token of a sequence.
double cache_bytes_per_token(const ModelConfig& config);

/// "26.8 GiB", "340 MiB" or "17 KiB".
std::string size_text(double bytes);

struct MemoryQuestion {
  int batch = 8, tokens = 512;  // sequences trained or answered together, tokens of each
  int examples = 1000;          // pairs whose English routing RA-MoE keeps
  double share = 0.25;          // of the experts that RISE trains

  void list(FieldList& fields);
};
/// One way to use a model, and the bytes it takes. `here`: this program does it this way; the
/// others show what would have to change to need less.
struct MemoryNeed {
  std::string what;
  bool here;
  double bytes;
};
std::vector<MemoryNeed> memory_needs(const ModelConfig& config, const MemoryQuestion& question);
/// The same for the memory of one GPU.
std::vector<MemoryNeed> gpu_memory_needs(const ModelConfig& config, const MemoryQuestion& question);

}  // namespace ramoe
