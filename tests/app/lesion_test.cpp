// tutorial/tools/lesion.py, where the project on a positive control begins: it changes the routers
// of the layers asked for and nothing else, and what it writes can be opened.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cmath>
#include <cstdlib>
#include <filesystem>
#include <set>

#include "formats/safetensors.h"
#include "support/files.h"
#include "support/scratch.h"
#include "support/texts.h"
#include "support/tools.h"

namespace ramoe {
namespace {

const std::string base = RAMOE_SOURCE_DIR "/data/models/qwen3_moe";

class Lesion : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_tool("python3")) GTEST_SKIP() << "python3 is not installed";
  }
  int run(const std::string& from, const std::string& name, const std::string& options) const {
    const std::string command =
        cat("python3 '" RAMOE_SOURCE_DIR "/tutorial/tools/lesion.py' '", from, "' '",
            scratch_.file(name), "' ", options, " > '", scratch_.file("said"), "' 2>&1");
    return WEXITSTATUS(std::system(command.c_str()));
  }
  std::string said() const { return read_file(scratch_.file("said")); }
  std::string weights(const std::string& name) const {
    return scratch_.file(name) + "/model/model.safetensors";
  }
  const ScratchFolder scratch_;
};

/// The root mean square of what was added to a tensor.
double change(const SafetensorsFile& before, const SafetensorsFile& after,
              const std::string& name) {
  const TensorShape& shape = before.info(name).shape;
  std::size_t size = 1;
  for (const auto length : shape) size *= static_cast<std::size_t>(length);
  std::vector<float> a(size), b(size);
  before.read_f32(name, shape, a.data());
  after.read_f32(name, shape, b.data());
  double squares = 0;
  for (std::size_t i = 0; i < size; ++i) squares += std::pow(double(b[i]) - double(a[i]), 2);
  return std::sqrt(squares / double(size));
}

TEST_F(Lesion, ChangesTheRoutersOfItsLayersAlone) {
  ASSERT_EQ(run(base, "lesion", "--layers=4-5 --alpha=2 --seed=7"), 0) << said();
  const SafetensorsFile before(base + "/model/model.safetensors"), after(weights("lesion"));
  ASSERT_EQ(after.names(), before.names());
  const std::set<std::string> routers = {"model.layers.4.mlp.gate.weight",
                                         "model.layers.5.mlp.gate.weight"};
  for (const std::string& name : before.names())
    EXPECT_EQ(change(before, after, name) > 0, routers.contains(name)) << name;
  EXPECT_FALSE(std::filesystem::exists(scratch_.file("lesion/checksums.txt")));
  // Twice alpha adds twice as much, with the same seed; another seed adds something else.
  ASSERT_EQ(run(base, "twice", "--layers=4 --alpha=4 --seed=7"), 0) << said();
  ASSERT_EQ(run(base, "other", "--layers=4 --alpha=4 --seed=8"), 0) << said();
  const std::string name = *routers.begin();
  EXPECT_NEAR(change(before, SafetensorsFile(weights("twice")), name),
              2 * change(before, after, name), 1e-5);
  const SafetensorsFile twice(weights("twice")), other(weights("other"));
  EXPECT_GT(change(twice, other, name), 0.1);
}

TEST_F(Lesion, SaysWhatIsWrongAndLeavesNothingBehind) {
  EXPECT_EQ(run(base, "a", "--layers=8"), 1);
  expect_contains(said(), "is layer 8 one with experts?");
  EXPECT_FALSE(std::filesystem::exists(scratch_.file("a")));
  EXPECT_EQ(run(base, "a", "--layers=four"), 1);
  expect_contains(said(), "--layers=four: expected a layer or a range");
  EXPECT_EQ(run(scratch_.path(), "a", "--layers=4"), 1);
  expect_contains(said(), "has no model/model.safetensors");
  std::filesystem::create_directories(scratch_.file("mine"));
  EXPECT_EQ(run(base, "mine", "--layers=4"), 1);
  expect_contains(said(), "is there already");
}

}  // namespace
}  // namespace ramoe
