// CUDA emulation - the size of a page, in which memory is protected
#pragma once

#include <unistd.h>

#include <cstddef>

namespace emulation {

/// 4 KiB mostly; 16 on a Mac and a Raspberry Pi 5, 64 in some ARM clouds.
inline std::size_t page_size() {
  static const std::size_t bytes = static_cast<std::size_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}

inline std::size_t whole_pages(std::size_t bytes) {
  return (bytes + page_size() - 1) / page_size() * page_size();
}

}  // namespace emulation
