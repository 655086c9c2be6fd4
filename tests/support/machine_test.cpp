#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>

#include "support/files.h"
#include "support/platform.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

constexpr double kMega = 1 << 20;

/// Files of a system below a folder.
class Machine : public testing::Test {
 protected:
  void put(const std::string& path, const std::string& text) {
    const std::string file = scratch_.file("root" + path);
    make_folder(std::filesystem::path(file).parent_path().string());
    write_file(file, text);
  }
  FreeMemory seen() { return free_memory(scratch_.file("root")); }

  ScratchFolder scratch_;
};

TEST_F(Machine, MemoryIsTheLeastThatSystemAndCgroupsLeave) {
  put("/proc/meminfo", "MemTotal: 4096000 kB\nMemFree: 1000 kB\nMemAvailable:    2048000 kB\n");
  EXPECT_EQ(seen().bytes, 2048000.0 * 1024);
  EXPECT_EQ(seen().said_by, "free on this machine");
  // The limit of a cgroup above; pages of files do not count as used.
  put("/proc/self/cgroup", "0::/user/job\n");
  put("/sys/fs/cgroup/user/job/memory.max", "max\n");
  put("/sys/fs/cgroup/user/job/memory.current", "1048576\n");
  put("/sys/fs/cgroup/user/memory.max", "524288000\n");
  put("/sys/fs/cgroup/user/memory.current", "104857600\n");
  put("/sys/fs/cgroup/user/memory.stat", "anon 5\ninactive_file 41943040\nactive_file 10485760\n");
  EXPECT_EQ(seen().bytes, 450 * kMega);
  EXPECT_NE(seen().said_by.find("/user/memory.max"), std::string::npos);
  // A container sees its own cgroup as the root, and maybe the host's path to it.
  put("/sys/fs/cgroup/memory.max", "314572800");
  put("/sys/fs/cgroup/memory.current", "104857600");
  EXPECT_EQ(seen().bytes, 200 * kMega);
  put("/sys/fs/cgroup/memory.current", "414572800");
  EXPECT_EQ(seen().bytes, 0);
}

TEST_F(Machine, ProcessorsByNameOrByTheNumbersOfArm) {
  const std::string root = scratch_.file("root");
  EXPECT_EQ(cpuinfo_name(root), "");
  put("/proc/cpuinfo", "processor\t: 0\nvendor_id\t: A\nmodel name\t: A 7 Core\nflags\t: avx2\n");
  EXPECT_EQ(cpuinfo_name(root), "A 7 Core");
  put("/proc/cpuinfo", "processor\t: 0\nCPU implementer\t: 0x41\nCPU variant\t: 0x4\n"
                       "CPU part\t: 0xd0b\nCPU revision\t: 1\n");
  EXPECT_EQ(cpuinfo_name(root), "Cortex-A76");
  put("/proc/cpuinfo", "CPU implementer\t: 0x41\nCPU part\t: 0x123\n");
  EXPECT_EQ(cpuinfo_name(root), "ARM, implementer 0x41, part 0x123");
}

TEST_F(Machine, TheFirstVersionOfCgroups) {
  put("/proc/meminfo", "MemAvailable: 2048000 kB\n");
  put("/proc/self/cgroup", "11:cpu,cpuacct:/a\n5:memory:/a\n");
  put("/sys/fs/cgroup/memory/a/memory.limit_in_bytes", "209715200\n");
  put("/sys/fs/cgroup/memory/a/memory.usage_in_bytes", "104857600\n");
  put("/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
  put("/sys/fs/cgroup/memory/memory.usage_in_bytes", "104857600\n");
  EXPECT_EQ(seen().bytes, 100 * kMega);
}

TEST_F(Machine, WithoutSuchFilesItIsThatOfTheMachine) {
  const FreeMemory memory = seen();
  EXPECT_GT(memory.bytes, 0);
  EXPECT_EQ(memory.said_by, "in this machine");
}

TEST_F(Machine, TheEnvironmentHasTheLastWord) {
  put("/proc/meminfo", "MemAvailable: 2048000 kB\n");
  ::setenv("RAMOE_MEMORY_GB", "0.5", 1);
  EXPECT_EQ(seen().bytes, 512 * kMega);
  for (const char* text : {"0", "-1", "many", "4GB", "nan", "inf"}) {
    ::setenv("RAMOE_MEMORY_GB", text, 1);
    const std::string error = error_of([&] { seen(); });
    expect_contains(error, "RAMOE_MEMORY_GB");
    expect_contains(error, text);
  }
  ::setenv("RAMOE_MEMORY_GB", "", 1);
  EXPECT_EQ(seen().said_by, "free on this machine");
  ::unsetenv("RAMOE_MEMORY_GB");
}

}  // namespace
}  // namespace ramoe
