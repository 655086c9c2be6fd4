// A course of one tiny function for tests of the grader: many labs with the same test, each with
// another student's file. Nothing is configured by CMake: grade.py is given the commands as a kit.
#pragma once

#include <sys/wait.h>

#include <cstdlib>
#include <filesystem>
#include <iterator>
#include <sstream>

#include "support/error.h"
#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"

namespace ramoe {

/// What one student hands in for the function `double answer(int)`, which is to double.
struct HandedIn {
  std::string name, source, folder = "labs";  // "cuda": a program that reserves addresses
};

class MadeCourse {
 public:
  MadeCourse() {
    namespace fs = std::filesystem;
    // Room for what a student's tree has and nobody may read or write.
    for (const char* folder : {"tree/tests", "course", "work"})
      fs::create_directories(file(folder));

    fs::permissions(scratch_.path(), fs::perms(0755));
    write_file(file("course/answer_test.cpp"), test_source);
    write_file(file("course/hidden.cpp"), hidden_source);
    write_file(file("tree/tests") + "/answer_test.cpp", "// edited: nothing is tested here\n");
    write_file(file("hidden.json"), "{}");
  }
  std::string file(const std::string& name) const { return scratch_.file(name); }

  /// The next test begins without labs; what was compiled stays.
  void begin_again() {
    labs_ = Json::array();
    hidden_ = Json();
    for (const char* folder : {"tree/labs", "tree/cuda", "out"})
      std::filesystem::remove_all(file(folder));
  }

  void hand_in(const HandedIn& what) {
    const std::string path = what.folder + "/" + what.name + ".cpp";
    const auto folder = [](const std::string& name) {
      return std::filesystem::path(name).parent_path();
    };
    std::filesystem::create_directories(folder(file("tree/" + path)));
    std::filesystem::create_directories(folder(file("reference/" + path)));
    if (!what.source.empty()) write_file(file("tree/" + path), what.source);
    write_file(file("reference/" + path), reference_source);
    Json compile = command({"-std=gnu++20", "-O0", "-w"});
    Json lab = {{"number", labs_.size() + 1},
                {"id", what.name},
                {"name", what.name},
                {"title", "try " + what.name},
                {"files", {path}},
                {"points", {{"Answer.Doubles", 3}, {"Answer.OfZero", 2}}},
                {"units", Json::object({{path, compile}})},
                {"tests", Json::object({{file("course/answer_test.cpp"), compile}})},
                {"link", link},
                {"libraries", {philox(), RAMOE_GTEST, "-lpthread"}},
                {"hidden", file("course/hidden.cpp")}};
    labs_.push_back(lab);
    hidden_["labs"][what.name]["cases"] = {{{"seed", 7}, {"N", 3}, {"points", 4}}};
  }

  /// How programs are linked; a part of what the reference is known by.
  std::vector<std::string> link = compiler();

  /// This program's compiler, with the flags of CMAKE_CXX_FLAGS: they may choose a library.
  static std::vector<std::string> compiler() {
    std::istringstream words(RAMOE_CXX);
    return {std::istream_iterator<std::string>(words), {}};
  }

  /// A lab that is a header, and so is compiled together with the tests.
  void hand_in_header(const std::string& source) {
    hand_in({"header", ""});
    Json& lab = labs_.back();
    lab["files"] = {"answer.h"};
    lab["units"] = Json::object();
    lab["tests"] =
        Json::object({{file("course/header_test.cpp"), command({"-std=gnu++20", "-O0", "-w"})}});
    lab["hidden"] = "";
    write_file(file("tree/answer.h"), source);
    write_file(file("reference/answer.h"), "inline double answer(int x) { return 2 * x; }\n");
    write_file(file("course/header_test.cpp"), R"(#include "answer.h"
#include <gtest/gtest.h>
namespace ramoe {
template <class T> void expect_same(const T& a, const T& b) { EXPECT_EQ(a, b) << "twice 21"; }
TEST(Answer, Doubles) { expect_same(answer(21), 42.0); }
TEST(Answer, OfZero) { expect_same(answer(0), 0.0); }
}
)");
  }

  /// Runs the grader; its exit code. What it says goes to said().
  int grade(const std::string& options) const {
    write_json(
        file("kit.json"),
        Json{{"course", RAMOE_SOURCE_DIR}, {"reference", file("reference")}, {"labs", labs_}});
    write_json(file("hidden.json"), hidden_);
    const int status = std::system(
        cat("python3 " RAMOE_SOURCE_DIR "/tutorial/tools/grade.py --kit=", file("kit.json"),
            " --tree=", file("tree"), " --work=", file("work"), " --out=", file("out"),
            " --hidden=", file("hidden.json"), " --seconds=2 --memory=512 --jobs=2 ", options, " >",
            file("said"), " 2>&1")
            .c_str());
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  }
  std::string said() const { return read_file(file("said")); }

  /// A lab's part of grade.json.
  Json graded(const std::string& name) const {
    const Json grade = read_json(file("out/grade.json"));
    for (const Json& lab : grade.at("labs"))
      if (lab.at("id") == name) return lab;
    fail("grade.json: no lab ", name);
  }
  /// All that the student is told about a lab.
  static std::string told(const Json& lab) {
    std::string all;
    for (const Json& reason : lab.at("refused")) all += reason.get<std::string>() + "\n";
    for (const Json& test : lab.at("tests")) all += test.at("message").get<std::string>() + "\n";
    return all;
  }

  static constexpr const char* reference_source = R"(#include <cmath>
double answer(int x) { return 2 * std::fabs(x) * (x < 0 ? -1 : 1); }
)";

 private:
  static constexpr const char* test_source = R"(#include <gtest/gtest.h>
double answer(int x);
TEST(Answer, Doubles) { EXPECT_EQ(answer(21), 42) << "twice 21"; }
TEST(Answer, OfZero) { EXPECT_EQ(answer(0), 0); }
)";
  static constexpr const char* hidden_source = R"(#include "labs/hidden/hidden.h"
double answer(int x);
void hidden::check(const Case& given) {
  std::vector<double> all;
  for (int i = 0; i < given.number("N"); ++i)
    all.push_back(answer(static_cast<int>(given.random().below(1000)) + i));
  print("answer", all);
}
)";

  static Json command(const std::vector<std::string>& flags) {
    std::vector<std::string> words = compiler();
    words.insert(words.end(), flags.begin(), flags.end());
    for (const char* folder : {"/src", "/tests", ""})
      words.push_back(std::string("-I" RAMOE_SOURCE_DIR) + folder);
    std::istringstream includes(RAMOE_GTEST_INCLUDE);
    for (std::string folder; std::getline(includes, folder, ':');)
      words.insert(words.end(), {"-idirafter", folder});
    words.insert(words.end(), {"-c", "{in}", "-o", "{out}"});
    return words;
  }

  /// The random numbers that hidden checks draw, compiled once.
  std::string philox() const {
    const std::string object = file("philox.o");
    if (!std::filesystem::exists(object))
      check(std::system(cat(RAMOE_CXX " -std=gnu++20 -I" RAMOE_SOURCE_DIR
                                      "/src -c " RAMOE_SOURCE_DIR "/src/ch01_tensor/philox.cpp -o ",
                            object)
                            .c_str()) == 0,
            "philox.cpp does not compile");
    return object;
  }

  ScratchFolder scratch_;
  Json labs_ = Json::array(), hidden_;
};

}  // namespace ramoe
