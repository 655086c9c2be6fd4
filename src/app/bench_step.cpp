// The training step and generation.
#include <cstdio>
#include <fstream>
#include <vector>

#include "app/bench.h"
#include "ch01_tensor/philox.h"
#include "ch05_training/trainer.h"

namespace ramoe {
namespace {

constexpr int kSequences = 32, kTokens = 64;  // B and T

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

std::vector<std::vector<int>> random_tokens(std::uint64_t seed, int B, int T, int V) {
  Random random(seed, 77);
  std::vector<std::vector<int>> all(static_cast<std::size_t>(B));
  for (std::vector<int>& tokens : all)
    for (int t = 0; t < T; ++t)
      tokens.push_back(3 + static_cast<int>(random.below(static_cast<std::uint32_t>(V - 3))));
  return all;
}

TrainingBatch standard_batch(const ModelConfig& c, std::uint64_t seed) {
  std::vector<TrainingSequence> sequences;
  for (std::vector<int>& tokens : random_tokens(seed, kSequences, kTokens, c.vocab_size))
    sequences.push_back({.tokens = std::move(tokens)});
  return make_training_batch(sequences, c.pad_token_id, c.bos_token_id);
}

/// Multiply-adds of the matrix products of a step, two FLOPs each. Backward costs twice the
/// forward. Attention counts the full T x T, as it is computed here and by the usual libraries.
double step_flops(const ModelConfig& c, const TrainingBatch& batch) {
  const double N = batch.tokens.B * batch.tokens.T, T = batch.tokens.T, C = c.hidden_size;
  const double HS = c.head_size(), query = c.num_attention_heads * HS;
  const double key = c.num_key_value_heads * HS;
  const double layer = 2 * C * query + 2 * C * key + 2 * T * query + C * c.num_experts +
                       c.num_experts_per_tok * 3.0 * C * c.moe_intermediate_size;
  const double targets = static_cast<double>(batch.target.size());
  return 3 * 2 * (c.num_hidden_layers * N * layer + targets * C * c.vocab_size);
}

/// Largest memory in use since the last call with reset, in bytes; 0 where the system does not say.
double peak_memory(bool reset) {
  if (reset) std::ofstream("/proc/self/clear_refs") << "5";
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;)
    if (word == "VmHWM:") {
      double kilobytes = 0;
      status >> kilobytes;
      return 1024 * kilobytes;
    }
  return 0;
}

/// Bytes of the arena that a step uses: activations and gradients, without what is lent and
/// returned.
double arena_bytes_used(ModelConfig config, int layers, const TrainingBatch& batch) {
  config.num_hidden_layers = layers;
  Model<float> model(config, 1);
  Trainer trainer(model, {});
  for (int step = 0; step < 2; ++step) trainer.step([&](int) { return batch; });
  return static_cast<double>(trainer.arena().mark().used);
}

}  // namespace

Json bench_step(const BenchOptions& options, int) {
  peak_memory(true);
  const ModelConfig config = standard_config();
  const TrainingBatch batch = standard_batch(config, options.seed);
  const double flops = step_flops(config, batch);
  const double tokens = static_cast<double>(batch.tokens.token.size());
  const ParameterCount count = count_parameters(config);
  Json result;
  {
    Model<float> model(config, options.seed);
    Trainer trainer(model, {});
    const auto step = [&] { trainer.step([&](int) { return batch; }); };
    step(), step();
    const int allocations = trainer.arena().allocations();
    const Speed speed = measure(flops, 4 * options.seconds, step);
    result = {{"parameters", count.total},
              {"tokens_per_second", tokens / speed.seconds},
              {"ms_per_step", 1e3 * speed.seconds},
              {"mflop_per_token", flops / tokens / 1e6},
              {"gflops", speed.gflops},
              {"share", speed.share},
              {"peak_rss_bytes", peak_memory(false)},
              {"arena_bytes", trainer.arena().bytes_reserved()},
              {"arena_allocations_after_two_steps", trainer.arena().allocations() - allocations}};
  }
  const int L = config.num_hidden_layers;
  const double layer = arena_bytes_used(config, L, batch) - arena_bytes_used(config, L - 1, batch);
  result["floats_per_token_and_layer_in_c"] = layer / sizeof(float) / tokens / config.hidden_size;
  std::printf(
      "step   %8.0f tokens/s %6.1f ms %7.1f GFLOP/s %5.1f %% of the peak (%.2f M parameters, "
      "%.2f MFLOP/token)\n",
      result["tokens_per_second"].get<double>(), result["ms_per_step"].get<double>(),
      result["gflops"].get<double>(), 100 * result["share"].get<double>(),
      static_cast<double>(count.total) / 1e6, flops / tokens / 1e6);
  std::printf(
      "memory %8.1f MB at most, arena %.1f MB, %.1f C floats per token and layer, "
      "%d allocations after the second step\n",
      result["peak_rss_bytes"].get<double>() / 1e6, result["arena_bytes"].get<double>() / 1e6,
      result["floats_per_token_and_layer_in_c"].get<double>(),
      result["arena_allocations_after_two_steps"].get<int>());
  return result;
}

Json bench_generate(const BenchOptions& options, int) {
  const ModelConfig config = standard_config();
  Model<float> model(config, options.seed);
  CachedMoe cached(model);
  GenerateOptions generation;
  generation.max_new_tokens = 48;
  Json table = Json::array();
  for (const int B : {1, 64}) {
    const auto prompts = random_tokens(options.seed, B, 8, config.vocab_size);
    const Speed speed = measure(0, options.seconds, [&] { generate(cached, prompts, generation); });
    const double rate = B * generation.max_new_tokens / speed.seconds;
    std::printf("generate, batch %2d: %8.0f tokens/s\n", B, rate);
    table.push_back({{"batch", B}, {"tokens_per_second", rate}});
  }
  return table;
}

}  // namespace ramoe
