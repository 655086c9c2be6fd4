// ramoe headroom on a tiny base model: the same on each device, what it writes, what it refuses.
#include <gtest/gtest.h>

#include <filesystem>

#include "app/cli.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

TEST(HeadroomCommand, MeasuresReportsAndRefuses) {
  const ScratchFolder scratch;
  const std::string base = scratch.file("base"), model_before = base + "/model/model.safetensors";
  ASSERT_EQ(run_cli(tiny_pretrain(base)).code, 0);
  const std::string weights = read_file(model_before);
  const std::string command = "headroom --base=" + base + " --items=12 --form=";
  std::map<std::string, Json> found;
  for (const std::string form : {"seq", "last", "tokens"}) {
    const std::string run = scratch.file(form);
    const Outcome made = run_cli(command + form + " --layers=all --run=" + run);
    EXPECT_EQ(made.code, 0) << made.text;
    for (const char* part : {"OTHER", "headroom", "outing holds nothing back", "with target names",
                             "Next: "})
      expect_contains(made.text, part);
    found[form] = read_json(run + "/results.json");
    EXPECT_EQ(found[form]["form"], form);
    EXPECT_EQ(found[form]["cells"].size(), 2u);
    EXPECT_EQ(found[form]["cells"][0]["n"], 12);
    EXPECT_EQ(read_json(run + "/run.json")["status"], "finished");
  }
  EXPECT_LE(found["seq"]["farthest"], 1e-4);
  EXPECT_LT(found["seq"]["cells"][0]["own_divergence"],
            found["seq"]["cells"][0]["base_divergence"]);
  EXPECT_EQ(read_file(model_before), weights);
  // The definitions in double: the same answers, and divergences up to the rounding of floats.
  const Outcome other = run_cli(command + "seq --layers=all --device=reference --run=" +
                                scratch.file("reference"));
  EXPECT_EQ(other.code, 0) << other.text;
  const Json reference = read_json(scratch.file("reference") + "/results.json");
  for (std::size_t c = 0; c < 2; ++c) {
    const Json &a = found["seq"]["cells"][c], &b = reference["cells"][c];
    for (const char* key : {"english", "base", "own", "control", "ci"}) EXPECT_EQ(a[key], b[key]);
    EXPECT_NEAR(a["base_divergence"].get<double>(), b["base_divergence"].get<double>(), 1e-5);
  }
  const Outcome report = run_cli("report " + scratch.file("seq"));
  EXPECT_EQ(report.code, 0) << report.text;
  expect_contains(read_file(scratch.file("seq") + "/report.html"), "own minus OTHER");
  // What cannot be measured.
  int refusals = 0;
  const auto refused = [&](const std::string& keys, const std::string& part) {
    const std::string run = scratch.file(cat("no-", ++refusals));
    const Outcome outcome = run_cli("headroom --base=" + base + " --run=" + run + " " + keys);
    EXPECT_EQ(outcome.code, 1) << keys << outcome.text;
    expect_contains(outcome.text, part);
  };
  refused("--items=1", "at least 2");
  refused("--languages=en", "without English");
  refused("--languages=xx", "xx");
  refused("--task=fact", "facts");
  refused("--form=tokens --control=mean", "have no mean");
  refused("--layers=outside --zone=depth --zone_begin=0 --zone_end=1", "nothing would be forced");
}

}  // namespace
}  // namespace ramoe
