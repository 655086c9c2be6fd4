#include "ch01_tensor/arena.h"

#include <sys/mman.h>

#include <algorithm>
#include <new>

#include "support/platform.h"

namespace ramoe {
namespace {
constexpr std::size_t kHugePage = std::size_t{2} << 20;
// Small arenas (tests and single answers make many) use pages of the usual size only.
constexpr std::size_t kSmall = 2 * kHugePage;

std::size_t round_up(std::size_t value, std::size_t unit) {
  return (value + unit - 1) / unit * unit;
}

/// Max size of an arena: the memory of the machine, or less if RAMOE_ARENA_GB says so.
std::size_t most_addresses() {
  const auto bytes = static_cast<std::size_t>(machine_memory());
  const std::size_t all = round_up(std::max(bytes, std::size_t{1} << 30), kHugePage);
  const auto cap = environment_gigabytes("RAMOE_ARENA_GB");
  if (!cap || *cap >= static_cast<double>(all)) return all;
  return round_up(static_cast<std::size_t>(*cap), kHugePage);
}
}  // namespace

Arena::~Arena() {
  if (memory_ != nullptr) ::munmap(memory_, reserved_);
}

void Arena::reserve() {
  // Addresses without access do not count as memory, except for a limit on addresses (ulimit -v).
  // If there is one, reserve less.
  for (std::size_t size = most_addresses(); size >= kHugePage; size = round_up(size / 2, 4096)) {
    void* at = ::mmap(nullptr, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (at == MAP_FAILED) continue;
    memory_ = static_cast<std::byte*>(at);
    reserved_ = size;
    if (size > kSmall) use_large_pages(memory_ + kSmall, size - kSmall);
    return;
  }
  throw std::bad_alloc();
}

void Arena::grow(std::size_t least, std::size_t wanted) {
  if (memory_ == nullptr) reserve();
  // Half more than is wanted, so that a growing first step asks the system rarely.
  const std::size_t size = std::min(reserved_, round_up(wanted + wanted / 2 + 1, kHugePage));
  if (least > size || ::mprotect(memory_ + granted_, size - granted_, PROT_READ | PROT_WRITE) != 0)
    throw std::bad_alloc();
  granted_ = size;
  ++allocations_;
}

void* Arena::take_bytes(std::size_t bytes) {
  const std::size_t stagger = bytes >= 4096 ? 64 * (++taken_ % 8) : 0;
  const std::size_t end = used_ + round_up(bytes + stagger, 64);
  // The first step always keeps an eighth more than it uses: later steps of the same shapes differ
  // a little in size, because tokens go to other experts.
  const std::size_t wanted = first_step_ ? end + end / 8 : end;
  if (memory_ == nullptr || end > granted_ || (wanted > granted_ && granted_ < reserved_))
    grow(end, wanted);
  std::byte* memory = memory_ + used_ + stagger;
  used_ = end;
  most_ = std::max(most_, used_);
  return memory;
}

void Arena::reset() {
  first_step_ = first_step_ && used_ == 0;
  used_ = taken_ = 0;
}

}  // namespace ramoe
