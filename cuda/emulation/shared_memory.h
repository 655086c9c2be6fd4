// CUDA emulation - the dynamic shared memory of the block that runs
//
// `__shared__` variables are static variables of the program, as blocks run one after the other.
#pragma once

#include <cstddef>
#include <string>

namespace emulation {

constexpr std::size_t kMostShared = 227 << 10;  // of a block, as on an H100

/// Begins at a multiple of 16.
void* dynamic_shared();
/// Before a launch: so many bytes from now on.
void place_shared(std::size_t bytes);
/// Before a block: what the block before has left becomes NaN.
void clear_shared();
/// Empty if the address is not near.
std::string describe_shared(const void* address);

}  // namespace emulation
