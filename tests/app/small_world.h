// A tiny base model with a grid on it, for the tests of what grids do and of what is made of them.
#pragma once

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <thread>

#include "app/cli.h"
#include "support/json.h"
#include "support/scratch.h"

namespace ramoe {

/// A base model, the smoke grid of data/grids on it, and the program.
class SmallWorld {
 public:
  SmallWorld() {
    const Outcome made =
        run_cli("pretrain --run=" + file("base") +
                " --languages=en,es,sw --tasks=facts,sums --max_sum=6 --tokenizer_documents=300"
                " --vocab_size=500 --hidden_size=32 --num_hidden_layers=2 --num_attention_heads=2"
                " --num_key_value_heads=2 --num_experts=4 --moe_intermediate_size=16 --batch=16"
                " --initializer_range=0.07 --learning_rate=0.01 --qa_share=0.9 --lexicon_share=0.05"
                " --names_share=0.05 --steps=400");
    EXPECT_EQ(made.code, 0) << made.text;
    plan = read_json(RAMOE_SOURCE_DIR "/data/grids/smoke.json");
    plan["models"]["tiny"] = file("base");
    plan["tasks"] = {"facts", "sums"};
    plan["languages"] = {"es"};
    write_json(plan_path(), plan);
  }
  std::string file(const std::string& name) const { return scratch_.file(name); }
  std::string plan_path() const { return file("smoke.json"); }

  Outcome experiment(const std::string& run, const std::string& more = "") const {
    return run_cli(command(run, more));
  }
  std::string command(const std::string& run, const std::string& more) const {
    return "experiment " + plan_path() + " --run=" + file(run) + " " + more;
  }
  /// The collected records without their times.
  std::vector<Json> collect(const std::string& run) const {
    const Outcome outcome = experiment(run, "--collect=" + file("collected-" + run));
    EXPECT_EQ(outcome.code, 0) << outcome.text;
    std::vector<Json> records;
    std::ifstream lines(file("collected-" + run) + "/smoke.jsonl");
    for (std::string line; std::getline(lines, line);) {
      records.push_back(parse_json(line));
      EXPECT_EQ(records.back().erase("seconds"), 1u);
    }
    return records;
  }
  /// Time of last change of each run's own result. Results of steering are written before that of
  /// their run, and so again if it was killed in between: they are left out.
  std::map<std::string, std::filesystem::file_time_type> result_files(
      const std::string& run) const {
    std::map<std::string, std::filesystem::file_time_type> files;
    const std::string folder = file(run) + "/results";
    if (!std::filesystem::exists(folder)) return files;
    for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
      std::error_code gone;  // a temporary file may be renamed meanwhile
      if (entry.path().extension() == ".json" &&
          entry.path().string().find("/steer-") == std::string::npos)
        files[entry.path().string()] = std::filesystem::last_write_time(entry.path(), gone);
    }
    return files;
  }
  /// Starts the experiment, sends the signal once `count` result files are there, and waits for the
  /// end. Returns wait()'s status; what it said is in the file "log".
  int interrupt(const std::string& run, std::size_t count, int signal) const {
    const pid_t child = ::fork();
    if (child == 0) {
      if (::chdir(RAMOE_SOURCE_DIR) != 0) ::_exit(126);  // as run_cli does
      const int log = ::open(file("log").c_str(), O_WRONLY | O_CREAT | O_TRUNC, 0644);
      ::dup2(log, 1);
      ::dup2(log, 2);
      const std::string plan = plan_path(), folder = "--run=" + file(run);
      ::execl(RAMOE_BINARY, RAMOE_BINARY, "experiment", plan.c_str(), folder.c_str(), "--threads=2",
              nullptr);
      ::_exit(127);
    }
    while (result_files(run).size() < count && ::waitpid(child, nullptr, WNOHANG) == 0)
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    ::kill(child, signal);
    int status = -1;
    ::waitpid(child, &status, 0);
    return status;
  }

  Json plan;

 private:
  ScratchFolder scratch_;
};

}  // namespace ramoe
