// CUDA emulation - the memory of the GPU, apart from that of the host
//
// One stretch of addresses is the GPU's. A thread may touch it only while it runs a kernel or a
// copy (an Access lives); a host that follows a pointer of the GPU ends in a fault that names the
// place (faults.h). Where the processor has protection keys (x86 since 2019) to open and close the
// memory costs 20 ns; elsewhere mprotect does it, which costs so much for each megabyte that only
// programs with little memory are guarded.
//
// What is handed out is filled with NaN, as nothing is known of fresh memory of a GPU. Indices out
// of bounds are found exactly under AddressSanitizer and in the memory check, else by page.
#pragma once

#include <cstddef>
#include <string>

namespace emulation {

/// Bytes of the GPU, and those of them that nobody has; for tests, as if somebody had `bytes`.
inline constexpr std::size_t kMemory = std::size_t{4} << 30;
std::size_t free_memory();
void take_memory(std::size_t bytes);

/// Addresses without memory; grant() makes the first of them memory, of which hand_out() makes
/// parts usable, and withdraw() ends that. False: there is not as much.
void* reserve(std::size_t bytes);
bool grant(void* from, std::size_t bytes);
void hand_out(void* at, std::size_t bytes);
void withdraw(void* at, std::size_t bytes);
void give_back(void* from);

/// cudaMalloc and cudaFree. Null: there is not as much.
void* allocate(std::size_t bytes);
void deallocate(void* memory);

/// The host's copies, into the GPU's memory and out of it. Error: from or to the wrong side.
void copy_in(void* to, const void* from, std::size_t bytes);
void copy_out(void* to, const void* from, std::size_t bytes);
void copy_within(void* to, const void* from, std::size_t bytes);
void set_bytes(void* at, int byte, std::size_t bytes);

/// While one lives, its thread may touch the GPU's memory.
class Access {
 public:
  Access();
  ~Access();
  Access(const Access&) = delete;
  Access& operator=(const Access&) = delete;
};

/// Whether a host that touches the memory is stopped: with protection keys always.
bool is_guarded();
/// Whether the address is one of the GPU, allocated or not.
bool is_device(const void* address);
/// Whether kernels may touch these bytes; only kept by the memory check.
bool is_usable(const void* address, std::size_t bytes);
/// "8 bytes behind an allocation of 400 bytes", for messages.
std::string describe(const void* address);

}  // namespace emulation
