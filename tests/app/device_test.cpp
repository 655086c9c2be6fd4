// --device: the definitions in double, and a GPU or its emulation where the program has one,
// compute what the fast operations do.
#include <cmath>

#include "app/cli.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// A demo of seconds on the definitions: one target, two layers, few steps.
std::string demo_command(const std::string& run, const std::string& device) {
  return "demo --tier=smoke --languages=en,es --tasks=facts --steps=6 --finetune_steps=3 --run=" +
         run + " --device=" + device;
}

/// The largest difference of two lists of numbers, relative to 1.
double largest_difference(const Json& a, const Json& b) {
  EXPECT_EQ(a.size(), b.size());
  double largest = 0;
  for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i)
    largest = std::max(largest, std::abs(a[i].get<double>() - b[i].get<double>()));
  return largest;
}

TEST(Device, AllDevicesAgreeWithTheCpu) {
  const ScratchFolder scratch;
  std::map<std::string, Json> found;
  std::vector<std::string> others = {"reference"};
#ifdef RAMOE_CUDA
  others.push_back("cuda");
#endif
  std::vector<std::string> all = others;
  all.push_back("cpu");
  for (const std::string& device : all) {
    const Outcome made = run_cli(demo_command(scratch.file(device), device));
    ASSERT_EQ(made.code, 0) << made.text;
    found[device] = read_json(scratch.file(device) + "/results.json");
    EXPECT_EQ(read_json(scratch.file(device) + "/base/run.json")["config"]["device"], device);
  }
  const Json& cpu = found["cpu"];
  for (const std::string& device : others) {
    SCOPED_TRACE(device);
    const Json& other = found[device];
    // Six steps of floats: rounding of 1e-7 that AdamW's first steps may carry on by its sign.
    EXPECT_LT(largest_difference(cpu["pretrain"]["loss"], other["pretrain"]["loss"]), 1e-3);
    EXPECT_LT(largest_difference(cpu["divergence"]["mean"], other["divergence"]["mean"]), 1e-3);
    ASSERT_EQ(cpu["finetune"].size(), other["finetune"].size());
    for (std::size_t i = 0; i < cpu["finetune"].size(); ++i) {
      const Json &a = cpu["finetune"][i], &b = other["finetune"][i];
      EXPECT_LT(largest_difference(a["loss"], b["loss"]), 2e-3);
      EXPECT_LT(largest_difference(a["alignment"], b["alignment"]), 2e-3);
    }
    EXPECT_EQ(cpu["taxonomy"], other["taxonomy"]);
  }
}

TEST(Device, AnotherDeviceIsAnotherRun) {
  const ScratchFolder scratch;
  const std::string pretrain =
      "pretrain --languages=en,es --tasks=facts --vocab_size=300 --tokenizer_documents=100 "
      "--hidden_size=16 --num_hidden_layers=1 --num_attention_heads=2 --num_key_value_heads=2 "
      "--num_experts=4 --moe_intermediate_size=8 --batch=4 --steps=2 --run=" +
      scratch.file("base");
  ASSERT_EQ(run_cli(pretrain).code, 0);
  const Outcome other = run_cli(pretrain + " --resume=true --device=reference");
  EXPECT_EQ(other.code, 1);
  expect_contains(other.text, "device");
}

TEST(Device, EveryStageReadsWithWeightsKeptAsBf16) {
  const ScratchFolder scratch;
  const std::string base = scratch.file("base");
  ASSERT_EQ(run_cli(tiny_pretrain(base)).code, 0);
  std::vector<std::string> devices = {"cpu", "reference"};
#ifdef RAMOE_CUDA
  devices.push_back("cuda");
#endif
  for (const std::string& device : devices)
    for (const std::string command : {"divergence", "headroom --items=4 --layers=all", "taxonomy",
                                      "experts", "evaluate --on=en"}) {
      const std::string run = scratch.file(cat(device, command.substr(0, 5)));
      const Outcome made = run_cli(cat(command, " --base=", base, " --run=", run,
                                       " --device=", device, " --weights=bf16"));
      EXPECT_EQ(made.code, 0) << command << made.text;
      EXPECT_EQ(read_json(run + "/run.json")["config"]["weights"], "bf16");
    }
  const Outcome generated = run_cli("generate " + base + " --prompt=a --weights=bf16");
  EXPECT_EQ(generated.code, 0) << generated.text;
  const Outcome trained = run_cli("finetune --base=" + base + " --weights=bf16");
  EXPECT_EQ(trained.code, 1);
  expect_contains(trained.text, "unknown key \"weights\"");
}

TEST(Device, WhatIsNotThereIsSaid) {
  const Outcome unknown = run_cli("pretrain --device=gpu");
  EXPECT_EQ(unknown.code, 1);
  expect_contains(unknown.text, "cpu");
#ifndef RAMOE_CUDA
  const ScratchFolder scratch;
  const Outcome cuda = run_cli("demo --tier=smoke --device=cuda --run=" + scratch.file("demo"));
  EXPECT_EQ(cuda.code, 1);
  expect_contains(cuda.text, "without CUDA");
#endif
}

}  // namespace
}  // namespace ramoe
