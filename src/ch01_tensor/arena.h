// Chapter 1.1 - memory: an arena for everything that lives for one step
//
// Activations, their gradients and the tape's closures are taken from an arena and given back all
// at once by reset(). The first step grows it; from the second step of the same shapes on nothing
// is allocated. Kept from step to step, it makes forward and backward 1.1 times as fast as an arena
// for each step, whose pages the system must clear anew (`ramoe bench --only=ideas`,
// docs/speed.md). Tests: tests/ch01_tensor/arena_test.cpp
#pragma once

#include <cstddef>
#include <vector>

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

  /// Everything taken becomes invalid. If the last step needed several blocks, they become one.
  void reset();

  /// A place to return to: release(mark()) frees what was taken in between.
  struct Mark {
    std::size_t block, used;
  };
  Mark mark() const { return {current_, blocks_.empty() ? 0 : blocks_[current_].used}; }
  void release(Mark mark);

  std::size_t bytes_reserved() const;
  /// How often the system was asked for memory; constant after the first step.
  int allocations() const { return allocations_; }

 private:
  struct Block {
    std::byte* memory;
    std::size_t size, used;
  };
  void* take_bytes(std::size_t bytes);
  void add_block(std::size_t at_least);

  std::vector<Block> blocks_;
  std::size_t current_ = 0, taken_ = 0;
  int allocations_ = 0;
};

}  // namespace ramoe
