// Shared by the parts of the bench: configurations, batches, FLOPs.
#include <cstdarg>
#include <cstdio>

#include "bench/bench.h"
#include "ch01_tensor/philox.h"

namespace ramoe {

BenchOptions::BenchOptions() : model(standard_config()) {}

void BenchOptions::list(FieldList& f) {
  f.add("seconds", &seconds, "for each measurement", {0.001, 3600});
  f.add("rounds", &rounds, "of each measurement, between samples of the ceilings", {1, 1000});
  f.add("seed", &seed, "seed of weights and inputs");
  f.add("sequences", &sequences, "B, sequences of a step", {1, 1 << 16});
  f.add("tokens", &tokens, "T, tokens of a sequence", {2, 1 << 16});
  model.list(f);
}

ModelConfig standard_config() {
  ModelConfig c;
  c.vocab_size = 512;
  c.hidden_size = 128;
  c.num_hidden_layers = 6;
  c.num_attention_heads = 4;
  c.num_key_value_heads = 4;
  c.num_experts = 16;
  c.num_experts_per_tok = 2;
  c.moe_intermediate_size = 128;
  c.max_position_embeddings = 128;
  return c;
}

ModelConfig dense_counterpart(const ModelConfig& config) {
  ModelConfig dense = config;
  dense.all_dense = true;
  dense.intermediate_size = config.num_experts_per_tok * config.moe_intermediate_size;
  return dense;
}

std::vector<std::vector<int>> random_tokens(std::uint64_t seed, int B, int T, int V) {
  Random random(seed, 77);
  const int special = V > 3 ? 3 : 0;
  std::vector<std::vector<int>> all(static_cast<std::size_t>(B));
  for (std::vector<int>& tokens : all)
    for (int t = 0; t < T; ++t)
      tokens.push_back(special +
                       static_cast<int>(random.below(static_cast<std::uint32_t>(V - special))));
  return all;
}

TrainingBatch random_batch(const ModelConfig& c, int B, int T, std::uint64_t seed) {
  std::vector<TrainingSequence> sequences;
  for (std::vector<int>& tokens : random_tokens(seed, B, T, c.vocab_size))
    sequences.push_back({.tokens = std::move(tokens)});
  return make_training_batch(sequences, c.pad_token_id, c.bos_token_id);
}

double step_flops(const ModelConfig& c, const TrainingBatch& batch) {
  const double N = batch.tokens.B * batch.tokens.T, T = batch.tokens.T, C = c.hidden_size;
  const double HS = c.head_size(), query = c.num_attention_heads * HS;
  const double key = c.num_key_value_heads * HS, L = c.num_hidden_layers;
  const double attention = 2 * C * query + 2 * C * key + 2 * T * query;
  double mixture = C * c.num_experts + c.num_experts_per_tok * 3.0 * C * c.moe_intermediate_size;
  if (c.shared_expert()) mixture += 3.0 * C * c.shared_expert_intermediate_size + C;
  const double moe = c.moe_layer_count(), dense = 3.0 * C * c.intermediate_size;
  const double targets = static_cast<double>(batch.target.size());
  return 3 * 2 *
         (N * (L * attention + moe * mixture + (L - moe) * dense) + targets * C * c.vocab_size);
}

BenchModel::BenchModel(const ModelConfig& config, int B, int T, std::uint64_t seed,
                       const TrainConfig& train)
    : model_(config, seed), batch_(random_batch(config, B, T, seed)), trainer_(model_, train) {}

void BenchModel::step() {
  trainer_.step([&](int) { return batch_; });
}

std::string text_of(const char* format, ...) {
  va_list values;
  va_start(values, format);
  char text[512];
  std::vsnprintf(text, sizeof text, format, values);
  va_end(values);
  return text;
}

}  // namespace ramoe
