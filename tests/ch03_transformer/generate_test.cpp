#include "ch03_transformer/generate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <map>

#include "support/compare.h"

namespace ramoe {
namespace {

using Prompts = std::vector<std::vector<int>>;

/// A model without weights: its logits are a fixed function of all tokens of a sequence so far.
class HashModel : public CachedModel {
 public:
  int vocabulary() const override { return kV; }
  int max_length() const override { return 40; }
  const float* start(const Prompts& prompts, int capacity) override {
    EXPECT_LE(capacity, max_length());
    largest_batch = std::max(largest_batch, prompts.size());
    sequences_ = prompts;
    return logits();
  }
  const float* step(const std::vector<int>& tokens) override {
    EXPECT_EQ(tokens.size(), sequences_.size());
    for (std::size_t b = 0; b < tokens.size(); ++b) sequences_[b].push_back(tokens[b]);
    return logits();
  }
  void keep(const std::vector<int>& kept) override {
    Prompts next;
    for (const int b : kept) next.push_back(sequences_[std::size_t(b)]);
    sequences_ = next;
  }
  std::size_t largest_batch = 0;

 private:
  static constexpr int kV = 13;
  const float* logits() {
    logits_.clear();
    for (const auto& sequence : sequences_) {
      unsigned hash = 17;
      for (const int token : sequence) hash = (hash * 31 + unsigned(token)) % 100003;
      for (const float z : random_values<float>(kV, hash)) logits_.push_back(z);
    }
    return logits_.data();
  }
  Prompts sequences_;
  std::vector<float> logits_;
};

const Prompts kPrompts = {{0, 3}, {0}, {0, 5, 5, 5, 1}, {0, 3}, {0, 7, 2}, {4, 4, 4, 4, 4, 4, 4}};

TEST(Generate, BatchesGiveWhatOneByOneGives) {
  for (const double temperature : {0.0, 1.0}) {
    GenerateOptions options{.max_new_tokens = 20, .eos = {6}, .batch = 1};
    options.temperature = temperature;
    HashModel model;
    const Prompts wanted = generate(model, kPrompts, options);
    EXPECT_EQ(model.largest_batch, 1u);
    std::size_t shortest = 100, longest = 0;  // the case is only telling if ends differ
    for (const auto& result : wanted) {
      shortest = std::min(shortest, result.size());
      longest = std::max(longest, result.size());
      for (const int token : result) EXPECT_NE(token, 6);
    }
    EXPECT_LT(shortest, longest);
    for (const int batch : {2, 4, 64}) {
      options.batch = batch;
      EXPECT_EQ(generate(model, kPrompts, options), wanted) << batch;
    }
    EXPECT_EQ(model.largest_batch, kPrompts.size());
  }
}

TEST(Generate, GreedyTakesTheLikeliestAndIgnoresTheSeed) {
  HashModel model;
  GenerateOptions options{.max_new_tokens = 3};
  const Prompts first = generate(model, kPrompts, options);
  options.seed = 99;
  EXPECT_EQ(generate(model, kPrompts, options), first);
  EXPECT_EQ(first[0], first[3]);  // equal prompts
  std::vector<int> sequence = kPrompts[2];
  for (const int token : first[2]) {
    const float* z = model.start({sequence}, 10);
    EXPECT_EQ(token, int(std::max_element(z, z + 13) - z));
    sequence.push_back(token);
  }
}

TEST(Generate, SamplingDependsOnSeedAndPromptOnly) {
  HashModel model;
  GenerateOptions options{.max_new_tokens = 10, .temperature = 1};
  const Prompts first = generate(model, kPrompts, options);
  EXPECT_EQ(generate(model, kPrompts, options), first);
  EXPECT_NE(first[0], first[3]);  // equal prompts at different places draw differently
  options.seed = 2;
  EXPECT_NE(generate(model, kPrompts, options), first);
}

TEST(Generate, CountsAndErrors) {
  HashModel model;
  EXPECT_EQ(generate(model, {{1}}, {.max_new_tokens = 7})[0].size(), 7u);
  EXPECT_EQ(generate(model, {{1}, {2}}, {.max_new_tokens = 0}), (Prompts{{}, {}}));
  EXPECT_EQ(generate(model, {}, {}), Prompts{});
  const std::vector<int> full(30, 1);
  EXPECT_EQ(generate(model, {full}, {.max_new_tokens = 10})[0].size(), 10u);
  EXPECT_TRUE(mentions(error_of([&] { generate(model, {{1}, {}}, {}); }), "prompt 1 is empty"));
  const std::string message = error_of([&] {
    generate(model, {{1}, full}, {.max_new_tokens = 11});
  });
  EXPECT_TRUE(mentions(message, "prompt 1 has 30 tokens; with 11 new ones")) << message;
  EXPECT_TRUE(mentions(error_of([&] { generate(model, {{1}}, {.batch = 0}); }), "at least 1"));
}

TEST(Generate, AnyEndTokenAndTheCallerMayEndASequence) {
  HashModel model;
  const Prompts all = generate(model, kPrompts, {.max_new_tokens = 20});
  GenerateOptions options{.max_new_tokens = 20, .eos = {6, 2}};
  const Prompts ended = generate(model, kPrompts, options);
  // Ends with the first 3 that follows at least one other token; the 3 stays.
  options.eos = {};
  options.has_stopped = [](const auto& output) { return output.size() > 1 && output.back() == 3; };
  const Prompts stopped = generate(model, kPrompts, options);
  bool second_counts = false, some_stop = false;
  for (std::size_t i = 0; i < all.size(); ++i) {
    const auto first = std::find_if(all[i].begin(), all[i].end(),
                                    [](int token) { return token == 6 || token == 2; });
    EXPECT_EQ(ended[i], std::vector<int>(all[i].begin(), first));
    second_counts = second_counts || (first != all[i].end() && *first == 2);
    const auto stop = std::find(all[i].begin() + 1, all[i].end(), 3);
    some_stop = some_stop || stop != all[i].end();
    EXPECT_EQ(stopped[i], std::vector<int>(all[i].begin(), stop == all[i].end() ? stop : stop + 1));
  }
  EXPECT_TRUE(second_counts && some_stop);
}

TEST(Generate, TokensBeyondTheVocabularyAreNeverChosen) {
  HashModel model;
  const Prompts all = generate(model, kPrompts, {.max_new_tokens = 20});
  const Prompts few = generate(model, kPrompts, {.max_new_tokens = 20, .vocabulary = 5});
  int most = 0, most_of_few = 0;
  for (const auto& tokens : all)
    most = std::max(most, *std::max_element(tokens.begin(), tokens.end()));
  for (const auto& tokens : few)
    most_of_few = std::max(most_of_few, *std::max_element(tokens.begin(), tokens.end()));
  EXPECT_EQ(most, 12);
  EXPECT_EQ(most_of_few, 4);
  EXPECT_EQ(generate(model, kPrompts, {.max_new_tokens = 20, .vocabulary = 99}), all);
}

TEST(Generate, BatchesAreBoundedByTokensAndWatched) {
  HashModel model;
  GenerateOptions options{.max_new_tokens = 5};
  const Prompts wanted = generate(model, kPrompts, options);
  // Rows of 6, 7, 7, 8, 10 and 12 tokens: 6+7+7 at most 7 each, then 8+10 at most 10 each, 12.
  options.batch_tokens = 23;
  std::vector<std::size_t> done;
  options.watch = [&](std::size_t tokens) { done.push_back(tokens); };
  HashModel bounded;
  EXPECT_EQ(generate(bounded, kPrompts, options), wanted);
  EXPECT_EQ(bounded.largest_batch, 3u);
  EXPECT_TRUE(std::is_sorted(done.begin(), done.end()));
  EXPECT_EQ(done.front(), 3u);
  EXPECT_EQ(done.back(), kPrompts.size() * 5);
  options.batch_tokens = 1;  // a prompt that is too long alone still gets its turn
  HashModel single;
  EXPECT_EQ(generate(single, kPrompts, options), wanted);
  EXPECT_EQ(single.largest_batch, 1u);
}

TEST(SampleToken, TiesTopKTopPAndTemperature) {
  const float z[] = {0, 2, 1, 2};
  GenerateOptions greedy;
  EXPECT_EQ(sample_token(z, 4, greedy, 0.99), 1);
  GenerateOptions options{.temperature = 1};
  // Order 1, 3, 2, 0 with weights 1, 1, e^-1, e^-2: the draw walks along it.
  EXPECT_EQ(sample_token(z, 4, options, 0.0), 1);
  EXPECT_EQ(sample_token(z, 4, options, 0.5), 3);
  EXPECT_EQ(sample_token(z, 4, options, 0.9), 2);
  EXPECT_EQ(sample_token(z, 4, options, 0.999999), 0);
  options.top_k = 2;
  EXPECT_EQ(sample_token(z, 4, options, 0.999999), 3);
  options.top_k = 0;
  options.top_p = 0.5;  // 1 alone has 0.399, 1 and 3 have 0.799
  EXPECT_EQ(sample_token(z, 4, options, 0.999999), 3);
  options.top_p = 0.3;
  EXPECT_EQ(sample_token(z, 4, options, 0.999999), 1);
  options.top_p = 0;
  EXPECT_EQ(sample_token(z, 4, options, 0.999999), 1);
}

TEST(SampleToken, FrequenciesAreTheSoftmax) {
  const float z[] = {1, 0, 3, 2};
  const double T = 2;
  double total = 0;
  for (const float value : z) total += std::exp(double(value) / T);
  std::map<int, int> seen;
  constexpr int kDraws = 10000;  // evenly spread draws: a frequency is exact to 1 / kDraws
  for (int i = 0; i < kDraws; ++i)
    ++seen[sample_token(z, 4, {.temperature = T}, (i + 0.5) / kDraws)];
  for (int v = 0; v < 4; ++v)
    EXPECT_NEAR(seen[v] / double(kDraws), std::exp(double(z[v]) / T) / total, 2.0 / kDraws);
}

TEST(KvCache, LayersLieApart) {
  KvCache<float> cache(3, 2, 5, 4);
  EXPECT_EQ(cache.k.size(), 120u);
  EXPECT_EQ(cache.keys(2) - cache.keys(0), 80);
  EXPECT_EQ(cache.values(1) - cache.values(0), 40);
  EXPECT_EQ(cache.length, (std::vector<int>{0, 0}));
}

}  // namespace
}  // namespace ramoe
