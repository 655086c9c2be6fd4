// CUDA emulation - how a warp's loads and stores fall on memory, line by line
//
// A warp's 32 loads at one instruction are one request. The GPU's memory moves whole sectors of 32
// bytes: 32 neighbouring floats are 4 sectors, 32 floats far apart are 32, eight times the traffic.
// Shared memory has 32 banks, word w in bank w % 32; each turn every bank gives one word, so words
// of one bank wait for one another. Counted only in a program that is built for the memory check.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

namespace emulation {

/// All accesses of one line of the kernels, since counting began.
struct Traffic {
  std::string line;  // "gemm.cu:37"
  bool shared = false;
  long requests = 0, bytes = 0;
  long sectors = 0, fewest_sectors = 0;  // and how few would do for these bytes
  long turns = 0, fewest_turns = 0;      // of the banks
};

/// Begins, with nothing counted, or ends.
void count_traffic(bool on);
/// In order of the lines.
std::vector<Traffic> traffic();
/// As a table to print.
std::string traffic_table();

/// The memory check's: an access of the present thread.
inline constinit bool counting = false;
void count_access(const void* code, const void* at, std::size_t bytes, bool shared);

}  // namespace emulation
