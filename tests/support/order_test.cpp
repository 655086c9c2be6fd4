#include "support/order.h"

#include <gtest/gtest.h>

namespace ramoe {
namespace {

using Ints = std::vector<int>;

TEST(Order, RisesAndKeepsEqualsInOrder) {
  const Ints key = {3, 1, 3, 2, 1};
  EXPECT_EQ(order_by(5, [&](int i) { return key[std::size_t(i)]; }), (Ints{1, 4, 3, 0, 2}));
  EXPECT_EQ(order_by(5, [&](int i) { return -key[std::size_t(i)]; }), (Ints{0, 2, 3, 1, 4}));
  EXPECT_TRUE(order_by(0, [](int) { return 0; }).empty());
}

TEST(Order, BatchesOfSimilarLength) {
  const std::vector<std::size_t> length = {4, 1, 9, 2, 2};
  const auto batches = [&](std::size_t rows, std::size_t tokens) {
    return batches_by_length(
        5, [&](int i) { return length[std::size_t(i)]; },
        [=](std::size_t count, std::size_t longest) {
          return count <= rows && count * longest <= tokens;
        });
  };
  EXPECT_EQ(batches(2, 100), (std::vector<Ints>{{1, 3}, {4, 0}, {2}}));
  EXPECT_EQ(batches(9, 6), (std::vector<Ints>{{1, 3, 4}, {0}, {2}}));  // 9 alone is over 6
  EXPECT_EQ(batches(1, 1), (std::vector<Ints>{{1}, {3}, {4}, {0}, {2}}));
}

}  // namespace
}  // namespace ramoe
