// From a grid's folder to its report and to the evidence of collected grids, as a user does it.
#include "app/small_world.h"
#include "support/json.h"
#include "support/texts.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

TEST(Results, ReportOfAFolderAndOfWhatWasCollected) {
  const SmallWorld world;
  const std::string run = world.file("main");
  ASSERT_EQ(world.experiment("main", "--limit=3").code, 0);
  const Outcome early = run_cli("report " + run);
  EXPECT_EQ(early.code, 1);
  EXPECT_TRUE(mentions(early.text, "3 of 40 runs are done")) << early.text;
  EXPECT_TRUE(mentions(early.text, "--run=" + run)) << early.text;

  ASSERT_EQ(world.experiment("main").code, 0);
  const Outcome report = run_cli("report " + run + "/");
  ASSERT_EQ(report.code, 0) << report.text;
  EXPECT_TRUE(mentions(report.text, "(c) ")) << report.text;
  const std::string html = read_file(run + "/report.html");
  EXPECT_TRUE(mentions(html, "\">Routing of one pair</h2>"));
  EXPECT_TRUE(mentions(html, "Spanish, facts"));
  EXPECT_FALSE(fs::exists(run + "/routing-run")) << "what was trained again is removed";
  EXPECT_EQ(read_json(run + "/evidence.json")["claims"].size(), 5u) << "what the page links to";
  const Json routing = read_json(run + "/routing.json");
  ASSERT_EQ(routing["traces"].size(), 2u);
  EXPECT_EQ(routing["language_names"]["es"], "Spanish");
  // The same again, from what is kept, and when it is made anew.
  ASSERT_EQ(run_cli("report " + run).code, 0);
  EXPECT_EQ(read_file(run + "/report.html"), html);
  fs::remove(run + "/routing.json");
  ASSERT_EQ(run_cli("report " + run).code, 0);
  EXPECT_EQ(read_json(run + "/routing.json"), routing);
  EXPECT_EQ(read_file(run + "/report.html"), html);

  // Collected under the name that `ramoe results` looks for.
  fs::rename(world.plan_path(), world.file("main.json"));
  const std::string folder = world.file("collected"), out = world.file("out");
  const std::string collect = "experiment " + world.file("main.json") + " --run=" + run;
  ASSERT_EQ(run_cli(collect + " --collect=" + folder).code, 0);
  EXPECT_EQ(read_json(folder + "/main_routing.json"), routing);
  const Outcome made = run_cli("results " + folder);
  ASSERT_EQ(made.code, 0) << made.text;
  EXPECT_TRUE(mentions(made.text, "(c) ")) << made.text;
  EXPECT_EQ(read_file(folder + "/report.html"), html) << "the report of the folder";
  EXPECT_EQ(read_json(folder + "/evidence.json"), read_json(run + "/evidence.json"));
  // The grids that ask one thing more are weighed by themselves.
  for (const char* grid : {"decide", "decide_more", "decide_pool"}) {
    EXPECT_TRUE(read_json(folder + "/evidence.json")[grid].is_null()) << grid;
    for (const char* kind : {".json", ".jsonl"})
      fs::copy_file(folder + "/main" + kind, folder + "/" + grid + kind);
  }
  ASSERT_EQ(run_cli("results " + folder).code, 0);
  const Json further = read_json(folder + "/evidence.json");
  EXPECT_EQ(further["decide"]["evidence"], further["evidence"]);
  EXPECT_EQ(further["decide_pool"]["comparisons"], further["evidence"]["comparisons"]);
  EXPECT_EQ(further["decide_more"]["with_decide"]["cells"],
            2 * further["evidence"]["cells"].size());
  ASSERT_EQ(run_cli("results " + folder + " --out=" + out).code, 0);
  for (const char* name : {"/evidence.json", "/report.html"}) {
    EXPECT_EQ(read_file(out + name), read_file(folder + name)) << "made twice";
    // What is there and was not made by it stays.
    write_file(out + name, "a thesis");
    const Outcome refused = run_cli("results " + folder + " --out=" + out);
    EXPECT_EQ(refused.code, 1);
    EXPECT_TRUE(mentions(refused.text, out + name)) << refused.text;
    EXPECT_EQ(read_file(out + name), "a thesis");
    fs::remove(out + name);
  }
}

TEST(Results, WhatCannotBeMadeIsSaid) {
  const SmallWorld world;
  const std::string run = world.file("run"), facts = run + "/experiment.json";
  const Outcome none = run_cli("results " + world.file("nothing"));
  EXPECT_EQ(none.code, 1);
  EXPECT_TRUE(mentions(none.text, "nothing/main.json is missing")) << none.text;
  EXPECT_TRUE(mentions(none.text, "make docs-grid")) << none.text;

  ASSERT_EQ(world.experiment("run").code, 0);
  ASSERT_EQ(run_cli("report " + run).code, 0);
  EXPECT_TRUE(fs::exists(run + "/routing.json"));
  // Elsewhere if asked to, but not over what somebody else wrote.
  ASSERT_EQ(run_cli("report " + run + " --out=" + world.file("pages/")).code, 0);
  EXPECT_TRUE(fs::exists(world.file("pages/report.html")));
  EXPECT_TRUE(fs::exists(world.file("pages/evidence.json")));
  write_file(world.file("thesis.html"), "a thesis");
  EXPECT_EQ(run_cli("report " + run + " --out=" + world.file("thesis.html")).code, 1);
  EXPECT_EQ(read_file(world.file("thesis.html")), "a thesis");
  // Made by other code: the report is there, the pair is not, though one was traced before.
  const Json before = read_json(facts);
  Json changed = before;
  changed["code"] = "00";
  write_json(facts, changed);
  const Outcome other = run_cli("report " + run);
  EXPECT_EQ(other.code, 0) << other.text;
  EXPECT_TRUE(mentions(other.text, "no pair is traced")) << other.text;
  EXPECT_TRUE(mentions(other.text, "code: \"00\" there")) << other.text;
  EXPECT_TRUE(mentions(read_file(run + "/report.html"), "No pair was traced"));
  write_json(facts, before);
  // A record that is not what the model does.
  fs::remove(run + "/routing.json");
  const std::string record = run + "/results/tiny/facts/es/ramoe/1.json";
  const std::string text = read_file(record);
  Json wrong = read_json(record);
  wrong["test"]["accuracy"] = 0.123;
  write_json(record, wrong);
  const Outcome refused = run_cli("report " + run);
  EXPECT_EQ(refused.code, 1);
  EXPECT_TRUE(mentions(refused.text, "tiny/facts/es/ramoe/1 trained again has accuracy"))
      << refused.text;
  write_file(record, text);
  // Without the stages' folders.
  fs::remove_all(run + "/stages/tiny/experts");
  const Outcome stageless = run_cli("report " + run);
  EXPECT_TRUE(mentions(stageless.text, "experts/run.json is missing")) << stageless.text;
}

}  // namespace
}  // namespace ramoe
