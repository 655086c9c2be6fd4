#include "ch01_tensor/philox.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include "support/error.h"

namespace ramoe {
namespace {

using Words = std::array<std::uint32_t, 4>;

// The authors' known answers for philox4x32 with 10 rounds.
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}),
            (Words{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  const std::uint32_t ones = 0xffffffff;
  EXPECT_EQ(philox4x32({ones, ones, ones, ones}, {ones, ones}),
            (Words{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Words{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(Philox, TheSequenceIsTheBlocksInOrder) {
  const std::uint64_t seed = 0x0123456789abcdef, stream = 0xfedcba9876543210;
  Random random(seed, stream);
  for (std::uint32_t block = 0; block < 3; ++block) {
    const Words words = philox4x32({block, 0, 0x76543210, 0xfedcba98}, {0x89abcdef, 0x01234567});
    for (std::uint32_t word : words) EXPECT_EQ(random.next_u32(), word);
  }
  EXPECT_EQ(random.position(), 12u);
}

TEST(Philox, SeedsAndStreamsDiffer) {
  std::set<std::uint32_t> first_words;
  for (std::uint64_t seed : {0ull, 1ull, 1ull << 32})
    for (std::uint64_t stream : {0ull, 1ull, 1ull << 32})
      first_words.insert(Random(seed, stream).next_u32());
  EXPECT_EQ(first_words.size(), 9u);
}

TEST(Philox, PositionContinues) {
  Random random(7, 3);
  for (int i = 0; i < 5; ++i) random.next_u32();
  random.normal();
  random.below(10);
  const std::uint64_t saved = random.position();
  std::vector<double> expected;
  for (int i = 0; i < 9; ++i) expected.push_back(i % 2 ? random.uniform() : random.normal());
  Random again(7, 3);
  again.set_position(saved);
  for (int i = 0; i < 9; ++i)
    EXPECT_EQ(i % 2 ? again.uniform() : again.normal(), expected[static_cast<std::size_t>(i)]);
  again.set_position(0);  // backwards too, into a block that was left
  EXPECT_EQ(again.next_u32(), Random(7, 3).next_u32());
}

TEST(Philox, UniformFillsTheUnitInterval) {
  Random random(11);
  const int n = 100000;
  double sum = 0.0, squares = 0.0, low = 1.0, high = 0.0;
  for (int i = 0; i < n; ++i) {
    const double u = random.uniform();
    ASSERT_GE(u, 0.0);
    ASSERT_LT(u, 1.0);
    sum += u, squares += u * u;
    low = std::min(low, u), high = std::max(high, u);
  }
  // Five deviations of the mean of n draws: 5 / sqrt(12 n) = 0.0046; the second moment's is close.
  EXPECT_NEAR(sum / n, 0.5, 0.0046);
  EXPECT_NEAR(squares / n, 1.0 / 3.0, 0.0048);
  EXPECT_LT(low, 1e-3);
  EXPECT_GT(high, 1.0 - 1e-3);
}

TEST(Philox, NormalHasItsMoments) {
  Random random(12);
  const int n = 100000;
  double sum = 0.0, squares = 0.0, fourths = 0.0;
  for (int i = 0; i < n; ++i) {
    const double z = random.normal();
    ASSERT_TRUE(std::isfinite(z));
    sum += z, squares += z * z, fourths += z * z * z * z;
  }
  // Five deviations: of z 1, of z^2 sqrt(2), of z^4 sqrt(96); each over sqrt(n) = 316.
  EXPECT_NEAR(sum / n, 0.0, 5.0 / 316);
  EXPECT_NEAR(squares / n, 1.0, 5.0 * 1.42 / 316);
  EXPECT_NEAR(fourths / n, 3.0, 5.0 * 9.8 / 316);
}

TEST(Philox, BelowIsEven) {
  for (std::uint32_t n : {1u, 2u, 3u, 7u, 10u}) {
    Random random(13, n);
    const int draws = 40000;
    std::vector<int> counts(n, 0);
    for (int i = 0; i < draws; ++i) {
      const std::uint32_t x = random.below(n);
      ASSERT_LT(x, n);
      ++counts[x];
    }
    const double wanted = static_cast<double>(draws) / n;
    for (int count : counts) EXPECT_NEAR(count, wanted, 5.0 * std::sqrt(wanted));
  }
}

// Just above 2^31 a plain remainder or multiply would give half of the answers twice the share.
TEST(Philox, BelowRejectsTheBiasOfLargeRanges) {
  const std::uint32_t n = 3u << 30;  // 3/4 of 2^32: biased, one third of the answers come twice
  Random random(14);
  const int draws = 30000;
  int lows_of_three = 0;
  for (int i = 0; i < draws; ++i) lows_of_three += random.below(n) % 3 == 0;
  EXPECT_NEAR(lows_of_three, draws / 3.0, 5.0 * std::sqrt(draws * 2.0 / 9.0));
  EXPECT_GT(random.position(), static_cast<std::uint64_t>(draws));  // some draws were made again
}

TEST(Philox, BelowZeroIsAnError) {
  EXPECT_THROW(Random(1).below(0), Error);
}

TEST(Philox, ShuffleIsAPermutationAndReachesAll) {
  Random random(15);
  std::set<std::vector<int>> seen;
  for (int round = 0; round < 500; ++round) {
    std::vector<int> values(4);
    std::iota(values.begin(), values.end(), 0);
    random.shuffle(values);
    seen.insert(values);
    std::sort(values.begin(), values.end());
    for (int i = 0; i < 4; ++i) ASSERT_EQ(values[static_cast<std::size_t>(i)], i);
  }
  EXPECT_EQ(seen.size(), 24u);
  std::vector<int> none, one{5};
  random.shuffle(none);
  random.shuffle(one);
  EXPECT_EQ(one, std::vector<int>{5});
}

}  // namespace
}  // namespace ramoe
