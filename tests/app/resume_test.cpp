// Training that was stopped goes on with the same bits, whatever happened to its files in between.
#include <gtest/gtest.h>

#include <filesystem>

#include "app/cli.h"
#include "formats/safetensors.h"
#include "runs/metrics.h"
#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

/// Runs the command, which must succeed.
Outcome must(const std::string& command) {
  const Outcome outcome = run_cli(command);
  EXPECT_EQ(outcome.code, 0) << command << "\n" << outcome.text;
  return outcome;
}

/// Runs the command until the file is there, and kills it. Returns whether it came to that.
bool kill_when(const std::string& file, const std::string& command) {
  const Outcome outcome = run_cli(command + " & pid=$!; for i in $(seq 3000); do [ -e " + file +
                                  " ] && break; sleep 0.01; done; [ -e " + file +
                                  " ] && kill -9 $pid && echo killed; wait $pid");
  return outcome.text.find("killed") != std::string::npos;
}

/// Makes a finished run look as if it had been killed behind its last step.
void unfinish(const std::string& run) {
  Json record = read_json(run + "/run.json");
  record["status"] = "running";
  write_json(run + "/run.json", record);
}

/// A pre-training run with checkpoint and metrics of all its 12 steps, that was killed before it
/// said so; one that was not, and one of another seed.
class Resume : public testing::Test {
 protected:
  Resume() {
    for (const char* run : {"whole", "run"}) must(command(run));
    must(command("other", "--seed=2"));
    reference_ = read_json(file("whole/results.json"));
  }
  std::string file(const std::string& name) const { return scratch_.file(name); }
  std::string command(const std::string& run, const std::string& more = "") const {
    return tiny_pretrain(file(run), "--log_every=2 " + more);
  }
  /// Resumes the run; its results are those of one that never stopped.
  std::string resume(const std::string& more = "") {
    unfinish(file("run"));
    const Outcome outcome = must(command("run", "--resume=true " + more));
    EXPECT_EQ(read_file(file("run/model/model.safetensors")),
              read_file(file("whole/model/model.safetensors")));
    EXPECT_EQ(read_json(file("run/results.json")), reference_);
    return outcome.text;
  }
  void refused(const std::string& part) {
    unfinish(file("run"));
    const Outcome outcome = run_cli(command("run", "--resume=true"));
    EXPECT_EQ(outcome.code, 1) << outcome.text;
    expect_contains(outcome.text, part);
    expect_contains(outcome.text, "nothing was lost");
  }

  ScratchFolder scratch_;
  Json reference_;
};

TEST_F(Resume, TokensPerStepAreTheMeanAlsoAtTheEnd) {
  const double mean = reference_["tokens_per_step"];
  EXPECT_GT(mean, 0);
  double last = 0;
  for (const Json& line : read_metrics(file("whole/metrics.jsonl"))) last = line["tokens"];
  EXPECT_NE(mean, last);  // of steps of several lengths
  resume();
  resume();
}

TEST_F(Resume, LostMetricsAreSaidAndMarked) {
  const std::string metrics = file("run/metrics.jsonl"), whole = read_file(metrics);
  fs::remove(metrics);
  expect_contains(resume(), "6 of the 6 lines up to step 12 are missing or broken");
  EXPECT_EQ(read_file(metrics), "{\"step\":0,\"missing\":6}\n");
  EXPECT_EQ(resume().find("missing"), std::string::npos);  // once
  write_file(metrics, whole);
  EXPECT_EQ(resume().find("missing"), std::string::npos);
  EXPECT_EQ(read_file(metrics), whole);
  write_file(metrics, whole.substr(0, whole.size() / 2));
  expect_contains(resume(), "lines up to step 12 are missing");
  expect_contains(read_file(metrics), "\"missing\":");
}

TEST_F(Resume, AnotherRunsCheckpointIsRefused) {
  const std::string state = file("run/training.safetensors"), good = read_file(state);
  write_file(state, read_file(file("other/training.safetensors")));
  refused("of another run (seed: 2 there, 1 here)");
  std::string edited = good;
  const std::size_t at = edited.find("\"step\":\"12\"");
  ASSERT_NE(at, std::string::npos);
  edited[at + 8] = '0';
  write_file(state, edited);
  refused("its checksum is");
  for (const std::size_t byte : {std::size_t(3), std::size_t(700), good.size() / 2}) {
    std::string bad = good;
    bad[byte] = static_cast<char>(bad[byte] ^ 1);
    write_file(state, bad);
    refused("training.safetensors");
  }
  write_file(state, good.substr(0, good.size() - 1));
  refused("training.safetensors");
  write_file(state, good);
  resume("--threads=1");
}

TEST_F(Resume, OldCheckpointsGoOnAndSaySo) {
  const std::string state = file("run/training.safetensors");
  const std::string copy = file("copy");
  fs::copy(state, copy);
  const SafetensorsFile saved(copy);
  std::vector<TensorToWrite> tensors;
  for (const std::string& name : saved.names())
    tensors.push_back({name, saved.info(name).dtype, saved.info(name).shape, saved.bytes(name)});
  write_safetensors(state, tensors, {{"step", "12"}});
  reference_["tokens_per_step"] = nullptr;
  expect_contains(resume(), "an older version wrote it");
}

TEST_F(Resume, BaseModelsAreCheckedBeforeTheyAreUsed) {
  for (const char* name : {"model.safetensors", "config.json", "tokenizer.json"}) {
    const std::string path = file("run/model/") + name, good = read_file(path);
    for (const std::size_t at : {good.size() / 3, good.size() - 2}) {
      std::string bad = good;
      bad[at] = static_cast<char>(bad[at] ^ 2);
      write_file(path, bad);
      for (const std::string& command :
           {"generate --model=" + file("run"),
            "evaluate --base=" + file("run") + " --run=" + file("none")}) {
        const Outcome outcome = run_cli(command);
        EXPECT_EQ(outcome.code, 1) << command << "\n" << outcome.text;
        expect_contains(outcome.text, path);
      }
    }
    write_file(path, good);
  }
}

// Fine-tuning on a tiny base model with all methods.
class ResumeFinetune : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    scratch_ = std::make_unique<ScratchFolder>();
    must(tiny_pretrain(file("base"), "--tasks=facts,follow --steps=60"));
    const std::string base = " --base=" + file("base") + " --max_new_tokens=4";
    must("divergence" + base + " --run=" + file("divergence"));
    must("taxonomy" + base + " --run=" + file("taxonomy"));
    must("experts" + base + " --run=" + file("experts"));
  }
  static void TearDownTestSuite() { scratch_.reset(); }
  static std::string file(const std::string& name) { return scratch_->file(name); }
  static std::string finetune(const std::string& run, const std::string& more) {
    return "finetune --base=" + file("base") + " --divergence_run=" + file("divergence") +
           " --taxonomy_run=" + file("taxonomy") + " --experts_run=" + file("experts") +
           " --language=es --max_new_tokens=4 --batch=8 --steps=40 --save_every=1 --log_every=3"
           " --examples=all --learning_rate=0.003 --run=" +
           file(run) + " " + more;
  }
  static std::unique_ptr<ScratchFolder> scratch_;
};
std::unique_ptr<ScratchFolder> ResumeFinetune::scratch_;

TEST_F(ResumeFinetune, AfterAKillEveryMethodGoesOnWithTheSameBits) {
  const std::vector<std::string> methods = {"sft", "ramoe", "ramoe --english_side=current", "rise",
                                            "sara"};
  for (std::size_t i = 0; i < methods.size(); ++i) {
    const std::string whole = cat("whole-", i), killed = cat("killed-", i);
    const std::string more = "--method=" + methods[i] + " ";
    must(finetune(whole, more));
    ASSERT_TRUE(kill_when(file(killed + "/training.safetensors"), finetune(killed, more)));
    EXPECT_FALSE(fs::exists(file(killed + "/results.json"))) << "killed too late";
    const Outcome resumed = must(finetune(killed, more + "--resume=true"));
    EXPECT_EQ(read_file(file(whole + "/model/model.safetensors")),
              read_file(file(killed + "/model/model.safetensors")))
        << methods[i];
    EXPECT_EQ(read_file(file(whole + "/metrics.jsonl")), read_file(file(killed + "/metrics.jsonl")))
        << methods[i];
    EXPECT_EQ(read_json(file(whole + "/results.json")), read_json(file(killed + "/results.json")));
  }
}

TEST_F(ResumeFinetune, AKillWhileAnsweringCostsNoTraining) {
  const std::string more = "--method=sft --keep_model=false ";
  must(finetune("answers", more));
  EXPECT_FALSE(fs::exists(file("answers/training.safetensors")));  // nothing of weights is kept
  EXPECT_FALSE(fs::exists(file("answers/model")));
  const Json results = read_json(file("answers/results.json"));
  EXPECT_NE(must(finetune("answers", more + "--resume=true")).text.find("accuracy"),
            std::string::npos);
  EXPECT_EQ(read_json(file("answers/run.json"))["resumed"], Json());  // there was nothing to do

  // Without the status it is a run that was killed at its end; only its checkpoint is there.
  must(finetune("late", more + "--keep_model=true"));
  fs::remove(file("late/results.json"));
  unfinish(file("late"));
  const Outcome resumed = must(finetune("late", more + "--keep_model=true --resume=true"));
  EXPECT_EQ(resumed.text.find("1/40"), std::string::npos) << resumed.text;
  EXPECT_EQ(read_json(file("late/results.json"))["test"], results["test"]);
}

}  // namespace
}  // namespace ramoe
