// The tutorial's listings and outputs are those of the code and the program, and weave.py says what
// is wrong when they are not.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>

#include "support/files.h"
#include "support/scratch.h"
#include "support/texts.h"
#include "support/tools.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

/// A project of one source, one text and a program that prints its arguments.
class Tutorial : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!has_tool("python3")) GTEST_SKIP() << "python3 is not installed";
    for (const char* folder : {"src", "tutorial"}) fs::create_directories(scratch_.file(folder));
    write_source("  return 1;");
    write_program("echo \"says $*\"");
    write_text(
        "<!-- listing: src/a.cpp one :head -->\n<!-- end -->\n"
        "<!-- output: hello there -->\n<!-- end -->\n");
  }
  void write_source(const std::string& body, const std::string& more = "") {
    write_file(scratch_.file("src/a.cpp"),
               "// What a.cpp is.\n\n/// Why one.\nint one(int x) {\n" + body + "\n}\n" + more);
  }
  void write_program(const std::string& line) {
    write_file(scratch_.file("program"), "#!/bin/sh\n" + line + "\n");
    fs::permissions(scratch_.file("program"), fs::perms::owner_all);
  }
  void write_text(const std::string& text) { write_file(text_path(), "# A\n" + text); }
  std::string text_path() const { return scratch_.file("tutorial/a.md"); }

  int run(const std::string& options, const std::string& root, const std::string& program) {
    const int status = std::system(cat("PYTHONDONTWRITEBYTECODE=1 python3 '" RAMOE_SOURCE_DIR
                                       "/tutorial/tools/weave.py' --root='",
                                       root, "' --program='", program, "' ", options, " > '",
                                       scratch_.file("said"), "' 2>&1")
                                       .c_str());
    return WEXITSTATUS(status);
  }
  int weave(const std::string& options = "") {
    return run(options, scratch_.file(""), scratch_.file("program"));
  }
  std::string said() const { return read_file(scratch_.file("said")); }
  /// Filled text, then a change: --check names the place and `part`, and writes nothing.
  void expect_drift(const std::string& part) {
    const std::string before = read_file(text_path());
    EXPECT_EQ(weave("--check"), 1);
    expect_contains(said(), part);
    EXPECT_EQ(said().find("Traceback"), std::string::npos) << said();
    EXPECT_EQ(read_file(text_path()), before);
  }
  const ScratchFolder scratch_;
};

TEST_F(Tutorial, OfThisProjectIsWovenFromTheCodeAndTheProgram) {
  EXPECT_EQ(run("--check", RAMOE_SOURCE_DIR, RAMOE_BINARY), 0) << said();
}

TEST_F(Tutorial, ListingsAndOutputsAreFilled) {
  ASSERT_EQ(weave(), 0) << said();
  EXPECT_EQ(read_file(text_path()),
            "# A\n<!-- listing: src/a.cpp one :head -->\n```cpp\n/// Why one.\nint one(int x) {\n"
            "  return 1;\n}\n\n// What a.cpp is.\n```\n<!-- end -->\n"
            "<!-- output: hello there -->\n```text\nsays hello there\n```\n<!-- end -->\n");
  EXPECT_EQ(weave("--check"), 0) << said();
}

TEST_F(Tutorial, AChangedBodyIsNamed) {
  ASSERT_EQ(weave(), 0) << said();
  write_source("  return 2;");
  expect_drift("tutorial/a.md:6: differs from the code or the program");
  expect_drift("-  return 1;\n+  return 2;");
}

TEST_F(Tutorial, AChangedOutputIsNamed) {
  ASSERT_EQ(weave(), 0) << said();
  write_program("echo other");
  expect_drift("-says hello there\n+other");
}

TEST_F(Tutorial, AMissingNameIsNamed) {
  write_text("\n<!-- listing: src/a.cpp two -->\n<!-- end -->\n");
  expect_drift("tutorial/a.md:3: listing 'src/a.cpp two': src/a.cpp: no definition is named two");
  write_text("<!-- listing: src/b.cpp two -->\n<!-- end -->\n");
  expect_drift("src/b.cpp: No such file or directory; it cannot be read");
}

TEST_F(Tutorial, AnAmbiguousNameIsNamed) {
  write_source("  return 1;", "int one(double x) {\n  return 3;\n}\n");
  expect_drift("one is defined 2 times (lines 4, 7)");
  write_text("<!-- listing: src/a.cpp one#2 -->\n<!-- end -->\n");
  EXPECT_EQ(weave(), 0) << said();
  expect_contains(read_file(text_path()), "return 3;");
}

TEST_F(Tutorial, ACommandThatFailsIsAnErrorUnlessItsMessageIsShown) {
  write_program("echo no such key >&2; exit 1");
  expect_drift("tutorial/a.md:4: output 'hello there': the command ended with code 1: no such key");
  write_text("<!-- error: hello -->\n<!-- end -->\n");
  ASSERT_EQ(weave(), 0) << said();
  expect_contains(read_file(text_path()), "```text\nno such key\n```");
  write_program("echo all is well");
  expect_drift("the command ended with code 0");
}

TEST_F(Tutorial, SomeLinesOfAnOutputCanBeChosen) {
  write_program("echo 1; echo 2; echo 3");
  write_text("<!-- output: count | lines 2-3 -->\n<!-- end -->\n");
  ASSERT_EQ(weave(), 0) << said();
  expect_contains(read_file(text_path()), "```text\n2\n3\n```");
  write_text("<!-- output: count | lines 2-4 -->\n<!-- end -->\n");
  expect_drift("lines 2-4 were asked for; there are 3");
}

TEST_F(Tutorial, RecordedFilesAreShown) {
  write_text("<!-- file: src/a.cpp | lines 1-1 -->\n<!-- end -->\n");
  ASSERT_EQ(weave(), 0) << said();
  expect_contains(read_file(text_path()), "```text\n// What a.cpp is.\n```");
}

TEST_F(Tutorial, ATableOfAnotherTextIsTakenWholeOrByItsRows) {
  write_file(scratch_.file("speed.md"),
             "| other | x |\n|---|---|\n\n## Speed\ntext\n| what | us |\n|---|---:|\n"
             "| `slow` | 9 |\n| quick, fp32 | 2 |\n| idle | 0 |\n\nmore\n");
  write_text("<!-- table: speed.md \"## Speed\" slow quick -->\n<!-- end -->\n"
             "<!-- table: speed.md other -->\n<!-- end -->\n");
  ASSERT_EQ(weave(), 0) << said();
  EXPECT_EQ(read_file(text_path()),
            "# A\n<!-- table: speed.md \"## Speed\" slow quick -->\n\n| what | us |\n|---|---:|\n"
            "| `slow` | 9 |\n| quick, fp32 | 2 |\n\n<!-- end -->\n"
            "<!-- table: speed.md other -->\n\n| other | x |\n|---|---|\n\n<!-- end -->\n");
  EXPECT_EQ(weave("--check"), 0) << said();
  for (const auto& [what, part] : {std::pair{"speed.md Speed idler", "has no row 'idler'"},
                                   {"speed.md nowhere", "has no table from a line with 'nowhere'"},
                                   {"none.md x", "none.md: No such file"},
                                   {"speed.md", "expected a file and a text"}}) {
    write_text(cat("<!-- table: ", what, " -->\n<!-- end -->\n"));
    expect_drift(part);
  }
}

TEST_F(Tutorial, ABlockWithoutItsEndIsNamed) {
  write_text("<!-- listing: src/a.cpp one -->\ntext\n");
  expect_drift("tutorial/a.md: a listing or an output has no '<!-- end -->'");
  write_text("<!-- listing: src/a.cpp one -->\n<!-- output: x -->\n<!-- end -->\n");
  expect_drift("no '<!-- end -->'");
}

}  // namespace
}  // namespace ramoe
