// The plan of a grid: what it reads, which runs it has, how they are shared out, what is chosen.
#include "ch12_experiments/grid.h"

#include <gtest/gtest.h>

#include <set>

#include "support/error.h"
#include "support/texts.h"

namespace ramoe {
namespace {

Json small_json() {
  return parse_json(R"({
    "models": {"a": "runs/a", "b": "runs/b"}, "tasks": ["facts", "sums"],
    "languages": ["es", "sw", "th"], "seeds": 3, "keys": {"steps": 5},
    "search": {"learning_rates": [0.0002, 0.0005, 0.001], "seeds": 2},
    "steering": {"strengths": [0.25, 1]},
    "variants": [
      {"name": "sft", "method": "sft"}, {"name": "ramoe", "method": "ramoe"},
      {"name": "layers=all", "group": "layers", "method": "ramoe", "keys": {"layers": "all"}},
      {"name": "sara", "method": "sara", "learning_rate": {"a/facts": 0.003}}]})");
}
GridPlan small_plan() {
  return grid_plan(small_json(), "small.json");
}

/// The text of the error that a plan with a change meets.
std::string error_with(const std::function<void(Json&)>& change) {
  Json json = small_json();
  change(json);
  return error_of([&] { grid_plan(json, "p.json"); });
}

TEST(GridPlan, ReadsWhatItIsGiven) {
  const GridPlan plan = small_plan();
  EXPECT_EQ(plan.models, (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(plan.model_runs.at("b"), "runs/b");
  EXPECT_EQ(plan.seeds, 3);
  EXPECT_EQ(plan.search_seeds, 2);
  EXPECT_EQ(plan.strengths, (std::vector<double>{0.25, 1}));
  EXPECT_EQ(plan.variant("layers=all").like, "ramoe");
  EXPECT_EQ(plan.variant("layers=all").keys["layers"], "all");
}

TEST(GridPlan, NamesWhatIsWrong) {
  const auto expect = [](const std::function<void(Json&)>& change, const std::string& part) {
    const std::string text = error_with(change);
    EXPECT_NE(text.find(part), std::string::npos) << text;
    EXPECT_NE(text.find("p.json"), std::string::npos) << text;
  };
  expect([](Json& j) { j["seed"] = 3; }, "did you mean \"seeds\"");
  expect([](Json& j) { j.erase("tasks"); }, "p.json: tasks is missing");
  expect([](Json& j) { j["seeds"] = 1001; }, "from 1 to 1000");
  expect([](Json& j) { j["seeds"] = 2.5; }, "whole number");
  expect([](Json& j) { j["first_seed"] = 0; }, "from 1 to 1000");
  expect([](Json& j) { j["first_seed"] = 999; }, "from 999 to 1001");
  expect([](Json& j) { j["languages"] = {"es", "es"}; }, "twice");
  expect([](Json& j) { j["tasks"] = {"../x"}; }, "file's name");
  expect([](Json& j) { j["search"]["learning_rates"] = {0.001, 0.0005}; }, "rising");
  expect([](Json& j) { j["variants"][1]["name"] = "sft"; }, "two variants");
  expect([](Json& j) { j["variants"][1]["name"] = "base"; }, "records which every plan has");
  expect([](Json& j) { j["variants"][2]["like"] = "rise"; }, "\"rise\", which is no variant");
  expect([](Json& j) { j["variants"][0]["learning_rate"] = "high"; }, "number above 0");
  expect(
      [](Json& j) {
        j.erase("search");
        j.erase("steering");
      },
      "neither searched");
  expect([](Json& j) { j.erase("search"); }, "strength of steering");
}

TEST(Grid, RunsHaveIdsOfTheirOwn) {
  const GridPlan plan = small_plan();
  std::set<std::string> ids;
  std::size_t records = 0;
  for (const auto& runs : {search_runs(plan), main_runs(plan)})
    for (const GridRun& run : runs)
      for (const std::string& id : record_ids(plan, run)) {
        ids.insert(id);
        ++records;
      }
  EXPECT_EQ(ids.size(), records);
  // Of each of 12 cells: strengths of the base model; sft and ramoe at 3 rates with 2 seeds, and
  // sara too but in the three cells where its rate is given.
  EXPECT_EQ(search_runs(plan).size(), 12u * (1 + 2 * 6) + 9 * 6);
  EXPECT_EQ(main_runs(plan).size(), 12u * (1 + 4 * 3));
  EXPECT_TRUE(ids.contains("a/facts/es/ramoe/3"));
  EXPECT_TRUE(ids.contains("a/facts/es/ramoe/0.0005/1001"));
  EXPECT_TRUE(ids.contains("b/sums/th/base"));
  EXPECT_TRUE(ids.contains("b/sums/th/base/strengths"));
  EXPECT_TRUE(ids.contains("b/sums/th/steer-hard-base"));
  EXPECT_TRUE(ids.contains("b/sums/th/steer-soft-sft/2"));
  EXPECT_FALSE(ids.contains("a/facts/es/sara/0.0005/1001"));
  // No run of the search has a seed of the main part.
  for (const GridRun& run : search_runs(plan)) EXPECT_TRUE(run.seed == 0 || run.seed > 1000);
}

TEST(Grid, SeedsMayBeginElsewhere) {
  Json json = small_json();
  json["first_seed"] = 101;
  std::set<int> seeds;
  for (const GridRun& run : main_runs(grid_plan(json, "p.json")))
    if (run.part == "main") seeds.insert(run.seed);
  EXPECT_EQ(seeds, (std::set<int>{101, 102, 103}));
}

TEST(Grid, ShardsAreDisjointAndComplete) {
  const std::vector<GridRun> all = main_runs(small_plan());
  for (const int count : {1, 2, 3, 7, 200}) {
    std::set<std::string> seen;
    for (int i = 1; i <= count; ++i) {
      const std::vector<GridRun> mine = shard_of(all, {i, count});
      EXPECT_LE(mine.size(), all.size() / std::size_t(count) + 1);
      for (const GridRun& run : mine) EXPECT_TRUE(seen.insert(run.id()).second) << run.id();
    }
    EXPECT_EQ(seen.size(), all.size());
  }
  // First seeds first, so that a grid that is not finished has whole seeds.
  int seed = 0;
  for (const GridRun& run : shard_of(all, {2, 3})) {
    EXPECT_GE(run.seed, seed);
    seed = run.seed;
  }
}

TEST(Grid, ShardsAreNamedAsIOfN) {
  EXPECT_EQ(parse_shard("2/4").index, 2);
  EXPECT_EQ(parse_shard("2/4").count, 4);
  for (const char* wrong : {"", "2", "0/4", "5/4", "1/2x", "a/b", "-1/2"})
    EXPECT_NE(error_of([&] { parse_shard(wrong); }).find("--shard="), std::string::npos) << wrong;
}

/// Search records in which `valid` gives the accuracy of a run; strengths all do the same.
std::map<std::string, Json> search_records(const GridPlan& plan,
                                           const std::function<double(const GridRun&)>& valid) {
  std::map<std::string, Json> records;
  for (const GridRun& run : search_runs(plan)) {
    Json& record = records[run.id()];
    record["valid"]["accuracy"] = valid(run);
    for (const double s : plan.strengths)
      record["valid_by_strength"][number_text(s)] = valid(run) + (s > 0.5 ? 0.01 : 0);
  }
  return records;
}

TEST(Grid, ChoosesTheRateOfTheLargestMean) {
  const GridPlan plan = small_plan();
  // Of sft one language alone would choose 0.001; the mean does not.
  const GridChoices choices = choose(plan, search_records(plan, [](const GridRun& run) {
                                       if (run.variant == "base") return 0.1;
                                       if (run.variant == "sft" && run.lang == "th")
                                         return run.rate == 0.001 ? 0.5 : 0.4;
                                       return run.rate == 0.0005 ? 0.6 : 0.2;
                                     }));
  EXPECT_EQ(choices.rates.at("a/facts/sft"), 0.0005);
  EXPECT_EQ(choices.rates.at("a/facts/layers=all"), choices.rates.at("a/facts/ramoe"));
  EXPECT_EQ(choices.rates.at("a/facts/sara"), 0.003);
  EXPECT_EQ(choices.rates.at("b/facts/sara"), 0.0005);
  EXPECT_EQ(choices.strengths.at("a/facts/base"), 1);
  EXPECT_EQ(choices.strengths.at("a/facts/sft"), 1);
  for (const Json& entry : choices.rates_json)
    if (entry["model"] == "a" && entry["task"] == "facts" && entry["variant"] == "sft") {
      EXPECT_NEAR(entry["valid_by_rate"]["0.0005"].get<double>(), (0.6 + 0.6 + 0.4) / 3, 1e-12);
    }
}

TEST(Grid, StrengthOfSftIsJudgedAtTheChosenRateAlone) {
  const GridPlan plan = small_plan();
  auto records = search_records(plan, [](const GridRun& run) { return run.rate; });
  for (auto& [id, record] : records)  // 0.001 is chosen; other rates shout for 0.25
    if (id.find("/0.001/") == std::string::npos) record["valid_by_strength"]["0.25"] = 1.0;
  const GridChoices choices = choose(plan, records);
  EXPECT_EQ(choices.strengths.at("a/sums/sft"), 1);
  EXPECT_EQ(choices.strengths.at("a/sums/base"), 0.25);
}

TEST(Grid, OfEqualRatesTheSmallerIsChosen) {
  // Equal but for the order of addition.
  EXPECT_EQ(best_of({{1e-3, 0.1 + 0.2 + 0.3}, {5e-4, 0.3 + 0.2 + 0.1}, {2e-4, 0.1}}), 5e-4);
  EXPECT_EQ(best_of({{1e-3, 0.3 + 0.2 + 0.1}, {5e-4, 0.1 + 0.2 + 0.3}, {2e-4, 0.1}}), 5e-4);
  const GridPlan plan = small_plan();
  const GridChoices choices = choose(plan, search_records(plan, [](const auto&) { return 0.3; }));
  EXPECT_EQ(choices.rates.at("b/sums/ramoe"), 0.0002);
}

/// What is chosen when sft in a/facts does as given, and elsewhere the middle rate is best.
Json chosen_with(const GridPlan& plan, const std::map<double, double>& of_sft) {
  const auto valid = [&](const GridRun& run) {
    const bool here = run.variant == "sft" && run.model == "a" && run.task == "facts";
    return here ? of_sft.at(run.rate) : run.rate == 0.0005 ? 0.5 : 0.4;
  };
  return choose(plan, search_records(plan, valid)).rates_json;
}

TEST(Grid, SaysWhichRatesLieAtTheEdgeOfTheSearch) {
  const GridPlan plan = small_plan();
  const auto inner = chosen_with(plan, {{2e-4, 0.1}, {5e-4, 0.3}, {1e-3, 0.2}});
  EXPECT_TRUE(rates_at_edge(plan, inner).empty());
  EXPECT_EQ(edge_warning(plan, inner), "");
  const auto text_of = [&](const std::map<double, double>& of_sft) {
    const auto edges = rates_at_edge(plan, chosen_with(plan, of_sft));
    return edges.size() == 1 ? edges[0].text() : cat(edges.size(), " edges");
  };
  EXPECT_EQ(text_of({{2e-4, 0.1}, {5e-4, 0.2}, {1e-3, 0.3}}),
            "a/facts/sft: 0.001, the highest rate of the search");
  EXPECT_EQ(text_of({{2e-4, 0.3}, {5e-4, 0.2}, {1e-3, 0.3}}),
            "a/facts/sft: 0.0002, the lowest rate of the search");
  // A rate between does as well, as where rates are so low that nothing changes: no edge.
  EXPECT_EQ(text_of({{2e-4, 0.3}, {5e-4, 0.3}, {1e-3, 0.2}}), "0 edges");
  EXPECT_EQ(text_of({{2e-4, 0.0}, {5e-4, 0.0}, {1e-3, 0.0}}), "0 edges");
  // The entry says so too; the fixed rates of sara, which nobody searched, never do.
  Json chosen = chosen_with(plan, {{2e-4, 0.1}, {5e-4, 0.2}, {1e-3, 0.3}});
  for (const Json& entry : chosen)
    EXPECT_EQ(entry.value("edge", ""),
              entry["model"] == "a" && entry["task"] == "facts" && entry["variant"] == "sft"
                  ? "highest"
                  : "");
  EXPECT_EQ(edge_warning(plan, chosen),
            "1 of 11 chosen learning rates lie at the edge of the search (0 are its lowest, 1 its "
            "highest rate): a better rate may lie beyond it, and what is compared there decides "
            "nothing.");
  for (Json& entry : chosen) entry.erase("edge");  // as results collected before it was written
  EXPECT_EQ(rates_at_edge(plan, chosen).size(), 1u);
  GridPlan one = plan;
  one.rates = {0.001};  // what was chosen from it would be both
  EXPECT_TRUE(rates_at_edge(one, chosen).empty()) << "of one rate nothing was searched";
}

TEST(Grid, ABrokenRecordOfTheSearchIsNamed) {
  const GridPlan plan = small_plan();
  std::map<std::string, Json> records;
  for (const GridRun& run : search_runs(plan))
    records[run.id()] = {{"id", run.id()}, {"valid", {{"accuracy", "half"}}}};
  const std::string text = error_of([&] { choose(plan, records); });
  EXPECT_NE(text.find("the record a/facts/"), std::string::npos) << text;
  EXPECT_NE(text.find("valid.accuracy: expected a number, found \"half\"; remove it"),
            std::string::npos)
      << text;
}

TEST(Grid, RefusesEdgesWhereThePlanSaysSo) {
  Json json = small_json();
  GridPlan plan = grid_plan(json, "p.json");
  const Json highest = chosen_with(plan, {{2e-4, 0.1}, {5e-4, 0.2}, {1e-3, 0.3}});
  const Json lowest = chosen_with(plan, {{2e-4, 0.3}, {5e-4, 0.2}, {1e-3, 0.1}});
  const auto error = [&](const Json& chosen) {
    return error_of([&] { check_edges(plan, chosen, "p.json"); });
  };
  EXPECT_EQ(error(highest), "no error") << "by default a warning";
  json["edges"] = "refuse";
  plan = grid_plan(json, "p.json");
  EXPECT_EQ(error(chosen_with(plan, {{2e-4, 0.1}, {5e-4, 0.3}, {1e-3, 0.2}})), "no error");
  for (const char* part : {"p.json", "a/facts/sft", "0.001", "highest", "above 0.001", "overwrite"})
    EXPECT_NE(error(highest).find(part), std::string::npos) << error(highest);
  EXPECT_EQ(error(highest).find("below"), std::string::npos);
  EXPECT_NE(error(lowest).find("Add a rate below 0.0002 to"), std::string::npos) << error(lowest);
  EXPECT_NE(error_with([](Json& j) {
              j["edges"] = "maybe";
            }).find("edges: expected one of warn, refuse, found \"maybe\""),
            std::string::npos);
  EXPECT_NE(error_with([](Json& j) { j["variants"][1]["method"] = "ramo"; })
                .find("variants[1].method: expected one of sft, ramoe, rise, sara, self_training, "
                      "found \"ramo\""),
            std::string::npos);
  const std::string two = error_with([](Json& j) {
    j["edges"] = "refuse";
    j["search"]["learning_rates"] = {0.1, 0.2};
  });
  EXPECT_NE(two.find("fewer than three"), std::string::npos) << two;
}

TEST(Grid, ChoosesNothingFromAnUnfinishedSearch) {
  const GridPlan plan = small_plan();
  auto records = search_records(plan, [](const GridRun&) { return 0.3; });
  records.erase("b/sums/th/sft/0.001/1002");
  EXPECT_NE(error_of([&] { choose(plan, records); }).find("b/sums/th/sft/0.001/1002"),
            std::string::npos);
}

}  // namespace
}  // namespace ramoe
