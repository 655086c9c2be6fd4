// CUDA emulation - the calls of code compiled with -fsanitize=thread, for the memory check
#include <cstddef>
#include <cstring>

#include "cuda/emulation/memory_check.h"
#include "cuda/emulation/place.h"

#ifndef EMULATION_ASAN  // two sanitizers in one program do not go together

// Only these exist of ThreadSanitizer; a compiler's version of it that calls others fails to link.
extern "C" {

void __tsan_init() {
  emulation::watching = true;
}
void __tsan_func_entry(void*) {}
void __tsan_func_exit() {}

#define RAMOE_WATCHED(name, bytes, writes)                                   \
  void name(void* at) {                                                      \
    emulation::check_access(at, bytes, writes, __builtin_return_address(0)); \
  }
#define RAMOE_WATCHED_SIZE(bytes)                           \
  RAMOE_WATCHED(__tsan_read##bytes, bytes, false)           \
  RAMOE_WATCHED(__tsan_write##bytes, bytes, true)           \
  RAMOE_WATCHED(__tsan_unaligned_read##bytes, bytes, false) \
  RAMOE_WATCHED(__tsan_unaligned_write##bytes, bytes, true)
RAMOE_WATCHED_SIZE(1)
RAMOE_WATCHED_SIZE(2)
RAMOE_WATCHED_SIZE(4)
RAMOE_WATCHED_SIZE(8)
RAMOE_WATCHED_SIZE(16)
void __tsan_read_range(void* at, std::size_t bytes) {
  emulation::check_access(at, bytes, false, __builtin_return_address(0));
}
void __tsan_write_range(void* at, std::size_t bytes) {
  emulation::check_access(at, bytes, true, __builtin_return_address(0));
}
// Newer versions of clang call these in place of the library's.
void* __tsan_memcpy(void* to, const void* from, std::size_t bytes) {
  emulation::check_access(from, bytes, false, __builtin_return_address(0));
  emulation::check_access(to, bytes, true, __builtin_return_address(0));
  return std::memcpy(to, from, bytes);
}
void* __tsan_memmove(void* to, const void* from, std::size_t bytes) {
  emulation::check_access(from, bytes, false, __builtin_return_address(0));
  emulation::check_access(to, bytes, true, __builtin_return_address(0));
  return std::memmove(to, from, bytes);
}
void* __tsan_memset(void* to, int value, std::size_t bytes) {
  emulation::check_access(to, bytes, true, __builtin_return_address(0));
  return std::memset(to, value, bytes);
}
void __tsan_vptr_update(void** at, void*) {
  emulation::check_access(at, sizeof *at, true, __builtin_return_address(0));
}
void __tsan_vptr_read(void** at) {
  emulation::check_access(at, sizeof *at, false, __builtin_return_address(0));
}

// Atomics of the host's code beside the kernels.
#define RAMOE_ATOMICS(bits, type)                                                                \
  type __tsan_atomic##bits##_load(const volatile type* at, int) {                                \
    return __atomic_load_n(at, __ATOMIC_SEQ_CST);                                                \
  }                                                                                              \
  void __tsan_atomic##bits##_store(volatile type* at, type value, int) {                         \
    __atomic_store_n(at, value, __ATOMIC_SEQ_CST);                                               \
  }                                                                                              \
  type __tsan_atomic##bits##_exchange(volatile type* at, type value, int) {                      \
    return __atomic_exchange_n(at, value, __ATOMIC_SEQ_CST);                                     \
  }                                                                                              \
  type __tsan_atomic##bits##_fetch_add(volatile type* at, type value, int) {                     \
    return __atomic_fetch_add(at, value, __ATOMIC_SEQ_CST);                                      \
  }                                                                                              \
  type __tsan_atomic##bits##_fetch_sub(volatile type* at, type value, int) {                     \
    return __atomic_fetch_sub(at, value, __ATOMIC_SEQ_CST);                                      \
  }                                                                                              \
  int __tsan_atomic##bits##_compare_exchange_strong(volatile type* at, type* wanted, type value, \
                                                    int, int) {                                  \
    return __atomic_compare_exchange_n(at, wanted, value, false, __ATOMIC_SEQ_CST,               \
                                       __ATOMIC_SEQ_CST);                                        \
  }
RAMOE_ATOMICS(8, unsigned char)
RAMOE_ATOMICS(32, unsigned)
RAMOE_ATOMICS(64, unsigned long)

}  // extern "C"

#endif
