#include "ch05_training/run_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <regex>

#include "support/scratch.h"

namespace ramoe {
namespace {

class RunFolderTest : public testing::Test {
 protected:
  static RunFacts facts() {
    return {.command = "pretrain",
            .config = {{"steps", 100}, {"lr", 0.1}, {"threads", 2}},
            .seed = 7,
            .build = build_facts("avx2"),
            .data = {{"en.json", "aa"}},
            .free_keys = {"threads"}};
  }
  std::string refusal(const RunFacts& other, OnExisting existing = OnExisting::refuse) {
    return error_of([&] { RunFolder run(path_, other, existing); });
  }
  std::string status() { return read_json(path_ + "/run.json")["status"].get<std::string>(); }

  ScratchFolder scratch_;
  std::string path_ = scratch_.file("runs/base");
};

TEST_F(RunFolderTest, RecordsFromStartToFinish) {
  RunFolder run(path_, facts());
  EXPECT_EQ(status(), "running");
  EXPECT_TRUE(read_json(path_ + "/run.json")["finished"].is_null());
  run.write_results({{"accuracy", 0.5}});
  run.close();
  const Json record = read_json(path_ + "/run.json");
  EXPECT_EQ(record["status"], "finished");
  EXPECT_EQ(record["config"], facts().config);
  EXPECT_EQ(record["data"]["en.json"], "aa");
  EXPECT_EQ(record["build"]["kernels"], "avx2");
  const std::regex utc(R"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ)");
  for (const char* key : {"started", "finished"})
    EXPECT_TRUE(std::regex_match(record[key].get<std::string>(), utc)) << record[key];
  EXPECT_EQ(read_json(run.file("results.json"))["accuracy"], 0.5);
  const RunRecord read = read_run(path_, "pretrain");
  EXPECT_EQ(read.seed, 7u);
  EXPECT_EQ(read.status, "finished");
  EXPECT_EQ(read.config["steps"], 100);
}

TEST_F(RunFolderTest, NotClosedIsFailed) {
  try {
    RunFolder run(path_, facts());
    fail("on purpose");
  } catch (const Error&) {
  }
  EXPECT_EQ(status(), "failed");
  RunFolder(path_, facts()).close("interrupted");
  EXPECT_EQ(status(), "interrupted");
}

TEST_F(RunFolderTest, RefusesAnotherRun) {
  RunFolder(path_, facts()).close();
  const std::string before = read_file(path_ + "/run.json");
  for (const OnExisting existing : {OnExisting::refuse, OnExisting::resume}) {
    RunFacts other = facts();
    other.command = "sft";
    std::string error = refusal(other, existing);
    for (const char* part : {"`ramoe pretrain`", "`ramoe sft`", "--run=", "--overwrite=true"})
      expect_contains(error, part);
    other = facts();
    other.config = {{"steps", 200}, {"lr", 0.1}, {"new", true}, {"threads", 1}};
    error = refusal(other, existing);
    expect_contains(error, "(steps: 100 there, 200 here; new: nothing there, true here)");
    other = facts();
    other.config.erase("lr");
    expect_contains(refusal(other, existing), "lr: 0.1 there, nothing here");
    other = facts();
    other.seed = 8;
    expect_contains(refusal(other, existing), "seed: 7 there, 8 here");
    other = facts();
    other.data["en.json"] = "bb";
    expect_contains(refusal(other, existing), "en.json: \"aa\" there, \"bb\" here");
  }
  EXPECT_EQ(read_file(path_ + "/run.json"), before);
}

TEST_F(RunFolderTest, SameRunMayBeRepeatedWithOtherFreeKeys) {
  RunFolder(path_, facts()).close();
  RunFacts again = facts();
  again.config["threads"] = 16;
  RunFolder run(path_, again);
  EXPECT_FALSE(run.resumed());
}

TEST_F(RunFolderTest, ResumeKeepsFilesAndStart) {
  EXPECT_FALSE(
      RunFolder(path_, facts(), OnExisting::resume).resumed());  // nothing there: a new run
  Json record = read_json(path_ + "/run.json");
  record["started"] = "2020-01-01T00:00:00Z";
  write_json(path_ + "/run.json", record);
  std::ofstream(path_ + "/checkpoint") << "x";
  RunFolder run(path_, facts(), OnExisting::resume);
  EXPECT_TRUE(run.resumed());
  EXPECT_EQ(read_file(run.file("checkpoint")), "x");
  record = read_json(path_ + "/run.json");
  EXPECT_EQ(record["started"], "2020-01-01T00:00:00Z");
  EXPECT_EQ(record["resumed"].size(), 1u);
}

TEST_F(RunFolderTest, OverwriteRemovesTheOldRunOnly) {
  RunFolder(path_, facts()).close();
  RunFolder(path_ + "/inner", facts()).close();
  std::filesystem::create_directories(path_ + "/checkpoints");
  for (const char* name : {"/checkpoints/1", "/results.json"}) std::ofstream(path_ + name) << "{}";
  RunFacts other = facts();
  other.command = "sft";
  RunFolder run(path_, other, OnExisting::overwrite);
  EXPECT_FALSE(std::filesystem::exists(path_ + "/checkpoints"));
  EXPECT_FALSE(std::filesystem::exists(path_ + "/results.json"));
  EXPECT_EQ(read_run(path_ + "/inner", "pretrain").status, "finished");
  EXPECT_EQ(read_run(path_, "sft").status, "running");
}

// A folder that holds no run is no run's to empty.
TEST_F(RunFolderTest, OverwriteLeavesAFolderThatHoldsNoRun) {
  std::filesystem::create_directories(path_);
  std::ofstream(path_ + "/thesis.tex") << "x";
  RunFolder run(path_, facts(), OnExisting::overwrite);
  EXPECT_TRUE(std::filesystem::exists(path_ + "/thesis.tex"));
}

TEST_F(RunFolderTest, OneProcessAtATimeAndAKilledOneLetsGo) {
  {
    RunFolder run(path_, facts());
    expect_contains(refusal(facts()), "in use by another process");
  }
  const pid_t child = ::fork();
  if (child == 0) {
    RunFolder run(path_, facts());
    ::kill(::getpid(), SIGKILL);
  }
  ::waitpid(child, nullptr, 0);
  EXPECT_EQ(status(), "running");
  EXPECT_TRUE(RunFolder(path_, facts(), OnExisting::resume).resumed());
}

TEST_F(RunFolderTest, MissingThingsNameTheCommandThatMakesThem) {
  expect_contains(error_of([&] { read_run(path_, "pretrain"); }),
                  path_ + "/run.json is missing; `ramoe pretrain --run=" + path_ + "` writes it.");
  RunFolder(path_, facts()).close();
  expect_contains(error_of([&] { require_file(path_, "taxonomy.jsonl", "taxonomy"); }),
                  "/taxonomy.jsonl is missing; `ramoe taxonomy --run=" + path_ + "` writes it.");
  expect_contains(error_of([&] { read_run(path_, "sft"); }), "one of `ramoe sft` is needed");
}

TEST_F(RunFolderTest, BrokenRecordIsAnError) {
  std::filesystem::create_directories(path_);
  for (const char* text : {"{", "[]", "{}", R"({"command":3})", R"({"command":"pretrain"})",
                           R"({"command":"p","status":"s","started":"t","config":[],"seed":1})",
                           R"({"command":"p","status":"s","started":"t","config":{},"seed":-1})"}) {
    std::ofstream(path_ + "/run.json") << text;
    expect_contains(error_of([&] { read_run(path_, "pretrain"); }), path_ + "/run.json");
    expect_contains(refusal(facts()), path_ + "/run.json");
  }
}

TEST_F(RunFolderTest, FileInTheWay) {
  std::ofstream(scratch_.file("runs")) << "x";
  expect_contains(refusal(facts()), path_);
}

}  // namespace
}  // namespace ramoe
