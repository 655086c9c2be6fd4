// docs/make_results.py: the committed page is what it makes, and it says what is missing. Skipped
// without python3; the figures without matplotlib.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>

#include "app/cli.h"
#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

const std::string docs = RAMOE_SOURCE_DIR "/docs";

bool works(const std::string& command) {
  return std::system((command + " >/dev/null 2>&1").c_str()) == 0;
}

/// The words of a drawing, sorted. Numbers at the axes may differ between versions of matplotlib.
std::vector<std::string> words_of(const std::string& svg) {
  std::vector<std::string> words;
  for (std::size_t at = 0; (at = svg.find("<text", at)) != std::string::npos;) {
    const std::size_t from = svg.find('>', at) + 1;
    at = svg.find('<', from);
    const std::string word = svg.substr(from, at - from);
    if (word.find_first_not_of("-0123456789.") != std::string::npos) words.push_back(word);
  }
  std::sort(words.begin(), words.end());
  return words;
}

class ResultsPage : public testing::Test {
 protected:
  void SetUp() override {
    if (!works("python3 --version")) GTEST_SKIP() << "python3 is not installed; only docs need it";
    make_folder(folder_);
    for (const auto& entry : fs::directory_iterator(docs + "/results"))
      if (entry.is_regular_file() && entry.path().extension() != ".html")
        fs::copy_file(entry.path(), fs::path(folder_) / entry.path().filename());
  }
  /// Runs the script on the copy; its exit code. Both streams go to text().
  int run(const std::string& more) {
    const int status = std::system(("python3 " + docs + "/make_results.py " + folder_ + " " + more +
                                    " >" + scratch_.file("text") + " 2>&1")
                                       .c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string text() const { return read_file(scratch_.file("text")); }

  const ScratchFolder scratch_;
  const std::string folder_ = scratch_.file("results"), page_ = scratch_.file("results.md");
};

TEST_F(ResultsPage, TheCommittedPageIsWhatTheScriptMakes) {
  ASSERT_EQ(run("--text-only"), 0) << text();
  EXPECT_TRUE(read_file(page_) == read_file(docs + "/results.md"))
      << "docs/results.md is not what docs/make_results.py makes: make results";
  EXPECT_FALSE(fs::exists(folder_ + "/figures"));
}

TEST_F(ResultsPage, TheFiguresSayWhatTheCommittedOnesSay) {
  if (!works("python3 -c 'import matplotlib'")) {
    EXPECT_EQ(run(""), 1);
    EXPECT_NE(text().find("sudo apt-get install python3-matplotlib"), std::string::npos) << text();
    EXPECT_FALSE(fs::exists(page_)) << "nothing is half made";
    GTEST_SKIP() << "matplotlib is not installed; only docs need it";
  }
  ASSERT_EQ(run(""), 0) << text();
  std::size_t figures = 0;
  for (const auto& entry : fs::directory_iterator(docs + "/results/figures")) {
    const std::string made = folder_ + "/figures/" + entry.path().filename().string();
    ASSERT_TRUE(fs::exists(made)) << made << " is committed and no longer made";
    const std::string svg = read_file(made);
    EXPECT_EQ(words_of(svg), words_of(read_file(entry.path().string()))) << made;
    EXPECT_NE(read_file(page_).find(entry.path().filename().string() + ")"), std::string::npos);
    EXPECT_EQ(svg.find("<dc:date>"), std::string::npos) << made;
    ++figures;
  }
  const auto made = std::distance(fs::directory_iterator(folder_ + "/figures"), {});
  EXPECT_EQ(made, static_cast<std::ptrdiff_t>(figures));
}

TEST_F(ResultsPage, WhatIsMissingIsSaid) {
  for (const char* grid : {"main_routing.json", "ablations.json", "mixture.json"})
    fs::remove(folder_ + "/" + grid);
  Json evidence = read_json(folder_ + "/evidence.json");
  evidence["ablations"] = evidence["mixture"] = nullptr;
  evidence["evidence"]["cells"][0]["methods"][1]["gain"]["value"] = nullptr;
  write_json(folder_ + "/evidence.json", evidence);
  ASSERT_EQ(run("--text-only"), 0) << text();
  for (const char* part :
       {"No pair was traced: `ramoe report FOLDER`", "`make grid PLAN=ablations`",
        "No grid over the exponent of the language mixture was collected.", "| sums | es |", "n/a"})
    expect_contains(read_file(page_), part);
  EXPECT_EQ(read_file(page_).find("None"), std::string::npos);
  // A page of somebody else stays, and so does ours where the evidence cannot be read.
  write_file(page_, "a thesis");
  EXPECT_EQ(run("--text-only"), 1);
  expect_contains(text(), page_ + " was not made by this script");
  EXPECT_EQ(read_file(page_), "a thesis");
  fs::remove(folder_ + "/evidence.json");
  EXPECT_EQ(run("--text-only"), 1);
  expect_contains(text(), "evidence.json is missing; `ramoe results");
  EXPECT_EQ(text().find("Traceback"), std::string::npos) << text();
}

}  // namespace
}  // namespace ramoe
