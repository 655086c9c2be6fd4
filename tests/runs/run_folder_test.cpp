#include "runs/run_folder.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <regex>
#include <set>

#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

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
  /// A command that trains: its unfinished runs are not begun anew unasked.
  static RunFacts training() {
    RunFacts training = facts();
    training.trains = true;
    return training;
  }
  void put(const std::string& name, const std::string& text = "x") {
    fs::create_directories(fs::path(path_ + "/" + name).parent_path());
    std::ofstream(path_ + "/" + name) << text;
  }
  /// All that lies in the folder, without the lock.
  std::set<std::string> content() {
    std::set<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(path_))
      if (entry.path().filename() != "run.lock")
        names.insert(fs::relative(entry.path(), path_).string());
    return names;
  }
  std::string status() { return read_json(path_ + "/run.json")["status"].get<std::string>(); }

  ScratchFolder scratch_;
  std::string path_ = scratch_.file("runs/base");
};

TEST_F(RunFolderTest, SaysBeforehandWhatItWouldRefuse) {
  const auto checked = [&](const RunFacts& other, OnExisting existing = OnExisting::refuse) {
    return error_of([&] { EXPECT_FALSE(check_run(path_, other, existing)); });
  };
  EXPECT_EQ(checked(training()), "no error");
  EXPECT_FALSE(fs::exists(path_));
  { RunFolder run(path_, training()); }  // failed
  const auto before = content();
  RunFacts other = training();
  other.config["steps"] = 200;
  for (const RunFacts& facts : {training(), other})
    for (const OnExisting existing : {OnExisting::refuse, OnExisting::resume}) {
      if (facts.config == training().config && existing == OnExisting::resume) continue;
      const std::string said = checked(facts, existing);
      EXPECT_NE(said, "no error");
      EXPECT_EQ(said, refusal(facts, existing));
    }
  EXPECT_EQ(checked(training(), OnExisting::resume), "no error");
  EXPECT_EQ(checked(other, OnExisting::overwrite), "no error");
  EXPECT_EQ(content(), before);
  EXPECT_EQ(status(), "failed");
  {
    RunFolder run(path_, training(), OnExisting::resume);
    run.write_results({{"x", 1}});
    run.close();
  }
  EXPECT_TRUE(check_run(path_, training(), OnExisting::refuse));
}

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
    for (const char* part : {"`ramoe pretrain`", "`ramoe sft`", "--run="})
      expect_contains(error, part);
    EXPECT_EQ(error.find("overwrite"), std::string::npos) << error;
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
    error = refusal(other, existing);
    expect_contains(error, "en.json: \"aa\" there, \"bb\" here");
    expect_contains(error, "--overwrite=true");
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

TEST_F(RunFolderTest, OverwriteRemovesWhatTheRunWroteAndNothingElse) {
  {
    RunFolder run(path_, facts());
    run.write_results({});
    for (const char* name : {"metrics.jsonl", "answers.jsonl", "model"}) run.file(name);
    run.close();
  }
  RunFolder(path_ + "/inner", facts()).close();
  // "answers.jsonl" was about to be written when it was killed.
  for (const char* ours : {"metrics.jsonl", "answers.jsonl.ramoe-tmp", "model/config.json",
                           "model/model.safetensors", "model/tokenizer.json"})
    put(ours);
  const std::vector<std::string> theirs = {"thesis.tex",        "taxonomy.jsonl",    "notes/1",
                                           "model/mine.txt",    "model/deep/a.json", "log.tmp",
                                           "metrics.jsonl.bak", "results.json.tmp"};
  for (const std::string& name : theirs) put(name);
  RunFacts other = facts();
  other.config["steps"] = 5;
  RunFolder run(path_, other, OnExisting::overwrite);
  std::set<std::string> expected = {"run.json", "inner", "inner/run.json",
                                    "notes",    "model", "model/deep"};
  expected.insert(theirs.begin(), theirs.end());
  EXPECT_EQ(content(), expected);
  EXPECT_EQ(read_run(path_, "pretrain").config["steps"], 5);
  EXPECT_EQ(read_run(path_ + "/inner", "pretrain").status, "finished");
}

TEST_F(RunFolderTest, OverwriteOfARunFromBeforeItsFilesWereNoted) {
  RunFolder(path_, facts()).close();
  Json record = read_json(path_ + "/run.json");
  record.erase("files");
  write_json(path_ + "/run.json", record);
  for (const char* name : {"training.safetensors", "model/model.safetensors", "results.json",
                           "taxonomy.jsonl", "report.html", "model.txt"})
    put(name);
  RunFolder run(path_, facts(), OnExisting::overwrite);
  EXPECT_EQ(content(),
            (std::set<std::string>{"run.json", "taxonomy.jsonl", "report.html", "model.txt"}));
}

// A list that a hand has changed leads nowhere else, and a link is removed, not what it leads to.
TEST_F(RunFolderTest, OverwriteStaysInTheFolder) {
  RunFolder(path_, facts()).close();
  Json record = read_json(path_ + "/run.json");
  record["files"] = {"../thesis", "../../thesis", "/etc/hostname", ".", "..", "", 3, "model"};
  write_json(path_ + "/run.json", record);
  std::ofstream(scratch_.file("runs/thesis")) << "x";
  fs::create_directories(scratch_.file("big"));
  std::ofstream(scratch_.file("big/model.safetensors")) << "x";
  fs::create_directory_symlink(scratch_.file("big"), path_ + "/model");
  RunFolder run(path_, facts(), OnExisting::overwrite);
  EXPECT_TRUE(fs::exists(scratch_.file("runs/thesis")));
  EXPECT_TRUE(fs::exists(scratch_.file("big/model.safetensors")));
  EXPECT_EQ(content(), std::set<std::string>{"run.json"});
}

// A folder that is not empty and holds no run is nobody's to write into, let alone to empty.
TEST_F(RunFolderTest, AFolderThatHoldsSomethingElseIsRefused) {
  const std::vector<std::pair<std::string, std::string>> strange = {
      {"thesis.tex", "x"},
      {".hidden", "x"},
      {"results.json", "{}"},
      {"inner/run.json", "{}"},
      {"run.json", R"({"command":"train.py","status":"finished","started":"2026-01-01","config":{},
                       "seed":1,"data":{},"build":{}})"},
      {"run.json", R"({"name":"sweep"})"},
      {"run.json", "not JSON"}};
  for (const auto& [name, text] : strange) {
    SCOPED_TRACE(name + ": " + text);
    fs::remove_all(path_);
    put(name, text);
    const std::set<std::string> before = content();
    for (const OnExisting existing :
         {OnExisting::refuse, OnExisting::resume, OnExisting::overwrite}) {
      const std::string error = refusal(facts(), existing);
      expect_contains(error, path_);
      EXPECT_EQ(error.find("--overwrite"), std::string::npos) << error;
    }
    EXPECT_EQ(content(), before);
    EXPECT_EQ(read_file(path_ + "/" + name), text);
    EXPECT_FALSE(fs::exists(path_ + "/run.lock"));
  }
  expect_contains(error_of([] { RunFolder run("", facts()); }), "names no folder");
  // What is left of a run that was killed before it had written run.json is no such thing.
  fs::remove_all(path_);
  put("run.lock");
  put("run.json.ramoe-tmp");
  RunFolder(path_, facts()).close();
}

TEST_F(RunFolderTest, ARunOfAnotherCommandIsNotOverwritten) {
  RunFolder(path_, facts()).close();
  const std::string before = read_file(path_ + "/run.json");
  RunFacts other = facts();
  other.command = "sft";
  const std::string error = refusal(other, OnExisting::overwrite);
  expect_contains(error, "`ramoe pretrain`, not of `ramoe sft`");
  EXPECT_EQ(error.find("--overwrite"), std::string::npos) << error;
  EXPECT_EQ(read_file(path_ + "/run.json"), before);
}

TEST_F(RunFolderTest, AnUnfinishedTrainingIsNotBegunAnewUnasked) {
  for (const auto& [status, state] : {std::pair{"running", "was killed"},
                                      {"interrupted", "was interrupted"},
                                      {"failed", "failed"}}) {
    RunFolder(path_, training(), OnExisting::overwrite).close(status);
    const std::string before = read_file(path_ + "/run.json"), error = refusal(training());
    for (const char* part : {state, "--resume=true", "--overwrite=true"})
      expect_contains(error, part);
    EXPECT_EQ(read_file(path_ + "/run.json"), before);
    RunFolder(path_, facts()).close();  // where nothing is saved on the way, nothing can be lost
  }
  EXPECT_TRUE(RunFolder(path_, training(), OnExisting::resume).resumed());
}

TEST_F(RunFolderTest, AFinishedTrainingIsKept) {
  {
    RunFolder run(path_, training());
    EXPECT_FALSE(run.kept());
    run.write_results({});
    run.close();
  }
  const std::string before = read_file(path_ + "/run.json");
  EXPECT_TRUE(RunFolder(path_, training()).kept());
  EXPECT_EQ(read_file(path_ + "/run.json"), before);
  fs::remove(path_ + "/results.json");
  expect_contains(refusal(training()), "--resume=true");
}

TEST_F(RunFolderTest, RemoveRunTakesTheFolderIfNothingElseIsInIt) {
  remove_run(path_);  // none there
  RunFolder(path_, facts()).close();
  put("thesis.tex");
  remove_run(path_);
  EXPECT_EQ(content(), (std::set<std::string>{"run.json", "thesis.tex"}));
  RunFacts other = training();
  other.config["steps"] = 5;
  for (const OnExisting existing : {OnExisting::refuse, OnExisting::resume}) {
    EXPECT_FALSE(RunFolder(path_, other, existing).resumed());
    remove_run(path_);
  }
  EXPECT_EQ(content(), (std::set<std::string>{"run.json", "thesis.tex"}));
  fs::remove_all(path_);
  {
    RunFolder run(path_, facts());
    expect_contains(error_of([&] { remove_run(path_); }), "in use");
    run.write_results({});
    run.close();
  }
  note_run_file(path_, "report.html");
  put("report.html");
  remove_run(path_);
  EXPECT_FALSE(fs::exists(path_));
}

TEST_F(RunFolderTest, OneProcessAtATimeAndAKilledOneLetsGo) {
  {
    RunFolder run(path_, facts());
    expect_contains(refusal(facts()), "in use by another process");
    // Before anything is changed, and whatever path leads there.
    const std::string before = read_file(path_ + "/run.json");
    fs::create_directory_symlink(path_, scratch_.file("link"));
    for (const std::string& path : {path_, scratch_.file("link"), path_ + "/../base/"})
      for (const OnExisting existing : {OnExisting::resume, OnExisting::overwrite}) {
        expect_contains(error_of([&] { RunFolder second(path, facts(), existing); }), "in use");
        expect_contains(error_of([&] { check_run_place(path, "pretrain"); }), "in use");
      }
    EXPECT_EQ(read_file(path_ + "/run.json"), before);
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
  put("thesis.tex");
  expect_contains(error_of([&] { read_run(path_, "pretrain"); }), "another --run=FOLDER");
  fs::remove_all(path_);
  RunFolder(path_, facts()).close();
  expect_contains(error_of([&] { require_file(path_, "taxonomy.jsonl", "taxonomy"); }),
                  "/taxonomy.jsonl is missing; the folder holds a run of `ramoe pretrain`");
  expect_contains(error_of([&] { read_run(path_, "sft"); }), "one of `ramoe sft` is needed");
}

// What is missing in an unfinished run is not made by the command as a hint would name it.
TEST_F(RunFolderTest, HintsSayInWhichStateARunIs) {
  const auto hint = [&] {
    return error_of([&] { require_file(path_, "model/model.safetensors", "pretrain"); });
  };
  {
    const RunFolder run(path_, facts());
    expect_contains(hint(), "is still at work; wait");
  }
  for (const auto& [status, text] : {std::pair{"running", "was killed"},
                                     {"interrupted", "was interrupted"},
                                     {"failed", "there failed"}}) {
    RunFolder(path_, facts()).close(status);
    expect_contains(hint(), text);
    expect_contains(hint(), "--resume=true");
    EXPECT_EQ(hint().find("writes it"), std::string::npos) << hint();
  }
  RunFolder(path_, facts()).close();
  expect_contains(hint(), "finished without it; `ramoe pretrain` with another --run=FOLDER");
}

TEST_F(RunFolderTest, BrokenRecordIsAnError) {
  fs::create_directories(path_);
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
