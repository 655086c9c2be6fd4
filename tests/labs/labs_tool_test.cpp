// tutorial/tools: definitions are found by name, labs are cut and put back to the byte, a student's
// tree holds no solution, and what does not fit is refused with a message.
#include <gtest/gtest.h>

#include <filesystem>

#include "support/files.h"
#include "support/scratch.h"
#include "support/texts.h"
#include "support/tools.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

const std::string root = RAMOE_SOURCE_DIR;

/// A source with what the finder must tell apart.
const std::string kSource = R"(// A head.
#pragma once

namespace a {
namespace {

// Not above anything.

/// Adds.
template <class T>
int add(T x, int y = 2) {
  return "}" + x - '{';  // }
}

}  // namespace

template <>
void twice(const double* x) {
  x[0] = 2;
}
int twice_too(int);

struct alignas(8) Pair {
  explicit Pair(int n) : first{n}, second(n) { first += 1; }
  int sum() const { return first + second; }
  int first, second;
};

SOME_MACRO(x)

__global__ void __launch_bounds__(256) big_kernel(float* y) { y[0] = 1; }
int over(int);
int over(int x) { return x; }
int over(double x) { return int(x); }
void Pair::swap() {}
constexpr int kThree = 3;

}  // namespace a
)";

class LabsTool : public testing::Test {
 protected:
  void SetUp() override {
    if (!has_tool("python3")) GTEST_SKIP() << "python3 is not installed";
    if (!has_tool("git")) GTEST_SKIP() << "git is not installed";
    tree_ = scratch_.file("tree");
    put("src/a.cpp", kSource);
    put("cuda/a.cuh",
        "#pragma once\n__global__ void fold(int* x) {\n  wait_for_earlier_kernels();\n"
        "  x[0] = 1;\n}\n");
    put("src/a.h", "void twice(const double* x);\n");
    put("tests/a_test.cpp",
        "TEST(A, One) {}\nTEST(A, Two) {}\nTEST(A, Three) {}\nTEST(A, Four) {}\n");
    put("tutorial/labs/labs.json", labs_);
    put("tutorial/ch01.md",
        "# A\n<!-- listing: src/a.cpp twice Pair -->\n```cpp\n  x[0] = 2;\n```\n<!-- end -->\n"
        "<!-- listing: src/a.h twice -->\n```cpp\nold\n```\n<!-- end -->\n");
    ASSERT_EQ(git("init -q && git add -A && git commit -q -m one"), 0);
  }
  void put(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(tree_ + "/" + path).parent_path());
    write_file(tree_ + "/" + path, text);
  }
  std::string get(const std::string& path) { return read_file(tree_ + "/" + path); }
  int git(const std::string& command) {
    return std::system(("cd '" + tree_ +
                        "' && export GIT_CONFIG_GLOBAL=/dev/null "
                        "GIT_AUTHOR_NAME=a GIT_AUTHOR_EMAIL=a@a GIT_COMMITTER_NAME=a "
                        "GIT_COMMITTER_EMAIL=a@a && git " +
                        command)
                           .c_str());
  }
  /// Whether the tool has ended well; what it said is in said_.
  bool run(const std::string& tool, const std::string& arguments) {
    const std::string out = scratch_.file("said");
    const int status = std::system(("python3 -B '" + root + "/tutorial/tools/" + tool + "' " +
                                    arguments + " >'" + out + "' 2>&1")
                                       .c_str());
    said_ = read_file(out);
    return status == 0;
  }
  bool labs(const std::string& arguments) {
    return run("labs.py", "--root '" + tree_ + "' " + arguments);
  }
  std::string found(const std::string& name) {
    run("cpp_source.py", "'" + tree_ + "/src/a.cpp' '" + name + "'");
    return said_;
  }

  ScratchFolder scratch_;
  std::string tree_, said_;
  const std::string labs_ = R"({"labs": [{"number": 1, "id": "lab01", "name": "adding",
    "title": "Adding", "chapter": "ch01", "cut": {"src/a.cpp": ["add", "twice", "Pair::sum"],
    "cuda/a.cuh": ["fold"]}, "header": "src/a.h", "tests": ["tests/a_test.cpp"],
    "prerequisites": [], "hours": 1, "points": {"A.One": 1, "A.Two": 1, "A.Three": 2,
    "A.Four": 2}}]})";
};

TEST_F(LabsTool, FindsDefinitionsByName) {
  EXPECT_EQ(found("add"),
            "/// Adds.\ntemplate <class T>\nint add(T x, int y = 2) {\n"
            "  return \"}\" + x - '{';  // }\n}\n");
  EXPECT_EQ(found("twice"), "template <>\nvoid twice(const double* x) {\n  x[0] = 2;\n}\n");
  EXPECT_EQ(found("Pair::sum"), "int sum() const { return first + second; }\n");
  EXPECT_EQ(found("Pair::Pair"), "explicit Pair(int n) : first{n}, second(n) { first += 1; }\n");
  EXPECT_EQ(found("Pair").substr(0, 24), "struct alignas(8) Pair {");
  EXPECT_EQ(found("big_kernel"),
            "__global__ void __launch_bounds__(256) big_kernel(float* y) { y[0] = 1; }\n");
  EXPECT_EQ(found("Pair::swap"), "void Pair::swap() {}\n");
  EXPECT_EQ(found("kThree"), "constexpr int kThree = 3;\n");
  EXPECT_EQ(found("twice_too"), "int twice_too(int);\n");
  EXPECT_EQ(found(":head"), "// A head.\n");
  EXPECT_EQ(found("over#2"), "int over(double x) { return int(x); }\n");
  expect_contains(found("over"), "over is defined 2 times");
  expect_contains(found("over#3"), "there are 2 of over");
  expect_contains(found("thrice"), "/src/a.cpp: no definition is named thrice");
}

TEST_F(LabsTool, PutsBackWhatItHasCut) {
  const std::string before = get("src/a.cpp"), kernel = get("cuda/a.cuh");
  ASSERT_TRUE(labs("cut 1")) << said_;
  expect_contains(said_, "make check-lab N=1");
  expect_contains(get("src/a.cpp"),
                  "int add(T x, int y = 2) {\n  fail(\"lab 1, add: not done yet "
                  "(tutorial/labs/lab01_adding.md)\");\n}\n");
  expect_contains(get("cuda/a.cuh"),
                  "{\n  wait_for_earlier_kernels();\n  cuda::not_done(\"lab 1, fold: not done yet");
  EXPECT_EQ(get("tutorial/labs/reference/src/a.cpp"), before);
  ASSERT_TRUE(labs("undo 01")) << said_;
  EXPECT_EQ(get("src/a.cpp"), before);
  EXPECT_EQ(get("cuda/a.cuh"), kernel);
  EXPECT_FALSE(fs::exists(tree_ + "/tutorial/labs/reference"));
  EXPECT_FALSE(fs::exists(tree_ + "/src/a.cpp.lab01")) << "nothing was written, nothing is kept";
}

TEST_F(LabsTool, WhatTheStudentWroteStaysBeside) {
  ASSERT_TRUE(labs("cut 1")) << said_;
  put("src/a.cpp", "mine\n");
  put("src/a.cpp.lab01", "older\n");
  ASSERT_TRUE(labs("undo 1")) << said_;
  EXPECT_EQ(get("src/a.cpp"), kSource);
  EXPECT_EQ(get("src/a.cpp.lab01"), "older\n");
  EXPECT_EQ(get("src/a.cpp.lab01-2"), "mine\n");
}

TEST_F(LabsTool, RefusesWhatItCanNotDo) {
  EXPECT_FALSE(labs("cut 7"));
  expect_contains(said_, "lab \"7\": expected a number from 1 to 1");
  EXPECT_FALSE(labs("undo 1"));
  expect_contains(said_, "was not cut by make lab here");
  put("src/a.cpp", kSource + "// more\n");
  EXPECT_FALSE(labs("cut 1"));
  expect_contains(said_, "src/a.cpp has changes that are not committed");
  EXPECT_EQ(get("src/a.cpp"), kSource + "// more\n");
  put("src/a.cpp", kSource);
  ASSERT_TRUE(labs("cut 1")) << said_;
  EXPECT_FALSE(labs("cut 1"));
  expect_contains(said_, "is cut already: lab 1");
  EXPECT_FALSE(labs("tree '" + scratch_.file("out") + "'"));
  expect_contains(said_, "lab 1 is cut in this tree");
  fs::create_directories(scratch_.file("full") + "/x");
  ASSERT_TRUE(labs("undo 1")) << said_;
  EXPECT_FALSE(labs("tree '" + scratch_.file("full") + "'"));
  expect_contains(said_, "is there and not empty");
}

TEST_F(LabsTool, AStudentsTreeHoldsNoSolution) {
  const std::string student = scratch_.file("student");
  ASSERT_TRUE(labs("tree '" + student + "'")) << said_;
  tree_ = student;
  expect_contains(get("src/a.cpp"), "lab 1, twice: not done yet");
  EXPECT_EQ(std::system(("! grep -rq 'x\\[0\\] = 2' '" + student + "'").c_str()), 0);
  EXPECT_EQ(git("log --oneline | wc -l | grep -qx 1"), 0);
  EXPECT_EQ(git("log -p --all | (! grep -q 'x\\[0\\] = 2')"), 0);
  EXPECT_EQ(git("status --porcelain | (! grep -q .)"), 0);
  // Listings show what is left, also of a class; those of other files stay as they were.
  const std::string chapter = get("tutorial/ch01.md");
  expect_contains(chapter, "```cpp\ntemplate <>\nvoid twice(const double* x) {\n  fail(\"lab 1, ");
  expect_contains(chapter, "lab 1, Pair::sum: not done yet");
  expect_contains(chapter, "```cpp\nold\n```\n<!-- end -->\n");
  EXPECT_EQ(std::system(
                ("cd '" + student + "' && cmake -E tar xf tutorial/labs/reference.tar.xz").c_str()),
            0);
  EXPECT_EQ(get("src/a.cpp"), kSource);
}

// The grader uses a student's compiled library only if it is made of what was handed out.
TEST_F(LabsTool, KnowsWhetherATreeIsAsItWasHandedOut) {
  ASSERT_TRUE(labs("tree '" + scratch_.file("student") + "'")) << said_;
  tree_ = scratch_.file("student");
  const auto pristine = [&] {
    const std::string program = "import sys\nfrom pathlib import Path\nsys.path.insert(0, '" +
                                root + "/tutorial/tools')\nimport grade_kit\ntree = Path('" +
                                tree_ +
                                "')\nlabs = grade_kit.read_labs(tree / 'tutorial/labs/labs.json')\n"
                                "sys.exit(0 if grade_kit.pristine(tree, labs) else 1)\n";
    write_file(scratch_.file("pristine.py"), program);
    return std::system(("python3 -B '" + scratch_.file("pristine.py") + "'").c_str()) == 0;
  };
  EXPECT_TRUE(pristine());
  put("src/a.cpp", "mine\n");
  EXPECT_TRUE(pristine()) << "the lab's own file is the student's to write";
  ASSERT_EQ(git("commit -qam mine"), 0);
  EXPECT_TRUE(pristine());
  const std::string header = get("src/a.h");
  put("src/a.h", header + "// mine too\n");
  EXPECT_FALSE(pristine());
  ASSERT_EQ(git("commit -qam again"), 0);
  EXPECT_FALSE(pristine()) << "committed, and still not what was handed out";
  put("src/a.h", header);
  EXPECT_TRUE(pristine());
  put("src/b.cpp", "");
  EXPECT_FALSE(pristine());
}

TEST_F(LabsTool, SaysWhatIsWrongWithTheList) {
  EXPECT_TRUE(labs("list")) << said_;
  std::string broken = labs_;
  broken.replace(broken.find("A.Two"), 5, "A.Ten");
  broken.replace(broken.find("Pair::sum"), 9, "Pair::mul");
  broken.replace(broken.find("src/a.h"), 7, "src/b.h");
  put("tutorial/labs/labs.json", broken);
  EXPECT_FALSE(labs("list"));
  expect_contains(said_, "no test is named A.Ten");
  expect_contains(said_, "no definition is named Pair::mul");
  expect_contains(said_, "src/b.h is not there");
}

TEST_F(LabsTool, TheLabsOfThisTreeAreRight) {
  EXPECT_TRUE(run("labs.py", "list")) << said_;
}

// Parameters and helpers that nothing uses yet are no errors; the stub is one file that compiles.
TEST_F(LabsTool, ACutFileCompilesWithAllWarnings) {
  if (!has_tool("g++")) GTEST_SKIP() << "g++ is not installed";
  const std::string path = "src/ch03_transformer/attention.cpp";
  if (mentions(read_file(root + "/" + path), "not done yet")) GTEST_SKIP() << "it is cut here";
  put(path, read_file(root + "/" + path));
  put("tutorial/labs/labs.json", read_file(root + "/tutorial/labs/labs.json"));
  ASSERT_EQ(git("add -A && git commit -q -m two"), 0);
  ASSERT_TRUE(labs("cut 4")) << said_;
  EXPECT_EQ(std::system(("cd '" + root +
                         "' && g++ -std=gnu++20 -O0 -Isrc -I. -Wall -Wextra "
                         "-Wconversion -Werror -Wno-psabi -c -o '" +
                         scratch_.file("a.o") + "' '" + tree_ + "/" + path + "'")
                            .c_str()),
            0);
  expect_contains(get(path), "lab 4, attend: not done yet");
}

}  // namespace
}  // namespace ramoe
