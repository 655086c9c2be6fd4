#include "ch05_training/training_batch.h"

#include <gtest/gtest.h>

#include "ch05_training/small_training.h"
#include "support/compare.h"

namespace ramoe {
namespace {

TEST(CommonSizes, FourToADoublingFrom16On) {
  std::vector<int> sizes;
  for (int n = 0; n <= 128; ++n)
    if (sizes.empty() || common_size(n) != sizes.back()) sizes.push_back(common_size(n));
  EXPECT_EQ(sizes,
            (std::vector<int>{0, 4, 8, 12, 16, 20, 24, 28, 32, 40, 48, 56, 64, 80, 96, 112, 128}));
  for (int n = 16; n <= 20000; ++n) {
    const int size = common_size(n);
    EXPECT_TRUE(size >= n && size < 1.25 * n) << n;
    EXPECT_EQ(common_size(size), size) << n;
  }
}

// Three rows in a bucket of four; a full batch of two: two full ones.
TEST(CommonSizes, TheRowsOfABatch) {
  const auto rows = [](int B, int full) {
    std::vector<TrainingSequence> sequences(std::size_t(B), {{kBos, 3, 4}, 1, -1});
    return padded_to_common_sizes(make_training_batch(sequences, kPad, kBos), full, kPad).tokens.B;
  };
  EXPECT_EQ(rows(3, 64), 4);
  EXPECT_EQ(rows(3, 3), 3);
  EXPECT_EQ(rows(3, 2), 4);
  EXPECT_EQ(rows(5, 6), 6);
  EXPECT_EQ(rows(1, 64), 1);
}

TEST(CommonSizes, WhatIsAddedIsNeitherTokenNorTarget) {
  const TrainingBatch batch = make_training_batch(
      {{{0, 5, 6, 7, 8, 1}, 4, 12}, {{0, 9, 1}, 1, -1}, {{0, 3}, 1, 5}}, kPad, kBos);
  const TrainingBatch padded = padded_to_common_sizes(batch, 64, kPad);
  const TokenBatch& tokens = padded.tokens;
  ASSERT_EQ(tokens.B, 4);
  ASSERT_EQ(tokens.T, 8);
  EXPECT_EQ(tokens.scored_rows(), batch.tokens.scored_rows());
  EXPECT_EQ(padded.targets(), 5);
  EXPECT_EQ(padded.target, (std::vector<int>{8, 1, 9, 1, 3, kIgnore, kIgnore, kIgnore}));
  EXPECT_EQ(padded.logit_rows, (std::vector<int>{3, 4, 8, 9, 16, 5, 6, 7}));
  EXPECT_EQ(padded.example, (std::vector<int>{12, -1, 5, -1}));
  EXPECT_EQ(padded.prompt, (std::vector<int>{4, 1, 1, 1}));
  EXPECT_EQ(tokens.length, (std::vector<int>{6, 3, 2, 0}));
  for (int n = 0; n < 32; ++n) {
    const int b = n / 8, t = n % 8;
    const bool is_token = t < tokens.length[std::size_t(b)];
    EXPECT_EQ(tokens.is_token[std::size_t(n)], is_token) << n;
    EXPECT_EQ(tokens.position[std::size_t(n)], t);
    EXPECT_EQ(tokens.token[std::size_t(n)],
              is_token ? batch.tokens.token[std::size_t(b * 6 + t)] : kPad);
  }
}

// Also no targets at all, and more tokens than the largest bucket has: the batch as it was.
TEST(CommonSizes, WithoutTargetsAndTooLarge) {
  const TrainingBatch batch = make_training_batch({{{0, 5, 6}, 3, -1}}, kPad, kBos);
  const TrainingBatch padded = padded_to_common_sizes(batch, 64, kPad);
  EXPECT_EQ(padded.tokens.T, 4);
  EXPECT_TRUE(padded.target.empty() && padded.logit_rows.empty());
  std::vector<TrainingSequence> sequences(kMostCommonTokens / 4 + 1, {{kBos, 3, 4}, 1, -1});
  const TrainingBatch large = make_training_batch(sequences, kPad, kBos);
  const TrainingBatch same = padded_to_common_sizes(large, 1, kPad);
  EXPECT_EQ(same.tokens.T, 3);
  EXPECT_EQ(same.tokens.B, large.tokens.B);
  EXPECT_EQ(same.logit_rows, large.logit_rows);
}

// Sums of doubles: the same steps but for their order.
TEST(CommonSizes, APaddedBatchIsTheSameStep) {
  for (const char* family : kFamilyNames) {
    Model<double> a(tiny_config(family, false), 1), b(tiny_config(family, false), 1);
    Trainer<double> plain(a, quick()), padded(b, quick());
    for (int step = 0; step < 3; ++step) {
      const TrainingBatch batch = numbered_batch(step);
      const StepReport wanted = plain.step([&](int) { return batch; });
      const StepReport got =
          padded.step([&](int) { return padded_to_common_sizes(batch, 64, kPad); });
      EXPECT_NEAR(got.loss, wanted.loss, 1e-12) << family;
      EXPECT_NEAR(got.balance, wanted.balance, 1e-12) << family;
      EXPECT_NEAR(got.z_loss, wanted.z_loss, 1e-12) << family;
      EXPECT_NEAR(got.gradient_norm, wanted.gradient_norm, 1e-12) << family;
    }
  }
}

}  // namespace
}  // namespace ramoe
