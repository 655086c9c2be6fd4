// ramoe lesion: it changes the routers of the zone and nothing else, harms the target language more
// than English, and what it writes is a base model like any other.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "app/cli.h"
#include "formats/safetensors.h"
#include "support/files.h"
#include "support/json.h"
#include "support/read_tensor.h"
#include "support/scratch.h"
#include "support/texts.h"
#include "support/tools.h"

namespace ramoe {
namespace {

std::string weights(const std::string& run) {
  return run + "/model/model.safetensors";
}

/// The names of the tensors whose values differ.
std::set<std::string> changed(const std::string& before, const std::string& after) {
  const SafetensorsFile a(weights(before)), b(weights(after));
  EXPECT_EQ(a.names(), b.names());
  std::set<std::string> names;
  for (const std::string& name : a.names()) {
    const TensorShape& shape = a.info(name).shape;
    std::size_t size = 1;
    for (const auto length : shape) size *= static_cast<std::size_t>(length);
    std::vector<float> x(size), y(size);
    read_f32(a, name, shape, x.data());
    read_f32(b, name, shape, y.data());
    if (x != y) names.insert(name);
  }
  return names;
}

/// How far the accuracy on adapt_valid fell.
double fall(const Json& results, const std::string& lang) {
  for (const Json& row : results["accuracies"])
    if (row["lang"] == lang) return row["before"].get<double>() - row["after"].get<double>();
  return std::nan("");
}

const std::string shipped = RAMOE_SOURCE_DIR "/data/models/qwen3_moe";
const std::string asked = "lesion --base=" + shipped +
                          " --languages=es --tasks=follow --zone=depth --zone_begin=0.5"
                          " --zone_end=0.85 --run=";

TEST(LesionCommand, HarmsTheTargetMoreThanEnglishByItsRoutersAlone) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("one"), none = scratch.file("none");
  const Outcome made = run_cli(asked + run + " --strength=1");
  ASSERT_EQ(made.code, 0) << made.text;
  expect_contains(made.text, "target answers");
  EXPECT_EQ(changed(shipped, run),
            (std::set<std::string>{"model.layers.4.mlp.gate.weight",
                                   "model.layers.5.mlp.gate.weight",
                                   "model.layers.6.mlp.gate.weight"}));
  const Json results = read_json(run + "/results.json");
  EXPECT_GT(fall(results, "es"), 0.1);
  EXPECT_LT(std::abs(fall(results, "en")), 0.05);
  for (const Json& layer : results["layers"]) {
    EXPECT_NEAR(layer["prompts"]["mean"].get<double>(), 1, 0.1);
    EXPECT_LT(std::abs(layer["english"]["mean"].get<double>()), 0.15);
  }
  const Json record = read_json(run + "/run.json");
  EXPECT_EQ(record["config"]["base"], shipped);
  EXPECT_EQ(record["config"]["strength"], 1.0);
  // A strength of 0 is the model itself, bit by bit.
  ASSERT_EQ(run_cli(asked + none + " --strength=0").code, 0);
  EXPECT_EQ(changed(shipped, none), std::set<std::string>{});
}

TEST(LesionCommand, IsABaseModelForEveryStage) {
  const ScratchFolder scratch;
  const std::string base = scratch.file("base"), lesion = scratch.file("lesion");
  ASSERT_EQ(run_cli(tiny_pretrain(base)).code, 0);
  const auto run = [&](const std::string& command) {
    const Outcome outcome = run_cli(command);
    EXPECT_EQ(outcome.code, 0) << command << "\n" << outcome.text;
    return outcome.text;
  };
  run("lesion --base=" + base + " --strength=2 --run=" + lesion);
  const std::string on = " --base=" + lesion + " --run=" + scratch.file("");
  run("divergence" + on + "divergence");
  run("headroom --items=4 --layers=all" + on + "headroom");
  run("taxonomy" + on + "taxonomy");
  run("experts" + on + "experts");
  run("finetune --steps=2 --batch=4 --language=es --divergence_run=" + scratch.file("divergence") +
      " --taxonomy_run=" + scratch.file("taxonomy") + " --experts_run=" + scratch.file("experts") +
      on + "finetune");
  // By its model folder too, and what was tuned knows its base.
  run("evaluate --base=" + lesion + "/model --split=adapt_valid --run=" + scratch.file("valid"));
  run("evaluate --model=" + scratch.file("finetune") + " --run=" + scratch.file("tuned"));
  // A lesion of a lesion; noise; and both on the definitions in double.
  run("lesion --base=" + lesion + " --form=noise --seed=3 --run=" + scratch.file("noise"));
  EXPECT_FALSE(changed(lesion, scratch.file("noise")).empty());
  run("lesion --base=" + base + " --strength=2 --device=reference --run=" + scratch.file("double"));
  const Json a = read_json(lesion + "/results.json"),
             b = read_json(scratch.file("double/results.json"));
  EXPECT_EQ(a["zone"], b["zone"]);
  EXPECT_NEAR(a["layers"][0]["scale"].get<double>(), b["layers"][0]["scale"].get<double>(), 1e-4);
  // The base has changed since: refused.
  std::filesystem::copy_file(weights(scratch.file("noise")), weights(base),
                             std::filesystem::copy_options::overwrite_existing);
  EXPECT_EQ(run_cli("taxonomy --base=" + lesion + " --run=" + scratch.file("no")).code, 1);
}

TEST(LesionCommand, SaysWhatIsWrong) {
  const ScratchFolder scratch;
  const auto refused = [&](const std::string& keys, const std::string& part) {
    const Outcome outcome = run_cli(asked + scratch.file("no") + " " + keys);
    EXPECT_EQ(outcome.code, 1) << keys << outcome.text;
    expect_contains(outcome.text, part);
    EXPECT_FALSE(std::filesystem::exists(scratch.file("no"))) << keys;
  };
  refused("--strength=nan", "strength = \"nan\" does not fit");
  refused("--strength=-1", "strength");
  refused("--languages=xx", "xx");
  refused("--languages=en", "without English");
  refused("--task=fact", "facts");
  refused("--zone_begin=0.9", "zone");
}

// Headroom 0, 10 and 20 points; seed 1 gains 0, 10 and 20 over SFT and seed 2 three times as much:
// slopes 1 and 3, so 2 with t = 12.7 times 1 to either side. A seed that lacks a strength is out.
TEST(LesionPage, TheDoseResponseIsTheMeanOfTheSlopesOfSeeds) {
  if (!has_tool("python3")) GTEST_SKIP() << "python3 is not installed";
  const ScratchFolder scratch;
  write_file(scratch.file("slope.py"), R"(
import sys
sys.path.insert(0, ")" RAMOE_SOURCE_DIR R"(/docs")
import make_lesion
grid = object.__new__(make_lesion.Grid)
grid.lang, grid.base, grid.variants, grid.accuracy = "es", {0: 0, 1: 0, 2: 0}, ["ramoe"], {}
for s in grid.base:
    sft = grid.accuracy[s, "sft"] = {1: 0.3 - 0.05 * s, 2: 0.4 - 0.1 * s, 3: 0.5}
    grid.accuracy[s, "ramoe"] = {1: sft[1] + 0.1 * s, 2: sft[2] + 0.3 * s} | ({3: 0.9} if s else {})
rooms = [{"lang": "es", "strength": s, "oracle": {make_lesion.SEEN: {"headroom": 0.1 * s}}}
         for s in grid.base]
(_, variant, slope), = make_lesion.slopes(rooms, [grid])
print(variant, slope.n, make_lesion.slope_text(slope), make_lesion.verdict(slope))
print(make_lesion.slopes(rooms[:1], [grid]))
print(make_lesion.above_sft(grid, "ramoe"))  # .1, .3, .4 and .2, .4, .6: intervals below 0
sft = grid.accuracy[2, "sft"]
grid.accuracy[2, "ramoe"] = {seed: sft[seed] + 0.2 + 0.01 * seed for seed in sft}
print(make_lesion.above_sft(grid, "ramoe"))
)");
  const std::string out = scratch.file("out");
  ASSERT_EQ(std::system(("python3 " + scratch.file("slope.py") + " >" + out + " 2>&1").c_str()), 0)
      << read_file(out);
  EXPECT_EQ(read_file(out),
            "ramoe 2 +2.00 [-10.71, +14.71] not shown\n[]\nno strength\n2\n");
}

// docs/make_lesion.py, from the committed results alone.
TEST(LesionPage, IsWhatTheScriptMakes) {
  if (!has_tool("python3")) GTEST_SKIP() << "python3 is not installed";
  namespace fs = std::filesystem;
  const ScratchFolder scratch;
  const fs::path root = RAMOE_SOURCE_DIR, there = scratch.path();
  for (const char* folder : {"docs/results", "docs/figures", "data/grids"})
    fs::create_directories(there / folder);
  fs::copy(root / "data/grids", there / "data/grids", fs::copy_options::recursive);
  for (const char* script :
       {"docs/make_lesion.py", "docs/ladder_page.py", "docs/make_headroom.py",
        "docs/results_tables.py", "docs/results_text.py"})
    fs::copy_file(root / script, there / script);
  for (const auto& entry : fs::directory_iterator(root / "docs/results"))
    for (const char* name : {"lesion", "sharper"})
      if (entry.path().filename().string().starts_with(name))
        fs::copy_file(entry.path(), there / "docs/results" / entry.path().filename());
  ASSERT_EQ(std::system(("python3 '" + scratch.file("docs/make_lesion.py") + "'").c_str()), 0);
  for (const char* made : {"docs/lesion.md", "docs/figures/lesion.svg"})
    EXPECT_EQ(read_file((root / made).string()), read_file(scratch.file(made))) << made;
}

}  // namespace
}  // namespace ramoe
