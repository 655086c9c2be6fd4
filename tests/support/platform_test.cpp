#include "support/platform.h"

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <sstream>
#include <vector>

#include "support/files.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// Names that Linux, glibc or GCC have and macOS or clang have not, as "line: name" of a text;
/// not between `#if defined(__linux__)` and `#endif`.
std::string names_of_one_platform(const std::string& text) {
  std::istringstream words(
      "/proc/self /proc/cpuinfo /sys/fs malloc.h> malloc_trim malloc_usable_size MADV_HUGEPAGE "
      "MAP_POPULATE mremap memfd_ O_TMPFILE O_DIRECT prctl sched_setaffinity sched_getcpu "
      "program_invocation secure_getenv strchrnul renameat2 copy_file_range sendfile fallocate "
      "pipe2 epoll_ inotify fdatasync fmemopen get_nprocs target_clones __builtin_shuffle( "
      "__SANITIZE_ADDRESS__ <execution> std::jthread std::stop_token std::format( "
      "std::atomic_ref <ranges> <format> <barrier> _SC_PHYS_PAGES");
  std::vector<std::string> names;
  for (std::string name; words >> name;) names.push_back(name);
  std::string found;
  std::istringstream lines(text);
  int number = 0;
  bool for_linux = false;
  for (std::string line; std::getline(lines, line);) {
    ++number;
    if (line.starts_with("#if defined(__linux__)")) for_linux = true;
    if (line.starts_with("#endif")) for_linux = false;
    if (for_linux) continue;
    for (const std::string& name : names)
      if (mentions(line, name)) found += cat(number, ": ", name, "\n");
  }
  return found;
}

TEST(Platform, OnlyItsOwnFilesNameWhatOneSystemHas) {
  namespace fs = std::filesystem;
  const std::string root = RAMOE_SOURCE_DIR;
  std::string found;
  for (const char* top : {"/src", "/tests"})
    for (const auto& entry : fs::recursive_directory_iterator(root + top)) {
      const std::string path = fs::relative(entry.path(), root).string();
      const std::string end = entry.path().extension().string();
      // Those whose business it is, and programs for one kind of machine.
      if ((end != ".h" && end != ".cpp") || path.starts_with("src/support/platform.") ||
          path == "tests/support/platform_test.cpp" || path.starts_with("tests/bench/") ||
          path == "tests/support/machine_test.cpp" || path.starts_with("tests/cuda/") ||
          path.starts_with("tests/labs/guard") || path.starts_with("tests/labs/trusted"))
        continue;
      const std::string names = names_of_one_platform(read_file(entry.path().string()));
      if (!names.empty()) found += path + "\n" + names;
    }
  EXPECT_EQ(found, "");
}

TEST(Platform, TheSearchFindsThem) {
  EXPECT_EQ(names_of_one_platform("int x;\n#include <malloc.h>\n"), "2: malloc.h>\n");
  const std::string own = "#if defined(__linux__)\na(MADV_HUGEPAGE);\n#endif\n";
  EXPECT_EQ(names_of_one_platform(own), "");
  EXPECT_EQ(names_of_one_platform(own + "mremap();\n"), "4: mremap\n");
  EXPECT_EQ(names_of_one_platform("x = __builtin_shufflevector(a, b, 0);"), "");
}

TEST(Platform, TellsOfThisMachineAndProcess) {
  EXPECT_GT(machine_memory(), 64e6);
  EXPECT_TRUE(memory_in_use() == 0 || memory_in_use() > 1e5);
  EXPECT_TRUE(peak_memory() == 0 || peak_memory() >= memory_in_use() / 2);
  EXPECT_TRUE(std::filesystem::exists(program_file()));
  expect_contains(program_called_as(), "support_test");
  const std::string compiler = compiler_name();
  EXPECT_TRUE(mentions(compiler, "g++ ") || mentions(compiler, "lang ")) << compiler;
  void* const block = std::malloc(100);
  EXPECT_GE(heap_block_bytes(block), 100u);
  std::free(block);
}

}  // namespace
}  // namespace ramoe
