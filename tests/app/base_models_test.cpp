// The committed base models are whole, small, as good as their test.json says, and answer.
#include <gtest/gtest.h>

#include <filesystem>
#include <map>

#include "app/cli.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/tools.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

class BaseModels : public testing::TestWithParam<const char*> {
 protected:
  std::string folder() const { return std::string("data/models/") + GetParam(); }
  std::string full() const { return RAMOE_SOURCE_DIR "/" + folder(); }
  Json file(const std::string& name) const { return read_json(full() + "/" + name); }
  /// Accuracy on test as recorded, by language and task.
  std::map<std::string, std::map<std::string, double>> recorded() const {
    std::map<std::string, std::map<std::string, double>> result;
    for (const Json& score : file("test.json"))
      result[score["lang"]][score["task"]] = score["accuracy"];
    return result;
  }
};

INSTANTIATE_TEST_SUITE_P(Families, BaseModels, testing::Values("olmoe", "qwen3_moe", "qwen2_moe"),
                         [](const auto& test) { return std::string(test.param); });

TEST_P(BaseModels, AreWholeAndSmall) {
  std::uintmax_t bytes = 0;
  for (const auto& entry : fs::recursive_directory_iterator(full()))
    if (entry.is_regular_file()) bytes += entry.file_size();
  EXPECT_LT(bytes, 6'000'000u);
  EXPECT_TRUE(checksums_hold(full()));
}

TEST_P(BaseModels, AreOfTheirFamilyAndConfiguration) {
  EXPECT_EQ(file("model/config.json")["model_type"], GetParam());
  const Json config = file("run.json")["config"];
  const Json wanted =
      read_json(RAMOE_SOURCE_DIR "/data/configs/base-" + std::string(GetParam()) + ".json");
  for (const auto& [key, value] : wanted.items()) EXPECT_EQ(config[key], value) << key;
}

TEST_P(BaseModels, KnowEnglishAndFallOffByWebShare) {
  const auto accuracy = recorded();
  for (const char* task : {"sums", "facts", "follow"}) {
    EXPECT_GE(accuracy.at("en").at(task), 0.95) << task;
    for (const char* lang : {"zh", "es", "ar", "th", "hi", "sw"})
      EXPECT_LT(accuracy.at(lang).at(task), accuracy.at("en").at(task)) << lang << " " << task;
  }
  EXPECT_GT(accuracy.at("es").at("follow"), accuracy.at("th").at("follow"));
  EXPECT_GT(accuracy.at("th").at("follow"), accuracy.at("sw").at("follow"));
}

TEST_P(BaseModels, AnswerAsRecorded) {
  const ScratchFolder scratch;
  const std::string run = scratch.file("run");
  const Outcome answered = run_cli("evaluate --on=en --base=" + folder() + " --run=" + run);
  ASSERT_EQ(answered.code, 0) << answered.text;
  const auto accuracy = recorded();
  for (const Json& score : read_json(run + "/results.json")) {
    const std::string task = score["task"];
    EXPECT_NEAR(score["accuracy"].get<double>(), accuracy.at("en").at(task), 0.02)
        << task;  // kernels differ in bits
  }
  const Outcome sum = run_cli("generate --model=" + folder() + " --prompt='five plus two ?'");
  EXPECT_EQ(sum.code, 0);
  EXPECT_EQ(sum.text, "five plus two ? seven\n");
}

}  // namespace
}  // namespace ramoe
