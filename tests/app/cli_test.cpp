// Commands, keys and bad input: each ends in one clear line and an exit code that is not 0.
#include "app/cli.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

/// The command must fail with exit code 1 and one line that has all the parts.
void expect_error(const std::string& arguments, const std::vector<std::string>& parts) {
  const Outcome outcome = run_cli(arguments);
  EXPECT_EQ(outcome.code, 1) << arguments << "\n" << outcome.text;
  const std::size_t at = outcome.text.find("ramoe: ");
  ASSERT_NE(at, std::string::npos) << arguments << "\n" << outcome.text;
  const std::string line = outcome.text.substr(at);
  EXPECT_EQ(line.find('\n'), line.size() - 1) << "one line was expected:\n" << line;
  for (const std::string& part : parts)
    EXPECT_NE(line.find(part), std::string::npos) << "no \"" << part << "\" in " << line;
}

TEST(Cli, HelpListsCommandsAndKeys) {
  const Outcome usage = run_cli("--help");
  EXPECT_EQ(usage.code, 0);
  for (const std::string command :
       {"demo",    "pretrain",   "import",    "divergence", "headroom", "lesion",  "taxonomy",
        "experts", "finetune",   "evaluate",  "generate",   "tokenize", "inspect", "report",
        "bench",   "experiment", "reproduce", "logits",     "explain",  "memory",  "results"}) {
    EXPECT_NE(usage.text.find("\n  " + command), std::string::npos) << command;
    const Outcome help = run_cli(command + " --help");
    EXPECT_EQ(help.code, 0) << help.text;
    EXPECT_NE(help.text.find("--"), std::string::npos) << command;
    const auto has = [&](const char* part) { return help.text.find(part) != std::string::npos; };
    EXPECT_EQ(has("[cpu | reference | cuda]"), has("--gemm=")) << command;
  }
  EXPECT_EQ(run_cli("").code, 2);
}

TEST(Cli, UnknownNamesAreAnsweredWithTheNearest) {
  expect_error("pretrian", {"pretrian", "did you mean pretrain"});
  expect_error("pretrain --learning_rat=1", {"learning_rat", "learning_rate"});
  expect_error("pretrain --languages=en,sx", {"sx", "sw"});
  expect_error("pretrain --tasks=fact", {"fact", "facts"});
  expect_error("finetune --method=ramo", {"ramo", "ramoe"});
}

TEST(Cli, ValuesThatDoNotFitAreNamed) {
  expect_error("pretrain --steps=many", {"steps", "whole number", "many"});
  expect_error("pretrain --steps=-1", {"steps", "-1"});
  expect_error("pretrain --num_experts=2 --num_experts_per_tok=3",
               {"num_experts_per_tok", "num_experts", "3", "2"});
  expect_error("pretrain --num_attention_heads=3", {"num_attention_heads"});
  expect_error("pretrain steps=3", {"steps=3"});
  expect_error("pretrain --steps", {"--steps", "--key=value"});
}

TEST(Cli, ConfigFilesAreReadAndChecked) {
  const ScratchFolder scratch;
  write_file(scratch.file("good.json"), "{\"steps\": 2, \"hidden_sizes\": 3}");
  expect_error("pretrain " + scratch.file("good.json"),
               {"good.json", "hidden_sizes", "hidden_size"});
  write_file(scratch.file("broken.json"), "{\n\"steps\": }");
  expect_error("pretrain " + scratch.file("broken.json"), {"broken.json", "line 2"});
  expect_error("pretrain " + scratch.file("none.json"), {"none.json"});
}

TEST(Cli, StagesNameTheCommandThatMakesWhatIsMissing) {
  const ScratchFolder scratch;
  const std::string none = scratch.file("none");
  for (const char* command :
       {"divergence", "headroom", "taxonomy", "experts", "finetune", "evaluate"})
    expect_error(std::string(command) + " --base=" + none, {none, "ramoe pretrain"});
  expect_error("generate --model=" + none, {none});
  expect_error("report " + none, {none});
  expect_error("inspect " + none, {none});
}

TEST(Cli, FoldersThatCannotBeWrittenAreNamed) {
  expect_error(tiny_pretrain("/proc/ramoe"), {"/proc/ramoe"});
}

TEST(Cli, PacksWithHolesAreNamedWithFileAndKey) {
  const ScratchFolder scratch;
  fs::copy(RAMOE_SOURCE_DIR "/data", scratch.file("data"), fs::copy_options::recursive);
  const std::string pack = scratch.file("data") + "/languages/sw.json";
  Json json = read_json(pack);
  json["territories"].erase("KE");
  write_json(pack, json);
  const std::string command = tiny_pretrain(scratch.file("run"), "--data=" + scratch.file("data"));
  expect_error(command, {"sw.json", "territories", "KE"});
  write_file(pack, read_file(pack).substr(0, 1000));
  expect_error(command, {"sw.json", "line"});
}

TEST(Cli, AnotherRunIsNotOverwritten) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("run");
  ASSERT_EQ(run_cli(tiny_pretrain(run)).code, 0);
  const std::string model = run + "/model/model.safetensors", before = read_file(model);
  expect_error(tiny_pretrain(run, "--seed=2"), {"seed", "overwrite"});
  EXPECT_EQ(read_file(model), before);
  EXPECT_EQ(run_cli(tiny_pretrain(run, "--seed=2 --overwrite=true")).code, 0);
  EXPECT_NE(read_file(model), before);
}

TEST(Cli, DamagedModelsAreRefused) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("run");
  ASSERT_EQ(run_cli(tiny_pretrain(run, "--max_position_embeddings=40")).code, 0);
  const Outcome good = run_cli("generate --model=" + run + " --max_new_tokens=4");
  EXPECT_EQ(good.code, 0) << good.text;
  EXPECT_EQ(run_cli("inspect " + run).code, 0);
  EXPECT_EQ(run_cli("inspect " + run + "/training.safetensors").code, 0);
  EXPECT_EQ(run_cli("inspect data/languages/sw.json").code, 0);
  expect_error("generate --model=" + run + " --max_new_tokens=50", {"maximum", "40"});
  const std::string weights = run + "/model/model.safetensors", bytes = read_file(weights);
  write_file(weights, bytes.substr(0, bytes.size() / 2));
  expect_error("generate --model=" + run, {"model.safetensors"});
  write_file(weights, bytes);
  Json config = read_json(run + "/model/config.json");
  config["hidden_size"] = 32;
  config["num_attention_heads"] = 2;
  write_json(run + "/model/config.json", config);
  for (const char* command : {"generate --model=", "tokenize ", "inspect "})
    expect_error(command + run + "/model", {"config.json is not as it was", "checksums.txt"});
  fs::remove(run + "/checksums.txt");
  expect_error("generate --model=" + run, {"model.embed_tokens.weight", "16", "32"});
}

TEST(Cli, ThreadsDoNotChangeTheWeights) {
  const ScratchFolder scratch;
  const std::string one = scratch.file("one"), two = scratch.file("two");
  ASSERT_EQ(run_cli(tiny_pretrain(one, "--threads=1")).code, 0);
  ASSERT_EQ(run_cli(tiny_pretrain(two, "--threads=3")).code, 0);
  EXPECT_EQ(read_file(one + "/model/model.safetensors"),
            read_file(two + "/model/model.safetensors"));
}

TEST(Cli, ResumingAfterAKillGivesTheSameWeights) {
  const ScratchFolder scratch;
  const std::string whole = scratch.file("whole"), killed = scratch.file("killed");
  const std::string steps = "--steps=400 --save_every=3 ";
  ASSERT_EQ(run_cli(tiny_pretrain(whole, steps)).code, 0);
  // Wherever the kill falls - before, in the middle of or after a save - resuming must work.
  const Outcome kill = signalled(tiny_pretrain(killed, steps), "0 $pid; sleep 0.1; kill -KILL",
                                 "-e " + killed + "/training.safetensors");
  ASSERT_TRUE(fs::exists(killed + "/training.safetensors")) << kill.text;
  const Outcome resumed = run_cli(tiny_pretrain(killed, steps + "--resume=true"));
  ASSERT_EQ(resumed.code, 0) << resumed.text;
  EXPECT_EQ(read_file(whole + "/model/model.safetensors"),
            read_file(killed + "/model/model.safetensors"));
}

TEST(Cli, CtrlCSavesAndSaysHowToGoOn) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("run"), steps = "--steps=100000 --save_every=3 ";
  const Outcome stopped =
      signalled(tiny_pretrain(run, steps), "TERM", "-e " + run + "/training.safetensors");
  EXPECT_EQ(stopped.code, 143) << stopped.text;
  EXPECT_NE(stopped.text.find("--resume=true"), std::string::npos) << stopped.text;
  EXPECT_EQ(read_json(run + "/run.json")["status"], "interrupted");
}

}  // namespace
}  // namespace ramoe
