#include "ch01_tensor/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

namespace ramoe {
namespace {
constexpr std::size_t kHugePage = std::size_t{2} << 20;

std::size_t round_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}
}  // namespace

Arena::~Arena() {
  for (const Block& block : blocks_) ::munmap(block.memory, block.size);
}

void Arena::add_block(std::size_t at_least) {
  // Grow by half of what there is, so that a growing first step needs few blocks.
  // At least one page: an empty arena can be asked for no bytes.
  const std::size_t size =
      round_up(std::max({std::size_t{1}, at_least, bytes_reserved() / 2}), kHugePage);
  void* memory = ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (memory == MAP_FAILED) throw std::bad_alloc();
  if (size >= 4 * kHugePage) ::madvise(memory, size, MADV_HUGEPAGE);  // a hint; failure is harmless
  blocks_.push_back({static_cast<std::byte*>(memory), size, 0});
  current_ = blocks_.size() - 1;
  ++allocations_;
}

void* Arena::take_bytes(std::size_t bytes) {
  const std::size_t stagger = bytes >= 4096 ? 64 * (++taken_ % 8) : 0;
  const std::size_t needed = round_up(bytes + stagger, 64);
  while (current_ < blocks_.size() && blocks_[current_].used + needed > blocks_[current_].size) {
    if (current_ + 1 == blocks_.size()) break;
    blocks_[++current_].used = 0;
  }
  if (blocks_.empty() || blocks_[current_].used + needed > blocks_[current_].size)
    add_block(needed);
  Block& block = blocks_[current_];
  std::byte* memory = block.memory + block.used + stagger;
  block.used += needed;
  return memory;
}

void Arena::reset() {
  if (blocks_.size() > 1) {
    const std::size_t total = bytes_reserved() + bytes_reserved() / 4;  // room for longer batches
    for (const Block& block : blocks_) ::munmap(block.memory, block.size);
    blocks_.clear();
    add_block(total);
  }
  current_ = taken_ = 0;
  if (!blocks_.empty()) blocks_[0].used = 0;
}

void Arena::release(Mark mark) {
  if (blocks_.empty()) return;
  current_ = mark.block;
  blocks_[current_].used = mark.used;
}

std::size_t Arena::bytes_reserved() const {
  std::size_t total = 0;
  for (const Block& block : blocks_) total += block.size;
  return total;
}

}  // namespace ramoe
