#include "ch03_transformer/generate.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ch01_tensor/philox.h"
#include "ch01_tensor/tensor.h"
#include "support/error.h"

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
  // Candidates by falling logit, ties to the lower token.
  std::vector<int> order(static_cast<std::size_t>(V));
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return logits[a] > logits[b]; });
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

/// One batch: `members` are indices into prompts; `done` prompts went before.
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

/// Where the batch that begins at a place of the order ends. Lengths rise along the order, so the
/// last prompt of a batch decides how long its rows are.
std::size_t batch_end(const std::vector<std::vector<int>>& prompts, const std::vector<int>& order,
                      std::size_t begin, const GenerateOptions& options) {
  std::size_t end = begin + 1;
  for (; end < order.size() && end - begin < std::size_t(options.batch); ++end) {
    const std::size_t row =
        prompts[std::size_t(order[end])].size() + std::size_t(options.max_new_tokens);
    if (options.batch_tokens > 0 && (end - begin + 1) * row > std::size_t(options.batch_tokens))
      break;
  }
  return end;
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
  // Prompts of similar length together; equal lengths in the order given.
  std::vector<int> order(prompts.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) {
    return prompts[std::size_t(a)].size() < prompts[std::size_t(b)].size();
  });
  std::vector<std::vector<int>> results(prompts.size());
  if (options.max_new_tokens <= 0) return results;
  for (std::size_t begin = 0, end = 0; begin < order.size(); begin = end) {
    end = batch_end(prompts, order, begin, options);
    const auto at = [&](std::size_t i) { return order.begin() + static_cast<std::ptrdiff_t>(i); };
    generate_batch(model, prompts, {at(begin), at(end)}, begin, options, results);
    if (options.watch) options.watch(end * std::size_t(options.max_new_tokens));
  }
  return results;
}

}  // namespace ramoe
