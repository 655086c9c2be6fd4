// Values in a GPU's memory, for tests: fenced, copied in and out.
#pragma once

#include <vector>

#include "ch01_tensor/storage.h"
#include "support/compare.h"

namespace ramoe {

/// Room for values on the GPU between sentinels. They start as given, or as poison. A fence of 64
/// values leaves them aligned for vectors, one of 17 does not.
template <class Value>
class Placed {
 public:
  explicit Placed(const std::vector<Value>& values, std::size_t fence = 64)
      : count_(values.size()), fence_(fence), memory_(count_ + 2 * fence) {
    std::vector<Value> all(fence, kSentinel);
    all.insert(all.end(), values.begin(), values.end());
    all.resize(memory_.size(), kSentinel);
    copy_in(memory_.data(), all.data(), all.size());
  }
  static Placed poisoned(std::size_t count, std::size_t fence = 64) {
    return Placed(std::vector<Value>(count, kPoison), fence);
  }
  Gpu<Value>* data() { return memory_.data() + fence_; }
  std::vector<Value> host() const {
    const std::vector<Value> all = whole();
    return {all.begin() + std::ptrdiff_t(fence_), all.end() - std::ptrdiff_t(fence_)};
  }
  /// Whether nothing was written beside the values.
  bool intact() const {
    const std::vector<Value> all = whole();
    for (std::size_t i = 0; i < fence_; ++i)
      if (all[i] != kSentinel || all[fence_ + count_ + i] != kSentinel) return false;
    return true;
  }
  static constexpr Value kPoison = std::numeric_limits<Value>::has_quiet_NaN
                                       ? std::numeric_limits<Value>::quiet_NaN()
                                       : Value(-777);

 private:
  static constexpr Value kSentinel = Value(-12345);
  std::vector<Value> whole() const {
    std::vector<Value> all(memory_.size());
    copy_out(all.data(), memory_.data(), all.size());
    return all;
  }
  std::size_t count_, fence_;
  GpuVector<Gpu<Value>> memory_;
};

/// As floats, or as doubles.
template <class To, class From>
std::vector<To> values_as(const std::vector<From>& from) {
  return std::vector<To>(from.begin(), from.end());
}

}  // namespace ramoe
