// Texts and comments that name a file of the project name one that is there.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <regex>
#include <sstream>

#include "support/files.h"
#include "support/scratch.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

/// Texts, headers and sources; of tests only headers, since a test may make up names.
bool is_looked_at(const fs::path& path, const std::string& relative) {
  const std::string extension = path.extension().string();
  if (relative.starts_with("docs/results/")) return false;
  if (relative.starts_with("tests/")) return extension == ".h" || extension == ".py";
  return extension == ".md" || extension == ".h" || extension == ".cpp" || extension == ".py" ||
         extension == ".cmake" || path.filename() == "CMakeLists.txt";
}

/// One line for each path below a top folder that is named somewhere and does not exist. Without
/// the top folder, as an include is written, it is looked for in src and tests.
std::string path_offences(const std::string& root) {
  static const std::regex named(
      "(^|[^A-Za-z0-9_])"
      "((src|tests|cuda|cmake|docs|tutorial|data|support|fast|formats|runs|report|bench|app|"
      "ch\\d\\d_[a-z_]+)"
      "/[A-Za-z0-9_./-]+\\.(h|cpp|cu|cuh|py|md|cmake|inc))([^A-Za-z0-9_]|$)");
  std::string offences;
  std::vector<fs::path> files;
  for (const char* top : {"src", "cuda", "tests", "docs", "tutorial", "data", "cmake"})
    if (fs::exists(root + "/" + top))
      for (const auto& entry : fs::recursive_directory_iterator(root + "/" + top))
        if (entry.is_regular_file()) files.push_back(entry.path());
  for (const char* file : {"README.md", "CMakeLists.txt"})
    if (fs::exists(root + "/" + file)) files.push_back(root + "/" + file);
  std::sort(files.begin(), files.end());
  for (const fs::path& path : files) {
    const std::string relative = fs::relative(path, root).string();
    if (!is_looked_at(path, relative)) continue;
    std::istringstream text(read_file(path.string()));
    int number = 0;
    for (std::string line; std::getline(text, line);) {
      ++number;
      if (line.find('/') == std::string::npos) continue;
      for (std::sregex_iterator at(line.begin(), line.end(), named), end; at != end; ++at) {
        const std::string name = (*at)[2];
        const std::string beside = (path.parent_path() / name).string();
        if (!fs::exists(root + "/" + name) && !fs::exists(root + "/src/" + name) &&
            !fs::exists(root + "/tests/" + name) && !fs::exists(beside))
          offences += cat(relative, ":", number, ": ", name, "\n");
      }
    }
  }
  return offences;
}

TEST(Paths, WhatIsNamedExists) {
  EXPECT_EQ(path_offences(RAMOE_SOURCE_DIR), "");
}

TEST(Paths, TheCheckItself) {
  const ScratchFolder scratch;
  for (const char* folder : {"src/ch01_a", "docs"}) fs::create_directories(scratch.file(folder));
  write_file(scratch.file("src/ch01_a/a.h"),
             "// see ch01_a/a.h and (src/ch01_a/b.h), docs/c.md.\n");
  write_file(scratch.file("docs/d.md"), "[a](../src/ch01_a/a.h) [b](../src/ch01_a/z.cpp)\n");
  EXPECT_EQ(path_offences(scratch.path()),
            "docs/d.md:1: src/ch01_a/z.cpp\nsrc/ch01_a/a.h:1: src/ch01_a/b.h\n"
            "src/ch01_a/a.h:1: docs/c.md\n");
}

}  // namespace
}  // namespace ramoe
