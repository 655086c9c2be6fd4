// Chapter 12.5: differences by seed, worked by hand.
#include "ch12_experiments/comparison.h"

#include <gtest/gtest.h>

#include "ch12_experiments/sentences.h"
#include "support/error.h"

namespace ramoe {
namespace {

Json run_of(const std::string& lang, const std::string& method, int seed, double accuracy) {
  return {{"language", lang},
          {"method", method},
          {"seed", seed},
          {"test", {{{"task", "facts"}, {"accuracy", accuracy}, {"given_english", accuracy / 2}}}}};
}

/// Two targets, one task, two seeds.
Json before_comparison() {
  const auto base = [](const std::string& lang, double accuracy) {
    return Json{{"lang", lang},           {"task", "facts"},      {"n", 10},
                {"n_english_correct", 8}, {"accuracy", accuracy}, {"given_english", accuracy}};
  };
  const auto types = [](const std::string& lang, double rho) {
    return Json{{"lang", lang}, {"task", "facts"}, {"cc", 1},      {"ci", 1},
                {"ic", 1},      {"ii", 1},         {"rho_ci", rho}};
  };
  return {{"languages", {"en", "es", "sw"}},
          {"tasks", {"facts"}},
          {"seeds", {1, 2}},
          {"base_accuracy", {base("en", 0.9), base("es", 0.3), base("sw", 0.1)}},
          {"taxonomy", {types("es", 0.5), types("sw", 0.8)}},
          {"divergence",
           {{"mean", {nullptr, nullptr, nullptr, nullptr}},
            {"zone", {{"first", 2}, {"last", 3}}},
            {"u_shaped", false},
            {"correlation", {{"zone", nullptr}, {"outside", nullptr}, {"points", 2}}}}}};
}

std::vector<Json> four_times_two() {
  return {run_of("es", "sft", 1, 0.50),   run_of("es", "ramoe", 1, 0.54),
          run_of("es", "sft", 2, 0.40),   run_of("es", "ramoe", 2, 0.42),
          run_of("sw", "sft", 1, 0.20),   run_of("sw", "ramoe", 1, 0.21),
          run_of("sw", "ramoe", 2, 0.20), run_of("sw", "sft", 2, 0.21)};
}

/// The results with their comparison, as the file holds them.
Json compared(const Json& before, const std::vector<Json>& runs) {
  std::vector<RunScores> scores;
  for (const Json& run : runs) scores.push_back(results_from<RunScores>(run, "run"));
  RunResults results = results_from<RunResults>(before, "results");
  compare_methods(results, scores);
  return to_json(results);
}

TEST(Comparison, DifferencesArePairedBySeed) {
  Json results = compared(before_comparison(), four_times_two());
  ASSERT_EQ(results["accuracy"].size(), 2u);
  const Json& es = results["accuracy"][0];
  EXPECT_EQ(es["lang"], "es");
  EXPECT_NEAR(es["methods"]["ramoe"]["difference"]["per_seed"][0].get<double>(), 0.04, 1e-12);
  EXPECT_NEAR(es["methods"]["ramoe"]["difference"]["per_seed"][1].get<double>(), 0.02, 1e-12);
  EXPECT_NEAR(es["methods"]["ramoe"]["difference"]["mean"].get<double>(), 0.03, 1e-12);
  // Two values: s = 0.02 / sqrt 2, t(0.975, 1) = 12.706, so mean +- 12.706 * 0.01.
  EXPECT_NEAR(es["methods"]["ramoe"]["difference"]["low"].get<double>(), 0.03 - 0.12706, 1e-5);
  EXPECT_NEAR(es["methods"]["ramoe"]["difference"]["high"].get<double>(), 0.03 + 0.12706, 1e-5);
  EXPECT_EQ(es["methods"]["sft"]["accuracy"], Json({0.50, 0.40}));
  EXPECT_EQ(es["methods"]["ramoe"]["given_english"], Json({0.27, 0.21}));
  EXPECT_EQ(es["ci_share"], 0.5);
  // Swahili's seeds cancel: +0.01 and -0.01.
  EXPECT_NEAR(results["accuracy"][1]["methods"]["ramoe"]["difference"]["mean"].get<double>(), 0.0,
              1e-12);
  EXPECT_NEAR(results["overall"]["ramoe"]["difference"]["mean"].get<double>(), 0.015, 1e-12);
}

TEST(Comparison, WordsSayWhenADifferenceIsWithinNoise) {
  Json results = compared(before_comparison(), four_times_two());
  std::string all;
  for (const Json& sentence : results["words"]) all += sentence.get<std::string>() + "\n";
  EXPECT_NE(all.find("en 90.0 %, es 30.0 %, sw 10.0 %"), std::string::npos) << all;
  EXPECT_NE(all.find("layers 2 to 3"), std::string::npos) << all;
  EXPECT_NE(all.find("does not have the U shape"), std::string::npos) << all;
  EXPECT_EQ(all.find("nan"), std::string::npos) << all;
  EXPECT_NE(all.find("4 differences are too few"), std::string::npos) << all;
  for (Json& row : results["accuracy"])
    row["methods"]["ramoe"]["difference"]["per_seed"] = {0.01, 0.02, 0.03};
  Json& difference = results["overall"]["ramoe"]["difference"];
  const auto overall = [&](double low, double high) {
    difference["low"] = low;
    difference["high"] = high;
    std::string text;
    for (const std::string& sentence : sentences(results_from<RunResults>(results, "results")))
      text += sentence + "\n";
    return text;
  };
  EXPECT_NE(overall(-0.01, 0.04).find("within noise"), std::string::npos);
  EXPECT_NE(overall(0.01, 0.02).find("alignment helped"), std::string::npos);
  difference["mean"] = -0.015;
  EXPECT_NE(overall(-0.02, -0.01).find("alignment hurt"), std::string::npos);
}

// The Arabic facts of a demo: three seeds, three times the same.
TEST(Comparison, EqualSeedsHaveNoInterval) {
  Json before = before_comparison();
  before["seeds"] = {1, 2, 3};
  std::vector<Json> runs;
  for (const char* lang : {"es", "sw"})
    for (int seed = 1; seed <= 3; ++seed) {
      const double sft = 0.1 * seed + (lang[0] == 's' ? 0.01 * seed : 0);
      runs.push_back(run_of(lang, "sft", seed, sft));
      runs.push_back(run_of(lang, "ramoe", seed, 0.1 * seed - 0.007));
    }
  const Json results = compared(before, runs);
  const Json& es = results["accuracy"][0]["methods"]["ramoe"]["difference"];
  EXPECT_NEAR(es["mean"].get<double>(), -0.007, 1e-12);
  EXPECT_TRUE(es["low"].is_null() && es["high"].is_null()) << es;
  EXPECT_TRUE(results["accuracy"][1]["methods"]["ramoe"]["difference"]["low"].is_number());
  EXPECT_NE(results["words"].dump().find(
                "Of 2 language-task pairs 1 has an interval over seeds (in the others all seeds "
                "give the same difference)"),
            std::string::npos)
      << results["words"];
}

// A split without items, or nothing known in English: null all the way.
TEST(Comparison, WhatWasNotMeasuredIsNull) {
  std::vector<Json> runs = four_times_two();
  for (Json& run : runs) {
    run["test"][0]["given_english"] = nullptr;
    if (run["language"] == "sw") run["test"][0]["accuracy"] = nullptr;
  }
  const Json results = compared(before_comparison(), runs);
  EXPECT_EQ(results["accuracy"][0]["methods"]["sft"]["given_english"], Json({nullptr, nullptr}));
  EXPECT_TRUE(results["accuracy"][1]["methods"]["ramoe"]["difference"]["mean"].is_null());
  EXPECT_NEAR(results["overall"]["ramoe"]["difference"]["mean"].get<double>(), 0.03, 1e-12);
}

/// Headroom of the two targets, in the two forms that a demo measures.
Json made_headroom(double es, double sw, double low, double high, const std::string& form) {
  const auto cell = [](const std::string& lang, double headroom) {
    return Json{{"lang", lang},         {"task", "facts"}, {"n", 10},    {"ci", 5},
                {"headroom", headroom}, {"own", 0.35},     {"base", 0.3}};
  };
  return {{"model", "base"},
          {"form", form},
          {"layers", "zone"},
          {"control", "other"},
          {"split", "valid"},
          {"low", low},
          {"high", high},
          {"headroom", (es + sw) / 2},
          {"words", "headroom " + form + "."},
          {"cells", {cell("es", es), cell("sw", sw)}}};
}

// A third method is compared with SFT as the second is, and both with headroom.
TEST(Comparison, AThirdMethodHasItsOwnDifferences) {
  Json before = before_comparison();
  before["seeds"] = {1, 2, 3};
  before["headroom"] = {made_headroom(0.001, -0.001, -0.004, 0.005, "seq"),
                        made_headroom(0.02, 0.06, 0.01, 0.07, "last")};
  std::vector<Json> runs;
  for (const char* lang : {"es", "sw"})
    for (int seed = 1; seed <= 3; ++seed) {
      const double sft = 0.1 * seed;
      runs.push_back(run_of(lang, "ramoe", seed, sft + 0.01 * seed));
      runs.push_back(run_of(lang, "sft", seed, sft));
      runs.push_back(run_of(lang, "ramoe-last", seed, sft + 0.02 + 0.001 * seed));
    }
  const Json results = compared(before, runs);
  const Json& es = results["accuracy"][0]["methods"];
  EXPECT_TRUE(es["sft"].value("difference", Json()).is_null());
  EXPECT_NEAR(es["ramoe"]["difference"]["mean"].get<double>(), 0.02, 1e-12);
  EXPECT_NEAR(es["ramoe-last"]["difference"]["mean"].get<double>(), 0.022, 1e-12);
  // s = 0.001, t(0.975, 2) = 4.3027: +- 4.3027 * 0.001 / sqrt 3.
  EXPECT_NEAR(es["ramoe-last"]["difference"]["low"].get<double>(), 0.022 - 0.0024842, 1e-6);
  const Json& overall = results["overall"];
  EXPECT_EQ(overall.size(), 2u) << overall;
  EXPECT_NEAR(overall["ramoe-last"]["difference"]["mean"].get<double>(), 0.022, 1e-12);
  EXPECT_EQ(overall["ramoe-last"]["headroom_gain_correlation"]["last"]["points"], 2);
  std::string all;
  for (const Json& sentence : results["words"]) all += sentence.get<std::string>() + "\n";
  const std::string last = "RA-MoE at the last prompt token (our extension)";
  for (const std::string& part :
       {std::string("headroom seq."), std::string("headroom last."),
        std::string("RA-MoE minus SFT, mean over 2 language-task pairs: +2.0 points"),
        last + " minus SFT, mean over 2 language-task pairs: +2.2 points",
        std::string("There was no headroom in the form that its loss asks for, seq, and yet a "
                    "gain was found."),
        std::string("There was headroom in the form that its loss asks for, last (own minus base "
                    "+5.0 points), and a gain was found."),
        "The ci share and the gain of " + last,
        std::string("Headroom (form seq) and the gain of RA-MoE have no correlation over 2 "
                    "language-task pairs: too few.")})
    EXPECT_NE(all.find(part), std::string::npos) << part << "\n" << all;
}

/// The end of the sentence on `method` of results whose intervals are these.
std::string won(Interval headroom, Interval gain) {
  RunResults results;
  results.tasks = {"facts"};
  HeadroomResults h;
  h.form = "seq";
  h.headroom = (headroom.low + headroom.high) / 2;
  h.low = headroom.low;
  h.high = headroom.high;
  HeadroomCell cell{.lang = "sw", .task = "facts"};
  cell.base = 0.2;
  cell.own = 0.25;
  h.cells = {cell};
  results.headroom = {h};
  AccuracyRow row;
  MethodAccuracy ramoe;
  ramoe.difference = Difference{{0.01, gain}, std::vector<double>(6, 0.01)};
  row.methods = {{"sft", {}}, {"ramoe", ramoe}};
  results.accuracy = {row};
  results.overall = {{"ramoe", {{0.01, gain}, {}, {}}}};
  std::string all;
  for (const std::string& sentence : sentences(results)) all += sentence;
  const std::size_t at = all.find("headroom in the form");
  return at == std::string::npos ? "" : all.substr(at, all.find(". ", at) - at);
}

TEST(Comparison, WordsOfHeadroomAndGain) {
  const Interval above{0.02, 0.05}, below{-0.05, -0.02}, around{-0.05, 0.05}, small{-0.005, 0.005};
  const std::string asked = "headroom in the form that its loss asks for, seq";
  const std::string there = asked + " (own minus base +5.0 points)";
  EXPECT_EQ(won(above, above), there + ", and a gain was found");
  EXPECT_EQ(won(above, around), there + ", but no gain was found");
  EXPECT_EQ(won(above, below), there + ", but alignment hurt");
  EXPECT_EQ(won(small, around), asked + ", so there was nothing for it to win");
  EXPECT_EQ(won(small, above), asked + ", and yet a gain was found");
  EXPECT_EQ(won(around, above), asked + ", is undecided");
  EXPECT_EQ(won(above, unknown_interval()), "");
}

TEST(Comparison, NeedsSft) {
  std::vector<Json> runs;
  for (const Json& run : four_times_two())
    if (run["method"] == "ramoe") runs.push_back(run);
  try {
    compared(before_comparison(), runs);
    FAIL() << "an Error was expected";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("sft"), std::string::npos) << error.what();
  }
}

TEST(Comparison, MissingRunsAreNamed) {
  std::vector<Json> runs = four_times_two();
  runs.pop_back();
  try {
    compared(before_comparison(), runs);
    FAIL() << "an Error was expected";
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("sw/sft/2"), std::string::npos) << error.what();
  }
}

}  // namespace
}  // namespace ramoe
