#include "cuda/emulation/device_memory.h"

#include <sys/mman.h>

#include <cstdlib>
#include <cstring>
#include <new>

namespace emulation {

void* reserve(std::size_t bytes) {
  void* at = mmap(nullptr, bytes, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (at == MAP_FAILED) throw std::bad_alloc();
  return at;
}
void grant(void* from, std::size_t bytes) {
  if (mprotect(from, bytes, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
}
void give_back(void* from, std::size_t reserved_bytes) {
  munmap(from, reserved_bytes);
}

void* allocate(std::size_t bytes) {
  void* memory = std::aligned_alloc(256, (bytes + 255) / 256 * 256);
  if (memory == nullptr) throw std::bad_alloc();
  return memory;
}
void deallocate(void* memory) {
  std::free(memory);
}

void copy_in(void* to, const void* from, std::size_t bytes) {
  std::memcpy(to, from, bytes);
}
void copy_out(void* to, const void* from, std::size_t bytes) {
  std::memcpy(to, from, bytes);
}
void copy_within(void* to, const void* from, std::size_t bytes) {
  std::memcpy(to, from, bytes);
}
void set_bytes(void* at, int byte, std::size_t bytes) {
  std::memset(at, byte, bytes);
}

}  // namespace emulation
