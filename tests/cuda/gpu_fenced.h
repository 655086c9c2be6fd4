// Rows on a GPU between fences, for the tests of chapter 3.
#pragma once

#include "cuda/placed.h"

namespace ramoe {

/// The inside is 16-byte aligned if `fence` is a multiple of 4; an odd one makes the kernels take
/// single values.
class GpuFenced : public Placed<float> {
 public:
  GpuFenced(const std::vector<float>& inside, std::size_t fence) : Placed(inside, fence) {}
  GpuFenced(std::size_t count, std::size_t fence, float inside = kNan)
      : Placed(std::vector<float>(count, inside), fence) {}
  /// The inside; if a fence does not stand, nothing.
  std::vector<float> host() const { return intact() ? Placed::host() : std::vector<float>{}; }
};

/// Indices on the GPU.
inline GpuVector<GpuInt> gpu_indices(const std::vector<int>& host) {
  GpuVector<GpuInt> there(host.size());
  copy_in(there.data(), host.data(), host.size());
  return there;
}

inline constexpr std::size_t kAligned = 16, kUnaligned = 17;

}  // namespace ramoe
