// Chapter 1.2 - memory: an arena for everything that lives for one step
//
// Activations, their gradients and the tape's closures are taken from an arena and given back all
// at once by reset(). The first step grows it; from the second step of the same shapes on nothing
// is allocated. Kept from step to step, it makes forward and backward 1.1 times as fast as an arena
// for each step, whose pages the system must clear anew (`ramoe bench --only=ideas`,
// docs/speed.md).
//
// It is one stretch of addresses, as long as the machine has memory, of which only what is used
// becomes memory. So it grows where it lies: nothing moves, and no step pays for putting the pieces
// of the one before it together. Emulators and some containers charge for addresses that are merely
// reserved: RAMOE_ARENA_GB in the environment, in GiB, caps those of each arena, and a step that
// needs more is out of memory. Tests: tests/ch01_tensor/arena_test.cpp
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
  /// Consecutive blocks are staggered, because blocks at equal offsets in their 4 KB pages evict
  /// one another from the first cache level.
  template <class Value>
  Value* take(std::size_t count) {
    return static_cast<Value*>(take_bytes(count * sizeof(Value)));
  }

  /// Everything taken becomes invalid.
  void reset();

  /// A place to return to: release(mark()) frees what was taken in between.
  struct Mark {
    std::size_t used;
  };
  Mark mark() const { return {used_}; }
  void release(Mark mark) { used_ = mark.used; }

  /// Bytes that the system has granted; those never touched take no memory.
  std::size_t bytes_granted() const { return granted_; }
  /// The most bytes that were in use at once.
  std::size_t most_bytes() const { return most_; }
  /// How often the system was asked for memory; constant after the first step.
  int allocations() const { return allocations_; }

 private:
  void* take_bytes(std::size_t bytes);
  void reserve();
  void grow(std::size_t least, std::size_t wanted);

  std::byte* memory_ = nullptr;  // [0, granted_) may be used, [0, reserved_) are our addresses
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
  std::size_t most_bytes() const;
  int allocations() const;

 private:
  void* take_bytes(std::size_t bytes);
};

/// The arena of values of type T.
template <class T>
using ArenaOf = std::conditional_t<Lives<T>::on_gpu, GpuArena, Arena>;

}  // namespace ramoe
