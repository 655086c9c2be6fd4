#include "ch05_training/memory.h"

#include <algorithm>
#include <cstdio>

#include "ch05_training/training_batch.h"
#include "support/error.h"
#include "support/platform.h"

namespace ramoe {
namespace {
constexpr double kMoments = 12;  // bytes of a trained parameter's gradient and its two moments
constexpr double kGpuWide = 1.5;  // a GPU's arena grows by half more than is wanted
}

ActivationCount count_activations(const ModelConfig& config, int T, MemoryOf of) {
  ModelConfig c = config;
  c.resolve_widths();
  const double C = c.hidden_size, E = c.num_experts, K = c.num_experts_per_tok;
  const double H = c.moe_intermediate_size, V = c.vocab_size;
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
  const double act_of_shared = shared + (shared > 0 && of == MemoryOf::host ? C : 0);
  if (shared > 0) mixture += 2 * shared + 1 + act_of_shared;
  const double dense = (C + 1) + 3.0 * c.intermediate_size + C;

  const double moe = c.moe_layer_count();
  ActivationCount count;
  count.all_layers =
      c.num_hidden_layers * attention + moe * mixture + (c.num_hidden_layers - moe) * dense;
  count.per_token = C + count.all_layers;
  count.per_target = 2 * V + 4 * C;  // logits and last norm with their gradients
  // The residual stream and the normed input; q, k, v and output of attention; z and gates; gate
  // and up of a dense layer or shared expert, whose blocks do not always find a second use.
  const double wide =
      std::max(shared, c.num_hidden_layers > moe ? double(c.intermediate_size) : 0.0);
  count.one_layer = 2 * C + 2 * Q + 2 * KV + E + K + 2 * wide + shared;
  count.stream = C * (1 + c.num_hidden_layers);
  count.widest_layer =
      attention + std::max(moe > 0 ? mixture : 0, c.num_hidden_layers > moe ? dense : 0);
  // Outputs of the experts, or gradients of their inputs; gradients of the shared expert's values.
  // A GPU computes all experts at once: its backward needs gradients of gate, up and act of each
  // choice, its forward act.
  const bool gpu = of == MemoryOf::gpu && moe > 0;
  count.forward_lent = K * C;
  count.lent = K * C + act_of_shared + (gpu ? 3 * K * H : 0);
  count.scratch = gpu ? K * H : 0;
  return count;
}

double training_bytes(const ModelConfig& config, double B, int T, double trained, MemoryOf of) {
  const int padded = common_size(T);
  if (of == MemoryOf::gpu && B * padded <= kMostCommonTokens) T = padded;
  const double weights = 4 * static_cast<double>(count_parameters(config).total);
  return weights + kMoments * trained + count_activations(config, T, of).bytes(B * T, B * T / 2);
}

double expert_parameters(const ModelConfig& c) {
  return double(c.moe_layer_count()) * c.num_experts * 3 * c.hidden_size * c.moe_intermediate_size;
}

void check_memory(double bytes, const std::string& what, const std::string& advice, double loaded) {
  const FreeMemory there = free_memory();
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
    const ActivationCount read = count_activations(c, static_cast<int>(prompt), of);
    prompts = read.forward_bytes(B * prompt, B);
    prompts_by_layer = read.forward_bytes_by_layer(B * prompt, B);
    step = count.bytes(N, N / 2);
    step_again = count.bytes_computed_again(N, N / 2);
    english = 8.0 * q.examples * c.moe_layer_count() * c.num_experts;
    rise = "RISE, " + std::to_string(static_cast<int>(100 * q.share)) + " % of the experts";
    chosen = q.share * experts;
  }
  double P, routers, experts, chosen = 0;               // numbers of parameters
  double cache = 0, prompts = 0, prompts_by_layer = 0;  // bytes of answering
  double step = 0, step_again = 0, english = 0;
  std::string rise;
  /// Weights of a model that answers, with those of the experts in bf16: `wide` layers of them are
  /// held as fp32 at once.
  double experts_in_bf16(double moe_layers, double wide) const {
    return 4 * P - 2 * experts + (moe_layers > 0 ? wide * 4 * experts / moe_layers : 0);
  }
  /// Weights of `bytes` each but for the `trained` ones, which are fp32 with gradients and moments.
  double partly_trained(double bytes, double trained) const {
    return bytes * (P - trained) + (4 + kMoments) * trained;
  }
};

}  // namespace

std::vector<MemoryNeed> memory_needs(const ModelConfig& c, const MemoryQuestion& q) {
  const Terms t(c, q, MemoryOf::host);
  const double answers = t.cache + t.prompts;
  return {
      {"answering, Routing Steering", true, 4 * t.P + answers},
      {"answering, the experts' weights in bf16", true,
       t.experts_in_bf16(c.moe_layer_count(), 1) + answers},
      {"answering, all weights in bf16", false, 2 * t.P + answers},
      {"answering, weights in 8 bits", false, t.P + answers},
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
      {"answering, Routing Steering", true, 4 * t.P + t.cache + t.prompts},
      {"answering, the experts' weights in bf16", true,
       t.experts_in_bf16(c.moe_layer_count(), kGpuWide) + t.cache + t.prompts},
      {"answering, all weights in bf16", false, 2 * t.P + t.cache + t.prompts},
      {"... and the memory of each layer given back after it", false,
       2 * t.P + t.cache + t.prompts_by_layer},
      {"... and keys and values in bf16", false, 2 * t.P + t.cache / 2 + t.prompts_by_layer},
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
