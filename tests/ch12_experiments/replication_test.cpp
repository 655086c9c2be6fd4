// Doing a part of a grid again: which plan that is, and when two gains agree.
#include "ch12_experiments/replication.h"

#include <gtest/gtest.h>

#include "ch12_experiments/made_grid.h"
#include "support/error.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// A grid whose search chose 0.001 everywhere, but 0.002 for ramoe on a/sums.
MadeGrid searched_grid(int seeds = 2) {
  MadeGrid grid(MadeGrid::three_methods(), seeds, true);
  for (const char* variant : {"sft", "ramoe", "rise"})
    for (const char* model : {"a", "b"})
      for (const char* task : {"facts", "sums"}) {
        const bool other = variant == std::string("ramoe") && model == std::string("a") &&
                           task == std::string("sums");
        grid.facts["chosen"].push_back({{"model", model},
                                        {"task", task},
                                        {"variant", variant},
                                        {"learning_rate", other ? 0.002 : 0.001}});
      }
  return grid;
}

TEST(Replication, ThePlanTakesTheRatesThatWereChosenAndFreshSeeds) {
  const GridResults results = searched_grid().results();
  const Json json = replication_plan(results, {{"a"}, {}, {"sw"}, {"sft", "ramoe"}, 3, 101});
  const GridPlan plan = grid_plan(json, "slice");
  EXPECT_EQ(plan.models, std::vector<std::string>{"a"});
  EXPECT_EQ(plan.model_runs.at("a"), "runs/a");
  EXPECT_EQ(plan.tasks, (std::vector<std::string>{"facts", "sums"}));
  EXPECT_EQ(plan.variants.size(), 2u);
  EXPECT_EQ(json["variants"][1]["learning_rate"]["a/sums"], 0.002);
  EXPECT_TRUE(search_runs(plan).empty());
  // 2 cells: the base model, and 2 variants with 3 seeds.
  const std::vector<GridRun> runs = main_runs(plan);
  EXPECT_EQ(runs.size(), 2u * (1 + 2 * 3));
  EXPECT_EQ(runs[1].id(), "a/facts/sw/sft/101");
}

TEST(Replication, WhatCannotBeDoneIsNamed) {
  const auto expect = [](const MadeGrid& grid, const Slice& slice, const std::string& part) {
    const std::string text = error_of([&] { replication_plan(grid.results(), slice); });
    EXPECT_NE(text.find(part), std::string::npos) << text;
  };
  const MadeGrid grid = searched_grid();
  expect(grid, {{"c"}, {}, {}, {}, 2, 101}, "no model \"c\"; it has a, b");
  expect(grid, {{}, {}, {"th"}, {}, 2, 101}, "no language \"th\"");
  expect(grid, {{}, {}, {}, {"ramoe"}, 2, 101}, "sft is missing");
  expect(grid, {{}, {}, {}, {}, 2, 2}, "the seeds 2 to 3 meet those of made, 1 to 2");
  MadeGrid open = searched_grid();
  open.facts["finished"] = false;
  open.records.erase("a/facts/es/ramoe/2");
  expect(open, {{}, {}, {}, {}, 2, 101}, "made is not finished");
}

TEST(Replication, ThePartOfTheGridHasItsOwnSeeds) {
  MadeGrid grid = searched_grid();
  grid.set_test("a/facts/sw", "ramoe", {0.6, 0.8});  // SFT has .5: a gain of .2
  grid.set_test("b/facts/sw", "ramoe", {0.9, 0.9});  // not in the slice
  const GridResults results = grid.results();
  const Json plan = replication_plan(results, {{"a"}, {"facts"}, {"sw"}, {"sft", "ramoe"}, 3, 101});
  const Evidence part = gather_evidence(part_of(results, plan));
  ASSERT_EQ(part.cells.size(), 1u);
  EXPECT_EQ(part.seeds, 2);
  EXPECT_EQ(part.cells[0].method("rise"), nullptr);
  EXPECT_NEAR(part.cells[0].method("ramoe")->gain.value, 0.2, 1e-12);
}

TEST(Replication, GainsAgreeIfTheirIntervalsMeet) {
  const auto with = [](double low, double high) { return Estimate{(low + high) / 2, {low, high}}; };
  EXPECT_TRUE((Replicated{"x", with(0, 1), with(0.9, 2)}.agrees()));
  EXPECT_TRUE((Replicated{"x", with(0, 1), with(0.2, 0.3)}.agrees()));
  EXPECT_FALSE((Replicated{"x", with(0, 1), with(1.1, 2)}.agrees()));
  EXPECT_FALSE((Replicated{"x", with(1.1, 2), with(0, 1)}.agrees()));
  EXPECT_TRUE((Replicated{"x", with(0, 1), with(1.1, 2)}.known()));
  EXPECT_FALSE((Replicated{"x", with(0, 1), Estimate{}}.known()));
}

TEST(Replication, FirstOverAllCellsThenCellByCell) {
  MadeGrid old = searched_grid(), now = searched_grid();
  for (const std::string& cell : MadeGrid::cells()) {
    old.set_test(cell, "ramoe", {0.5, 0.6});
    now.set_test(cell, "ramoe", {0.8, 0.9});
  }
  const auto rows = compare_gains(gather_evidence(old.results()), gather_evidence(now.results()));
  int apart = 0, whole = 0;
  for (const Replicated& row : rows) {
    if (row.what == "ramoe") {
      ++whole;
      EXPECT_NEAR(row.committed.value, 0.05, 1e-12);
      EXPECT_NEAR(row.fresh.value, 0.35, 1e-12);
      EXPECT_FALSE(row.agrees());
    }
    if (row.what.starts_with("ramoe a/")) apart += !row.agrees();
    if (row.what == "rise") {  // as sft in every seed: no interval here or there
      EXPECT_FALSE(row.known());
    }
  }
  EXPECT_EQ(whole, 1);
  EXPECT_EQ(apart, 4);
}

}  // namespace
}  // namespace ramoe
