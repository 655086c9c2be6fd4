// docs/make_ladder.py: which runs it does, again or not, and the page that it makes of them.
// Skipped without python3. The program is a stand-in that writes the results of made-up models.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

const std::string docs = RAMOE_SOURCE_DIR "/docs";

// Own rescues `seed` of 100 items for E = 8, and with each doubling of E 10 more; with neutral
// answers 20 more; with mixture_exponent=1 `seed` more. OTHER rescues none.
constexpr const char* kProgram = R"(#!/usr/bin/env -S python3 -IS
import json, math, os, sys
keys = dict(a[2:].split("=", 1) for a in sys.argv[2:] if a.startswith("--"))
folder, command = keys["run"], sys.argv[1]
with open(os.environ["CALLS"], "a") as f:
    f.write(command + " " + os.path.basename(folder) + "\n")
if os.path.basename(folder) == os.environ.get("BREAKS"):
    sys.exit("ramoe: no luck")
os.makedirs(folder, exist_ok=True)
if command == "pretrain":
    config = json.load(open(sys.argv[2]))
    results = {"parameters": 1000}
else:
    config = {k: v for k, v in keys.items()}
    base = json.load(open(keys["base"] + "/run.json"))["config"]
    own = base["seed"] + 10 * (math.log2(base["num_experts"]) - 3) + 20 * ("answers" in base)
    own += base.get("mixture_exponent", 0) * base["seed"]
    cell = {"lang": "es", "n": 100, "ci": 70, "english": 0.9, "base": 0.2}
    cell |= {"own": (20 + own) / 100, "control": 0.2}
    cells = [{"task": t, **cell} for t in ("sums", "facts")]
    results = {"form": keys["form"], "forced": [1, 2], "cells": cells}
json.dump({"status": "finished", "started": "2026-01-01T00:00:00Z",
           "finished": "2026-01-01T00:01:00Z", "config": config,
           "build": {"compiler": "none", "kernels": "none", "revision": "made"}},
          open(folder + "/run.json", "w"))
json.dump(results, open(folder + "/results.json", "w"))
)";

constexpr const char* kPlan = R"({
 "pretrain": {"tasks": ["sums", "facts"], "num_hidden_layers": 2, "steps": 10, "batch": 48,
              "learning_rate": 0.004, "balance": 0.001},
 "families": {"olmoe": {"model_type": "olmoe"}},
 "rungs": {"E8": {"num_experts": 8, "num_experts_per_tok": 1, "moe_intermediate_size": 128},
           "E16": {"num_experts": 16, "num_experts_per_tok": 2, "moe_intermediate_size": 64},
           "E32": {"num_experts": 32, "num_experts_per_tok": 4, "moe_intermediate_size": 32}},
 "corpora": {"native": {}, "neutral": {"answers": "neutral"}},
 "parts": [{"families": ["olmoe"], "rungs": ["E8", "E16", "E32"], "corpora": ["native", "neutral"],
            "seeds": [1, 2, 3]}],
 "contrasts": [["neutral", "native"]],
 "headroom": {"forms": ["tokens", "last"], "keys": {"split": "adapt_train"}},
 "seconds": {"step_of_48": {"E8": 1, "E16": 1, "E32": 1}, "headroom_of_a_task": 0}
})";

class LadderPage : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("python3 --version >/dev/null 2>&1") != 0)
      GTEST_SKIP() << "python3 is not installed; only docs need it";
    write_file(program_, kProgram);
    fs::permissions(program_, fs::perms::owner_all);
    write_file(scratch_.file("plan.json"), kPlan);
  }
  /// Runs the script; its exit code. Both streams go to text(), calls of the program to calls().
  int run(const std::string& more, const std::string& environment = "") {
    fs::remove(scratch_.file("calls"));
    const int status = std::system(
        (environment + " CALLS=" + scratch_.file("calls") + " python3 " + docs +
         "/make_ladder.py --plan=" + scratch_.file("plan.json") + " --program=" + program_ +
         " --runs=" + scratch_.file("runs") + " --results=" + scratch_.file("ladder.json") +
         " --write=" + page_ + " " + more + " >" + scratch_.file("text") + " 2>&1")
            .c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string text() const { return read_file(scratch_.file("text")); }
  std::string calls() const {
    return fs::exists(scratch_.file("calls")) ? read_file(scratch_.file("calls")) : "";
  }

  const ScratchFolder scratch_;
  const std::string program_ = scratch_.file("program"), page_ = scratch_.file("ladder.md");
};

TEST_F(LadderPage, TablesAndSentencesComeFromTheRuns) {
  ASSERT_EQ(run("--jobs=3"), 0) << text();
  expect_contains(text(), "18 runs, 0 of them in");
  const std::string page = read_file(page_);
  // Seeds 1, 2 and 3: 2 points, and t = 4.303 times 1 / sqrt(3) to either side.
  expect_contains(page, "| 8 | 1 | 128 | 3 | 90.0 | 20.0 | 22.0 | 20.0 | +2.0 [-0.5, +4.5] |");
  expect_contains(page, "| olmoe | 32 | 4 | 32 | 3 | 90.0 | 20.0 | 42.0 | 20.0 | +22.0 [");
  expect_contains(page, "| olmoe | 32 | 4 | 32 | 3 | 90.0 | 20.0 | 62.0 | 20.0 | +42.0 [+39.5, ");
  expect_contains(page, "native, `tokens`: of 3 rungs 2 have headroom above 0 (2 with own ");
  // All seeds agree on the slope and on what neutral answers add: no interval, no verdict.
  expect_contains(page, "olmoe, native, `tokens`, headroom: +10.0; 3 seeds give no interval.");
  expect_contains(page, "neutral minus native, olmoe, E8, `tokens`, tasks that both have: +20.0; ");
  expect_contains(page, "The largest of 6 is olmoe, E32, neutral");
  expect_contains(page, "Program: none none made, trained on cpu.");
  EXPECT_EQ(page.find("None"), std::string::npos) << page;
  // Nothing is done again, and the page needs the collected numbers alone.
  ASSERT_EQ(run("--jobs=3"), 0) << text();
  EXPECT_EQ(calls(), "");
  fs::remove_all(scratch_.file("runs"));
  ASSERT_EQ(run("--page"), 0) << text();
  EXPECT_EQ(read_file(page_), page);
  EXPECT_EQ(calls(), "");
  // Verdicts are those of the intervals alone.
  Json results = read_json(scratch_.file("ladder.json"));
  for (Json& entry : results)  // E = 32 of seed 1 becomes a little worse
    if (entry["rung"] == "E32" && entry["seed"] == 1) entry["tokens"]["own"][0] = 40;
  write_json(scratch_.file("ladder.json"), results);
  ASSERT_EQ(run("--page"), 0) << text();
  // Native, seed 1: sums 40 - 20, facts 41 - 20, so 20.5 instead of 21; slope 9.75 instead of 10.
  expect_contains(read_file(page_), "tokens`, headroom: +9.9 [+9.6, +10.3] points; it grows");
  // Neutral, seed 1: 20 and 41, so 30.5 instead of 41; slopes 4.75, 10 and 10.
  expect_contains(read_file(page_), "tokens`, headroom: +8.2 [+0.7, +15.8] points; it grows");
  // Neutral minus native at E = 32: 10, 20 and 20.
  expect_contains(read_file(page_), "+16.7 [+2.3, +31.0] points; more headroom with neutral");
  for (Json& entry : results)
    if (entry["rung"] == "E32" && entry["seed"] == 1) entry["tokens"]["own"][1] = 0;
  write_json(scratch_.file("ladder.json"), results);
  ASSERT_EQ(run("--page"), 0) << text();
  expect_contains(read_file(page_), "points; not shown: the interval holds 0.");
}

TEST_F(LadderPage, AFactorIsARowBesideTheSameSeeds) {
  Json plan = Json::parse(kPlan);
  plan["corpora"]["raw"] = {{"answers", "neutral"}, {"mixture_exponent", 1}};
  plan["parts"].push_back({{"families", {"olmoe"}}, {"rungs", {"E8"}}, {"corpora", {"raw"}}});
  plan["parts"].back()["seeds"] = {2, 3, 4};
  plan["factors"] = {{"against", "neutral"}, {"raw", "languages weigh as on the web"}};
  write_json(scratch_.file("plan.json"), plan);
  ASSERT_EQ(run("--only=E8"), 0) << text();
  const std::string page = read_file(page_);
  expect_contains(page, "## One change at a time");
  // Seeds 2 and 3 alone are in both: headroom 24 and 26 points with it, 22 and 23 without.
  expect_contains(page, "| languages weigh as on the web (`raw`) | olmoe | E8 | 2 | 90.0 | ");
  expect_contains(page, " | 20.0 | +25.0 [");
  expect_contains(page, " | +2.5 [-3.9, +8.9] |");
  expect_contains(page, "raw minus neutral, olmoe, E8, `tokens`, tasks that both have: +2.5 [");
  EXPECT_EQ(page.find("## Raw"), std::string::npos) << page;
}

TEST_F(LadderPage, FreshModelsAreMadeWhereTheirFolderIsNot) {
  Json plan = Json::parse(kPlan);
  plan["fresh"] = {{{"families", {"olmoe"}}, {"rungs", {"E8"}}, {"corpora", {"native"}}}};
  plan["fresh"][0]["seeds"] = {7, 8};
  write_json(scratch_.file("plan.json"), plan);
  ASSERT_EQ(run("--fresh"), 0) << text();
  const std::string headroom = read_file(scratch_.file("headroom_fresh.json"));
  EXPECT_EQ(Json::parse(headroom).size(), 4u);  // of each model, each form
  ASSERT_EQ(run("--fresh"), 0) << text();
  EXPECT_EQ(calls(), "");
  // The numbers alone, as in a fresh checkout: grids need the models.
  fs::remove_all(scratch_.file("runs"));
  ASSERT_EQ(run("--fresh --only=native-8"), 0) << text();
  expect_contains(text(), "1 runs, 0 of them in ");
  EXPECT_EQ(calls(),
            "pretrain olmoe-E8-native-8\nheadroom olmoe-E8-native-8-tokens\n"
            "headroom olmoe-E8-native-8-last\n");
  // What was known of the other model stays.
  EXPECT_EQ(read_file(scratch_.file("headroom_fresh.json")), headroom);
  EXPECT_EQ(read_json(scratch_.file("ladder.json")).size(), 2u);
  EXPECT_FALSE(fs::exists(page_));
}

TEST_F(LadderPage, GoesOnAfterAFailureAndRefusesOtherSettings) {
  ASSERT_EQ(run("--only=E8-native", "BREAKS=olmoe-E8-native-2-last"), 1) << text();
  expect_contains(text(), "olmoe-E8-native-2-last");
  expect_contains(text(), "no luck");
  expect_contains(text(), "1 runs are not finished; the same command goes on with them.");
  EXPECT_EQ(read_json(scratch_.file("ladder.json")).size(), 2u);
  ASSERT_EQ(run("--only=E8-native"), 0) << text();
  EXPECT_EQ(calls(), "headroom olmoe-E8-native-2-last\n");
  // A run that was killed while it trained goes on, and its headroom is measured after it.
  Json killed = read_json(scratch_.file("runs/olmoe-E8-native-3/run.json"));
  killed["status"] = "running";
  write_json(scratch_.file("runs/olmoe-E8-native-3/run.json"), killed);
  fs::remove(scratch_.file("ladder.json"));
  ASSERT_EQ(run("--only=native-3"), 0) << text();
  expect_contains(calls(), "pretrain olmoe-E8-native-3\nheadroom olmoe-E8-native-3-tokens\n"
                           "headroom olmoe-E8-native-3-last\n");
  // A plan with other steps: its results are others, and the folders are not taken for them.
  Json plan = read_json(scratch_.file("plan.json"));
  plan["pretrain"]["steps"] = 20;
  write_json(scratch_.file("plan.json"), plan);
  EXPECT_EQ(run("--only=E8-native-1"), 1);
  expect_contains(text(), "holds a run with steps = 10, and the plan has 20");
  // What cannot be.
  EXPECT_EQ(run("--only=E7"), 1);
  expect_contains(text(), "--only=E7 matches none of the 18 runs");
  EXPECT_EQ(run("--jobs=0"), 1);
  expect_contains(text(), "expected 1 or more");
  fs::remove(program_);
  EXPECT_EQ(run(""), 1);
  expect_contains(text(), "there is no program");
  EXPECT_EQ(text().find("Traceback"), std::string::npos) << text();
}

}  // namespace
}  // namespace ramoe
