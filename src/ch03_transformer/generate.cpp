#include "ch03_transformer/generate.h"

#include <algorithm>
#include <cmath>

#include "ch01_tensor/philox.h"
#include "ch01_tensor/tensor.h"
#include "support/error.h"
#include "support/order.h"

namespace ramoe {

template <>
void append_rows(double* cache, const double* rows, const int* cached, const int* length, int B,
                 int T, int capacity, int width) {
  for (int b = 0; b < B; ++b)
    for (int t = 0; t < length[b]; ++t)
      std::copy_n(row(rows, b * T + t, width), width,
                  row(cache, b * capacity + cached[b] + t, width));
}

int sample_token(const float* logits, int V, const GenerateOptions& options, double uniform) {
  const int best = static_cast<int>(std::max_element(logits, logits + V) - logits);
  if (options.temperature <= 0) return best;
  // Candidates by decreasing logit, ties to the lower token.
  std::vector<int> order =
      order_by(static_cast<std::size_t>(V), [&](int token) { return -logits[token]; });
  if (options.top_k > 0 && options.top_k < V) order.resize(static_cast<std::size_t>(options.top_k));
  std::vector<double> weight;
  double total = 0;
  for (const int token : order) {
    weight.push_back(
        std::exp((double(logits[token]) - double(logits[best])) / options.temperature));
    total += weight.back();
  }
  double kept = 0;
  std::size_t count = 0;
  while (count < order.size() && (count == 0 || kept < options.top_p * total))
    kept += weight[count++];
  double target = uniform * kept;
  for (std::size_t i = 0; i < count; ++i) {
    target -= weight[i];
    if (target < 0) return order[i];
  }
  return order[count - 1];
}

namespace {

/// One batch: `members` are indices into prompts; `done` is the number of prompts before it.
void generate_batch(CachedModel& model, const std::vector<std::vector<int>>& prompts,
                    std::vector<int> members, std::size_t done, const GenerateOptions& options,
                    std::vector<std::vector<int>>& results) {
  std::vector<std::vector<int>> batch;
  std::size_t longest = 0;
  for (const int i : members) {
    batch.push_back(prompts[std::size_t(i)]);
    longest = std::max(longest, batch.back().size());
  }
  const int capacity = static_cast<int>(longest) + options.max_new_tokens;
  const int V = options.vocabulary > 0 ? std::min(options.vocabulary, model.vocabulary())
                                       : model.vocabulary();
  const std::size_t before = done * std::size_t(options.max_new_tokens);
  const float* logits = model.start(batch, capacity);
  for (int position = 0; !members.empty(); ++position) {
    std::vector<int> next, alive;
    for (std::size_t b = 0; b < members.size(); ++b) {
      const std::size_t i = static_cast<std::size_t>(members[b]);
      Random random(options.seed, i);
      random.set_position(static_cast<std::uint64_t>(position) * 2);
      const float* row = logits + b * static_cast<std::size_t>(model.vocabulary());
      const int token = sample_token(row, V, options, random.uniform());
      if (std::find(options.eos.begin(), options.eos.end(), token) != options.eos.end()) continue;
      results[i].push_back(token);
      if (position + 1 >= options.max_new_tokens) continue;
      if (options.has_stopped && options.has_stopped(results[i])) continue;
      alive.push_back(static_cast<int>(b));
      next.push_back(token);
    }
    if (next.empty()) return;
    if (options.watch) options.watch(before + std::size_t(position + 1) * batch.size());
    if (alive.size() < members.size()) {
      model.keep(alive);
      for (std::size_t b = 0; b < alive.size(); ++b) members[b] = members[std::size_t(alive[b])];
      members.resize(alive.size());
    }
    logits = model.step(next);
  }
}

}  // namespace

std::vector<std::vector<int>> generate(CachedModel& model,
                                       const std::vector<std::vector<int>>& prompts,
                                       const GenerateOptions& options) {
  check(options.batch > 0, "generation needs a batch of at least 1; ", options.batch,
        " was given.");
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    check(!prompts[i].empty(), "prompt ", i, " is empty; give it at least the BOS token.");
    check(static_cast<int>(prompts[i].size()) + options.max_new_tokens <= model.max_length(),
          "prompt ", i, " has ", prompts[i].size(), " tokens; with ", options.max_new_tokens,
          " new ones it exceeds the model's maximum of ", model.max_length(),
          " positions. Shorten the prompt or ask for fewer tokens.");
  }
  std::vector<std::vector<int>> results(prompts.size());
  if (options.max_new_tokens <= 0) return results;
  const auto length = [&](int i) { return prompts[std::size_t(i)].size(); };
  const auto fits = [&](std::size_t rows, std::size_t longest) {
    const std::size_t tokens = rows * (longest + std::size_t(options.max_new_tokens));
    return rows <= std::size_t(options.batch) &&
           (options.batch_tokens <= 0 || tokens <= std::size_t(options.batch_tokens));
  };
  std::size_t done = 0;
  for (const std::vector<int>& batch : batches_by_length(prompts.size(), length, fits)) {
    generate_batch(model, prompts, batch, done, options, results);
    done += batch.size();
    if (options.watch) options.watch(done * std::size_t(options.max_new_tokens));
  }
  return results;
}

}  // namespace ramoe
