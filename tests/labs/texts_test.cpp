// The texts of the labs say what labs.json says, the teacher's bands are those of the committed
// grid, and both tools say what is wrong where it is. Skipped without python3.
#include <gtest/gtest.h>

#include <filesystem>

#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"
#include "support/tools.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

const std::string texts_of = RAMOE_SOURCE_DIR;

class LabTexts : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_tool("python3")) GTEST_SKIP() << "python3 is not installed";
    fs::copy(texts_of + "/tutorial", scratch_.file("tutorial"), fs::copy_options::recursive);
    fs::create_directory_symlink(texts_of + "/tests", scratch_.file("tests"));
  }
  /// The exit code of a tool; what it prints goes to said().
  int run(const std::string& tool, const std::string& arguments) {
    const int status =
        std::system(("python3 '" + texts_of + "/tutorial/tools/" + tool + "' " + arguments + " >'" +
                     scratch_.file("said") + "' 2>&1")
                        .c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  int lists(const std::string& how) { return run("lab_list.py", how + " --root='" + copy_ + "'"); }
  int bands(const std::string& how, const std::string& records) {
    return run("bands.py", how + " --page='" + copy_ + "/tutorial/teaching.md' --records='" +
                               records + "'");
  }
  std::string said() const { return read_file(scratch_.file("said")); }

  std::string in_copy(const std::string& name) const { return copy_ + "/tutorial/" + name; }
  void replace(const std::string& name, const std::string& from, const std::string& to) {
    std::string text = read_file(in_copy(name));
    ASSERT_NE(text.find(from), std::string::npos) << name << " has no " << from;
    write_file(in_copy(name), text.replace(text.find(from), from.size(), to));
  }

  const ScratchFolder scratch_;
  const std::string copy_ = scratch_.path(), grid_ = texts_of + "/docs/results/main.jsonl";
};

TEST_F(LabTexts, AreThoseOfTheList) {
  EXPECT_EQ(lists("--check"), 0) << said();
}

TEST_F(LabTexts, TheListFollowsLabsJson) {
  Json labs = read_json(in_copy("labs/labs.json"));
  labs["labs"][4]["points"]["Lab05Router.TheLargestOfOneRow"] = 77;
  write_json(in_copy("labs/labs.json"), labs);
  EXPECT_EQ(lists("--check"), 1);
  expect_contains(said(), "labs/README.md: line ");
  expect_contains(said(), "| `Lab05Router.TheLargestOfOneRow` | 77 |");
  EXPECT_EQ(lists("--fill"), 0) << said();
  EXPECT_EQ(lists("--check"), 0) << said();
}

TEST_F(LabTexts, WhatATextLacksIsSaid) {
  replace("labs/lab05_router.md", "void route_backward(", "void backward(");
  replace("labs/lab05_router.md", "## Going further", "## And then");
  replace("labs/lab05_router.md", "not yet chosen. `Lab05Router.TheLargestComesFirst`",
          "not yet chosen. `Lab05Router.Largest`");
  replace("labs/lab05_router.md", "**Hours.** 3", "**Hours.** 30");
  replace("labs/lab05_router.md", "[3](lab03_layers.md)", "3");
  replace("teaching.md", "| [5 router](labs/lab05_router.md) | 3 |",
          "| [5 router](labs/lab05_router.md) | 4 |");
  EXPECT_EQ(lists("--check"), 1);
  for (const char* part :
       {"route_backward, which is cut, is not named", "expected a part '## Going further'",
        "the steps name Lab05Router.Largest, which is no test of this lab",
        "no step names the test Lab05Router.TheLargestComesFirst", "labs.json says 3 hours",
        "lab03 is a prerequisite and not linked", "teaching.md: expected 3 hours in: | 6 |"})
    expect_contains(said(), part);
  EXPECT_EQ(said().find("Traceback"), std::string::npos) << said();
}

// Whoever reads the raw text, where nothing is folded, must not see a hint by accident.
TEST_F(LabTexts, HintsComeLastAndBehindAWarning) {
  const std::string page = "labs/lab05_router.md", whole = read_file(in_copy(page));
  const std::size_t hints = whole.find("\n## Hints\n"), steps = whole.find("\n## Expected output");
  ASSERT_LT(steps, hints);
  write_file(in_copy(page), whole.substr(0, steps) + whole.substr(hints) +
                                whole.substr(steps, hints - steps));
  EXPECT_EQ(lists("--check"), 1);
  expect_contains(said(), "lab05_router.md: expected the parts in this order");
  write_file(in_copy(page), whole);
  replace(page, "stop here", "go on");
  EXPECT_EQ(lists("--check"), 1);
  expect_contains(said(), "expected no hint before '## Hints' and, below it, a line with");
}

TEST_F(LabTexts, APageWithoutItsPlaceIsRefused) {
  replace("labs/lab05_router.md", "<!-- end of tests -->", "");
  const std::string before = read_file(in_copy("labs/lab05_router.md"));
  EXPECT_EQ(lists("--fill"), 1);
  expect_contains(said(), "lab05_router.md: expected <!-- tests --> and <!-- end of tests -->");
  EXPECT_EQ(read_file(in_copy("labs/lab05_router.md")), before);
}

TEST_F(LabTexts, TheBandsAreThoseOfTheCommittedGrid) {
  EXPECT_EQ(bands("--check", grid_), 0) << said();
  replace("teaching.md", "| facts | Swahili | 169 |", "| facts | Swahili | 170 |");
  EXPECT_EQ(bands("--check", grid_), 1);
  expect_contains(said(), "is:     | facts | Swahili | 170 |");
  EXPECT_EQ(bands("--fill", grid_), 0) << said();
  EXPECT_EQ(bands("--check", grid_), 0) << said();
}

TEST_F(LabTexts, BandsByHand) {
  // Ten seeds, 0.1 to 1: the 5 % quantile is at position 0.45, between 10 and 20.
  std::string records =
      R"({"part":"base","model":"m","task":"sums","lang":"sw","variant":"base",)"
      R"("test":{"n":40,"accuracy":0.25},"english":{"n":40,"accuracy":0.5}})"
      "\n";
  for (const std::string method : {"sft", "ramoe"})
    for (int seed = 1; seed <= 10; ++seed)
      records += R"({"part":"main","model":"m","task":"sums","lang":"sw","variant":")" + method +
                 R"(","learning_rate":0.001,"test":{"n":40,"accuracy":)" +
                 std::to_string(seed / 10.0) + "}}\n";
  const std::string file = scratch_.file("records.jsonl");
  write_file(file, records);
  EXPECT_EQ(bands("--model=m", file), 0) << said();
  expect_contains(said(),
                  "| sums | Swahili | 40 | 50.0 | 25.0 | 10.0 / 14.5 / 55.0 / 95.5 / 100.0 | "
                  "0.001 | 10.0 / 14.5 / 55.0 / 95.5 / 100.0 | 0.001 |");
  EXPECT_EQ(bands("--model=other", file), 1);
  expect_contains(said(), "no records of model 'other'; expected one of m.");
  write_file(file, records + "{\n");
  EXPECT_EQ(bands("--model=m", file), 1);
  expect_contains(said(), "records.jsonl, line 22: no JSON");
  EXPECT_EQ(bands("--model=m", file + ".none"), 1);
  expect_contains(said(), "is missing; `make docs-grid` writes it");
}

}  // namespace
}  // namespace ramoe
