#include "ch10_alignment/alignment_choices.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "support/compare.h"
#include "support/json.h"

namespace ramoe {
namespace {

using Sets = std::vector<std::vector<int>>;

TEST(AlignmentOptions, Layers) {
  const Zone zone{2, 4};
  const auto layers = [&](const char* key, std::uint64_t seed = 1) {
    return alignment_layers(from_name<AlignedLayers>(key, "layers"), zone, 8, seed);
  };
  EXPECT_EQ(layers("zone"), (std::vector<int>{2, 3, 4}));
  EXPECT_EQ(layers("all"), (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7}));
  EXPECT_EQ(layers("early"), (std::vector<int>{0, 1, 2}));
  EXPECT_EQ(layers("late"), (std::vector<int>{5, 6, 7}));
  const std::vector<int> random = layers("random");
  EXPECT_EQ(random.size(), 3u);
  EXPECT_TRUE(std::is_sorted(random.begin(), random.end()));
  EXPECT_EQ(std::adjacent_find(random.begin(), random.end()), random.end());
  EXPECT_EQ(layers("random"), random);
  bool differs = false;
  for (std::uint64_t seed = 2; seed < 6; ++seed)
    differs = differs || layers("random", seed) != random;
  EXPECT_TRUE(differs);
  for (const Zone bad : {Zone{-1, 2}, Zone{3, 8}, Zone{3, 2}})
    EXPECT_TRUE(
        mentions(error_of([&] { alignment_layers(AlignedLayers::zone, bad, 8, 1); }), "8 layers"));
}

TEST(AlignmentOptions, Support) {
  const Sets task = {{1}, {0, 2, 5}, {3, 4}};
  EXPECT_EQ(alignment_support(AlignedExperts::task, task, 6, 1), task);
  EXPECT_EQ(alignment_support(AlignedExperts::all, task, 6, 1), Sets(3, {0, 1, 2, 3, 4, 5}));
  const Sets random = alignment_support(AlignedExperts::random, task, 6, 1);
  ASSERT_EQ(random.size(), 3u);
  for (std::size_t l = 0; l < 3; ++l) {
    EXPECT_EQ(random[l].size(), task[l].size());
    EXPECT_TRUE(std::is_sorted(random[l].begin(), random[l].end()));
    EXPECT_EQ(std::adjacent_find(random[l].begin(), random[l].end()), random[l].end());
    for (const int e : random[l]) EXPECT_TRUE(e >= 0 && e < 6);
  }
  EXPECT_EQ(alignment_support(AlignedExperts::random, task, 6, 1), random);
  EXPECT_NE(alignment_support(AlignedExperts::random, Sets(20, {0, 1, 2}), 6, 1),
            alignment_support(AlignedExperts::random, Sets(20, {0, 1, 2}), 6, 2));
}

TEST(AlignmentOptions, Examples) {
  std::vector<FinetuneExample> examples(12);
  for (std::size_t i = 0; i < 12; ++i) examples[i].type = every<PairType>()[i % 4];
  const auto aligned = [&](const char* key, std::uint64_t seed = 1) {
    std::vector<int> numbers;
    const std::vector<bool> is =
        aligned_examples(from_name<AlignedExamples>(key, "examples"), examples, seed);
    for (int i = 0; i < 12; ++i)
      if (is[std::size_t(i)]) numbers.push_back(i);
    return numbers;
  };
  EXPECT_EQ(aligned("ci"), (std::vector<int>{1, 5, 9}));
  EXPECT_EQ(aligned("cc_ci"), (std::vector<int>{0, 1, 4, 5, 8, 9}));
  EXPECT_EQ(aligned("all").size(), 12u);
  EXPECT_EQ(aligned("random").size(), 3u);  // as many as there are ci
  EXPECT_EQ(aligned("random"), aligned("random"));
  bool other = false;
  for (std::uint64_t seed = 1; seed < 6; ++seed)
    other = other || aligned("random", seed) != aligned("ci");
  EXPECT_TRUE(other);
}

TEST(AlignmentOptions, ExamplesOfThePoolAreAlignedWhateverTheirType) {
  std::vector<FinetuneExample> examples(12);
  for (std::size_t i = 0; i < 12; ++i) {
    examples[i].type = every<PairType>()[i % 4];
    examples[i].labelled = i < 8;
  }
  for (const AlignedExamples which : every<AlignedExamples>()) {
    const std::vector<bool> aligned = aligned_examples(which, examples, 1);
    EXPECT_EQ(std::count(aligned.begin() + 8, aligned.end(), true), 4) << name_of(which);
    const auto labelled = std::count(aligned.begin(), aligned.begin() + 8, true);
    EXPECT_EQ(labelled, which == AlignedExamples::all     ? 8
                        : which == AlignedExamples::cc_ci ? 4
                                                          : 2)
        << name_of(which);
  }
}

// The two largest of each layer; of equal ones the lower expert.
TEST(AlignmentOptions, ChosenExpertsByHand) {
  EXPECT_EQ(chosen_experts({{0.5, 0.2, 0.2, 0.1}, {}, {0.1, 0.2, 0.3, 0.4}}, 2),
            (Sets{{0, 1}, {}, {2, 3}}));
  EXPECT_EQ(chosen_experts({{0.4, 0.6}}, 3), (Sets{{0, 1}}));
  EXPECT_EQ(alignment_support(AlignedExperts::chosen, {{1}, {0, 2}}, 6, 1), (Sets{{1}, {0, 2}}));
}

TEST(AlignmentOptions, WhatMakesNoSenseTogetherIsRefused) {
  AlignmentConfig config;
  config.signal = AlignedSignal::hidden;
  EXPECT_NO_THROW(check_alignment(config));
  config.gradient_scope = GradientScope::router;
  EXPECT_TRUE(mentions(error_of([&] { check_alignment(config); }), "gradient_scope = router"));
  config.gradient_scope = GradientScope::all;
  config.support = AlignedExperts::chosen;
  EXPECT_TRUE(mentions(error_of([&] { check_alignment(config); }), "support = chosen"));
  config.support = AlignedExperts::task;
  config.divergence = AlignmentForm::js;
  EXPECT_TRUE(mentions(error_of([&] { check_alignment(config); }), "divergence = js"));
  config.signal = AlignedSignal::routing;
  EXPECT_NO_THROW(check_alignment(config));
}

TEST(AlignmentOptions, LambdaOverTheSteps) {
  AlignmentConfig config;
  config.lambda = 2;
  for (const int step : {0, 5, 10}) EXPECT_EQ(lambda_at(config, step, 11), 2);
  config.lambda_schedule = LambdaSchedule::warmup;  // to the full value at the middle
  EXPECT_EQ(lambda_at(config, 0, 11), 0);
  EXPECT_NEAR(lambda_at(config, 2, 11), 0.8, 1e-12);
  EXPECT_EQ(lambda_at(config, 5, 11), 2);
  EXPECT_EQ(lambda_at(config, 10, 11), 2);
  config.lambda_schedule = LambdaSchedule::decay;
  EXPECT_EQ(lambda_at(config, 0, 11), 2);
  EXPECT_NEAR(lambda_at(config, 2, 11), 1.6, 1e-12);
  EXPECT_EQ(lambda_at(config, 10, 11), 0);
}

TEST(AlignmentOptions, UnknownChoicesAreRefused) {
  for (const char* key : {"lambda_schedule", "signal", "divergence", "support", "layers",
                          "examples", "english_side", "span", "gradient_scope"}) {
    AlignmentConfig config;
    EXPECT_TRUE(mentions(error_of([&] {
                           fields_of(config).read_json(Json{{key, "nonsense"}}, "x");
                         }),
                         key));
  }
}

TEST(AlignmentOptions, Tokens) {
  const auto span = [](AlignedTokens which) {
    const TokenSpan s = aligned_span(which, 4);
    return std::pair{s.begin, s.end};
  };
  const int end = TokenSpan{}.end;
  EXPECT_EQ(span(AlignedTokens::prompt), std::pair(0, 4));
  EXPECT_EQ(span(AlignedTokens::answer), std::pair(4, end));
  EXPECT_EQ(span(AlignedTokens::both), std::pair(0, end));
  EXPECT_EQ(span(AlignedTokens::last), std::pair(3, 4));
  EXPECT_EQ(span(AlignedTokens::tokens), std::pair(0, 4));
}

}  // namespace
}  // namespace ramoe
