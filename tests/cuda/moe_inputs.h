// Choices, flags and comparisons for the tests of routing and experts on the GPU.
#pragma once

#include <algorithm>
#include <cmath>
#include <numeric>

#include "ch01_tensor/philox.h"
#include "placed.h"

namespace ramoe {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;
using Ints = std::vector<int>;
using Bytes = std::vector<unsigned char>;

inline std::size_t product(int a, int b, int c = 1) {
  return std::size_t(a) * std::size_t(b) * std::size_t(c);
}

/// K different experts of E for each of N tokens; expert `left_out` is never among them.
inline Ints random_choices(int N, int E, int K, int left_out, unsigned seed) {
  Random random(seed, 85);
  Ints order(product(E, 1)), chosen;
  std::iota(order.begin(), order.end(), 0);
  if (left_out >= 0 && K < E) order.erase(order.begin() + left_out);
  for (int n = 0; n < N; ++n)
    for (int k = 0; k < K; ++k) {
      const std::size_t left = order.size() - std::size_t(k);
      std::swap(order[std::size_t(k)], order[std::size_t(k) + random.below(std::uint32_t(left))]);
      chosen.push_back(order[std::size_t(k)]);
    }
  return chosen;
}
enum class Padding { none, some, all };
inline Bytes tokens(int N, Padding padding) {
  Bytes flags(std::size_t(N), padding != Padding::all);
  for (int n = 1; padding == Padding::some && n < N; n += 3) flags[std::size_t(n)] = 0;
  return flags;
}

inline bool same(double a, double b, double within = 0) {
  return (std::isnan(a) && std::isnan(b)) || a == b || std::abs(a - b) <= within;
}
template <class A, class B>
bool all_same(const std::vector<A>& a, const std::vector<B>& b, double within = 0) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](A x, B y) { return same(double(x), double(y), within); });
}

}  // namespace ramoe
