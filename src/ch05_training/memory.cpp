#include "ch05_training/memory.h"

#include <algorithm>
#include <cstdio>

#include "ch05_training/training_batch.h"
#include "support/error.h"
#include "support/platform.h"

namespace ramoe {
namespace {
constexpr double kMoments = 12;  // bytes of a trained parameter's gradient and its two moments

ModelConfig resolved(ModelConfig config) {
  config.resolve_widths();
  return config;
}

/// Floats that the blocks of a layer keep of a token, with their sums.
struct BlockFloats {
  double attention, mixture, dense;
  double of_shared;  // of mixture: act of the shared expert and, but for a GPU, its output
};
BlockFloats count_blocks(const ModelConfig& c, int T, MemoryOf of) {
  const double C = c.hidden_size, E = c.num_experts, K = c.num_experts_per_tok;
  const double H = c.moe_intermediate_size;
  const double Q = c.num_attention_heads * c.head_size();
  const double KV = c.num_key_value_heads * c.head_size();

  // norm; q, k, v; the output of attention and its probabilities; the sum
  double attention = (C + 1) + (Q + 2 * KV) + Q + double(c.num_attention_heads) * T + C;
  if (c.qk_norm_whole()) attention += Q + KV + 2;
  if (c.qk_norm_heads()) attention += Q + KV + c.num_attention_heads + c.num_key_value_heads;
  if (c.clip_qkv > 0) attention += Q + 2 * KV;

  // norm; z and p; choices, gates and the three slot tables; gate and up of each choice; the sum.
  // The rest of an expert's chain is computed again in backward.
  double mixture = (C + 1) + 2 * E + 5 * K + K * 2 * H + C;
  // Of the shared expert gate and up, act, its gate, and but for a GPU its output.
  const double shared = c.shared_expert() ? c.shared_expert_intermediate_size : 0;
  const double of_shared = shared + (shared > 0 && of == MemoryOf::host ? C : 0);
  if (shared > 0) mixture += 2 * shared + 1 + of_shared;
  return {attention, mixture, (C + 1) + 3.0 * c.intermediate_size + C, of_shared};
}

/// Floats beside the arena, for every token: a GPU computes all experts at once.
double scratch_floats(const ModelConfig& c, MemoryOf of) {
  return of == MemoryOf::gpu && c.moe_layer_count() > 0
             ? double(c.num_experts_per_tok) * c.moe_intermediate_size
             : 0;
}

}  // namespace

ActivationCount count_activations(const ModelConfig& config, int T, MemoryOf of) {
  const ModelConfig c = resolved(config);
  const BlockFloats block = count_blocks(c, T, of);
  const double C = c.hidden_size, E = c.num_experts, K = c.num_experts_per_tok;
  const double V = c.vocab_size, Q = c.num_attention_heads * c.head_size();
  const double KV = c.num_key_value_heads * c.head_size();
  const double shared = c.shared_expert() ? c.shared_expert_intermediate_size : 0;
  const double moe = c.moe_layer_count();
  ActivationCount count;
  count.per_token = C + c.num_hidden_layers * block.attention + moe * block.mixture +
                    (c.num_hidden_layers - moe) * block.dense;
  count.per_target = 2 * V + 4 * C;  // logits and last norm with their gradients
  // The residual stream and the normed input; q, k, v and output of attention; z and gates; gate
  // and up of a dense layer or shared expert, whose blocks do not always find a second use.
  const double wide =
      std::max(shared, c.num_hidden_layers > moe ? double(c.intermediate_size) : 0.0);
  count.one_layer = 2 * C + 2 * Q + 2 * KV + E + K + 2 * wide + shared;
  count.stream = C * (1 + c.num_hidden_layers);
  count.widest_layer = block.attention + std::max(moe > 0 ? block.mixture : 0,
                                                  c.num_hidden_layers > moe ? block.dense : 0);
  // Outputs of the experts, or gradients of their inputs; gradients of the shared expert's values.
  // A GPU computes all experts at once: its backward needs gradients of gate, up and act of each
  // choice, its forward act.
  count.scratch = scratch_floats(c, of);
  count.lent = K * C + block.of_shared + 3 * count.scratch;
  return count;
}

ForwardCount count_forward(const ModelConfig& config, int T, MemoryOf of) {
  const ModelConfig c = resolved(config);
  const BlockFloats block = count_blocks(c, T, of);
  const double C = c.hidden_size;
  ForwardCount count{.stream = 2 * C,
                     .scratch = scratch_floats(c, of),
                     .head = {2 * C + 1 + c.vocab_size, double(c.vocab_size) * C}};
  const auto all = list_parameters<double>(c, [](const std::string&, const Shape& shape, double) {
    return is_matrix(shape) ? double(shape.count()) : 0;
  });
  // The sum of a block is part of the stream. The experts' outputs are released within their block.
  for (const LayerOf<double>& l : all.layers) {
    count.attention = {block.attention - C, l.q + l.k + l.v + l.o};
    if (l.router > 0)
      count.mixture = {block.mixture - C + c.num_experts_per_tok * C,
                       l.router + l.gate_up + l.down + l.shared_gate_up + l.shared_down +
                           l.shared_gate};
    else
      count.dense = {block.dense - C, l.dense_gate_up + l.dense_down};
  }
  return count;
}

double weight_bytes(const ModelConfig& config, Precision weights) {
  double bytes = 0;
  list_parameters<int>(resolved(config), [&](const std::string&, const Shape& shape, double) {
    bytes += double(shape.count()) * (kept_as_bf16(shape, weights) ? 2 : 4);
    return 0;
  });
  return bytes;
}

double training_bytes(const ModelConfig& config, double B, int T, double trained, MemoryOf of) {
  const int padded = common_size(T);
  if (of == MemoryOf::gpu && B * padded <= kMostCommonTokens) T = padded;
  return weight_bytes(config, Precision::fp32) + kMoments * trained +
         count_activations(config, T, of).bytes(B * T, B * T / 2);
}

double expert_parameters(const ModelConfig& c) {
  return double(c.moe_layer_count()) * c.num_experts * 3 * c.hidden_size * c.moe_intermediate_size;
}

void check_memory(double bytes, const std::string& what, const std::string& advice, double loaded,
                  const FreeMemory& there) {
  check(bytes - loaded <= there.bytes, what, " needs ", size_text(bytes),
        loaded > 0 ? " (" + size_text(loaded) + " of it is loaded)" : "", ", and ",
        size_text(there.bytes), " is ", there.said_by, "; ", advice,
        " (`ramoe memory` counts; RAMOE_MEMORY_GB in the environment says how much may be used).");
}

double cache_bytes_per_token(const ModelConfig& c) {
  return 4.0 * 2 * c.num_hidden_layers * c.num_key_value_heads * c.head_size();
}

std::string size_text(double bytes) {
  const bool gib = bytes >= 1 << 30, mib = bytes >= 1 << 20;
  const double value = bytes / (gib ? 1 << 30 : mib ? 1 << 20 : 1 << 10);
  char text[32];
  std::snprintf(text, sizeof text, "%.*f %s",
                value < 10    ? 2
                : value < 100 ? 1
                              : 0,
                value,
                gib   ? "GiB"
                : mib ? "MiB"
                      : "KiB");
  return text;
}

void MemoryQuestion::list(FieldList& f) {
  f.add("batch", &batch, "sequences trained or answered together", {1, 1 << 20});
  f.add("tokens", &tokens, "tokens of each, prompt and answer", {1, 1 << 24});
  f.add("examples", &examples, "training pairs; RA-MoE keeps the English routing of each",
        {0, 1 << 30});
  f.add("share", &share, "share of the experts that RISE trains", {0, 1});
}

namespace {

/// What the rows of a plan add up. Half of the tokens are taken to be answer: their logits are
/// wanted in training, and the other half is the prompt of answering.
struct Terms {
  Terms(const ModelConfig& c, const MemoryQuestion& q, MemoryOf of)
      : P(static_cast<double>(count_parameters(c).total)),
        routers(static_cast<double>(c.moe_layer_count()) * c.hidden_size * c.num_experts),
        experts(expert_parameters(c)) {
    const double B = q.batch, N = B * q.tokens, prompt = std::max(1, q.tokens / 2);
    const ActivationCount count = count_activations(c, q.tokens, of);
    cache = N * cache_bytes_per_token(c);
    const ForwardCount read = count_forward(c, static_cast<int>(prompt), of);
    const auto held = [&](Precision weights) {
      return weight_bytes(c, weights) + read.bytes(B * prompt, B, weights);
    };
    answering = held(Precision::fp32);
    answering_in_bf16 = held(Precision::bf16);
    step = count.bytes(N, N / 2);
    step_again = count.bytes_computed_again(N, N / 2);
    english = 8.0 * q.examples * c.moe_layer_count() * c.num_experts;
    rise = "RISE, " + std::to_string(static_cast<int>(100 * q.share)) + " % of the experts";
    chosen = q.share * experts;
  }
  double P, routers, experts, chosen = 0;        // numbers of parameters
  double answering = 0, answering_in_bf16 = 0;  // bytes of weights and the pass over the prompts
  double cache = 0, step = 0, step_again = 0, english = 0;
  std::string rise;
  /// Weights of `bytes` each but for the `trained` ones, which are fp32 with gradients and moments.
  double partly_trained(double bytes, double trained) const {
    return bytes * (P - trained) + (4 + kMoments) * trained;
  }
};

}  // namespace

std::vector<MemoryNeed> memory_needs(const ModelConfig& c, const MemoryQuestion& q) {
  const Terms t(c, q, MemoryOf::host);
  return {
      {"answering, Routing Steering", true, t.answering + t.cache},
      {"answering, weights in bf16", true, t.answering_in_bf16 + t.cache},
      {"answering, weights in 8 bits", false, t.answering_in_bf16 - t.P + t.cache},
      {"SFT", true, training_bytes(c, q.batch, q.tokens, t.P)},
      {"RA-MoE, SARA", true, training_bytes(c, q.batch, q.tokens, t.P) + t.english},
      {t.rise, true, training_bytes(c, q.batch, q.tokens, q.share > 0 ? t.experts : 0)},
      {t.rise + ", gradients and moments for those alone", false,
       t.partly_trained(4, t.chosen) + t.step},
      {"RA-MoE on the routers' weights alone", false,
       t.partly_trained(4, t.routers) + t.step + t.english},
      {"the same, other weights as bf16", false,
       t.partly_trained(2, t.routers) + t.step + t.english},
  };
}

std::vector<MemoryNeed> gpu_memory_needs(const ModelConfig& c, const MemoryQuestion& q) {
  const Terms t(c, q, MemoryOf::gpu);
  const auto train = [&](double trained) {
    return training_bytes(c, q.batch, q.tokens, trained, MemoryOf::gpu);
  };
  // The English routing of RA-MoE is kept on the host. Bytes of a parameter: weight + gradient +
  // two moments, and a master where the weight that computes is rounded.
  return {
      {"answering, Routing Steering", true, t.answering + t.cache},
      {"answering, weights in bf16", true, t.answering_in_bf16 + t.cache},
      {"... and keys and values in bf16", false, t.answering_in_bf16 + t.cache / 2},
      {"SFT, RA-MoE, SARA", true, train(t.P)},
      {"the same, activations computed again in backward", false, 16 * t.P + t.step_again},
      {"... and moments in bf16", false, (4 + 4 + 2 * 2) * t.P + t.step_again},
      {"... and moments in 8 bits", false, (4 + 4 + 2 * 1) * t.P + t.step_again},
      {"... weights and gradients in bf16, fp32 masters, 8-bit moments", false,
       (2 + 2 + 4 + 2 * 1) * t.P + t.step_again},
      {"... weights, gradients and moments in bf16, no masters", false,
       (2 + 2 + 2 * 2) * t.P + t.step_again},
      {"... weights and gradients in bf16, no masters, 8-bit moments", false,
       (2 + 2 + 2 * 1) * t.P + t.step_again},
      {t.rise, true, train(q.share > 0 ? t.experts : 0)},
      {t.rise + ", gradients and moments for those alone", false,
       t.partly_trained(4, t.chosen) + t.step},
      {"... other weights in bf16, activations computed again", false,
       t.partly_trained(2, t.chosen) + t.step_again},
      {"... gradients in bf16 too, fp32 masters and 8-bit moments", false,
       2 * t.P + (2 + 4 + 2 * 1) * t.chosen + t.step_again},
      {"... and no masters", false, 2 * t.P + (2 + 2 * 1) * t.chosen + t.step_again},
      {"RA-MoE on the routers' weights alone", false, t.partly_trained(4, t.routers) + t.step},
      {"... the rest in bf16, activations computed again", false,
       t.partly_trained(2, t.routers) + t.step_again},
  };
}

}  // namespace ramoe
