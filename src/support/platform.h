// Support - what Linux and macOS do each in its own way, in one place
//
// The macOS half was written from memory of Apple's interfaces and was never compiled
// (docs/compilers.md). Everything else is C++20 and POSIX; a test looks for what is not.
// Tests: tests/support/platform_test.cpp
#pragma once

#include <cstddef>
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

/// What macOS says is free, in bytes; infinity on Linux, which tells it in files (machine.cpp).
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

}  // namespace ramoe
