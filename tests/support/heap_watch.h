// The host's heap, counted: what operator new has given and not got back, and the most at once. It
// replaces operator new, so one source file of a test program may include it. Under
// AddressSanitizer, which has an operator new of its own, nothing is counted.
#pragma once

#include <atomic>
#include <cstdlib>
#include <new>

#include "support/platform.h"

namespace ramoe {

#ifdef RAMOE_ADDRESS_SANITIZER
inline constexpr bool heap_is_counted = false;
#else
inline constexpr bool heap_is_counted = true;
#endif
inline std::atomic<long long> heap_held{0}, heap_most{0};

/// Bytes that act() held at once, more than was held before it.
template <class Act>
long long heap_of(const Act& act) {
  const long long before = heap_most = heap_held.load();
  act();
  return heap_most - before;
}

}  // namespace ramoe

#ifndef RAMOE_ADDRESS_SANITIZER
void* operator new(std::size_t bytes) {
  void* const memory = std::malloc(bytes);
  if (!memory) throw std::bad_alloc();
  const long long held = ramoe::heap_held +=
      static_cast<long long>(ramoe::heap_block_bytes(memory));
  long long most = ramoe::heap_most;
  while (most < held && !ramoe::heap_most.compare_exchange_weak(most, held)) {
  }
  return memory;
}
void operator delete(void* memory) noexcept {
  ramoe::heap_held -= static_cast<long long>(ramoe::heap_block_bytes(memory));
  std::free(memory);
}
void operator delete(void* memory, std::size_t) noexcept {
  operator delete(memory);
}
#endif
