#include "ch09_task_experts/task_experts.h"

#include <gtest/gtest.h>

#include "support/compare.h"
#include "support/json.h"

namespace ramoe {
namespace {

using Sets = std::vector<std::vector<int>>;

ExpertConfig rule_of(const std::string& rule, double tau, double cumulative, int fallback) {
  return {from_name<ExpertRule>(rule, "rule"), tau, cumulative, fallback};
}

TEST(TaskExperts, UsageDifferenceByHand) {
  const PerLayer task = {{0.9, 0.5, 0.4, 0.2}, {0.5, 0.5, 0.5, 0.5}};
  const PerLayer general = {{0.5, 0.25, 0.5, 0.75}, {0.25, 0.5, 0.75, 0.5}};
  const TaskExperts found = select_experts("sums", rule_of("usage", 0.2, 0, 2), task, general);
  EXPECT_EQ(found.task, "sums");
  EXPECT_EQ(difference(found.score[0], std::vector<double>{0.4, 0.25, -0.1, -0.55}, 1e-12, 0), "");
  EXPECT_EQ(difference(found.score[1], std::vector<double>{0.25, 0, -0.25, 0}, 1e-12, 0), "");
  EXPECT_EQ(found.experts, (Sets{{0, 1}, {0}}));
}

TEST(TaskExperts, TauIsStrict) {
  const PerLayer usage = {{0.5, 0.25, 0.125, 0}}, zero = {{0, 0, 0, 0}};
  const auto chosen = [&](double tau) {
    return select_experts("t", rule_of("usage", tau, 0, 1), usage, zero).experts[0];
  };
  EXPECT_EQ(chosen(0.25), (std::vector<int>{0}));
  EXPECT_EQ(chosen(0.2499), (std::vector<int>{0, 1}));
  EXPECT_EQ(chosen(0.1), (std::vector<int>{0, 1, 2}));
}

TEST(TaskExperts, FallbackTakesTheLargest) {
  const PerLayer usage = {{0.1, 0.3, 0.2, 0.3}}, zero = {{0, 0, 0, 0}};
  const auto chosen = [&](int fallback) {
    return select_experts("t", rule_of("usage", 0.9, 0, fallback), usage, zero).experts[0];
  };
  EXPECT_EQ(chosen(1), (std::vector<int>{1}));  // ties to the lower expert
  EXPECT_EQ(chosen(2), (std::vector<int>{1, 3}));
  EXPECT_EQ(chosen(3), (std::vector<int>{1, 2, 3}));
  EXPECT_EQ(chosen(0), (std::vector<int>{1}));  // never none
  EXPECT_EQ(chosen(9), (std::vector<int>{1, 2, 3}));
}

TEST(TaskExperts, NeverAllExperts) {
  const PerLayer usage = {{0.5, 0.4, 0.6}}, zero = {{0, 0, 0}};
  EXPECT_EQ(select_experts("t", rule_of("usage", -1, 0, 2), usage, zero).experts, (Sets{{0, 2}}));
  EXPECT_EQ(select_experts("t", rule_of("esft", 0, 1, 2), usage, {}).experts, (Sets{{0, 2}}));
}

TEST(TaskExperts, EsftTakesTheFewestThatReachTheShare) {
  // Token-selection ratios sum to K = 2 per layer: shares 0.5, 0.25, 0.125, 0.125.
  const PerLayer usage = {{0.25, 1, 0.25, 0.5}};
  const auto chosen = [&](double p) {
    return select_experts("t", rule_of("esft", 0, p, 2), usage, {}).experts[0];
  };
  EXPECT_EQ(chosen(0.25), (std::vector<int>{1}));
  EXPECT_EQ(chosen(0.5), (std::vector<int>{1}));  // reached exactly
  EXPECT_EQ(chosen(0.51), (std::vector<int>{1, 3}));
  EXPECT_EQ(chosen(0.75), (std::vector<int>{1, 3}));
  EXPECT_EQ(chosen(0.8), (std::vector<int>{0, 1, 3}));
  EXPECT_EQ(select_experts("t", rule_of("esft", 0, 0.5, 2), usage, {}).score, usage);
  EXPECT_EQ(select_experts("t", rule_of("esft", 0, 0.5, 2), {{0, 0, 0}}, {}).experts[0],
            (std::vector<int>{0, 1}));  // nothing used at all
}

TEST(TaskExperts, ContrastIsADifferenceToo) {
  const PerLayer right = {{0.9, 0.1}}, wrong = {{0.2, 0.8}};
  EXPECT_EQ(select_experts("t", rule_of("contrast", 0.5, 0, 1), right, wrong).experts, (Sets{{0}}));
  EXPECT_EQ(select_experts("t", rule_of("contrast", 0.5, 0, 1), wrong, right).experts, (Sets{{1}}));
}

TEST(TaskExperts, RuleErrors) {
  const PerLayer one = {{0.5, 0.5}};
  const std::string unknown =
      error_of([&] { select_experts("t", rule_of("usages", 0, 0, 1), one, one); });
  EXPECT_TRUE(mentions(unknown, "usages") && mentions(unknown, "usage, esft and contrast"));
  EXPECT_TRUE(mentions(error_of([&] { select_experts("t", rule_of("usage", 0, 0, 1), one, {}); }),
                       "0 layers"));
  EXPECT_TRUE(mentions(
      error_of([&] { select_experts("t", rule_of("usage", 0, 0, 1), one, {{0.5}}); }), "experts"));
}

Json as_json(const TaskExperts& experts) {
  return {{"task", experts.task}, {"score", experts.score}, {"experts", experts.experts}};
}

TEST(TaskExperts, JsonRoundTrip) {
  const TaskExperts given{"facts", {{0.1, -0.25, 1e-17}, {1.0 / 3, 0, 2}}, {{0, 2}, {1}}};
  const Json json = parse_json(as_json(given).dump());
  const TaskExperts read = task_experts_from_json(json, "here", 2, 3);
  EXPECT_EQ(read.task, given.task);
  EXPECT_EQ(read.score, given.score);
  EXPECT_EQ(read.experts, given.experts);
}

TEST(TaskExperts, JsonErrors) {
  const Json good = as_json({"facts", {{0.1, 0.2}}, {{1}}});
  const auto error = [](const Json& json, int layers = 1, int experts = 2) {
    return error_of([&] { task_experts_from_json(json, "experts.json", layers, experts); });
  };
  EXPECT_EQ(error(good), "no error");
  EXPECT_TRUE(mentions(error(good, 3), "experts.json: task experts of 1 layers; the model has 3"));
  EXPECT_TRUE(mentions(error(good, 1, 1),
                       "experts[0][0]: expected a whole number from 0 to 0, found 1; run `ramoe"));
  for (const char* key : {"task", "score", "experts"}) {
    Json missing = good, wrong = good;
    missing.erase(key);
    wrong[key] = true;
    EXPECT_TRUE(mentions(error(missing), "experts.json") && mentions(error(missing), key));
    EXPECT_TRUE(mentions(error(wrong), "experts.json")) << key;
  }
  Json negative = good;
  negative["experts"] = {{-1}};
  EXPECT_TRUE(mentions(error(negative), "experts[0][0]: expected a whole number"));
  EXPECT_TRUE(mentions(error(Json(3)), "experts.json"));
  Json empty = good;
  empty["experts"] = parse_json("[[]]");
  EXPECT_TRUE(mentions(error(empty), "experts.json: experts[0]: expected at least one expert"));
}

}  // namespace
}  // namespace ramoe
