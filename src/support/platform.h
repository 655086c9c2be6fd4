// Support - what Linux and macOS do each in its own way, in one place
//
// The macOS half was written from memory of Apple's interfaces and was never compiled
// (docs/compilers.md). Everything else is C++20 and POSIX; a test looks for what is not.
// Tests: tests/support/platform_test.cpp, machine_test.cpp
#pragma once

#include <cstddef>
#include <optional>
#include <string>

#if defined(__SANITIZE_ADDRESS__)
#define RAMOE_ADDRESS_SANITIZER 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define RAMOE_ADDRESS_SANITIZER 1
#endif
#endif

namespace ramoe {

/// The processor's name as its maker gives it; empty if the system does not tell.
std::string processor_name();

/// The memory of the machine in bytes; 0 if the system does not tell.
double machine_memory();

/// What macOS says is free, in bytes; infinity on Linux, which tells it in files.
double memory_free_by_system();

/// The process's memory in bytes: now, and the most since forget_peak_memory() (macOS cannot
/// forget, and tells none). 0 if the system does not tell.
double memory_in_use();
double peak_memory();
void forget_peak_memory();

/// Asks for large pages, where the system has such a call. A hint.
void use_large_pages(void* memory, std::size_t bytes);

/// What malloc really gave for a block.
std::size_t heap_block_bytes(void* block);

/// The file of the running program, and the name it was called by.
std::string program_file();
std::string program_called_as();

/// The compiler and its version: "g++ 12.2.0".
std::string compiler_name();

// ---- Files of Linux and the environment ---------------------------------------------------------

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
