// CUDA emulation - the memory of the GPU, apart from that of the host
#pragma once

#include <cstddef>

namespace emulation {

/// Addresses without memory; grant() makes the first of them usable by kernels.
void* reserve(std::size_t bytes);
void grant(void* from, std::size_t bytes);
void give_back(void* from, std::size_t reserved_bytes);

/// cudaMalloc and cudaFree.
void* allocate(std::size_t bytes);
void deallocate(void* memory);

/// The host's copies, into the GPU's memory and out of it.
void copy_in(void* to, const void* from, std::size_t bytes);
void copy_out(void* to, const void* from, std::size_t bytes);
void copy_within(void* to, const void* from, std::size_t bytes);
void set_bytes(void* at, int byte, std::size_t bytes);

}  // namespace emulation
