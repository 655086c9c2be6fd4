// Chapter 1.3 on the GPU - the arena of a step, in memory that grows in place
#include "ch01_tensor/arena.h"

#include <algorithm>

#include "cuda/support/device.h"
#include "cuda/support/launch.h"
#ifndef __CUDACC__
#include "cuda/emulation/device_memory.h"
#endif

namespace ramoe {
namespace {

// Emulated, what lies between tensors or was released may not be touched, and what is taken is NaN.
#ifdef __CUDACC__
constexpr std::size_t kGap = 0;
void hand_out(std::byte*, std::size_t) {}
void withdraw(std::byte*, std::size_t) {}
#else
constexpr std::size_t kGap = 1;  // at least one byte
void hand_out(std::byte* at, std::size_t bytes) {
  emulation::hand_out(at, bytes);
  if (cuda::recording_now) cuda::recording_now->memory.emplace_back(at, bytes);
}
using emulation::withdraw;
#endif

}  // namespace

struct GpuArena::State {
  cuda::GrowingMemory memory;
  std::size_t used = 0, most = 0;
  int allocations = 0;
};

GpuArena::GpuArena() : state_(new State) {}
GpuArena::~GpuArena() {
  delete state_;
}

void* GpuArena::take_bytes(std::size_t bytes) {
  State& s = *state_;
  const std::size_t begin = s.used;
  const std::size_t end = begin + cuda::ceil_div(bytes + kGap, std::size_t{256}) * 256;
  if (end > s.memory.bytes()) {
    // More than is needed, so that a growing first step asks rarely.
    s.memory.grow(end, end + (end >> 30 == 0 ? end / 2 : end / 8));
    ++s.allocations;
  }
  s.used = end;
  s.most = std::max(s.most, end);
  hand_out(s.memory.begin() + begin, bytes);
  return s.memory.begin() + begin;
}

void GpuArena::reset() {
  release({0});
}
GpuArena::Mark GpuArena::mark() const {
  return {state_->used};
}
void GpuArena::release(Mark mark) {
  withdraw(state_->memory.begin() + mark.used, state_->used - mark.used);
  state_->used = mark.used;
}
std::size_t GpuArena::bytes_granted() const {
  return state_->memory.bytes();
}
std::size_t GpuArena::most_bytes() const {
  return state_->most;
}
int GpuArena::allocations() const {
  return state_->allocations;
}

}  // namespace ramoe
