// Ablations and the learning curve of a made-up grid, against numbers worked out by hand.
#include <gtest/gtest.h>

#include "ch12_experiments/evidence.h"
#include "ch12_experiments/made_grid.h"
#include "support/compare.h"

namespace ramoe {
namespace {

Json variant(const char* name, const char* group, const char* method, const Json& keys) {
  return {{"name", name}, {"group", group}, {"method", method}, {"keys", keys}};
}

Json ablation_variants() {
  const Json none = Json::object();
  return Json::array(
      {variant("sft", "main", "sft", none), variant("lambda=3", "lambda", "ramoe", {{"lambda", 3}}),
       variant("ramoe", "main", "ramoe", none), variant("rise", "main", "rise", none),
       variant("layers=all", "layers", "ramoe", {{"layers", "all"}}),
       variant("sft-train_pairs=50", "train_pairs", "sft", {{"train_pairs", 50}}),
       variant("sft-train_pairs=20", "train_pairs", "sft", {{"train_pairs", 20}}),
       variant("train_pairs=20", "train_pairs", "ramoe", {{"train_pairs", 20}}),
       variant("train_pairs=50", "train_pairs", "ramoe", {{"train_pairs", 50}}),
       variant("train_pairs=99", "train_pairs", "ramoe", {{"train_pairs", 99}})});
}

/// Test by seed, the same in every cell: sft .50 .60, ramoe .52 .64 (+.03), lambda=3 .53 .61 (-.01
/// against ramoe, +.02 against sft), layers=all as ramoe.
MadeGrid ablation_grid() {
  MadeGrid grid(ablation_variants());
  for (const std::string& cell : MadeGrid::cells()) {
    grid.set_test(cell, "sft", {.50, .60});
    grid.set_test(cell, "ramoe", {.52, .64});
    grid.set_test(cell, "lambda=3", {.53, .61});
    grid.set_test(cell, "layers=all", {.52, .64});
    grid.set_test(cell, "sft-train_pairs=20", {.30, .32});
    grid.set_test(cell, "train_pairs=20", {.40, .42});
    for (const char* seed : {"/1", "/2"}) {
      grid.record(cell + "/lambda=3" + seed)["valid"]["accuracy"] = 0.45;
      grid.set_layers(cell + "/lambda=3" + seed, "divergence", 0.33, 0.9);
    }
  }
  return grid;
}

TEST(Ablations, RowsByHand) {
  const Ablations ablations = gather_ablations(ablation_grid().results());
  EXPECT_EQ(ablations.seeds, 2);
  EXPECT_EQ(ablations.languages, (std::vector<std::string>{"es", "sw"}));
  ASSERT_EQ(ablations.rows.size(), 3u);
  const Ablation &lambda = ablations.rows[0], &own = ablations.rows[1], &all = ablations.rows[2];
  EXPECT_EQ(lambda.variant, "lambda=3");
  EXPECT_EQ(lambda.group, "lambda");
  EXPECT_EQ(lambda.keys["lambda"], 3);
  EXPECT_EQ(own.variant, "ramoe");
  EXPECT_EQ(own.group, "main");
  EXPECT_EQ(all.variant, "layers=all");
  EXPECT_NEAR(lambda.against_default.value, -0.01, 1e-12);
  EXPECT_NEAR(lambda.against_sft.value, 0.02, 1e-12);
  EXPECT_NEAR(lambda.valid_against_default.value, 0.05, 1e-12);
  EXPECT_NEAR(lambda.routing_zone.value, 0.33 - 0.4, 1e-12);
  EXPECT_EQ(lambda.against_default.count, 8);
  EXPECT_NEAR(own.against_sft.value, 0.03, 1e-12);
  EXPECT_EQ(own.against_default.count, 0);
  EXPECT_TRUE(std::isnan(own.valid_against_default.value));
  EXPECT_NEAR(all.against_default.value, 0, 1e-12);
  EXPECT_NEAR(all.against_sft.value, 0.03, 1e-12);
}

// All cells alike: p = 2/256. Against sft three rows have it; against the default only lambda does,
// layers=all has 1 and the default itself none.
TEST(Ablations, RowsAreAFamily) {
  const Ablations ablations = gather_ablations(ablation_grid().results());
  for (const Ablation& row : ablations.rows) {
    EXPECT_DOUBLE_EQ(row.against_sft.p, 2.0 / 256);
    EXPECT_DOUBLE_EQ(row.against_sft.p_adjusted, 6.0 / 256);
  }
  EXPECT_DOUBLE_EQ(ablations.rows[0].against_default.p_adjusted, 4.0 / 256);
  EXPECT_DOUBLE_EQ(ablations.rows[2].against_default.p_adjusted, 1);
  EXPECT_TRUE(std::isnan(ablations.rows[1].against_default.p_adjusted));
}

TEST(Ablations, LearningCurveByHand) {
  const Ablations ablations = gather_ablations(ablation_grid().results());
  ASSERT_EQ(ablations.learning.size(), 3u);  // that of 99 pairs has no sft
  const LearningPoint &first = ablations.learning[0], &last = ablations.learning[2];
  EXPECT_EQ(first.pairs, 20);
  EXPECT_EQ(ablations.learning[1].pairs, 50);
  EXPECT_EQ(last.pairs, 0);
  EXPECT_NEAR(first.sft, 0.31, 1e-12);
  EXPECT_NEAR(first.ramoe, 0.41, 1e-12);
  EXPECT_NEAR(first.difference.value, 0.1, 1e-12);
  EXPECT_NEAR(last.sft, 0.55, 1e-12);
  EXPECT_NEAR(last.ramoe, 0.58, 1e-12);
  EXPECT_NEAR(last.difference.value, 0.03, 1e-12);
  EXPECT_DOUBLE_EQ(first.difference.p_adjusted, 6.0 / 256);  // of 50 pairs there is no difference
}

TEST(Ablations, LeavesOutWhatThePlanLacks) {
  const Ablations ablations = gather_ablations(MadeGrid(MadeGrid::three_methods()).results());
  ASSERT_EQ(ablations.rows.size(), 1u);
  EXPECT_EQ(ablations.rows[0].variant, "ramoe");
  EXPECT_TRUE(ablations.learning.empty());
}

TEST(Ablations, SaysWhatIsWrong) {
  const auto expect = [](const std::function<void(MadeGrid&)>& change, const std::string& part) {
    MadeGrid grid = ablation_grid();
    change(grid);
    const std::string text = error_of([&] { gather_ablations(grid.results()); });
    EXPECT_TRUE(mentions(text, part)) << text;
    EXPECT_TRUE(mentions(text, "made: ")) << text;
  };
  const auto variants = [](MadeGrid& g) -> Json& { return g.facts["plan"]["variants"]; };
  expect([&](MadeGrid& g) { variants(g)[5]["keys"] = Json::object(); }, "train_pairs = null");
  expect([&](MadeGrid& g) { variants(g)[5]["method"] = "rise"; }, "is of the method rise");
  expect([&](MadeGrid& g) { variants(g)[5]["keys"]["train_pairs"] = 20; }, "are the same point");
  expect(
      [](MadeGrid& g) {
        g.facts["finished"] = false;
        g.records.erase("a/sums/sw/lambda=3/2");
      },
      "a/sums/sw/lambda=3/2 is missing");
}

TEST(Ablations, AsJson) {
  const MadeGrid grid = ablation_grid();
  const Json json = to_json(gather_ablations(grid.results()));
  EXPECT_EQ(json.dump(), to_json(gather_ablations(grid.results(true))).dump());
  EXPECT_EQ(json["rows"][0]["variant"], "lambda=3");
  EXPECT_NEAR(json["rows"][0]["valid_against_default"]["value"].get<double>(), 0.05, 1e-12);
  EXPECT_TRUE(json["rows"][1]["against_default"]["value"].is_null());
  EXPECT_EQ(json["rows"][0]["routing_zone"]["count"], 8);
  EXPECT_EQ(json["learning"][2]["pairs"], 0);
  EXPECT_NEAR(json["learning"][0]["difference"]["value"].get<double>(), 0.1, 1e-12);
}

}  // namespace
}  // namespace ramoe
