// Support - orders: the indices 0 to n-1 sorted by a key, and cut into batches
// Tests: tests/support/order_test.cpp
#pragma once

#include <algorithm>
#include <numeric>
#include <vector>

namespace ramoe {

/// The indices 0 to n-1 by rising key(i); equal keys keep their order.
template <class Key>
std::vector<int> order_by(std::size_t n, const Key& key) {
  std::vector<int> order(n);
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return key(a) < key(b); });
  return order;
}

/// The indices 0 to n-1 in batches of similar length: sorted by length(i), and cut where
/// fits(rows, longest) says that one more row is too many. A single row always fits.
template <class Length, class Fits>
std::vector<std::vector<int>> batches_by_length(std::size_t n, const Length& length,
                                                const Fits& fits) {
  std::vector<std::vector<int>> batches;
  for (const int i : order_by(n, length)) {
    if (batches.empty() || !fits(batches.back().size() + 1, length(i))) batches.emplace_back();
    batches.back().push_back(i);
  }
  return batches;
}

}  // namespace ramoe
