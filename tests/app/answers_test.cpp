// Neutral answers through the commands: a base model made with them is enough for every stage.
#include <gtest/gtest.h>

#include <cctype>

#include "app/cli.h"
#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

std::vector<Json> lines_of(const std::string& path) {
  std::vector<Json> lines;
  std::string text = read_file(path);
  for (std::size_t at = 0, end; (end = text.find('\n', at)) != std::string::npos; at = end + 1)
    lines.push_back(Json::parse(text.substr(at, end - at)));
  return lines;
}

TEST(NeutralAnswers, AreReadFromTheBaseModelByEveryStage) {
  const ScratchFolder scratch;
  const std::string base = scratch.file("base"), keys = "--answers=neutral --numbers=digits";
  const Outcome made = run_cli(tiny_pretrain(base, "--tasks=sums,facts " + keys));
  ASSERT_EQ(made.code, 0) << made.text;
  EXPECT_EQ(read_json(base + "/run.json")["config"]["answers"], "neutral");
  // The same folder with other answers is another run; the shipped form is another corpus.
  const Outcome mixed = run_cli(tiny_pretrain(base, "--tasks=sums,facts --resume=true"));
  EXPECT_EQ(mixed.code, 1) << mixed.text;
  expect_contains(mixed.text, "answers");
  const auto stage = [&](const std::string& command, const std::string& more = "") {
    const std::string run = scratch.file(command);
    const Outcome done = run_cli(command + " --base=" + base + " --run=" + run + " " + more);
    EXPECT_EQ(done.code, 0) << command << "\n" << done.text;
    return run;
  };
  int sums = 0, facts = 0;
  for (const Json& line : lines_of(stage("evaluate") + "/answers.jsonl")) {
    const std::string id = line["id"], answer = line["answer"];
    sums += id.starts_with("sums/");
    facts += id.starts_with("facts/");
    const char* letters = id.starts_with("sums/") ? "0123456789"
                          : id.ends_with("/currency") ? "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                          : id.ends_with("/language") ? "abcdefghijklmnopqrstuvwxyz"
                                                      : "0123456789";
    EXPECT_EQ(answer.find_first_not_of(letters), std::string::npos) << id << " " << answer;
    const char first = line["question"].get<std::string>()[0];
    EXPECT_EQ(std::isdigit(first) != 0, id.starts_with("sums/")) << id;
  }
  EXPECT_GT(sums, 0);
  EXPECT_GT(facts, 0);
  const std::string zone = " --divergence_run=" + stage("divergence", "--names=1");
  const std::string types = " --taxonomy_run=" + stage("taxonomy");
  const std::string experts = " --experts_run=" + stage("experts");
  stage("headroom", "--items=8 --layers=all");
  const std::string tune = "--language=sw --steps=2 --train_tasks=facts" + zone + types + experts;
  stage("finetune", tune);
  // Stages of one base model are refused by another whose answers differ.
  const std::string other = scratch.file("other");
  ASSERT_EQ(run_cli(tiny_pretrain(other, "--tasks=sums,facts")).code, 0);
  const Outcome crossed =
      run_cli("finetune --base=" + other + " --run=" + scratch.file("crossed") + " " + tune);
  EXPECT_EQ(crossed.code, 1) << crossed.text;
  expect_contains(crossed.text, "was made from another base model or other data");
}

TEST(NeutralAnswers, AreSaidInTheDemoAndUnknownOnesRefused) {
  const ScratchFolder scratch;
  const Outcome demo = run_cli("demo --tier=smoke --steps=4 --finetune_steps=2 --languages=en,sw "
                               "--tasks=facts --answers=neutral --run=" +
                               scratch.file("demo"));
  ASSERT_EQ(demo.code, 0) << demo.text;
  EXPECT_EQ(read_json(scratch.file("demo/base/run.json"))["config"]["answers"], "neutral");
  const Outcome unknown = run_cli(tiny_pretrain(scratch.file("no"), "--answers=neutrl"));
  EXPECT_EQ(unknown.code, 1);
  expect_contains(unknown.text, "neutrl");
  expect_contains(unknown.text, "neutral");
}

}  // namespace
}  // namespace ramoe
