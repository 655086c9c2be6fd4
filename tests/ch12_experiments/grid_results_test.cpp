// Reading a collected grid: what is refused, and with which words.
#include "ch12_experiments/grid_results.h"

#include <gtest/gtest.h>

#include "ch12_experiments/made_grid.h"
#include "support/error.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

MadeGrid small_grid() {
  return MadeGrid(MadeGrid::three_methods(), 2, true);
}

/// Both files of a grid in a folder.
class CollectedGrid : public testing::Test {
 protected:
  void write(const MadeGrid& grid, bool reversed = false) {
    write_json(name() + ".json", grid.facts);
    std::vector<Json> lines = grid.lines();
    if (reversed) std::reverse(lines.begin(), lines.end());
    text_.clear();
    for (const Json& line : lines) text_ += line.dump() + "\n";
    write_file(name() + ".jsonl", text_);
  }
  std::string name() const { return scratch_.file("main"); }
  std::string error() const {
    return error_of([&] { read_grid_results(name()); });
  }
  ScratchFolder scratch_;
  std::string text_;
};

TEST_F(CollectedGrid, ReadsWhatWasWritten) {
  for (const bool reversed : {false, true}) {
    write(small_grid(), reversed);
    const GridResults results = read_grid_results(name());
    EXPECT_EQ(results.where(), name());
    EXPECT_TRUE(results.finished());
    EXPECT_EQ(results.plan().models, (std::vector<std::string>{"a", "b"}));
    EXPECT_EQ(results.record("a/facts/es/ramoe/2")["seed"], 2);
    EXPECT_EQ(results.facts()["code"], "c0de");
    EXPECT_EQ(results.find("a/facts/es/ramoe/3"), nullptr);
  }
}

TEST(WholeSeeds, ThoseThatEveryVariantHasInEveryCell) {
  MadeGrid grid = small_grid();
  EXPECT_EQ(whole_seeds(grid.results()).plan().seeds, 2);
  grid.facts["finished"] = false;
  std::vector<Json> lines = grid.lines();
  const auto without = [&](const std::string& id) {
    std::erase_if(lines, [&](const Json& line) { return line["id"] == id; });
    return whole_seeds({grid.facts, lines, "made"});
  };
  const GridResults one = without("b/sums/sw/rise/2");
  EXPECT_EQ(one.plan().seeds, 1);
  EXPECT_EQ(one.by_seed("a/facts/es", "sft").size(), 1u);
  EXPECT_EQ(one.find("a/facts/es/sft/2"), nullptr);
  EXPECT_TRUE(one.find("a/facts/es/sft/0.001/1001")) << "the search stays";
  expect_contains(error_of([&] { without("a/facts/es/sft/1"); }), "not even its first seed");
}

TEST_F(CollectedGrid, NamesTheFileThatIsMissing) {
  expect_contains(error(), "main.json");
  write(small_grid());
  std::filesystem::remove(name() + ".jsonl");
  expect_contains(error(), "main.jsonl");
}

TEST_F(CollectedGrid, NamesTheLineThatIsBroken) {
  write(small_grid());
  const std::string whole = text_;
  const std::size_t second = whole.find('\n') + 1, third = whole.find('\n', second) + 1;
  write_file(name() + ".jsonl", whole.substr(0, third) + "{\"id\": \n" + whole.substr(third));
  expect_contains(error(), "main.jsonl, line 3: this is not the record of a run");
  write_file(name() + ".jsonl", whole.substr(0, second) + "\n" + whole.substr(second));
  expect_contains(error(), "line 2: this is not");
  // The same record again, as the second line.
  write_file(name() + ".jsonl", whole.substr(0, second) + whole);
  expect_contains(error(), "line 2: a/facts/es/base stands there a second time");
}

TEST_F(CollectedGrid, SaysThatItEndsTooEarly) {
  write(small_grid());
  const std::string whole = text_;
  // In the middle of the last line, and at its beginning.
  write_file(name() + ".jsonl", whole.substr(0, whole.size() - 40));
  expect_contains(error(), cat("line ", small_grid().records.size(), ": this is not"));
  write_file(name() + ".jsonl", whole.substr(0, whole.rfind('\n', whole.size() - 2) + 1));
  expect_contains(error(), "1 of its records are missing, the first of them b/sums/sw/steer-soft-");
  MadeGrid unfinished = small_grid();
  unfinished.facts["finished"] = false;
  write_json(name() + ".json", unfinished.facts);
  EXPECT_FALSE(read_grid_results(name()).finished());
  write_file(name() + ".json", "{\"plan\": {");
  expect_contains(error(), "main.json, line 1");
}

TEST(GridResults, FactsAreComplete) {
  for (const char* key : {"plan", "code", "build", "data", "bases", "chosen", "chosen_strengths",
                          "stages", "cost", "finished"}) {
    MadeGrid grid = small_grid();
    grid.facts.erase(key);
    const std::string text = error_of([&] { grid.results(); });
    expect_contains(text, cat("made: ", key, " is missing"));
    expect_contains(text, "made: ");
    expect_contains(text, "collect the grid again");
  }
}

TEST(GridResults, ChosenRatesAreComplete) {
  const auto expect = [](const std::function<void(Json&)>& change, const std::string& part) {
    MadeGrid grid = small_grid();
    grid.facts["chosen"] = Json::array(
        {{{"model", "a"}, {"task", "facts"}, {"variant", "sft"}, {"learning_rate", 0.001}}});
    change(grid.facts["chosen"]);
    expect_contains(error_of([&] { grid.results(); }), part);
  };
  expect([](Json&) {}, "no error");
  expect([](Json& chosen) { chosen.push_back(7); }, "made: chosen[1]: expected an object, found 7");
  expect([](Json& chosen) { chosen[0].erase("variant"); }, "made: chosen[0].variant is missing");
  expect([](Json& chosen) { chosen[0]["learning_rate"] = "x"; },
         "chosen[0].learning_rate: expected a number, found \"x\"");
  expect([](Json& chosen) { chosen[0]["valid_by_rate"] = {{"1", 0.5}}; }, "is missing");
}

TEST(GridResults, RecordsAreComplete) {
  const auto expect = [](const std::string& id, const std::function<void(Json&)>& change,
                         const std::string& part) {
    MadeGrid grid = small_grid();
    change(grid.record(id));
    const std::string text = error_of([&] { grid.results(); });
    expect_contains(text, part);
    expect_contains(text, id);
  };
  const std::string base = "a/facts/es/base", main = "b/sums/sw/ramoe/2",
                    steered = "a/sums/es/steer-soft-sft/1", search = "a/facts/es/sft/0.001/1001";
  expect(
      main, [](Json& r) { r.erase("lang"); }, "lang is missing");
  expect(
      main, [](Json& r) { r["part"] = "other"; }, "expected base, search, main or steering");
  expect(
      main, [](Json& r) { r["seed"] = 1; }, "is of b/sums/sw/ramoe/1 by its members");
  expect(
      main, [](Json& r) { r["task"] = "facts"; }, "is of b/facts/sw/ramoe/2");
  expect(
      main, [](Json& r) { r["test"]["accuracy"] = 1.5; },
      "test.accuracy: expected a share from 0 to 1, found 1.5");
  expect(
      main, [](Json& r) { r["test"].erase("given_english"); }, "test.given_english");
  expect(
      main, [](Json& r) { r["test"]["n_english"] = -1; },
      "test.n_english: expected a whole number of at least 0, found -1");
  expect(
      main, [](Json& r) { r.erase("learning_rate"); }, "learning_rate");
  expect(
      main, [](Json& r) { r.erase("ci"); }, "ci is missing");
  expect(
      main, [](Json& r) { r["mass"][1] = nullptr; }, "mass[1]: expected a number, found null");
  expect(
      main, [](Json& r) { r["divergence"] = Json::array(); },
      "divergence: expected a number for each layer");
  expect(
      base, [](Json& r) { r.erase("english"); }, "english is missing");
  expect(
      steered, [](Json& r) { r.erase("test"); }, "test is missing");
  expect(
      search, [](Json& r) { r.erase("valid"); }, "valid is missing");
}

TEST(GridResults, ARecordTwiceIsRefused) {
  const MadeGrid grid = small_grid();
  std::vector<Json> lines = grid.lines();
  lines.push_back(lines[3]);
  expect_contains(error_of([&] { GridResults(grid.facts, lines, "made"); }), "a second time");
}

TEST(GridResults, ASeriesIsInTheOrderOfSeeds) {
  const Json sft = {{"name", "sft"}, {"method", "sft"}};
  const MadeGrid grid(Json::array({sft}), 12,
                      true);  // "10" stands before "2" in the order of texts
  const GridResults results = grid.results();
  const auto seeds = [&](const std::string& variant) {
    std::vector<int> found;
    for (const Json* record : results.by_seed("b/facts/sw", variant))
      found.push_back(record->value("seed", 0));
    return found;
  };
  const std::vector<int> all = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
  EXPECT_EQ(seeds("sft"), all);
  EXPECT_EQ(seeds("steer-hard-sft"), all);
  EXPECT_EQ(seeds("steer-hard-base"), std::vector<int>{0});
  EXPECT_EQ(seeds("base"), std::vector<int>{0});
}

TEST(GridResults, SeedsMayBeginElsewhere) {
  MadeGrid grid(MadeGrid::three_methods());
  grid.facts["plan"]["first_seed"] = 2;
  Json third = grid.record("a/facts/es/rise/2");
  third["id"] = "a/facts/es/rise/3";
  third["seed"] = 3;
  grid.facts["finished"] = false;
  grid.records["a/facts/es/rise/3"] = third;
  const GridResults results = grid.results();
  ASSERT_EQ(results.by_seed("a/facts/es", "rise").size(), 2u);
  EXPECT_EQ((*results.by_seed("a/facts/es", "rise")[1])["seed"], 3);
}

TEST(GridResults, SaysWhatIsMissing) {
  MadeGrid grid = small_grid();
  expect_contains(error_of([&] { grid.results().record("a/facts/es/sara/1"); }),
                  "the plan has no such run");
  grid.facts["finished"] = false;
  grid.records.erase("a/facts/es/ramoe/2");
  const GridResults results = grid.results();
  const std::string text = error_of([&] { results.by_seed("a/facts/es", "ramoe"); });
  expect_contains(text, "a/facts/es/ramoe/2 is missing");
  expect_contains(text, "to the end, and collect it again");
  EXPECT_EQ(results.stage("b", "divergence")["zone"]["first"], 1);
  expect_contains(error_of([&] { results.stage("c", "divergence"); }),
                  "divergence of c is missing");
  expect_contains(error_of([&] { results.stage("b", "zones"); }), "the stage zones of b");
}

}  // namespace
}  // namespace ramoe
