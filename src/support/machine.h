// Support - the machine's processor and free memory, and the environment variables that set it.
// Tests: tests/support/machine_test.cpp
#pragma once

#include <optional>
#include <string>

namespace ramoe {

/// An environment variable in GiB, such as RAMOE_ARENA_GB=2.5, as bytes; nothing if it is unset or
/// empty. Error: not a number above 0.
std::optional<double> environment_gigabytes(const char* name);

/// The value of the first line "key : value" in a system file such as /proc/meminfo; empty if it is
/// not there.
std::string system_fact(const std::string& file, const std::string& key);

/// The processor's name as Linux's file below `root` gives it; of ARM's the first core's, from its
/// numbers. Empty if it is not known.
std::string cpuinfo_name(const std::string& root = "");

/// The memory that the process may still take, and the source of that number.
struct FreeMemory {
  double bytes;
  std::string said_by;  // "free on this machine", "left of the limit of the cgroup ..."
};
/// RAMOE_MEMORY_GB if it is set; otherwise the min of MemAvailable in /proc/meminfo, of what is
/// left in the process's cgroups (v1 or v2) and of what is left of its limits (ulimit). If none of
/// these is known: the memory of the machine. System files are read below `root`.
FreeMemory free_memory(const std::string& root = "");

}  // namespace ramoe
