// `ramoe explain` on a shipped model: printed numbers tie up, keys choose, errors say what to do.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <sstream>

#include "app/cli.h"
#include "support/texts.h"

namespace ramoe {
namespace {

std::string explain(const std::string& arguments) {
  const Outcome outcome = run_cli("explain " + arguments);
  EXPECT_EQ(outcome.code, 0) << outcome.text;
  EXPECT_LT(std::count(outcome.text.begin(), outcome.text.end(), '\n'), 42) << outcome.text;
  return outcome.text;
}

std::string error(const std::string& arguments) {
  const Outcome outcome = run_cli("explain " + arguments);
  EXPECT_EQ(outcome.code, 1) << outcome.text;
  return outcome.text;
}

/// The numbers of the line that begins with these words, behind them.
std::vector<double> numbers_behind(const std::string& text, const std::string& words) {
  const std::size_t at = text.find("\n" + words);
  EXPECT_NE(at, std::string::npos) << words << "\n" << text;
  std::vector<double> numbers;
  if (at == std::string::npos) return numbers;
  const std::size_t begin = at + 1 + words.size();
  std::istringstream line(text.substr(begin, text.find('\n', begin) - begin));
  for (double value; line >> value;) numbers.push_back(value);
  return numbers;
}

TEST(Explain, RouterRowsSumToOneAndChosenAreTheLargest) {
  const std::string text = explain("router --layer=5");
  expect_contains(text, ": ci\n");
  expect_contains(text, "K = 2 of E = 8 experts");
  std::vector<std::vector<double>> rows;  // z, p and, of those chosen, rank and gate
  for (int e = 0; e < 8; ++e) rows.push_back(numbers_behind(text, "    " + std::to_string(e)));
  double total = 0, of_exp = 0;
  for (const auto& r : rows) total += r.at(1), of_exp += std::exp(r.at(0));
  EXPECT_NEAR(total, 1, 1e-3) << "eight values of four digits";
  for (const auto& r : rows) {
    EXPECT_NEAR(r[1], std::exp(r[0]) / of_exp, 2e-3 * r[1] + 1e-6);
    if (r.size() == 4) {
      EXPECT_EQ(r[3], r[1]) << "olmoe does not renormalise";
    }
  }
  EXPECT_EQ(std::count_if(rows.begin(), rows.end(), [](const auto& r) { return r.size() == 4; }),
            2);
}

TEST(Explain, AttentionGoesToTheTokensUpToItsOwn) {
  const std::string text = explain("attention --layer=5 --head=1 --token=3");
  expect_contains(text, "token 3");
  expect_contains(text, "head 1 of NH = 4");
  EXPECT_NEAR(numbers_behind(text, "    sum").at(0), 1, 1e-3);
  double total = 0;
  for (int j = 0; j < 4; ++j)
    total += numbers_behind(text, "    " + std::to_string(j)).at(4);  // k (3), s, p, v (3)
  EXPECT_NEAR(total, 1, 1e-3);
  EXPECT_EQ(text.find("\n    4 "), std::string::npos) << text;
}

TEST(Explain, TaxonomyShowsBothAnswersAndTheCell) {
  const std::string text = explain("taxonomy");
  for (const char* part : {"[ci]", "right\n", "wrong\n", "expected", "answer", "tokens", "ids"})
    expect_contains(text, part);
  expect_contains(text, "the first that is ci");
  // The same pair by its id, without a search.
  const std::size_t at = text.find("facts/");
  const std::string id = text.substr(at, text.find(' ', at) - at);
  const std::string again = explain("taxonomy --example=" + id);
  EXPECT_EQ(again.find("the first that is ci"), std::string::npos);
  EXPECT_EQ(again.substr(again.find("\nen ")), text.substr(text.find("\nen ")));
}

TEST(Explain, AlignmentEndsWithTheCheckOfItsGradient) {
  const std::string text = explain("alignment --zone=depth");
  for (const char* part : {"zone      layers 2 to 5", "L_align = mean of D over 4 layers",
                           "finite differences: all ", "agree within 1e-8\n"})
    expect_contains(text, part);
}

TEST(Explain, RenormalisedGatesAndOtherBases) {
  const std::string text = explain("router --base=data/models/qwen3_moe --language=Kiswahili");
  expect_contains(text, " in sw, ");
  expect_contains(text, "norm_topk_prob)");
  const std::vector<double> sums = numbers_behind(text, "    sum");
  ASSERT_EQ(sums.size(), 2u);
  EXPECT_NEAR(sums[1], 1, 1e-3);
}

TEST(Explain, WhatIsNotThereIsNamed) {
  expect_contains(error(""), "needs a topic");
  expect_contains(error("experts"), "router");
  expect_contains(error("router --layer=8"), "the model has layers 0 to 7");
  expect_contains(error("attention --head=4"), "heads 0 to 3");
  expect_contains(error("router --token=99"), "the prompt has tokens 0 to");
  expect_contains(error("router --language=en"), "expected a target language");
  expect_contains(error("router --task=chess"), "chess");
  expect_contains(error("taxonomy --example=facts/XX/none"), "ramoe taxonomy");
  expect_contains(error("router --device=cpu"), "reference");
  expect_contains(run_cli("explain taxonomy --head=1 --lambda=2").text,
                  "without effect here: --head");
}

}  // namespace
}  // namespace ramoe
