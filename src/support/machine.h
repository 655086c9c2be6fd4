// Support - what the machine gives: memory that is free, and what the environment says of it.
// Tests: tests/support/machine_test.cpp
#pragma once

#include <optional>
#include <string>

namespace ramoe {

/// The bytes that an environment variable gives in GiB, such as RAMOE_ARENA_GB=2.5; nothing if it
/// is not set or empty. Error: no number above 0.
std::optional<double> environment_gigabytes(const char* name);

/// Memory that the process may still take, and what says so.
struct FreeMemory {
  double bytes;
  std::string said_by;  // "free on this machine", "left of the limit of the cgroup ..."
};
/// RAMOE_MEMORY_GB if it is set; otherwise the least of MemAvailable in /proc/meminfo, what is left
/// of the process's cgroups (v1 or v2) and of its limits (ulimit); where none of these is there,
/// the memory of the machine. Files of the system are read below `root`.
FreeMemory free_memory(const std::string& root = "");

}  // namespace ramoe
