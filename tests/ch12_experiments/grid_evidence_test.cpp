#include "ch12_experiments/grid_evidence.h"

#include <gtest/gtest.h>

#include "ch12_experiments/made_grid.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// SFT and RA-MoE, with the models of the made-up grid named after exponents.
GridResults made_mixture(const std::string& second = "exponent=0.5") {
  const MadeGrid grid(
      Json::array({{{"name", "sft"}, {"method", "sft"}}, {{"name", "ramoe"}, {"method", "ramoe"}}}),
      2, true);
  const auto renamed = [&](const std::string& text) {
    for (const auto& [from, to] :
         {std::pair<std::string, std::string>{"a", "exponent=0"}, {"b", second}})
      if (text == from || text.starts_with(from + "/")) return to + text.substr(1);
    return text;
  };
  std::vector<Json> lines = grid.lines();
  for (Json& line : lines)
    for (const char* key : {"id", "model"}) line[key] = renamed(line[key].get<std::string>());
  Json facts = grid.facts;
  for (const char* key : {"data", "bases", "stages"}) {
    Json changed;
    for (const auto& [model, value] : grid.facts[key].items()) changed[renamed(model)] = value;
    facts[key] = changed;
  }
  facts["plan"]["models"] = {{"exponent=0", "runs/0"}, {second, "runs/5"}};
  return {facts, lines, "made/mixture"};
}

GridResults made(const Json& variants = MadeGrid::three_methods()) {
  return MadeGrid(variants, 2, true).results();
}

TEST(GridEvidence, MachineReadable) {
  const GridEvidence weighed = weigh_grid(made(), {}, made_mixture());
  const Json json = to_json(weighed);
  EXPECT_EQ(json["code"], "c0de");
  ASSERT_EQ(json["claims"].size(), weighed.claims.size());
  const Claim& claim = weighed.claims[2];
  EXPECT_EQ(json["claims"][2]["id"], "c");
  EXPECT_EQ(json["claims"][2]["how"], claim.how);
  EXPECT_EQ(json["claims"][2]["verdict"], name_of(claim.verdict()));
  EXPECT_EQ(json["claims"][2]["parts"][0]["value"], claim.parts[0].estimate.value);
  EXPECT_EQ(json["claims"][2]["parts"][0]["count"], claim.parts[0].estimate.count);
  EXPECT_EQ(json["evidence"], to_json(weighed.evidence));
  EXPECT_EQ(json["mixture"]["models"], Json({"exponent=0", "exponent=0.5"}));
  EXPECT_TRUE(json["ablations"].is_null());
}

TEST(GridEvidence, AblationsOfTheGridItselfCount) {
  Json variants = MadeGrid::three_methods();
  variants.push_back(
      {{"name", "lambda=3"}, {"group", "lambda"}, {"method", "ramoe"}, {"keys", {{"lambda", 3}}}});
  const GridEvidence weighed = weigh_grid(made(variants));
  ASSERT_TRUE(weighed.ablations);
  EXPECT_EQ(weighed.ablations->rows.back().variant, "lambda=3");
}

TEST(GridEvidence, ExtensionsAreComparedWithTheirControls) {
  Json variants = MadeGrid::three_methods();
  for (const char* name : {"ramoe-last", "ramoe-last-shuffled"})
    variants.push_back({{"name", name}, {"method", "ramoe"}});
  const Evidence evidence = weigh_grid(made(variants)).evidence;
  const auto pair = [&](const char* a, const char* b) {
    return evidence.comparison(a, b, "all") != nullptr;
  };
  EXPECT_TRUE(pair("ramoe-last", "ramoe-last-shuffled"));
  EXPECT_TRUE(pair("ramoe-last", "sft"));
  EXPECT_FALSE(pair("rise", "ramoe-last"));
  EXPECT_FALSE(pair("ramoe-last-shuffled", "ramoe-last"));
}

TEST(GridEvidence, GridsAreTakenTogetherCellByCell) {
  // All 8 cells of the one gain .1 with three seeds, those of the other .4 with two.
  MadeGrid three(MadeGrid::three_methods(), 3, true), two(MadeGrid::three_methods(), 2, true);
  for (const std::string& cell : MadeGrid::cells()) {
    three.set_test(cell, "ramoe", {.6, .6, .6});
    two.set_test(cell, "ramoe", {.8, 1.});
  }
  const Evidence a = gather_evidence(three.results()), b = gather_evidence(two.results());
  const Comparison both = compare_over_grids({&a, &b}, "ramoe", "sft");
  EXPECT_EQ(both.cells, 16);
  EXPECT_EQ(both.accuracy.count, 16);
  EXPECT_NEAR(both.accuracy.value, .25, 1e-12) << "cells weigh the same, whatever their seeds";
  EXPECT_TRUE(both.accuracy.above_zero());
  const Comparison* one = a.comparison("ramoe", "sft", "all");
  EXPECT_EQ(compare_over_grids({&a}, "ramoe", "sft").accuracy.value, one->accuracy.value);
  expect_contains(error_of([&] { compare_over_grids({&a, &b}, "ramoe-last", "sft"); }),
                  "a grid lacks \"ramoe-last\" in a/facts/es");
}

TEST(GridEvidence, AMixtureIsNamedAfterItsExponents) {
  for (const char* name : {"b", "exponent=", "exponent=0.5x"})
    expect_contains(
        error_of([&] { weigh_grid(made(), {}, made_mixture(name)); }),
        cat("a base model is called \"", name, "\"; wanted names of the form exponent=0.3"));
}

}  // namespace
}  // namespace ramoe
