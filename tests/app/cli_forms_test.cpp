// The command line as people type it: what is meant is done, or the right form is said; a model is
// found wherever it is named; keys without effect are named; stages end with what comes next.
#include <gtest/gtest.h>

#include <filesystem>

#include "app/cli.h"
#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;
constexpr const char* kOlmoe = "data/models/olmoe";

void expect_parts(const std::string& arguments, int code, const std::vector<std::string>& parts) {
  const Outcome outcome = run_cli(arguments);
  EXPECT_EQ(outcome.code, code) << arguments << "\n" << outcome.text;
  for (const std::string& part : parts)
    EXPECT_NE(outcome.text.find(part), std::string::npos)
        << arguments << ": no \"" << part << "\" in\n"
        << outcome.text;
}

/// The last line that begins with "Next: ", without that.
std::string next_command(const std::string& text) {
  const std::size_t at = text.rfind("\nNext: ");
  if (at == std::string::npos) return "no next command in\n" + text;
  const std::string line = text.substr(at + 7, text.find('\n', at + 1) - at - 7);
  const std::string program = RAMOE_BINARY;  // as this test calls it
  return line.starts_with(program + " ") ? line.substr(program.size() + 1) : line;
}

TEST(CliForms, HelpAndVersionInEveryForm) {
  for (const char* form : {"pretrain --help", "pretrain -h", "pretrain help", "help pretrain",
                           "--help pretrain", "pretrain --steps=5 --help", "Pretrain -help"})
    expect_parts(form, 0, {"ramoe pretrain", "--learning_rate", "pre-train a base model"});
  expect_parts("help", 0, {"--version", "RAMOE_ARENA_GB"});
  expect_parts("help pretrian", 1, {"did you mean pretrain"});
  for (const char* form : {"--version", "version", "-V"})
    expect_parts(form, 0, {"revision", "kernels", "build "});
  expect_parts("train", 1, {"pretrain or finetune"});
  expect_parts("eval", 1, {"did you mean evaluate"});
  expect_parts("--steps=5 pretrain", 1, {"stands before the command", "ramoe pretrain --steps=5"});
}

TEST(CliForms, FlagsReachTheRun) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("run");
  expect_parts(
      tiny_pretrain(run, "--steps 3 -seed=4 --save-every:2 --languages 'English, Kiswahili'"), 0,
      {"note: --steps was given more than once", "note: --languages"});
  const Json config = read_json(run + "/run.json")["config"];
  EXPECT_EQ(config["steps"], 3);
  EXPECT_EQ(config["seed"], 4);
  EXPECT_EQ(config["save_every"], 2);
  EXPECT_EQ(config["languages"], (Json{"en", "sw"}));
}

TEST(CliForms, LanguagesByCodeOrName) {
  const std::string none = " --run=/proc/none";
  for (const char* form : {"--languages=EN,SW", "--languages='en, sw'",
                           "--language=english,swahili", "--on=en,Kiswahili", "--languages en sw"})
    expect_parts(std::string("pretrain ") + form + none, 1, {"/proc/none"});
  expect_parts("pretrain --languages=en,tr" + none, 1,
               {"\"tr\"", "ar, en, es", "make_packs.py", "--languages tr"});
  const Outcome near = run_cli("pretrain --languages=en,tr" + none);
  EXPECT_EQ(near.text.find("did you mean"), std::string::npos) << near.text;
  expect_parts("pretrain --languages=sw" + none, 1, {"English (en)"});
}

TEST(CliForms, ConfigFiles) {
  const ScratchFolder scratch;
  const auto file = [&](const std::string& name, const std::string& text) {
    write_file(scratch.file(name), text);
    return scratch.file(name);
  };
  const std::string none = " --run=/proc/none";
  const std::string good = file("good.json", "{\"steps\": 3}");
  for (const std::string& form :
       {good + none, "--seed=2 " + good + none, "--config=" + good + none})
    expect_parts("pretrain " + form, 1, {"/proc/none"});
  expect_parts("pretrain " + good + " " + good, 1, {"there may be one config.json"});
  expect_parts("pretrain " + file("comma.json", "{\"steps\": 3,\n}"), 1, {"line 2", "comma"});
  expect_parts("pretrain " + file("twice.json", "{\"steps\": 3, \"steps\": 4}"), 1,
               {"\"steps\"", "twice"});
  expect_parts("pretrain steps=3", 1, {"write --steps=3"});
  expect_parts("pretrain 5", 1, {"\"5\" was not understood"});
  // A run's own record repeats it, and is not taken for another command's.
  expect_parts("pretrain data/models/olmoe/run.json" + none, 1, {"/proc/none"});
  expect_parts("demo data/models/olmoe/run.json", 1, {"of a run of `ramoe \"pretrain\"`"});
}

TEST(CliForms, AModelIsFoundWhereverItIsNamed) {
  const ScratchFolder scratch;
  std::string first;
  for (const std::string& form :
       {std::string("--model=") + kOlmoe, std::string(kOlmoe) + "/", std::string(kOlmoe) + "/model",
        std::string("--base=") + kOlmoe + "/model/", std::string("--folder ") + kOlmoe,
        std::string(kOlmoe) + "/run.json", std::string(kOlmoe) + "/model/model.safetensors"}) {
    const Outcome outcome = run_cli("generate --max_new_tokens=3 " + form);
    EXPECT_EQ(outcome.code, 0) << form << "\n" << outcome.text;
    if (first.empty()) first = outcome.text;
    EXPECT_EQ(outcome.text, first) << form;
  }
  for (const char* form : {"memory data/models/olmoe", "memory --model=data/models/olmoe/model",
                           "memory --path data/models/olmoe/model/config.json",
                           "inspect --model=data/models/olmoe", "inspect data/models/olmoe/model"})
    EXPECT_EQ(run_cli(form).code, 0) << form;
  for (const char* form :
       {"data/models/olmoe", "--model=data/models/olmoe", "data/models/olmoe/model/tokenizer.json"})
    expect_parts("tokenize --input=data/LICENSE-unicode " + std::string(form), 0, {"["});
  for (const char* form : {"data/models/olmoe/model", "--model=data/models/olmoe/run.json",
                           "--base data/models/olmoe/model/config.json", "data/models/olmoe"})
    expect_parts("divergence --run=/proc/none " + std::string(form), 1, {"/proc/none"});
  expect_parts("generate --model=data/models/olmoe 'Kenya : currency ?'", 1,
               {"\"Kenya : currency ?\" stands alone"});
  // What is no base model says what is to be done.
  fs::copy(RAMOE_SOURCE_DIR "/data/models/olmoe/model", scratch.file("bare"));
  expect_parts("taxonomy --base=" + scratch.file("bare"), 1,
               {"a model without data", "ramoe import --model=" + scratch.file("bare")});
  expect_parts("taxonomy --base=" + scratch.file("none"), 1, {"there is no folder"});
  expect_parts("taxonomy docs", 1, {"docs holds no base model"});
}

/// The stages in small, each called by what the one before said.
TEST(CliForms, StagesEndWithTheNextCommand) {
  const ScratchFolder scratch;
  const std::string base = scratch.file("with blank/base");
  Outcome outcome = run_cli(tiny_pretrain("'" + base + "'", "--max_position_embeddings=64"));
  ASSERT_EQ(outcome.code, 0) << outcome.text;
  const std::vector<std::string> commands = {"divergence", "taxonomy", "experts", "finetune",
                                             "report"};
  for (const std::string& command : commands) {
    const std::string next = next_command(outcome.text);
    ASSERT_TRUE(next.starts_with(command + " ")) << next;
    outcome = run_cli(next + (command == "finetune" ? " --steps=2 --lambda=1" : "") +
                      (command == "divergence" ? " --max_new_tokens=5" : ""));
    ASSERT_EQ(outcome.code, 0) << next << "\n" << outcome.text;
  }
  EXPECT_TRUE(fs::exists(scratch.file("with blank/sw-ramoe/report.html")) ||
              fs::exists(scratch.file("with blank/es-ramoe/report.html")))
      << outcome.text;
  // The length of answers went along.
  EXPECT_EQ(read_json(scratch.file("with blank/taxonomy/run.json"))["config"]["max_new_tokens"], 5);

  // Fine-tuning says first what it does; keys without effect are named.
  const std::string stages = " --base='" + base + "' --divergence_run='" +
                             scratch.file("with blank/divergence") + "' --taxonomy_run='" +
                             scratch.file("with blank/taxonomy") + "' --experts_run='" +
                             scratch.file("with blank/experts") + "' --max_new_tokens=5 --steps=1 ";
  const std::string sft = scratch.file("sft");
  expect_parts(
      "finetune" + stages + "--language=Swahili --method=sft --lambda=3 --run=" + sft, 0,
      {"note: without effect here: --lambda (method=sft)", "fine-tuning Swahili (sw) by sft",
       "base model on adapt_valid, facts: ", " %", " -> "});
  EXPECT_EQ(read_json(sft + "/run.json")["config"]["language"], "sw");
  EXPECT_TRUE(read_json(sft + "/results.json")["base"]["test"][0]["accuracy"].is_number());
  expect_parts("divergence --base=" + sft, 1, {"was built on the base model", base});
  expect_parts("evaluate " + sft +
                   " --languages=SW --max_new_tokens=5 --steering_strength=2 --run=" +
                   scratch.file("evaluate"),
               0, {"--steering_strength (steering=none)", " %", "answers.jsonl"});
  expect_parts("finetune" + stages + "--language=es,sw", 1, {"\"es,sw\""});
}

TEST(CliForms, TheDefaultPromptIsOneThatTheShippedModelsAnswer) {
  for (const char* model : {"olmoe", "qwen3_moe", "qwen2_moe"})
    EXPECT_EQ(run_cli(std::string("generate --model=data/models/") + model).text,
              "Japan : currency ? Japanese Yen\n")
        << model;
}

/// The commands of docs/real_models.md with the stand-in, up to stage 1.
TEST(CliForms, TheWalkWithOnesOwnDataFindsPairsToAlign) {
  const ScratchFolder scratch;
  const std::string base = scratch.file("base"), taxonomy = scratch.file("taxonomy");
  expect_parts(
      "import --model=data/models/olmoe/model --data=data/examples/facts.jsonl,"
      "data/examples/currency.jsonl --general=data/examples/general.jsonl --stop='\\n' "
      "--run=" +
          base,
      0, {"\nNext: "});
  expect_parts("taxonomy --max_new_tokens=16 --run=" + taxonomy + " --base=" + base, 0, {" %"});
  int ci = 0;
  for (const Json& row : read_json(taxonomy + "/results.json"))
    if (row["task"] == "facts") ci += row["ci"].get<int>();
  EXPECT_GT(ci, 20);  // of 40
}

TEST(CliForms, ReportsAreOfRunsThatHaveOne) {
  const ScratchFolder scratch;
  const std::string has = "a demo, of one fine-tuning run, of a headroom or of a grid";
  expect_parts("report data/models/olmoe", 1, {"ramoe pretrain", has});
  EXPECT_FALSE(fs::exists(RAMOE_SOURCE_DIR "/data/models/olmoe/report.html"));
  fs::create_directories(scratch.file("other"));
  write_file(scratch.file("other/results.json"), "{}");
  expect_parts("report " + scratch.file("other"), 1, {"is no run folder", has});
  EXPECT_FALSE(fs::exists(scratch.file("other/report.html")));
}

TEST(CliForms, SizesThatCannotFitAreRefusedAtOnce) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("run");
  for (const char* size : {"--hidden_size=65536 --num_attention_heads=16 --num_key_value_heads=16",
                           "--batch=1000000", "--num_experts=4096 --moe_intermediate_size=1048576",
                           "--moe_intermediate_size=1048576 --num_hidden_layers=1024"}) {
    const Outcome outcome = run_cli(tiny_pretrain(run, size), "env RAMOE_MEMORY_GB=8");
    EXPECT_EQ(outcome.code, 1) << outcome.text;
    for (const char* part : {"needs", "8.00 GiB is allowed", "lower"})
      expect_contains(outcome.text, part);
    EXPECT_FALSE(fs::exists(run + "/run.json")) << size;
  }
  expect_parts(tiny_pretrain(run, "--num_hidden_layers=10000"), 1, {"1 to 1024"});
  const Outcome bench =
      run_cli("bench --only=step --sequences=65536 --tokens=64", "env RAMOE_MEMORY_GB=8");
  EXPECT_EQ(bench.code, 1);
  expect_contains(bench.text, "lower --sequences");
  // What is there is said by the environment, if it says so.
  const std::string little = "env RAMOE_MEMORY_GB=0.002";
  for (const std::string& command :
       {std::string("generate --model=data/models/olmoe"), std::string("divergence ") + kOlmoe,
        "evaluate " + std::string(kOlmoe)}) {
    const Outcome outcome = run_cli(command, little);
    EXPECT_EQ(outcome.code, 1) << command;
    expect_contains(outcome.text, "is allowed by RAMOE_MEMORY_GB");
  }
  expect_parts("memory data/models/olmoe", 0, {"SFT"});  // counts, whatever there is
}

TEST(CliForms, TheArenaMayBeCapped) {
  const ScratchFolder scratch;
  const Outcome capped =
      run_cli(tiny_pretrain(scratch.file("run"), "--steps=2"), "env RAMOE_ARENA_GB=0.25");
  EXPECT_EQ(capped.code, 0) << capped.text;
  const Outcome wrong = run_cli("--help pretrain", "env RAMOE_ARENA_GB=much");
  EXPECT_EQ(wrong.code, 1) << wrong.text;
  expect_contains(wrong.text, "RAMOE_ARENA_GB = \"much\"");
}

TEST(CliForms, TheDemoTakesLanguages) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("demo");
  const Outcome demo = run_cli(
      "demo --tier=smoke --steps=10 --finetune_steps=2 --languages=en,Hindi"
      " --tasks=facts --run=" +
      run);
  ASSERT_EQ(demo.code, 0) << demo.text;
  EXPECT_EQ(read_json(run + "/results.json")["languages"], (Json{"en", "hi"}));
  EXPECT_TRUE(fs::exists(run + "/report.html"));
  expect_parts("demo --tier=smoke --languages=en,tr --run=" + scratch.file("tr"), 1,
               {"\"tr\"", "make_packs.py", "SOURCES.md"});
  expect_parts("demo --tier=smoke --languages=en --run=" + scratch.file("en"), 1,
               {"a target language beside English"});
}

}  // namespace
}  // namespace ramoe
