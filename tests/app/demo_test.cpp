// A tiny end-to-end run: every stage writes what the next one reads, and the numbers agree.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>

#include "app/cli.h"
#include "ch08_taxonomy/taxonomy.h"
#include "runs/metrics.h"
#include "support/json.h"
#include "support/scratch.h"

namespace ramoe {
namespace {

/// The baselines on the stages of a demo, two steps each.
void expect_baselines(const std::string& run, const ScratchFolder& scratch) {
  const std::string stages = " --base=" + run + "/base --divergence_run=" + run +
                             "/divergence --experts_run=" + run + "/experts";
  for (const char* method : {"rise", "sara"}) {
    const std::string folder = scratch.file(method);
    const Outcome tuned =
        run_cli("finetune" + stages + " --taxonomy_run=" + run +
                "/taxonomy --steps=2 --language=es --method=" + method + " --run=" + folder);
    EXPECT_EQ(tuned.code, 0) << tuned.text;
    EXPECT_EQ(read_json(folder + "/results.json")["method"].get<std::string>(), method);
  }
  for (const char* steering : {"soft", "hard"}) {
    const std::string folder = scratch.file(steering);
    const Outcome steered =
        run_cli("evaluate" + stages + " --on=es --model=" + scratch.file("sara") +
                " --steering=" + steering + " --run=" + folder);
    EXPECT_EQ(steered.code, 0) << steered.text;
    EXPECT_EQ(read_json(folder + "/results.json").size(), 2u);
  }
  EXPECT_NE(run_cli("evaluate --steering=soft --base=" + run + "/base --divergence_run=" + run +
                    "/divergence --experts_run=" + run + "/taxonomy --run=" + scratch.file("x"))
                .code,
            0);
}

/// The line that the demo begins with: time, memory, and the disk that it then really takes.
void expect_true_forecast(const std::string& said, const std::string& run) {
  static const std::regex line(
      "This takes about (\\d+) (seconds|minutes) on (\\d+) threads?, (\\d+) MiB of memory, and "
      "([\\d.]+) MiB in (.*), where all of it is written\\.");
  std::smatch found;
  ASSERT_TRUE(std::regex_search(said, found, line)) << said;
  EXPECT_LT(found.position(), 100) << "before anything else";
  EXPECT_EQ(found[6].str(), run);
  EXPECT_GE(std::stoi(found[4]), 155) << "the program and an arena";
  double bytes = 0;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(run))
    if (entry.is_regular_file()) bytes += static_cast<double>(entry.file_size());
  EXPECT_NEAR(std::stod(found[5]) * (1 << 20), bytes, bytes / 10);
}

TEST(Demo, StagesProduceConsistentFiles) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("demo");
  const std::string command = "demo --tier=smoke --run=" + run;
  const Outcome first = run_cli(command);
  ASSERT_EQ(first.code, 0) << first.text;
  EXPECT_NE(first.text.find("report.html"), std::string::npos) << first.text;
  expect_true_forecast(first.text, run);

  // The loss falls.
  const std::vector<Json> metrics = read_metrics(run + "/base/metrics.jsonl");
  ASSERT_GE(metrics.size(), 2u);
  EXPECT_LT(metrics.back()["loss"].get<double>(), metrics.front()["loss"].get<double>());

  // Stage 1 counts what it stored.
  const Json results = read_json(run + "/results.json");
  const std::vector<ClassifiedPair> pairs = read_taxonomy(run + "/taxonomy/taxonomy.jsonl");
  for (const Json& row : results["taxonomy"]) {
    std::vector<ClassifiedPair> mine;
    for (const ClassifiedPair& pair : pairs)
      if (pair.lang == row["lang"].get<std::string>() &&
          pair.task == row["task"].get<std::string>())
        mine.push_back(pair);
    const TypeCounts counts = count_types(mine);
    EXPECT_GT(counts.total(), 0);
    for (const PairType type : every<PairType>())
      EXPECT_EQ(counts.of(type), row[name_of(type)].get<int>());
  }

  // Stage 2 selects experts of the model in every layer; the zone lies within the model.
  const int layers = results["model"]["layers"], experts = results["model"]["experts"];
  for (const Json& task : results["experts"]) {
    ASSERT_EQ(static_cast<int>(task["experts"].size()), layers);
    for (const Json& layer : task["experts"]) {
      EXPECT_FALSE(layer.empty());
      for (const Json& e : layer) EXPECT_LT(e.get<int>(), experts);
    }
  }
  EXPECT_LE(results["divergence"]["zone"]["first"], results["divergence"]["zone"]["last"]);
  EXPECT_LT(results["divergence"]["zone"]["last"].get<int>(), layers);

  // Stage 3: each difference is RA-MoE minus SFT of the same seed.
  ASSERT_FALSE(results["accuracy"].empty());
  for (const Json& row : results["accuracy"])
    for (std::size_t s = 0; s < row["difference"]["per_seed"].size(); ++s)
      EXPECT_NEAR(row["difference"]["per_seed"][s].get<double>(),
                  row["methods"]["ramoe"]["accuracy"][s].get<double>() -
                      row["methods"]["sft"]["accuracy"][s].get<double>(),
                  1e-12);
  EXPECT_FALSE(results["words"].empty());
  EXPECT_TRUE(std::filesystem::exists(run + "/report.html"));

  // Run again: everything is kept, the results are the same but for the time of day.
  const Outcome second = run_cli(command);
  ASSERT_EQ(second.code, 0) << second.text;
  EXPECT_NE(second.text.find("finished before, kept"), std::string::npos) << second.text;
  EXPECT_NE(second.text.find("written; less if finished stages are kept."), std::string::npos);
  EXPECT_EQ(read_json(run + "/results.json")["accuracy"], results["accuracy"]);
  EXPECT_EQ(run_cli("report " + run).code, 0);
  expect_baselines(run, scratch);
}

}  // namespace
}  // namespace ramoe
