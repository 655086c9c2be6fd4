// What earlier stages wrote, broken: the next command says file, place and what to do, and makes no
// run folder.
#include "app/small_world.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

class BrokenStages : public testing::Test {
 protected:
  BrokenStages() {
    for (const char* stage : {"divergence", "taxonomy", "experts"})
      EXPECT_EQ(run_cli(cat(stage, " --threads=1 --base=", base_, " --run=", folder(stage))).code,
                0);
  }
  std::string folder(const std::string& stage) const { return world_.file(stage); }
  Outcome finetune() const {
    return run_cli(cat("finetune --threads=1 --language=es --examples=all --steps=2 --base=", base_,
                       " --divergence_run=", folder("divergence"),
                       " --taxonomy_run=", folder("taxonomy"), " --experts_run=", folder("experts"),
                       " --run=", folder("run")));
  }
  /// Refused while a file holds `broken`, and not afterwards.
  void expect_named(const std::string& file, const std::string& broken, const std::string& said,
                    const std::string& command = "") const {
    const std::string good = read_file(file);
    write_file(file, broken);
    const Outcome outcome = command.empty() ? finetune() : run_cli(command);
    write_file(file, good);
    EXPECT_EQ(outcome.code, 1) << outcome.text;
    EXPECT_NE(outcome.text.find(file + ": " + said), std::string::npos) << outcome.text;
    EXPECT_EQ(outcome.text.find("json.exception"), std::string::npos) << outcome.text;
    EXPECT_FALSE(fs::exists(folder("run")));
  }
  /// A JSON file with one change.
  static std::string with(const std::string& file, const std::function<void(Json&)>& change) {
    Json json = read_json(file);
    change(json);
    return json.dump();
  }

  const SmallWorld world_;
  const std::string base_ = world_.file("base");
};

TEST_F(BrokenStages, AreNamedWithTheirPlace) {
  const std::string divergence = folder("divergence") + "/results.json";
  expect_named(divergence, "[]", "expected an object, found a list of 0; run `ramoe divergence`");
  expect_named(divergence, with(divergence, [](Json& j) { j.erase("zone"); }), "zone is missing");
  expect_named(divergence, with(divergence, [](Json& j) { j["zone"]["last"] = "x"; }),
               "zone.last: expected a whole number of at least 0, found \"x\"");
  const std::string experts = folder("experts") + "/experts.json";
  expect_named(experts, "{}", "expected a list, found an object of 0 keys; run `ramoe experts`");
  expect_named(experts, with(experts, [](Json& j) { j[0]["experts"][0][0] = 4; }),
               "experts[0][0]: expected a whole number from 0 to 3, found 4");
  const std::string taxonomy = folder("taxonomy") + "/results.json";
  const std::string again =
      cat("experts --threads=1 --overwrite=true --base=", base_, " --run=", folder("experts"));
  expect_named(taxonomy, R"([{"lang": 3, "rho_ci": 0.5}])", "[0].lang: expected text, found 3",
               again);
  const std::string run = base_ + "/run.json";
  expect_named(run, with(run, [](Json& j) { j["data"]["corpus"] = 5; }),
               "data.corpus: expected text, found 5");
  // What the folder holds is said before the base model is asked anything.
  ASSERT_EQ(finetune().code, 0);
  const Outcome other = run_cli(cat("finetune ", folder("run"), "/run.json --steps=3"));
  EXPECT_NE(other.text.find("with other settings (steps: 2 there, 3 here)"), std::string::npos)
      << other.text;
  EXPECT_EQ(other.text.find("base model on"), std::string::npos) << other.text;
}

}  // namespace
}  // namespace ramoe
