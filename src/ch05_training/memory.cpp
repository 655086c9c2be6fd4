#include "ch05_training/memory.h"

#include <algorithm>
#include <cstdio>

#include "support/error.h"
#include "support/machine.h"

namespace ramoe {
namespace {
constexpr double kMoments = 12;  // bytes of a trained parameter's gradient and its two moments
}

ActivationCount count_activations(const ModelConfig& config, int T) {
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
  if (c.shared_expert()) mixture += 3.0 * c.shared_expert_intermediate_size + 2 * C + 1;
  const double dense = (C + 1) + 3.0 * c.intermediate_size + C;

  const double moe = c.moe_layer_count();
  ActivationCount count;
  count.per_token =
      C + c.num_hidden_layers * attention + moe * mixture + (c.num_hidden_layers - moe) * dense;
  count.per_target = 2 * V + 4 * C;  // logits and last norm with their gradients
  // The residual stream and the normed input; q, k, v and output of attention; z and gates; gate
  // and up of a dense layer or shared expert.
  const double wide = std::max(c.shared_expert() ? c.shared_expert_intermediate_size : 0,
                               c.num_hidden_layers > moe ? c.intermediate_size : 0);
  count.one_layer = 2 * C + 2 * Q + 2 * KV + E + K + 2 * wide;
  count.lent = K * C;
  return count;
}

double training_bytes(const ModelConfig& config, double B, int T, double trained) {
  const double weights = 4 * static_cast<double>(count_parameters(config).total);
  return weights + kMoments * trained + count_activations(config, T).bytes(B * T, B * T / 2);
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

std::vector<MemoryNeed> memory_needs(const ModelConfig& c, const MemoryQuestion& q) {
  const double P = static_cast<double>(count_parameters(c).total), C = c.hidden_size;
  const double moe = c.moe_layer_count(), E = c.num_experts;
  const double routers = moe * C * E, experts = expert_parameters(c);
  const double N = static_cast<double>(q.batch) * q.tokens;
  const double cache = N * cache_bytes_per_token(c);
  // Half of the tokens are taken to be answer: their logits are wanted.
  const double step = count_activations(c, q.tokens).bytes(N, N / 2);
  const double english = 8.0 * q.examples * moe * E;
  const std::string rise =
      "RISE, " + std::to_string(static_cast<int>(100 * q.share)) + " % of the experts";
  return {
      {"answering, Routing Steering", true, 4 * P + cache},
      {"answering, weights kept as bf16", false, 2 * P + cache},
      {"answering, weights in 8 bits", false, P + cache},
      {"SFT", true, training_bytes(c, q.batch, q.tokens, P)},
      {"RA-MoE, SARA", true, training_bytes(c, q.batch, q.tokens, P) + english},
      {rise, true, training_bytes(c, q.batch, q.tokens, q.share > 0 ? experts : 0)},
      {rise + ", gradients and moments for those alone", false,
       4 * P + kMoments * q.share * experts + step},
      {"RA-MoE on the routers' weights alone", false, 4 * P + kMoments * routers + step + english},
      {"the same, other weights as bf16", false,
       2 * (P - routers) + (4 + kMoments) * routers + step + english},
  };
}

}  // namespace ramoe
