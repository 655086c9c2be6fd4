// One's own data and a model from elsewhere through all stages, by the command line. The model is
// one that a short pre-training made; the import sees no more of it than the folder of its files.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <map>
#include <set>

#include "app/cli.h"
#include "ch08_taxonomy/taxonomy.h"
#include "runs/run_folder.h"
#include "support/files.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

/// A pre-training that learns the test's facts of nothing, in seconds; made once for all tests.
const std::string& model_folder() {
  static const ScratchFolder scratch;
  static const std::string folder = [] {
    const std::string run = scratch.file("pretrained");
    const Outcome made = run_cli(tiny_pretrain(run));
    EXPECT_EQ(made.code, 0) << made.text;
    // As downloaded: apart from the run, and with several ends of an answer.
    fs::copy(run + "/model", scratch.file("model"));
    const Json config = read_json(run + "/model/config.json");
    write_json(scratch.file("model") + "/generation_config.json",
               {{"eos_token_id", {config["eos_token_id"], 7}}});
    return scratch.file("model");
  }();
  return folder;
}

class Import : public testing::Test {
 protected:
  Import() { fs::create_directory(path("runs")); }
  std::string path(const std::string& name) const { return scratch_.file(name); }
  std::string run(const std::string& name) const { return path("runs/" + name); }

  /// 30 items of three tasks, one for each extractor, in English, Spanish and "xx", which has no
  /// language pack. `change` may alter a row.
  std::string items(const std::function<void(Json&)>& change = {}) const {
    std::string text;
    const std::map<std::string, std::string> extractors = {
        {"word", "exact"}, {"count", "last_number"}, {"pick", "choice_letter"}};
    for (const auto& [task, extractor] : extractors)
      for (int i = 0; i < 10; ++i)
        for (const std::string lang : {"en", "es", "xx"}) {
          Json row = {{"task", task},
                      {"id", std::to_string(i)},
                      {"lang", lang},
                      {"question", cat(lang, " ", task, " ", i, " ?")},
                      {"answer", task == "word"    ? cat(lang, "-", i)
                                 : task == "count" ? cat("it is ", 100 + i)
                                                   : cat("(", char('A' + i % 4), ")")},
                      {"extractor", extractor}};
          if (change) change(row);
          text += row.dump() + "\n";
        }
    write_file(path("items.jsonl"), text);
    return path("items.jsonl");
  }
  std::string general() const {
    std::string text;
    for (int i = 0; i < 8; ++i)
      for (const std::string lang : {"en", "xx"})
        text +=
            Json{{"id", cat(i)}, {"lang", lang}, {"text", cat("a line ", lang, " ", i)}}.dump() +
            "\n";
    write_file(path("general.jsonl"), text);
    return path("general.jsonl");
  }
  std::string import(const std::string& more = "") const {
    return "import --model=" + model_folder() + " --data=" + path("items.jsonl") +
           " --general=" + path("general.jsonl") + " --packs=data --run=" + run("base") + " " +
           more;
  }
  void expect_ok(const std::string& arguments) const {
    const Outcome outcome = run_cli(arguments);
    ASSERT_EQ(outcome.code, 0) << arguments << "\n" << outcome.text;
  }
  void expect_failure(const std::string& arguments, const std::vector<std::string>& parts) const {
    const Outcome outcome = run_cli(arguments);
    EXPECT_EQ(outcome.code, 1) << arguments << "\n" << outcome.text;
    EXPECT_NE(outcome.text.find("ramoe: "), std::string::npos) << outcome.text;
    for (const std::string& part : parts) expect_contains(outcome.text, part);
  }
  std::string stages_of(const std::string& name) const {
    return name + " --base=" + run("base") + " --run=" + run(name);
  }
  std::string finetune(const std::string& method, const std::string& more = "") const {
    return "finetune --base=" + run("base") + " --divergence_run=" + run("divergence") +
           " --taxonomy_run=" + run("taxonomy") + " --experts_run=" + run("experts") +
           " --language=xx --steps=3 --batch=4 --examples=all --method=" + method +
           " --run=" + run(method) + " " + more;
  }
  ScratchFolder scratch_;
};

TEST_F(Import, AllStagesRunOnIt) {
  items();
  general();
  expect_ok(import("--prompt='Q: {question}\\nA:' --stop='\\n'"));
  const Json record = read_json(run("base/run.json")),
             summary = read_json(run("base/results.json"));
  EXPECT_EQ(record["config"]["model"], fs::canonical(model_folder()).string());
  EXPECT_FALSE(fs::exists(run("base/model")));
  EXPECT_EQ(summary["languages"], Json({"en", "es", "xx"}));
  EXPECT_EQ(summary["eos"].size(), 2u);
  EXPECT_GE(summary["bos"], 0);
  for (const Json& row : summary["items"]) {
    EXPECT_EQ(row["adapt_train"], 5);
    EXPECT_EQ(row["adapt_valid"], 1);
    EXPECT_EQ(row["test"], 4);
  }

  expect_ok(stages_of("divergence --max_new_tokens=6"));
  const Json divergence = read_json(run("divergence/results.json"));
  EXPECT_EQ(divergence["by_language"].size(), 2u);
  for (const char* task : {"word", "count", "pick"})
    for (const char* lang : {"es", "xx"}) {
      EXPECT_EQ(divergence["by_task"][task][lang].size(), 2u);
      for (const Json& value : divergence["by_task"][task][lang]) EXPECT_GT(value, 0);
    }
  EXPECT_NE(divergence["by_language"]["es"], divergence["by_language"]["xx"]);

  expect_ok(stages_of("taxonomy --max_new_tokens=6"));
  const auto pairs = read_taxonomy(run("taxonomy/taxonomy.jsonl"));
  EXPECT_EQ(pairs.size(), 2u * 3u * 5u);
  std::set<std::string> trained;
  for (const ClassifiedPair& pair : pairs) trained.insert(pair.id);
  EXPECT_EQ(trained.size(), 15u);
  for (const ClassifiedPair& pair : pairs)
    EXPECT_EQ(pair.target_output.find('\n'), std::string::npos);

  expect_ok(stages_of("experts"));
  EXPECT_EQ(read_json(run("experts/experts.json")).size(), 3u);

  for (const std::string method : {"sft", "ramoe"}) {
    const Outcome tuned = run_cli(finetune(method, "--max_new_tokens=6"));
    ASSERT_EQ(tuned.code, 0) << tuned.text;
    expect_contains(tuned.text, "15 training pairs:");
    const Json results = read_json(run(method + "/results.json"));
    EXPECT_EQ(results["examples"], 15);
    EXPECT_EQ(results["test"].size(), 3u);
    for (const Json& score : results["test"]) EXPECT_EQ(score["n"], 4);
    for (const char* name : {"config.json", "tokenizer.json", "tokenizer_config.json"})
      EXPECT_TRUE(fs::exists(run(method + "/model/") + name)) << name;
    EXPECT_EQ(read_file(run(method) + "/model/tokenizer.json"),
              read_file(model_folder() + "/tokenizer.json"));
  }
  EXPECT_NE(read_file(run("sft/model/model.safetensors")),
            read_file(run("ramoe/model/model.safetensors")));

  expect_ok(stages_of("evaluate") + " --max_new_tokens=6 --model=" + run("ramoe"));
  std::ifstream answers(run("evaluate/answers.jsonl"));
  std::set<std::string> tested;
  int rows = 0;
  for (std::string line; std::getline(answers, line); ++rows)
    tested.insert(parse_json(line)["id"].get<std::string>());
  EXPECT_EQ(rows, 3 * 3 * 4);
  EXPECT_EQ(tested.size(), 12u);
  for (const std::string& id : tested) EXPECT_FALSE(trained.contains(id)) << id;
  expect_ok("generate --model=" + run("base") + " --max_new_tokens=3");

  // One task alone is trained and evaluated, where asked for.
  expect_ok(finetune("sft", "--max_new_tokens=6 --train_tasks=pick --overwrite=true"));
  const Json one = read_json(run("sft/results.json"));
  ASSERT_EQ(one["test"].size(), 1u);
  EXPECT_EQ(one["test"][0]["task"], "pick");
  EXPECT_EQ(one["examples"], 5);

  // All that the stages wrote, they know as theirs.
  for (const char* name : {"divergence", "taxonomy", "experts", "sft", "evaluate", "base"}) {
    remove_run(run(name));
    EXPECT_FALSE(fs::exists(run(name))) << name;
  }
}

TEST_F(Import, WhatIsLearntIsReadByTheExtractors) {
  // Fine-tuned until it knows the training items by heart, in all three forms of answers.
  items();
  general();
  expect_ok(import("--prompt='Q: {question}\\nA:' --stop='!'"));
  for (const char* stage :
       {"divergence --max_new_tokens=2", "taxonomy --max_new_tokens=2", "experts"})
    expect_ok(std::string(stage) + " --base=" + run("base") +
              " --run=" + run(std::string(stage).substr(0, std::string(stage).find(' '))));
  expect_ok(finetune("sft", "--max_new_tokens=8 --steps=400 --batch=15 --learning_rate=0.02"));
  const std::string evaluate =
      "evaluate --max_new_tokens=16 --on=xx --split=adapt_train --model=" + run("sft") +
      " --base=" + run("base") + " --run=" + run("evaluate");
  expect_ok(evaluate);
  const Json scores = read_json(run("evaluate/results.json"));
  ASSERT_EQ(scores.size(), 3u);
  for (const Json& score : scores) EXPECT_GE(score["accuracy"], 0.8) << score;
  // The same answers written otherwise are right too; others are wrong.
  const auto scores_with = [&](const std::function<void(Json&)>& change) {
    items(change);
    expect_ok(import("--overwrite=true --prompt='Q: {question}\\nA:' --stop='!'"));
    expect_ok(evaluate + " --overwrite=true");
    return read_json(run("evaluate/results.json"));
  };
  EXPECT_EQ(scores_with([](Json& row) {
              const std::string answer = row["answer"];
              if (row["task"] == "count") row["answer"] = answer.substr(6) + ".0";
              if (row["task"] == "pick") row["answer"] = answer.substr(1, 1);
            }),
            scores);
  for (const Json& score : scores_with([](Json& row) {
         row["answer"] = row["task"] == "word" ? "other" : row["task"] == "count" ? "7" : "J";
       }))
    EXPECT_EQ(score["accuracy"], 0.0) << score;
}

TEST_F(Import, WhatDoesNotFitIsNamed) {
  items();
  general();
  expect_failure("import --run=" + run("base"), {"--model"});
  expect_failure("import --model=/none --run=" + run("base"), {"/none"});
  expect_failure("import --model=" + model_folder() + " --run=" + run("base"), {"--data"});
  expect_failure(import("--prompt=question"), {"{question}", "exactly once"});
  expect_failure(import("--prompt='{question}\\x'"), {"prompt", "backslash"});
  expect_failure(import("--prompt='<|im_start|>{question}'"), {"<|im_start|>", "<|eos|>"});
  expect_failure(import("--general="), {"xx", "--general", "--packs"});
  expect_failure(import("--extractor=first"), {"extractor", "last_number"});
  items([](Json& row) {
    if (row["id"] == "3" && row["lang"] == "xx" && row["task"] == "word")
      row["question"] = std::string(3000, 'q');
  });
  expect_failure(import(), {"word/3 in xx", "max_position_embeddings"});
  items([](Json& row) {
    if (row["id"] == "3" && row["lang"] == "es" && row["task"] == "count") row["answer"] = "none";
  });
  expect_failure(import(), {"items.jsonl, line 11", "\"answer\"", "last_number"});

  const std::string other = path("model");
  fs::copy(model_folder(), other);
  Json config = read_json(other + "/config.json");
  config["vocab_size"] = 300;
  write_json(other + "/config.json", config);
  items();
  expect_failure(import("--model=" + other), {"300", "do not belong together"});
}

// A file whose answers are shifted by one from item 3 on: the import says so and goes on.
TEST_F(Import, AnswersThatDifferBetweenLanguagesAreReported) {
  items();
  general();
  const Outcome good = run_cli(import());
  ASSERT_EQ(good.code, 0) << good.text;
  EXPECT_EQ(good.text.find("read otherwise"), std::string::npos) << good.text;
  EXPECT_EQ(read_json(run("base/results.json"))["other_answers"], Json::object());
  items([](Json& row) {
    const int i = std::stoi(row["id"].get<std::string>());
    if (row["task"] == "count" && row["lang"] == "xx" && i >= 3) row["answer"] = cat(100 + i + 1);
  });
  const Outcome shifted = run_cli(import("--overwrite=true"));
  ASSERT_EQ(shifted.code, 0) << shifted.text;
  expect_contains(shifted.text,
                  "items.jsonl, line 12: the answer of count/3 is \"104\" in xx and \"it is 103\"");
  expect_contains(shifted.text, "warning: 7 of 30 answers in xx read otherwise than in English");
  EXPECT_EQ(shifted.text.find("count/6 is"), std::string::npos) << "three of them are enough";
  EXPECT_EQ(read_json(run("base/results.json"))["other_answers"], Json({{"xx", 7}}));
}

TEST_F(Import, ChangesAfterTheImportAreNoticed) {
  const std::string model = path("model");
  fs::copy(model_folder(), model);
  items();
  general();
  expect_ok(import("--model=" + model));
  expect_ok(stages_of("experts"));
  for (const std::string file : {"/model/model.safetensors", "/model/tokenizer_config.json"}) {
    const std::string place = path(file.substr(1)), before = read_file(place);
    std::string changed = before;
    changed[changed.size() - 3] ^= 1;
    write_file(place, changed);
    expect_failure(stages_of("taxonomy"), {file.substr(7), "changed since the import"});
    write_file(place, before);
  }
  items([](Json& row) { row["question"] = row["question"].get<std::string>() + "!"; });
  expect_failure(stages_of("taxonomy"), {"items.jsonl", "import"});
  // Imported anew with other prompts, stages made before no longer belong to it.
  items();
  expect_ok(import("--overwrite=true --prompt='Q {question}' --model=" + model));
  expect_ok(stages_of("divergence --max_new_tokens=2"));
  expect_ok(stages_of("taxonomy --max_new_tokens=2"));
  expect_failure(finetune("sft"), {"experts", "another base model"});
  const Json record = read_json(run("base/run.json"));
  Json broken = record;
  broken["config"].erase("model");
  broken["data"]["model"] = Json::object();
  write_json(run("base/run.json"), broken);
  expect_failure(stages_of("taxonomy"), {"model"});
}

}  // namespace
}  // namespace ramoe
