// Rules of the house that a compiler does not know: chapters include only earlier ones, files stay
// short, headers say their place, the README's tree is true, and tags of the paper lead to a test.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

constexpr int most_lines = 400, most_columns = 100;

struct SourceFile {
  std::string path;  // from the repository's root: src/ch01_tensor/gemm.h
  std::string room;  // ch01_tensor
  std::vector<std::string> lines;
};

/// The C++ files below root/top, in order of their paths.
std::vector<SourceFile> source_files(const std::string& root, const std::string& top) {
  std::vector<SourceFile> files;
  if (!fs::exists(root + "/" + top)) return files;
  for (const auto& entry : fs::recursive_directory_iterator(root + "/" + top)) {
    const std::string extension = entry.path().extension().string();
    if (extension != ".h" && extension != ".cpp" && extension != ".cu" && extension != ".cuh")
      continue;
    SourceFile file;
    file.path = fs::relative(entry.path(), root).string();
    const std::string below = file.path.substr(top.size() + 1);
    file.room = below.substr(0, below.find('/'));
    std::istringstream text(read_file(entry.path().string()));
    for (std::string line; std::getline(text, line);) file.lines.push_back(line);
    files.push_back(std::move(file));
  }
  std::sort(files.begin(), files.end(),
            [](const auto& a, const auto& b) { return a.path < b.path; });
  return files;
}

/// The rooms behind the chapters, in their order. `fast` stands beside: it includes chapters, and
/// only the bench looks into it.
const std::vector<std::string> rooms = {"fast", "formats", "runs", "report", "app", "bench"};

/// support first, then the chapters by number, then the other rooms; 0 for anything else.
int rank_of(const std::string& room) {
  if (room == "support") return 1;
  const auto found = std::find(rooms.begin(), rooms.end(), room);
  if (found != rooms.end()) return 100 + static_cast<int>(found - rooms.begin());
  std::smatch number;
  static const std::regex pattern("ch(\\d\\d)_[a-z_]+");
  return std::regex_match(room, number, pattern) ? 1 + std::stoi(number[1]) : 0;
}

/// Whether a file of one room may include a header of another.
bool may_include(const std::string& room, const std::string& other) {
  if (other == "fast") return room == "fast" || room == "bench";
  return rank_of(other) > 0 && rank_of(other) <= rank_of(room);
}

/// Columns as a reader counts them: UTF-8 continuation bytes take none.
int columns(const std::string& line) {
  return static_cast<int>(
      std::count_if(line.begin(), line.end(), [](char byte) { return (byte & 0xc0) != 0x80; }));
}

/// One line for each include of a later room, or of something that is no room.
std::string include_offences(const std::string& root) {
  static const std::regex include("\\s*#\\s*include\\s+\"([^/\"]*)/?[^\"]*\".*");
  std::string offences;
  for (const SourceFile& file : source_files(root, "src"))
    for (std::size_t i = 0; i < file.lines.size(); ++i) {
      std::smatch match;
      if (!std::regex_match(file.lines[i], match, include)) continue;
      if (!may_include(file.room, match[1]))
        offences += cat(file.path, ":", i + 1, ": ", file.lines[i], "\n");
    }
  return offences;
}

std::string length_offences(const std::string& root) {
  std::string offences;
  for (const char* top : {"src", "cuda", "tests"})
    for (const SourceFile& file : source_files(root, top)) {
      if (file.lines.size() > most_lines)
        offences += cat(file.path, ": ", file.lines.size(), " lines\n");
      for (std::size_t i = 0; i < file.lines.size(); ++i)
        if (columns(file.lines[i]) > most_columns)
          offences += cat(file.path, ":", i + 1, ": ", columns(file.lines[i]), " columns\n");
    }
  return offences;
}

/// The paper map is {"tags": [{"tag": "paper 2.1", "file": ..., "test": ..., ...}]}. Offences:
/// files that do not exist, and tags "[paper ...]" in headers that it does not list.
std::string paper_map_offences(const std::string& root) {
  const std::string path = root + "/docs/paper_map.json";
  if (!fs::exists(path)) return "";
  const Json map = read_json(path);
  const Json entries = map.is_array() ? map : map.value("tags", Json());
  if (!entries.is_array()) return "docs/paper_map.json: a list \"tags\" is missing\n";
  std::string offences;
  std::set<std::string> listed;
  for (const Json& entry : entries) {
    const std::string tag = entry.is_object() ? entry.value("tag", "") : "";
    if (tag.empty()) offences += "docs/paper_map.json: no \"tag\" in " + entry.dump() + "\n";
    listed.insert(tag);
    for (const char* key : {"file", "test"}) {
      const std::string file = entry.is_object() ? entry.value(key, "") : "";
      if (file.empty() || !fs::exists(root + "/" + file))
        offences +=
            cat("docs/paper_map.json: ", tag, ": ", key, " \"", file, "\" does not exist\n");
    }
  }
  static const std::regex tag("\\[(paper [^\\]]+)\\]");
  for (const SourceFile& file : source_files(root, "src")) {
    if (!file.path.ends_with(".h")) continue;
    for (const std::string& line : file.lines)
      for (std::sregex_iterator at(line.begin(), line.end(), tag), end; at != end; ++at)
        if (!listed.contains((*at)[1]))
          offences += cat(file.path, ": [", (*at)[1].str(), "] is not in docs/paper_map.json\n");
  }
  return offences;
}

/// Headers open with "// <Room> - ", those of chapter n with a number n.m (or n, of a chapter with
/// one header) that no other has.
std::string opening_offences(const std::string& root) {
  static const std::regex opening("// (?:Chapter ([0-9]+(?:\\.[0-9]+)?)|([A-Z][a-z]+)) - .+");
  std::string offences;
  std::map<std::string, std::string> first;
  for (const SourceFile& file : source_files(root, "src")) {
    if (!file.path.ends_with(".h")) continue;
    const std::string line = file.lines.empty() ? "" : file.lines[0];
    std::smatch found;
    const bool opens = std::regex_match(line, found, opening);
    std::string room = file.room;
    if (room.starts_with("ch")) {
      const std::string number = opens ? found[1].str() : "";
      const std::string chapter = number.substr(0, number.find('.'));
      if (number.empty() || std::stoi(chapter) != std::stoi(room.substr(2, 2)))
        offences += cat(file.path, ": \"", line, "\" names no part of its chapter\n");
      else if (const auto [other, is_new] = first.emplace(number, file.path); !is_new)
        offences += cat(file.path, ": ", number, " is ", other->second, "\n");
    } else {
      room[0] = static_cast<char>(std::toupper(room[0]));
      if (!opens || found[2] != room)
        offences += cat(file.path, ": expected \"// ", room, " - \", found \"", line, "\"\n");
    }
  }
  return offences;
}

/// Files of cuda/ open with "// Chapter n.m on the GPU - ", in the folder of that chapter, or with
/// the name of their room; each folder of a chapter has a twin in src/.
std::string cuda_offences(const std::string& root) {
  static const std::regex opening(
      "// (?:Chapter ([0-9]+)(?:\\.[0-9]+)? on the GPU|CUDA(?: emulation)?) - .+");
  std::string offences;
  for (const SourceFile& file : source_files(root, "cuda")) {
    const std::string line = file.lines.empty() ? "" : file.lines[0];
    std::smatch found;
    const bool chapter = file.room.starts_with("ch");
    if (chapter && !fs::exists(root + "/src/" + file.room))
      offences += cat(file.path, ": src/ has no ", file.room, "\n");
    // A source outside of the chapters stands behind its header, as those of src/ do.
    if (!chapter && line.starts_with("#include \"cuda/" + file.room)) continue;
    const bool opens = std::regex_match(line, found, opening);
    if (!opens || (chapter && (!found[1].matched ||
                               std::stoi(found[1]) != std::stoi(file.room.substr(2, 2)))))
      offences += cat(file.path, ": \"", line, "\" is no opening of this folder\n");
  }
  return offences;
}

/// Kernels that do not wait for those before them in their first line (cuda/support/overlap.h).
std::string kernel_offences(const std::string& root) {
  static const std::regex kernel(
      "__global__ void (?:__launch_bounds__\\([^)]*\\)\\s*)?([a-z0-9_]+)\\([^;{]*\\{\\s*([^\n]*)");
  std::string offences;
  for (const SourceFile& file : source_files(root, "cuda")) {
    if (file.room == "emulation") continue;
    std::string text;
    for (const std::string& line : file.lines) text += line.substr(0, line.find("//")) + "\n";
    for (std::sregex_iterator at(text.begin(), text.end(), kernel), end; at != end; ++at)
      if (!(*at)[2].str().starts_with("wait_for_earlier_kernels();"))
        offences += cat(file.path, ": ", (*at)[1].str(), " begins with \"", (*at)[2].str(),
                        "\", expected wait_for_earlier_kernels();\n");
  }
  return offences;
}

/// One line for each header that includes a later one of its own chapter, by their numbers.
std::string order_offences(const std::string& root) {
  static const std::regex opening("// Chapter ([0-9]+)(?:\\.([0-9]+))? - .*");
  static const std::regex include("#include \"(ch[^\"]+)\"");
  std::map<std::string, int> part;  // of each header
  std::smatch found;
  const std::vector<SourceFile> files = source_files(root, "src");
  for (const SourceFile& file : files)
    if (file.path.ends_with(".h") && std::regex_match(file.lines.at(0), found, opening))
      part[file.path.substr(4)] = found[2].length() > 0 ? std::stoi(found[2]) : 1;
  std::string offences;
  for (const SourceFile& file : files)
    for (const std::string& line : file.lines)
      if (part.contains(file.path.substr(4)) && std::regex_match(line, found, include) &&
          part.contains(found[1]) && found[1].str().starts_with(file.room + "/") &&
          part[found[1]] > part[file.path.substr(4)])
        offences += cat(file.path, ": ", found[1].str(), " comes later in the chapter\n");
  return offences;
}

/// README.md names each folder of the root and each room of src/ as "    name/   what it is", and
/// no other. A build folder and what git keeps are not part of the tree.
std::string tree_offences(const std::string& root) {
  std::istringstream text(read_file(root + "/README.md"));
  static const std::regex row("    (?:  )?((?:src/)?[a-z0-9_]+)/ +[^ ].*");
  std::set<std::string> named, there;
  std::smatch found;
  for (std::string line; std::getline(text, line);)
    if (std::regex_match(line, found, row)) named.insert(found[1]);
  for (const char* top : {"", "src/"})
    for (const auto& entry : fs::directory_iterator(root + "/" + top)) {
      const std::string name = entry.path().filename().string();
      if (entry.is_directory() && name[0] != '.' &&
          (*top != 0 || (name != "build" && name != "runs")))
        there.insert(top + name);
    }
  std::string offences;
  for (const std::string& name : there)
    if (!named.contains(name)) offences += "README.md does not name " + name + "/\n";
  for (const std::string& name : named)
    if (!there.contains(name)) offences += "README.md names " + name + "/, which is not there\n";
  return offences;
}

const std::string root = RAMOE_SOURCE_DIR;

TEST(House, ChaptersIncludeOnlyEarlierOnes) {
  EXPECT_EQ(include_offences(root), "");
}
TEST(House, FilesAndLinesAreShort) {
  EXPECT_EQ(length_offences(root), "");
}
TEST(House, HeadersOpenWithTheirRoomOrNumber) {
  EXPECT_EQ(opening_offences(root), "");
}
TEST(House, ChaptersAreInReadingOrder) {
  EXPECT_EQ(order_offences(root), "");
}
TEST(House, TheReadmeNamesEveryRoom) {
  EXPECT_EQ(tree_offences(root), "");
}
TEST(House, KernelsSayTheirChapter) {
  EXPECT_EQ(cuda_offences(root), "");
}
TEST(House, KernelsWaitForEarlierOnesFirst) {
  EXPECT_EQ(kernel_offences(root), "");
}
TEST(House, PaperMapLeadsSomewhere) {
  EXPECT_EQ(paper_map_offences(root), "");
}

/// The checks themselves, on a small tree that breaks each rule once.
class HouseChecks : public testing::Test {
 protected:
  void put(const std::string& path, const std::string& text) {
    fs::create_directories(fs::path(scratch_.file(path)).parent_path());
    write_file(scratch_.file(path), text);
  }
  ScratchFolder scratch_;
};

TEST_F(HouseChecks, Includes) {
  put("src/ch02_b/b.h",
      "#include \"support/x.h\"\n#include \"ch01_a/a.h\"\n#include <ch09_x/x.h>\n");
  put("src/ch01_a/a.h", "#include \"ch01_a/z.h\"\n#include \"ch02_b/b.h\"\n#include \"z.h\"\n");
  put("src/support/x.cpp", "  # include \"ch01_a/a.h\" // why not\n");
  put("src/app/main.cpp", "#include \"ch12_z/z.h\"\n");
  EXPECT_EQ(include_offences(scratch_.path()),
            "src/ch01_a/a.h:2: #include \"ch02_b/b.h\"\nsrc/ch01_a/a.h:3: #include \"z.h\"\n"
            "src/support/x.cpp:1:   # include \"ch01_a/a.h\" // why not\n");
}

TEST_F(HouseChecks, Lengths) {
  std::string lines, umlauts;
  for (int i = 0; i < 400; ++i) lines += "x\n";
  for (int i = 0; i < 100; ++i) umlauts += "ü";
  put("src/ch01_a/a.h", lines);
  put("src/ch01_a/b.h", lines + "x\n");
  put("tests/ch01_a/a_test.cpp", umlauts + "\n" + umlauts + "x\n");
  EXPECT_EQ(length_offences(scratch_.path()),
            "src/ch01_a/b.h: 401 lines\ntests/ch01_a/a_test.cpp:2: 101 columns\n");
}

TEST_F(HouseChecks, Openings) {
  put("src/ch02_b/a.h", "// Chapter 2.1 - a\n");
  put("src/ch02_b/b.h", "// Chapter 2.1 - b\n");
  put("src/ch02_b/c.h", "// Chapter 1.2 - c\n");
  put("src/ch09_c/d.h", "// Chapter 9 - d\n");
  put("src/app/a.h", "// App - a\n");
  put("src/app/b.h", "// The b\n");
  EXPECT_EQ(opening_offences(scratch_.path()),
            "src/app/b.h: expected \"// App - \", found \"// The b\"\n"
            "src/ch02_b/b.h: 2.1 is src/ch02_b/a.h\n"
            "src/ch02_b/c.h: \"// Chapter 1.2 - c\" names no part of its chapter\n");
}

TEST_F(HouseChecks, Kernels) {
  put("src/ch02_b/a.h", "// Chapter 2.1 - a\n");
  put("cuda/ch02_b/a.cu", "// Chapter 2.1 on the GPU - a\n");
  put("cuda/ch02_b/b.cuh", "// Chapter 1.1 on the GPU - b\n");
  put("cuda/ch03_c/c.cu", "// Chapter 3.1 on the GPU - c\n");
  put("cuda/support/d.h", "// CUDA - d\n");
  put("cuda/support/d.cu", "#include \"cuda/support/d.h\"\n");
  put("cuda/support/e.h", "// e\n");
  EXPECT_EQ(cuda_offences(scratch_.path()),
            "cuda/ch02_b/b.cuh: \"// Chapter 1.1 on the GPU - b\" is no opening of this folder\n"
            "cuda/ch03_c/c.cu: src/ has no ch03_c\n"
            "cuda/support/e.h: \"// e\" is no opening of this folder\n");
}

TEST_F(HouseChecks, FirstLinesOfKernels) {
  put("cuda/emulation/a.h", "#define __global__\n__global__ void k() {\n}\n");
  put("cuda/ch02_b/a.cu",
      "// __global__ void note(int) {\n__global__ void declared_kernel(int n);\n"
      "template <int W>\n__global__ void __launch_bounds__(kThreads, 2)\n"
      "    good_kernel(float* y,\n                int n) {\n  wait_for_earlier_kernels();\n  y[n] "
      "= 1;\n}\n"
      "__global__ void never_kernel(float* y) { y[0] = 1; }\n"
      "static __global__ void late_kernel(const int* n) {\n  if (*n == 0) return;\n"
      "  wait_for_earlier_kernels();\n}\n"
      "__global__ void bounded_kernel(Two<Three> t) {  // why\n"
      "  // not yet: wait_for_earlier_kernels();\n  t.go();\n}\n");
  EXPECT_EQ(kernel_offences(scratch_.path()),
            "cuda/ch02_b/a.cu: never_kernel begins with \"y[0] = 1; }\", expected "
            "wait_for_earlier_kernels();\n"
            "cuda/ch02_b/a.cu: late_kernel begins with \"if (*n == 0) return;\", expected "
            "wait_for_earlier_kernels();\n"
            "cuda/ch02_b/a.cu: bounded_kernel begins with \"t.go();\", expected "
            "wait_for_earlier_kernels();\n");
}

TEST_F(HouseChecks, ReadingOrder) {
  put("src/ch02_b/a.h", "// Chapter 2.1 - a\n#include \"ch02_b/b.h\"\n#include \"ch01_a/c.h\"\n");
  put("src/ch02_b/b.h", "// Chapter 2.2 - b\n#include \"ch02_b/a.h\"\n");
  put("src/ch01_a/c.h", "// Chapter 1.9 - c\n");
  EXPECT_EQ(order_offences(scratch_.path()),
            "src/ch02_b/a.h: ch02_b/b.h comes later in the chapter\n");
}

TEST_F(HouseChecks, Tree) {
  put("src/ch01_a/a.h", "\n");
  put("src/app/a.h", "\n");
  put("docs/a.md", "\n");
  put("build/x", "\n");
  put("README.md", "    docs/         texts\n    src/   code\n      src/app/  x\n    old/  gone\n");
  EXPECT_EQ(tree_offences(scratch_.path()),
            "README.md does not name src/ch01_a/\nREADME.md names old/, which is not there\n");
}

TEST_F(HouseChecks, PaperMap) {
  put("src/ch01_a/a.h", "// router   [paper 2.1]\n// loss [paper 3] [paper 4]\n");
  EXPECT_EQ(paper_map_offences(scratch_.path()), "");  // no map yet
  put("docs/paper_map.json",
      R"({"tags":[{"tag":"paper 2.1","file":"src/ch01_a/a.h","test":"tests/none.cpp"},
                  {"tag":"paper 3","file":"src/ch01_a/a.h","test":"src/ch01_a/a.h"}]})");
  EXPECT_EQ(paper_map_offences(scratch_.path()),
            "docs/paper_map.json: paper 2.1: test \"tests/none.cpp\" does not exist\n"
            "src/ch01_a/a.h: [paper 4] is not in docs/paper_map.json\n");
}

}  // namespace
}  // namespace ramoe
