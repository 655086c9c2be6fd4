// A tiny end-to-end run: every stage writes what the next one reads, and the numbers agree.
#include <gtest/gtest.h>

#include <filesystem>
#include <regex>
#include <set>

#include "app/cli.h"
#include "ch08_taxonomy/taxonomy.h"
#include "runs/metrics.h"
#include "support/files.h"
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
    EXPECT_EQ(read_json(folder + "/results.json").size(), 1u) << "one task";
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

/// Stage 3: each difference is that of a method and SFT of the same seed.
void expect_differences(const Json& results) {
  ASSERT_FALSE(results["accuracy"].empty());
  for (const Json& row : results["accuracy"]) {
    ASSERT_EQ(row["methods"].size(), 3u) << row;
    for (const char* method : {"ramoe", "ramoe-last"}) {
      const Json& per_seed = row["methods"][method]["difference"]["per_seed"];
      ASSERT_EQ(per_seed.size(), results["seeds"].size());
      for (std::size_t s = 0; s < per_seed.size(); ++s)
        EXPECT_NEAR(per_seed[s].get<double>(),
                    row["methods"][method]["accuracy"][s].get<double>() -
                        row["methods"]["sft"]["accuracy"][s].get<double>(),
                    1e-12);
    }
  }
  std::set<std::string> curves;
  for (const Json& curve : results["finetune"]) curves.insert(curve["method"].get<std::string>());
  EXPECT_EQ(curves, (std::set<std::string>{"ramoe", "ramoe-last", "sft"}));
  EXPECT_TRUE(results["overall"].contains("ramoe") && results["overall"].contains("ramoe-last"));
}

/// Headroom is that of its own folders, of adapt, in the regime that docs/ladder.md found; each
/// fine-tuning run has the keys that its name says.
void expect_headroom(const Json& results, const std::string& run) {
  ASSERT_EQ(results["headroom"].size(), 2u);
  for (const Json& headroom : results["headroom"]) {
    const std::string folder = run + "/headroom-" + headroom["form"].get<std::string>();
    EXPECT_EQ(headroom, read_json(folder + "/results.json"));
    EXPECT_EQ(headroom["split"], "adapt_train");
    EXPECT_EQ(headroom["cells"].size(), results["accuracy"].size());
  }
  const Json base = read_json(run + "/base/run.json")["config"];
  EXPECT_EQ(base["answers"], "neutral");
  EXPECT_EQ(base["numbers"], "digits");
  EXPECT_EQ(base["num_experts"], 64);
  const Json sft = read_json(run + "/finetune-es-sft-1/run.json")["config"],
             ramoe = read_json(run + "/finetune-es-ramoe-1/run.json")["config"],
             last = read_json(run + "/finetune-es-ramoe-last-1/run.json")["config"];
  EXPECT_EQ(sft["method"], "sft");
  for (const auto& [key, paper, ours] : {std::tuple{"span", Json("prompt"), Json("last")},
                                         {"examples", Json("ci"), Json("all")},
                                         {"lambda", Json(1.0), Json(5.0)},
                                         {"method", Json("ramoe"), Json("ramoe")}}) {
    EXPECT_EQ(ramoe[key], paper) << key;
    EXPECT_EQ(last[key], ours) << key;
  }
  const std::string page = read_file(run + "/report.html");
  for (const char* part : {"id=\"headroom-seq-title\"", "id=\"headroom-last-title\"",
                           "id=\"differences-ramoe-last-title\"", "(our extension)"})
    EXPECT_NE(page.find(part), std::string::npos) << part;
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

  expect_differences(results);
  expect_headroom(results, run);
  EXPECT_FALSE(results["words"].empty());
  EXPECT_TRUE(std::filesystem::exists(run + "/report.html"));

  // Run again: everything is kept, the results are the same but for the time of day.
  const Outcome second = run_cli(command);
  ASSERT_EQ(second.code, 0) << second.text;
  EXPECT_NE(second.text.find("finished before, kept"), std::string::npos) << second.text;
  EXPECT_NE(second.text.find("written; less if finished stages are kept."), std::string::npos);
  for (const char* key : {"accuracy", "headroom", "overall", "words"})
    EXPECT_EQ(read_json(run + "/results.json")[key], results[key]) << key;
  EXPECT_EQ(run_cli("report " + run).code, 0);
  expect_baselines(run, scratch);
}

// What the demo trained before it had headroom: native answers, numbers in words, few experts.
TEST(Demo, TheOldRegimeIsAFewKeys) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("demo");
  const Outcome made = run_cli(
      "demo --tier=smoke --steps=4 --finetune_steps=2 --languages=en,es"
      " --tasks=facts,follow"
      " --answers=native --numbers=words --num_experts=8 --num_experts_per_tok=2"
      " --moe_intermediate_size=64 --model_type=qwen3_moe --run=" +
      run);
  ASSERT_EQ(made.code, 0) << made.text;
  const Json base = read_json(run + "/base/run.json")["config"];
  EXPECT_EQ(base["answers"], "native");
  EXPECT_EQ(base["num_experts"], 8);
  EXPECT_EQ(read_json(run + "/results.json")["model"]["family"], "qwen3_moe");
  const Outcome unknown = run_cli("demo --tier=tiny");
  EXPECT_EQ(unknown.code, 1);
  EXPECT_NE(unknown.text.find("smoke"), std::string::npos) << unknown.text;
}

}  // namespace
}  // namespace ramoe
