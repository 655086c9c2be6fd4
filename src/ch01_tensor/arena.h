// Chapter 1.3 - memory: an arena for everything that lives for one step
//
// Activations, their gradients and the tape's closures are taken from an arena and given back all
// at once by reset(). The first step grows it; later steps of the same shapes allocate nothing.
// Keeping one arena makes forward and backward 1.1 times as fast as taking a new one for each step,
// because the system must clear new pages (`ramoe bench --only=ideas`, docs/speed.md).
//
// An arena reserves one range of addresses, as long as the machine's memory; only the pages that
// are used become memory. So it grows in place, and nothing is moved or merged. Emulators and some
// containers charge for reserved addresses too: RAMOE_ARENA_GB in the environment, in GiB, limits
// the range of each arena, and a step that needs more is out of memory.
// Tests: tests/ch01_tensor/arena_test.cpp
#pragma once

#include <cstddef>
#include <type_traits>

#include "ch01_tensor/storage.h"

namespace ramoe {

class Arena {
 public:
  Arena() = default;
  ~Arena();
  Arena(const Arena&) = delete;
  Arena& operator=(const Arena&) = delete;

  /// Memory for `count` values, 64-byte aligned, not initialised, valid until reset() or release().
  /// Blocks of 4 KB or more are staggered, because blocks at equal offsets in their 4 KB pages
  /// evict one another from the L1 cache.
  template <class Value>
  Value* take(std::size_t count) {
    return static_cast<Value*>(take_bytes(count * sizeof(Value)));
  }

  /// Everything taken becomes invalid.
  void reset();

  /// A position to return to: release(m), with m from mark(), frees all that was taken after it.
  struct Mark {
    std::size_t used;
  };
  Mark mark() const { return {used_}; }
  void release(Mark mark) { used_ = mark.used; }

  /// Bytes that the system has granted; pages never touched take no memory.
  std::size_t bytes_granted() const { return granted_; }
  /// Max bytes in use at once.
  std::size_t most_bytes() const { return most_; }
  /// How often the system was asked for memory; constant once the arena has grown.
  int allocations() const { return allocations_; }

 private:
  void* take_bytes(std::size_t bytes);
  void reserve();
  void grow(std::size_t least, std::size_t wanted);

  std::byte* memory_ = nullptr;  // [0, granted_) may be used, [0, reserved_) is reserved
  std::size_t reserved_ = 0, granted_ = 0, used_ = 0, most_ = 0, taken_ = 0;
  bool first_step_ = true;
  int allocations_ = 0;
};

/// The same in the memory of a GPU; defined in cuda/.
class GpuArena {
 public:
  GpuArena();
  ~GpuArena();
  GpuArena(const GpuArena&) = delete;
  GpuArena& operator=(const GpuArena&) = delete;
  template <class Value>
  Value* take(std::size_t count) {
    return static_cast<Value*>(take_bytes(count * sizeof(Value)));
  }
  void reset();
  struct Mark {
    std::size_t used;
  };
  Mark mark() const;
  void release(Mark mark);
  std::size_t bytes_granted() const;
  std::size_t most_bytes() const;
  int allocations() const;

 private:
  struct State;
  void* take_bytes(std::size_t bytes);
  State* state_;
};

/// The arena of values of type T.
template <class T>
using ArenaOf = std::conditional_t<Lives<T>::on_gpu, GpuArena, Arena>;

}  // namespace ramoe
