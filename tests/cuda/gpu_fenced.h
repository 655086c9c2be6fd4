// Room on a GPU between sentinels, and the values of it on the host.
#pragma once

#include <cstddef>
#include <limits>
#include <vector>

#include "ch01_tensor/storage.h"
#include "support/compare.h"

namespace ramoe {

/// Fenced<float> on the GPU. The inside is 16-byte aligned if `fence` is a multiple of 4; an odd
/// one makes the kernels take single values.
class GpuFenced {
 public:
  GpuFenced(const std::vector<float>& inside, std::size_t fence)
      : count_(inside.size()), fence_(fence), memory_(inside.size() + 2 * fence) {
    std::vector<float> all(memory_.size(), kSentinel);
    for (std::size_t i = 0; i < count_; ++i) all[fence + i] = inside[i];
    copy_in(memory_.data(), all.data(), all.size());
  }
  explicit GpuFenced(std::size_t count, std::size_t fence, float inside = kNan)
      : GpuFenced(std::vector<float>(count, inside), fence) {}
  GpuFloat* data() { return memory_.data() + fence_; }
  /// The inside; if a fence does not stand, nothing.
  std::vector<float> host() const {
    std::vector<float> all(memory_.size());
    copy_out(all.data(), memory_.data(), all.size());
    for (std::size_t i = 0; i < fence_; ++i)
      if (all[i] != kSentinel || all[fence_ + count_ + i] != kSentinel) return {};
    return {all.begin() + std::ptrdiff_t(fence_), all.end() - std::ptrdiff_t(fence_)};
  }

 private:
  static constexpr float kSentinel = -12345;
  std::size_t count_, fence_;
  GpuVector<GpuFloat> memory_;
};

/// Indices on the GPU.
inline GpuVector<GpuInt> gpu_indices(const std::vector<int>& host) {
  GpuVector<GpuInt> there(host.size());
  copy_in(there.data(), host.data(), host.size());
  return there;
}

template <class To, class From>
std::vector<To> values_as(const std::vector<From>& from) {
  return std::vector<To>(from.begin(), from.end());
}

inline constexpr std::size_t kAligned = 16, kUnaligned = 17;

}  // namespace ramoe
