// A slice of a grid again: fresh seeds at the chosen rates, and what is said when they disagree.
#include "app/small_world.h"
#include "support/json.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// Sets the accuracy on facts in a collected grid: SFT's to .5, RA-MoE's so far above it by seed.
void set_gain(const std::string& name, const std::vector<double>& gain) {
  std::string text;
  std::ifstream lines(name + ".jsonl");
  for (std::string line; std::getline(lines, line);) {
    Json r = parse_json(line);
    if (r["task"] == "facts" && r["part"] == "main") {
      if (r["variant"] == "sft") r["test"]["accuracy"] = 0.5;
      if (r["variant"] == "ramoe")
        r["test"]["accuracy"] = 0.5 + gain.at(r["seed"].get<std::size_t>() - 1);
    }
    text += r.dump() + "\n";
  }
  lines.close();
  write_file(name + ".jsonl", text);
}

/// Sets the test accuracy of one record.
void set_fresh(const std::string& path, double accuracy) {
  Json record = read_json(path);
  record["test"]["accuracy"] = accuracy;
  write_json(path, record);
}

TEST(Reproduce, ASliceWithFreshSeedsIsHeldAgainstTheGrid) {
  const SmallWorld world;
  ASSERT_EQ(world.experiment("grid").code, 0);
  const std::string name = world.file("collected/smoke");
  ASSERT_EQ(world.experiment("grid", "--collect=" + world.file("collected")).code, 0);
  const std::string command = "reproduce --results=" + name + " --run=" + world.file("again") +
                              " --tasks=facts --variants=sft,ramoe --seeds=2";

  // Equal gains have no interval, and nothing is said of them.
  set_gain(name, {-0.45, 0.45});
  const std::string results = world.file("again") + "/results/tiny/facts/es/";
  const Outcome none = run_cli(command);
  EXPECT_EQ(none.code, 0) << none.text;
  for (const int seed : {101, 102}) set_fresh(cat(results, "sft/", seed, ".json"), 0.5);
  for (const int seed : {101, 102}) set_fresh(cat(results, "ramoe/", seed, ".json"), 0.5);
  EXPECT_TRUE(mentions(run_cli(command).text, "2 gains have no interval")) << none.text;

  // A grid that says nothing certain agrees with anything.
  set_fresh(results + "ramoe/101.json", 0.49);
  const Outcome agreed = run_cli(command);
  EXPECT_EQ(agreed.code, 0) << agreed.text;
  EXPECT_TRUE(mentions(agreed.text, "ramoe tiny/facts/es")) << agreed.text;
  EXPECT_TRUE(mentions(agreed.text, "2 of 2 gains")) << agreed.text;
  const Json fresh = read_json(results + "ramoe/102.json");
  EXPECT_EQ(fresh["learning_rate"],
            read_json(world.file("grid") + "/results/tiny/facts/es/ramoe/1.json")["learning_rate"]);
  EXPECT_FALSE(std::filesystem::exists(results + "ramoe/1.json"));
  EXPECT_FALSE(std::filesystem::exists(results + "ramoe/0.0005")) << "nothing is searched";

  // One that is sure of what is not so does not; the runs are there already.
  set_gain(name, {0.45, 0.44});
  const Outcome apart = run_cli(command);
  EXPECT_EQ(apart.code, 1);
  EXPECT_TRUE(mentions(apart.text, "main: 5 runs, 5 of them done")) << apart.text;
  EXPECT_TRUE(mentions(apart.text, "the gain of ramoe over all cells of the slice does not agree"))
      << apart.text;
}

TEST(Reproduce, WhatCannotBeHeldAgainstAnythingIsNamed) {
  const Outcome none = run_cli("reproduce --results=nowhere/main");
  EXPECT_EQ(none.code, 1);
  EXPECT_TRUE(mentions(none.text, "nowhere/main")) << none.text;
  const SmallWorld world;
  ASSERT_EQ(world.experiment("grid", "--limit=3").code, 0);
  ASSERT_EQ(world.experiment("grid", "--partial=true --collect=" + world.file("collected")).code,
            0);
  const Outcome open = run_cli("reproduce --results=" + world.file("collected/smoke") +
                               " --run=" + world.file("again"));
  EXPECT_EQ(open.code, 1);
  EXPECT_TRUE(mentions(open.text, "is not finished")) << open.text;
}

}  // namespace
}  // namespace ramoe
