// The comparator of the numerical tests, and buffers that show who wrote where.
#pragma once

#include <cmath>
#include <cstddef>
#include <limits>
#include <string>
#include <vector>

#include "ch01_tensor/philox.h"
#include "support/error.h"
#include "support/texts.h"

namespace ramoe {

inline constexpr float kInf = std::numeric_limits<float>::infinity();
inline constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// "" if every got[i] is finite and |got - wanted| <= atol + rtol * |wanted|; else a line about the
/// worst element. A value that is not finite, on either side, is worse than any other.
template <class Got, class Wanted>
std::string difference(const Got* got, const Wanted* wanted, std::size_t n, double atol,
                       double rtol) {
  double worst_excess = 0;
  std::size_t worst = 0, bad = 0;
  for (std::size_t i = 0; i < n; ++i) {
    const double g = double(got[i]), w = double(wanted[i]);
    const bool finite = std::isfinite(g) && std::isfinite(w);
    const double diff = std::abs(g - w), allowed = atol + rtol * std::abs(w);
    if (finite && diff <= allowed) continue;
    ++bad;
    const double excess =
        finite && allowed > 0 ? diff / allowed : std::numeric_limits<double>::infinity();
    if (!(excess <= worst_excess)) {
      worst_excess = excess;
      worst = i;
    }
  }
  if (bad == 0) return "";
  return cat(bad, " of ", n, " differ, the worst at ", worst, ": ", double(got[worst]),
             ", expected ", double(wanted[worst]), " within ", atol, " + ", rtol, " |wanted|");
}

template <class Got, class Wanted>
std::string difference(const std::vector<Got>& got, const std::vector<Wanted>& wanted, double atol,
                       double rtol) {
  if (got.size() != wanted.size()) return cat(got.size(), " values, expected ", wanted.size());
  return difference(got.data(), wanted.data(), got.size(), atol, rtol);
}

/// Room for an output: NaN inside, so that what is not written or is read before is seen, and
/// sentinels on both sides, so that what is written beside is seen.
template <class T>
class Fenced {
 public:
  explicit Fenced(std::size_t count, T inside = std::numeric_limits<T>::quiet_NaN())
      : count_(count), values_(count + 2 * kFence, kSentinel) {
    for (std::size_t i = 0; i < count; ++i) data()[i] = inside;
  }
  T* data() { return values_.data() + kFence; }
  const T* data() const { return values_.data() + kFence; }
  std::size_t size() const { return count_; }
  T operator[](std::size_t i) const { return data()[i]; }
  bool intact() const {
    for (std::size_t i = 0; i < kFence; ++i)
      if (values_[i] != kSentinel || values_[count_ + kFence + i] != kSentinel) return false;
    return true;
  }

 private:
  static constexpr std::size_t kFence = 17;  // odd: the inside starts off any vector's alignment
  static constexpr T kSentinel = T(-12345);
  std::size_t count_;
  std::vector<T> values_;
};

/// "" if the fences stand and the inside compares as in difference().
template <class T, class Wanted>
std::string difference(const Fenced<T>& got, const std::vector<Wanted>& wanted, double atol,
                       double rtol) {
  if (!got.intact()) return "written outside of the output";
  if (got.size() != wanted.size()) return cat(got.size(), " values, expected ", wanted.size());
  return difference(got.data(), wanted.data(), got.size(), atol, rtol);
}

/// Normal values of the given deviation.
template <class T>
std::vector<T> random_values(std::size_t count, unsigned seed, double deviation = 1) {
  Random random(seed, 79);
  std::vector<T> values(count);
  for (T& value : values) value = static_cast<T>(deviation * random.normal());
  return values;
}

}  // namespace ramoe
