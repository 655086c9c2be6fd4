// What a folder holds when a run ends early, is begun again or meets something else there.
#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>

#include "app/cli.h"
#include "runs/metrics.h"
#include "runs/run_folder.h"
#include "support/files.h"
#include "support/scratch.h"
#include "support/texts.h"
#include "support/tools.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

const std::string model = "data/models/olmoe";

/// Paths and bytes of all files below a folder.
std::map<std::string, std::string> contents(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder))
    files[entry.path().string()] = entry.is_regular_file() ? read_file(entry.path().string()) : "";
  return files;
}

/// It ended with the code and a last line that has all the parts and none of the others.
void expect_end(const Outcome& outcome, int code, const std::vector<std::string>& parts,
                const std::vector<std::string>& others = {}) {
  EXPECT_EQ(outcome.code, code) << outcome.text;
  const std::size_t at = outcome.text.find("ramoe: ");
  ASSERT_NE(at, std::string::npos) << outcome.text;
  const std::string line = outcome.text.substr(at);
  EXPECT_EQ(line.find('\n'), line.size() - 1) << "one line was expected:\n" << line;
  for (const std::string& part : parts) expect_contains(line, part);
  for (const std::string& other : others)
    EXPECT_EQ(line.find(other), std::string::npos) << other << " in " << line;
}

std::string status_of(const std::string& run) {
  return read_json(run + "/run.json")["status"].get<std::string>();
}

// ---- Nothing of others is written over or removed -----------------------------------------------

TEST(RunFolders, WhatHoldsSomethingElseIsRefusedByEveryCommand) {
  const ScratchFolder scratch;
  const std::string home = scratch.file("home");
  fs::create_directories(home + "/thesis");
  write_file(home + "/thesis/chapter1.tex", "years of work");
  write_file(home + "/run.json", "{\"command\": \"train.py\", \"status\": \"finished\"}");
  write_file(scratch.file("data"), "x");
  const auto before = contents(home);
  const std::string base = " --base=" + model;
  for (const std::string& command :
       {tiny_pretrain(home), "divergence" + base, "headroom" + base, "taxonomy" + base,
        "experts" + base, "finetune" + base, "evaluate" + base,
        "import --model=" + model + "/model", std::string("demo --tier=smoke"),
        std::string("experiment data/grids/smoke.json"), std::string("reproduce")})
    for (const std::string& place : {home, home + "/thesis", home + "/../home/."})
      for (const char* overwrite : {"", " --overwrite=true"}) {
        SCOPED_TRACE(command + " " + place + overwrite);
        expect_end(run_cli(command + " --run=" + place + overwrite), 1, {place},
                   {"overwrite", "--resume"});
        EXPECT_EQ(contents(home), before);
      }
  expect_end(run_cli(tiny_pretrain("/ --overwrite=true")), 1, {"/ is not empty"}, {"overwrite"});
  expect_end(run_cli(tiny_pretrain("")), 1, {"--run is empty"});
}

TEST(RunFolders, OverwriteLeavesWhatWasPutBesideTheRun) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("run");
  ASSERT_EQ(run_cli(tiny_pretrain(run)).code, 0);
  const auto ours = contents(run);
  for (const std::string name : {"/thesis.tex", "/model/notes.txt", "/plots/loss.png"}) {
    fs::create_directories(fs::path(run + name).parent_path());
    write_file(run + name, "mine");
  }
  // One command's folder is not another's to begin anew in, and a folder of runs is no run.
  expect_end(run_cli("divergence --base=" + model + " --overwrite=true --run=" + run), 1,
             {run, "`ramoe pretrain`"}, {"overwrite"});
  expect_end(run_cli(tiny_pretrain(scratch.path(), "--overwrite=true")), 1, {"is not empty"});
  ASSERT_EQ(run_cli(tiny_pretrain(run, "--seed=2 --overwrite=true")).code, 0);
  std::set<std::string> expected, found;
  for (const auto& [path, bytes] : ours) expected.insert(path);
  for (const char* name : {"/thesis.tex", "/model/notes.txt", "/plots", "/plots/loss.png"})
    expected.insert(run + name);
  for (const auto& [path, bytes] : contents(run)) found.insert(path);
  EXPECT_EQ(found, expected);
  EXPECT_EQ(read_file(run + "/model/notes.txt"), "mine");
}

// All that a run leaves is noted, so that beginning anew leaves nothing of it.
TEST(RunFolders, EveryFileOfARunIsNoted) {
  const ScratchFolder scratch;
  const std::string demo = scratch.file("demo");
  const std::string command =
      "demo --tier=smoke --tasks=facts --steps=8 --finetune_steps=2 --run=" + demo;
  ASSERT_EQ(run_cli(command).code, 0);
  ASSERT_EQ(run_cli("evaluate --base=" + demo + "/base --run=" + demo + "/evaluate").code, 0);
  ASSERT_EQ(run_cli("report " + demo + "/finetune-es-ramoe-1").code, 0);
  std::vector<fs::path> runs = {demo};
  for (const auto& entry : fs::recursive_directory_iterator(demo))
    if (fs::exists(entry.path() / "run.json")) runs.push_back(entry.path());
  for (const fs::path& run : runs) {
    const Json files = read_json((run / "run.json").string())["files"];
    for (const auto& file : fs::directory_iterator(run)) {
      const std::string name = file.path().filename().string();
      const bool noted = std::find(files.begin(), files.end(), Json(name)) != files.end();
      EXPECT_TRUE(noted || name == "run.json" || name == "run.lock" ||
                  fs::exists(file.path() / "run.json"))
          << file.path();
    }
  }
  EXPECT_EQ(runs.size(), 1u + 6 + 1 + 6) << "demo, stages, evaluate, fine-tuning";
  remove_run(demo + "/finetune-es-ramoe-1");
  EXPECT_FALSE(fs::exists(demo + "/finetune-es-ramoe-1")) << "its model is all noted, too";
  // Another process at work in a stage's folder: refused before anything is changed.
  const std::string lock = demo + "/taxonomy/run.lock";
  const int held = ::open(lock.c_str(), O_RDWR | O_CLOEXEC);
  ASSERT_EQ(::flock(held, LOCK_EX | LOCK_NB), 0);
  const auto before = contents(demo);
  expect_end(run_cli(command + " --overwrite=true"), 1, {"taxonomy", "in use"});
  EXPECT_EQ(contents(demo), before);
  ::close(held);
  // Begun anew and killed, it can be gone on with, without --overwrite.
  write_file(demo + "/experts/mine.txt", "mine");
  expect_end(
      signalled(command + " --lambda=2 --overwrite=true", "TERM", "! -e " + demo + "/report.html"),
      143, {"interrupted", "without --overwrite=true goes on"});
  EXPECT_FALSE(fs::exists(demo + "/finetune-es-sft-1"));
  EXPECT_EQ(status_of(demo), "interrupted");
  const Outcome on = run_cli(command + " --lambda=2");
  EXPECT_EQ(on.code, 0) << on.text;
  EXPECT_EQ(read_file(demo + "/experts/mine.txt"), "mine");
}

// ---- Unfinished and finished runs ---------------------------------------------------------------

TEST(RunFolders, AKilledTrainingIsNotBegunAnewUnasked) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("run"), command = tiny_pretrain(run, "--steps=100000");
  signalled(command, "KILL", "-e " + run + "/training.safetensors");
  ASSERT_EQ(status_of(run), "running");
  const auto before = contents(run);
  expect_end(run_cli(command), 1, {run, "--resume=true", "--overwrite=true"});
  for (const std::string stage :
       {"divergence", "headroom", "taxonomy", "experts", "evaluate", "finetune"})
    expect_end(run_cli(stage + " --base=" + run + " --run=" + scratch.file("stage")), 1,
               {run, "was killed", "--resume=true"}, {"writes it"});
  expect_end(run_cli("generate --model=" + run), 1, {run, "was killed", "--resume=true"});
  EXPECT_EQ(contents(run), before);
}

TEST(RunFolders, AFinishedTrainingIsKept) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("run");
  ASSERT_EQ(run_cli(tiny_pretrain(run)).code, 0);
  const auto before = contents(run);
  const Outcome again = run_cli(tiny_pretrain(run));
  EXPECT_EQ(again.code, 0) << again.text;
  expect_contains(again.text, "finished before, kept");
  EXPECT_EQ(contents(run), before);
}

// ---- Interrupts ---------------------------------------------------------------------------------

// A dropped connection sends SIGHUP, twice where a shell passes it on.
TEST(RunFolders, ADroppedConnectionSaves) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("run"), steps = "--steps=100000 --save_every=100000";
  expect_end(
      signalled(tiny_pretrain(run, steps), "HUP $pid; kill -HUP", "-e " + run + "/metrics.jsonl"),
      129, {"interrupted after step", "--resume=true"});
  EXPECT_EQ(status_of(run), "interrupted");
  EXPECT_TRUE(fs::exists(run + "/training.safetensors"));
}

TEST(RunFolders, AStepThatTakesLongIsLeftOut) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("run");
  expect_end(
      signalled(tiny_pretrain(run, "--accumulate=20000"), "TERM", "-e " + run + "/metrics.jsonl"),
      143, {"interrupted after step 0 of 12", "--resume=true"});
}

TEST(RunFolders, PreparationCanBeInterrupted) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("run");
  expect_end(signalled(tiny_pretrain(run, "--tokenizer_documents=100000000"), "TERM",
                       "-e " + run + "/run.json"),
             143, {"interrupted", run + "/run.json --resume=true"});
  EXPECT_EQ(status_of(run), "interrupted");
}

TEST(RunFolders, AReaderThatGoesAwayEndsNothing) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("run");
  run_cli(tiny_pretrain(run, "--steps=40 2>&1 | head -c 1"));
  EXPECT_EQ(status_of(run), "finished");
}

TEST(RunFolders, StagesWithoutCheckpointsEndWithALine) {
  const ScratchFolder scratch;
  for (const std::string stage :
       {"divergence", "headroom", "taxonomy", "experts --rule=contrast", "evaluate"}) {
    const std::string name = stage.substr(0, stage.find(' ')), run = scratch.file(name);
    // One question at a time takes long.
    const std::string one = name == "headroom" ? "--batch_tokens" : "--answer_batch";
    const std::string command =
        stage + " " + one + "=1 --threads=2 --base=" + model + " --run=" + run;
    expect_end(signalled(command, "TERM", "-e " + run + "/run.json"), 143,
               {"interrupted; `ramoe " + name + "` keeps nothing on its way"});
    EXPECT_EQ(status_of(run), "interrupted") << stage;
    EXPECT_FALSE(fs::exists(run + "/results.json")) << stage;
  }
}

// Evaluation comes after training, whose work is kept.
TEST(RunFolders, AnInterruptedEvaluationOfFinetuneKeepsTheTraining) {
  const ScratchFolder scratch;
  const std::string base = scratch.file("base"), run = scratch.file("run");
  ASSERT_EQ(run_cli(tiny_pretrain(base, "--max_position_embeddings=400 --steps=1")).code, 0);
  for (const std::string stage : {"divergence", "taxonomy", "experts"})
    ASSERT_EQ(run_cli(stage + " --base=" + base + " --run=" + scratch.file(stage)).code, 0);
  // A model that knows nothing does not end its answers, so evaluation takes seconds.
  const std::string command =
      "finetune --language=sw --steps=3 --batch=4 --answer_batch=1 --max_new_tokens=300 --base=" +
      base + " --divergence_run=" + scratch.file("divergence") +
      " --taxonomy_run=" + scratch.file("taxonomy") + " --experts_run=" + scratch.file("experts") +
      " --run=" + run;
  expect_end(signalled(command, "TERM", "-e " + run + "/model/tokenizer.json"), 143,
             {"interrupted", "--resume=true"});
  EXPECT_EQ(status_of(run), "interrupted");
  EXPECT_TRUE(fs::exists(run + "/training.safetensors"));
  const Outcome resumed = run_cli(command + " --resume=true");
  EXPECT_EQ(resumed.code, 0) << resumed.text;
  EXPECT_EQ(read_metrics(run + "/metrics.jsonl").back()["step"], 3);
}

// GNU timeout passes a signal on to the command, and then to its group with the command in it.
TEST(RunFolders, TimeoutsTwoSignalsAreOne) {
  if (!has_tool("timeout")) GTEST_SKIP() << "there is no timeout";
  const ScratchFolder scratch;
  const std::string run = scratch.file("run"), steps = "--steps=100000 --save_every=100000";
  const Outcome ended =
      signalled(tiny_pretrain(run, steps), "TERM", "-e " + run + "/metrics.jsonl", "timeout 1000");
  expect_end(ended, 143, {"interrupted after step", "--resume=true"});
  EXPECT_EQ(status_of(run), "interrupted") << ended.text;
}

}  // namespace
}  // namespace ramoe
