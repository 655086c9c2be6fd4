// The evidence of a made-up grid against numbers worked out by hand.
#include "ch12_experiments/evidence.h"

#include <gtest/gtest.h>

#include "ch12_experiments/evidence_expect.h"

namespace ramoe {
namespace {

TEST(Evidence, HoldsWhatThePlanHas) {
  const Evidence plain = gather_evidence(MadeGrid(MadeGrid::three_methods()).results());
  EXPECT_EQ(plain.methods, (std::vector<std::string>{"sft", "ramoe", "rise"}));
  EXPECT_EQ(plain.models, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(plain.seeds, 2);
  ASSERT_EQ(plain.cells.size(), 8u);
  EXPECT_EQ(plain.cells[2].task, "sums");
  EXPECT_EQ(plain.cells[2].lang, "es");
  EXPECT_EQ(plain.cells[0].method("sara"), nullptr);
  EXPECT_EQ(plain.comparison("ramoe", "sara", "all"), nullptr);
  // Each against sft: 2; ramoe against rise; sft and ramoe against base; 5 scopes.
  EXPECT_EQ(plain.comparisons.size(), 25u);

  const Json sft = {{"name", "sft"}, {"method", "sft"}},
             ramoe = {{"name", "ramoe"}, {"method", "ramoe"}},
             other = {{"name", "layers=all"}, {"group", "layers"}, {"method", "ramoe"}};
  const Evidence steered =
      gather_evidence(MadeGrid(Json::array({ramoe, other, sft}), 2, true).results());
  EXPECT_EQ(steered.methods,
            (std::vector<std::string>{"ramoe", "sft", "steer-soft-base", "steer-hard-base",
                                      "steer-soft-sft", "steer-hard-sft"}));
  // 5 against sft, ramoe against 4, sft and ramoe against base, 2 forms against base; 5 scopes.
  EXPECT_EQ(steered.comparisons.size(), 65u);
}

TEST(Evidence, ACellByHand) {
  MadeGrid grid = gains_grid(true);
  const std::string name = "a/sums/sw";
  grid.set_types(name, {4, 12, 3, 1});
  grid.record(name + "/base")["english"]["accuracy"] = 0.9;
  grid.set_layers(name + "/base", "divergence", 0.2, 0.7);
  grid.record(name + "/ramoe/1")["learning_rate"] = 0.004;
  const Evidence evidence = gather_evidence(grid.results());
  const EvidenceCell& cell = evidence.cells[3];
  EXPECT_EQ(cell.model + "/" + cell.task + "/" + cell.lang, name);
  EXPECT_EQ(cell.n, 100);
  EXPECT_EQ(cell.n_english, 80);
  EXPECT_DOUBLE_EQ(cell.base, 0.2);
  EXPECT_DOUBLE_EQ(cell.gap(), 0.9 - 0.2);
  expect_values({cell.cc, cell.ci, cell.ic, cell.ii}, {0.2, 0.6, 0.15, 0.05});
  EXPECT_DOUBLE_EQ(cell.divergence_zone, 0.2);     // layers 1 and 2
  EXPECT_DOUBLE_EQ(cell.divergence_outside, 0.7);  // layers 0 and 3
  EXPECT_DOUBLE_EQ(cell.method("ramoe")->setting, 0.004);
  EXPECT_DOUBLE_EQ(cell.method("steer-soft-sft")->setting, 0.5);
  EXPECT_TRUE(std::isnan(cell.method("steer-hard-base")->setting));
  EXPECT_EQ(cell.method("ramoe")->accuracy, (std::vector<double>{0.56, 0.62}));
}

// Differences .06 and .02. Means of two draws: .02, .04, .06 with chances 1/4, 1/2, 1/4. Of the
// four signs, two have a sum of at least .08 in size.
TEST(Evidence, GainsArePairedBySeed) {
  const Evidence evidence = gather_evidence(gains_grid().results());
  const Estimate& gain = evidence.cells[0].method("ramoe")->gain;
  expect_estimate(gain, 0.04, 0.02, 0.06, 2);
  EXPECT_DOUBLE_EQ(gain.p, 0.5);
  EXPECT_TRUE(gain.above_zero());
  // Twice -.02: no interval, so it counts neither as below zero nor as above.
  const Estimate& same = evidence.cells[4].method("ramoe")->gain;
  EXPECT_NEAR(same.value, -0.02, 1e-12);
  EXPECT_FALSE(same.interval.known() || same.below_zero() || same.above_zero());
  EXPECT_EQ(same.count, 2);
  expect_unknown(evidence.cells[0].method("sft")->gain);
  EXPECT_TRUE(evidence.cells[0].method("sft")->divergence_change.empty());
}

// Eight seeds that differ in one sign: p = 2/256. Two of the eight cells for RA-MoE, and one of the
// eight for RISE; all others have no difference and p = 1. Holm among the 8 cells of one method.
TEST(Evidence, CellsOfAMethodAreAFamily) {
  MadeGrid grid(MadeGrid::three_methods(), 8);
  const std::vector<double> higher = {.6, .61, .62, .63, .64, .65, .66, .67};
  grid.set_test("a/facts/es", "ramoe", higher);
  grid.set_test("b/sums/sw", "ramoe", higher);
  grid.set_test("a/facts/es", "rise", higher);
  const Evidence evidence = gather_evidence(grid.results());
  const auto gain = [&](std::size_t cell, const char* method) {
    return evidence.cells[cell].method(method)->gain;
  };
  EXPECT_DOUBLE_EQ(gain(0, "ramoe").p, 2.0 / 256);
  EXPECT_DOUBLE_EQ(gain(0, "ramoe").p_adjusted, 8 * 2.0 / 256);
  EXPECT_DOUBLE_EQ(gain(7, "ramoe").p_adjusted, 8 * 2.0 / 256);  // 7 times, but never falling
  EXPECT_DOUBLE_EQ(gain(0, "rise").p_adjusted, 8 * 2.0 / 256);
  EXPECT_DOUBLE_EQ(gain(7, "rise").p_adjusted, 1);
}

// Over all: (4 * .04 - 2 * .02) / 8 = .015. Its sum is .12, which of the 64 signs of four .04 and
// two .02 these reach:
//   all four .04 of one sign (.16): with -.04, 0 (two ways), +.04: .12, .16, .16, .20    4 ways
//   three of one sign (.08), 4 ways: only with +.04: .12                                 4 ways
// twice 8 of 64: p = .25. sft and ramoe against the base model: all of one sign, 2/256. Holm of
// .0078, .0078, .25: three times, two times (not below the first), once.
TEST(Evidence, ComparisonByHand) {
  const Json sft = {{"name", "sft"}, {"method", "sft"}},
             ramoe = {{"name", "ramoe"}, {"method", "ramoe"}};
  MadeGrid two = gains_grid();
  two.facts["plan"]["variants"] = Json::array({sft, ramoe});
  const Evidence evidence = gather_evidence(two.results());
  const Comparison& all = *evidence.comparison("ramoe", "sft", "all");
  EXPECT_NEAR(all.accuracy.value, 0.015, 1e-12);
  EXPECT_EQ(all.accuracy.count, 8);
  EXPECT_EQ(all.cells, 8);
  EXPECT_EQ(all.above, 4);
  EXPECT_EQ(all.below, 0);  // twice -.02 in two cells: no intervals
  EXPECT_DOUBLE_EQ(all.accuracy.p, 0.25);
  EXPECT_DOUBLE_EQ(all.accuracy.p_adjusted, 0.25);
  const GrandMean grand = grand_mean({{.06, .02},
                                      {.06, .02},
                                      {.06, .02},
                                      {.06, .02},
                                      {-.02, -.02},
                                      {-.02, -.02},
                                      {.01, -.01},
                                      {.01, -.01}});
  EXPECT_NEAR(all.accuracy.interval.low, grand.interval.low, 1e-12);
  EXPECT_NEAR(all.accuracy.interval.high, grand.interval.high, 1e-12);
  const Comparison& base = *evidence.comparison("sft", "base", "all");
  EXPECT_NEAR(base.accuracy.value, 0.55 - 0.2, 1e-12);
  EXPECT_EQ(base.above, 8);
  EXPECT_DOUBLE_EQ(base.accuracy.p, 2.0 / 256);
  EXPECT_DOUBLE_EQ(base.accuracy.p_adjusted, 6.0 / 256);
  EXPECT_DOUBLE_EQ(evidence.comparison("ramoe", "base", "all")->accuracy.p_adjusted, 6.0 / 256);
  EXPECT_EQ(evidence.comparison("base", "sft", "all"), nullptr);
  // Model a: .04 in its four cells, each of three comparisons with p = 2/16 in a family of its own.
  const Comparison& a = *evidence.comparison("ramoe", "sft", "a");
  EXPECT_NEAR(a.accuracy.value, 0.04, 1e-12);
  EXPECT_EQ(a.cells, 4);
  EXPECT_DOUBLE_EQ(a.accuracy.p, 0.125);
  EXPECT_DOUBLE_EQ(a.accuracy.p_adjusted, 0.375);
  // Task facts: .04, .04, -.02, -.02.
  EXPECT_NEAR(evidence.comparison("ramoe", "sft", "facts")->accuracy.value, 0.01, 1e-12);
  EXPECT_EQ(evidence.comparison("ramoe", "sft", "facts")->above, 2);
  EXPECT_EQ(evidence.comparison("ramoe", "sft", "facts")->below, 0);
}

// Steering of the base model .3 everywhere but .4 in one cell; sft's mean is .55.
TEST(Evidence, SteeringOfTheBaseModelHasOneValue) {
  MadeGrid grid = gains_grid(true);
  for (const std::string& cell : MadeGrid::cells()) grid.set_test(cell, "steer-hard-base", {0.3});
  grid.set_test("b/facts/es", "steer-hard-base", {0.4});
  const Evidence evidence = gather_evidence(grid.results());
  const MethodInCell& steered = *evidence.cells[0].method("steer-hard-base");
  EXPECT_EQ(steered.accuracy.size(), 1u);
  EXPECT_NEAR(steered.gain.value, 0.3 - 0.55, 1e-12);
  expect_unknown(steered.gain, 1);
  const Comparison& sft = *evidence.comparison("steer-hard-base", "sft", "all");
  EXPECT_NEAR(sft.accuracy.value, (7 * -0.25 - 0.15) / 8, 1e-12);
  EXPECT_DOUBLE_EQ(sft.accuracy.p, 2.0 / 256);
  EXPECT_EQ(sft.below, 0);  // no cell has an interval of its own
  EXPECT_TRUE(sft.accuracy.below_zero());
  // RA-MoE minus .3 by seed in a: .26, .32; in b/facts/es minus .4: .08, .18.
  const Comparison& ramoe = *evidence.comparison("ramoe", "steer-hard-base", "all");
  EXPECT_NEAR(ramoe.accuracy.value, (4 * .29 + .13 + .23 + 2 * .25) / 8, 1e-12);
  EXPECT_EQ(ramoe.above, 8);
  // Against the base model's .2, one value each.
  const Comparison& base = *evidence.comparison("steer-hard-base", "base", "all");
  EXPECT_NEAR(base.accuracy.value, (7 * .1 + .2) / 8, 1e-12);
  EXPECT_EQ(base.above, 0);
  // Steering of sft's models is paired by seed as any method.
  EXPECT_EQ(evidence.cells[0].method("steer-soft-sft")->gain.count, 2);
}

TEST(Evidence, ACellKnownNowhereInEnglishIsLeftOut) {
  MadeGrid grid = gains_grid();
  for (auto& [id, record] : grid.records)
    if (id.starts_with("a/facts/es/") && record.contains("test")) {
      record["test"]["n_english"] = 0;
      record["test"]["given_english"] = id.ends_with("/1") ? Json(0.0) : Json();  // old, new
    } else if (id.find("/ramoe/") != std::string::npos) {
      record["test"]["given_english"] = id.ends_with("/1") ? 0.58 : 0.62;
    }
  const Evidence evidence = gather_evidence(grid.results());
  expect_unknown(evidence.cells[0].method("ramoe")->gain_given_english);
  EXPECT_TRUE(std::isnan(evidence.cells[0].base_given_english));
  const Comparison& all = *evidence.comparison("ramoe", "sft", "all");
  EXPECT_NEAR(all.given_english.value, 0.1, 1e-12);
  EXPECT_TRUE(all.given_english.above_zero());
  EXPECT_EQ(all.given_english.count, 7);
  EXPECT_DOUBLE_EQ(all.given_english.p, 2.0 / 128);
  EXPECT_EQ(all.accuracy.count, 8);
  EXPECT_TRUE(to_json(evidence)["cells"][0]["methods"][1]["given_english"][0].is_null());
}

TEST(Evidence, OneSeedGivesNoIntervalOfACell) {
  MadeGrid grid(MadeGrid::three_methods(), 1);
  grid.set_test("a/facts/es", "ramoe", {0.6});
  const Evidence evidence = gather_evidence(grid.results());
  expect_unknown(evidence.cells[0].method("ramoe")->gain, 1);
  EXPECT_TRUE(evidence.comparison("ramoe", "sft", "all")->accuracy.interval.known());
  // RISE is as SFT everywhere.
  EXPECT_FALSE(evidence.comparison("rise", "sft", "all")->accuracy.interval.known());
}

TEST(Evidence, DoesNotDependOnTheOrderOfLines) {
  const MadeGrid grid = gains_grid(true);
  EXPECT_EQ(to_json(gather_evidence(grid.results())).dump(),
            to_json(gather_evidence(grid.results(true))).dump());
}

using Change = std::function<void(MadeGrid&)>;
Json& stage_b(MadeGrid& grid) {
  return grid.facts["stages"]["b"];
}
Json& variant(MadeGrid& grid, int i) {
  return grid.facts["plan"]["variants"][std::size_t(i)];
}
/// A grid that was stopped before a record.
Change stopped_before(const std::string& id) {
  return [id](MadeGrid& grid) {
    grid.facts["finished"] = false;
    grid.records.erase(id);
  };
}
void expect_error(const Change& change, const std::string& part) {
  MadeGrid grid(MadeGrid::three_methods());
  change(grid);
  const std::string text = error_of([&] { gather_evidence(grid.results()); });
  EXPECT_TRUE(mentions(text, part)) << text;
}

TEST(Evidence, SaysWhatThePlanLacks) {
  expect_error(
      [](MadeGrid& g) {
        g.facts["finished"] = false;
        variant(g, 1)["name"] = "r";
      },
      "made: the plan has no variant \"ramoe\" in the group main");
  expect_error(
      [](MadeGrid& g) {
        variant(g, 0)["group"] = "x";
        variant(g, 0)["learning_rate"] = 0.1;
      },
      "no variant \"sft\"");
  // A task that is named as a model: its scope would be two things.
  expect_error(
      [](MadeGrid& g) {
        std::string facts = g.facts.dump();
        for (std::size_t at; (at = facts.find("\"a\"")) != std::string::npos;)
          facts.replace(at, 3, "\"sums\"");
        g.facts = parse_json(facts);
        g.facts["finished"] = false;
      },
      "made: \"sums\" names two of");
}

TEST(Evidence, SaysWhichRecordIsMissingOrWrong) {
  expect_error(stopped_before("b/sums/es/rise/2"), "made: the record b/sums/es/rise/2 is missing");
  expect_error(stopped_before("b/sums/es/base"), "b/sums/es/base is missing");
  expect_error(
      [](MadeGrid& g) {
        g.record("b/sums/sw/ramoe/2")["mass"] = {.1, .2};
      },
      "\"b/sums/sw/ramoe/2\" has 2 layers in mass, and the stages of its model have 3");
}

TEST(Evidence, SaysWhichStageIsMissingOrWrong) {
  expect_error([](MadeGrid& g) { stage_b(g).erase("taxonomy"); },
               "made: the stage taxonomy of b is missing");
  expect_error([](MadeGrid& g) { stage_b(g).erase("divergence"); },
               "the stage divergence of b is missing");
  expect_error([](MadeGrid& g) { stage_b(g)["taxonomy"].erase(2); }, "lacks the pairs of sums es");
  expect_error(
      [](MadeGrid& g) {
        g.set_types("b/facts/sw", {0, 0, 0, 0});
      },
      "counts no pair of facts sw");
  expect_error([](MadeGrid& g) { stage_b(g)["taxonomy"][0]["ic"] = "x"; },
               "no count \"ic\" of facts es");
  expect_error([](MadeGrid& g) { stage_b(g)["divergence"]["zone"]["last"] = 3; },
               "made: stages.b.divergence.zone.last: expected a whole number from 1 to 2, found 3");
  expect_error([](MadeGrid& g) { stage_b(g)["divergence"].erase("mean"); },
               "made: stages.b.divergence.mean is missing; collect the grid again");
  expect_error(
      [](MadeGrid& g) {
        g.curve("b/sums/sw") = {.1, .2};
      },
      "by_task.sums.sw: expected a curve of 3 layers, found a list of 2");
  expect_error([](MadeGrid& g) { stage_b(g)["divergence"]["mean"][1] = "x"; },
               "stages.b.divergence.mean[1]: expected a number, found \"x\"");
}

/// Every number of it is finite, and there are some.
int count_numbers(const Json& json) {
  if (json.is_number()) return std::isfinite(json.get<double>()) ? 1 : -1000000;
  int count = 0;
  if (json.is_structured())
    for (const Json& value : json) count += count_numbers(value);
  return count;
}

TEST(Evidence, AsJson) {
  const Evidence evidence = gather_evidence(gains_grid(true).results());
  const Json json = to_json(evidence);
  EXPECT_GT(count_numbers(json), 1000);
  EXPECT_EQ(parse_json(json.dump()), json);
  const Json& gain = json["cells"][0]["methods"][1]["gain"];
  EXPECT_NEAR(gain["value"].get<double>(), 0.04, 1e-12);
  EXPECT_NEAR(gain["low"].get<double>(), 0.02, 1e-12);
  EXPECT_NEAR(gain["high"].get<double>(), 0.06, 1e-12);
  EXPECT_DOUBLE_EQ(gain["p"].get<double>(), 0.5);
  EXPECT_DOUBLE_EQ(gain["p_adjusted"].get<double>(), 1);
  EXPECT_EQ(gain["count"], 2);
  EXPECT_TRUE(json["cells"][0]["methods"][0]["gain"]["value"].is_null());
  EXPECT_TRUE(json["curves"][1]["late"]["low"].is_null());
  for (const char* list : {"cells", "curves", "comparisons", "gap", "ci_gain", "routing"})
    EXPECT_FALSE(json[list].empty()) << list;
  EXPECT_EQ(json["comparisons"][0]["method"], "ramoe");
  EXPECT_EQ(json["comparisons"][0]["against"], "sft");
  EXPECT_EQ(json["gap"][1]["within"], true);
  EXPECT_EQ(json["curves"][0]["zone"]["last"], 2);
}

}  // namespace
}  // namespace ramoe
