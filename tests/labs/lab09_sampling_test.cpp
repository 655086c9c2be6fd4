// Lab 9: one token from logits, and rows appended to the key/value cache.
#include "ch03_transformer/generate.h"
#include "labs/lab.h"

namespace ramoe {
namespace {

const float logits[] = {0, 2, 1, 2};
int sampled(const GenerateOptions& options, double uniform) {
  return sample_token(logits, 4, options, uniform);
}

TEST(Lab09Sampling, GreedyTakesTheLargest) {
  EXPECT_EQ(sampled({}, 0.99), 1)
      << "  usually: temperature 0 is the largest logit, of ties the lower token, without a draw";
}

TEST(Lab09Sampling, ADrawWalksAlongTheProbabilities) {
  // By falling logit: tokens 1, 3, 2, 0 with weights 1, 1, 1/e, 1/e^2; they sum to 2.503.
  const GenerateOptions options{.temperature = 1};
  const auto at = [&](double u) { return sampled(options, u); };
  EXPECT_EQ(at(0), 1) << "  usually: the likeliest token comes first, of ties the lower one";
  EXPECT_EQ(at(0.39), 1) << "  usually: token 1 has 1 / 2.503 = 0.3995";
  EXPECT_EQ(at(0.41), 3) << "  usually: token 1 has 1 / 2.503 = 0.3995";
  EXPECT_EQ(at(0.81), 2) << "  usually: tokens 1 and 3 have 0.799 together";
  EXPECT_EQ(at(0.9999), 0) << "  usually: the last token has what is left";
}

TEST(Lab09Sampling, TemperatureDividesTheLogits) {
  EXPECT_EQ(sampled({.temperature = 0.01}, 0.999), 3)
      << "  usually: exp(z / T): cold draws hold to "
         "the largest logits";
  EXPECT_EQ(sampled({.temperature = 1e6}, 0.26), 3) << "  usually: hot draws are nearly uniform";
  EXPECT_EQ(sampled({.temperature = 1e6}, 0.76), 0) << "  usually: hot draws are nearly uniform";
}

TEST(Lab09Sampling, LargeLogitsStayFinite) {
  const float large[] = {3e4f, 2e4f};
  EXPECT_EQ(sample_token(large, 2, {.temperature = 1}, 0.999999), 0)
      << "  usually: exp(30000) is infinite; subtract the largest logit first";
}

TEST(Lab09Sampling, TopKKeepsTheLikeliest) {
  EXPECT_EQ(sampled({.temperature = 1, .top_k = 2}, 0.999999), 3)
      << "  usually: only the first two by falling logit are drawn from";
  EXPECT_EQ(sampled({.temperature = 1, .top_k = 1}, 0.999999), 1)
      << "  usually: top_k = 1 is greedy";
  EXPECT_EQ(sampled({.temperature = 1, .top_k = 99}, 0.999999), 0)
      << "  usually: more than all is all";
}

TEST(Lab09Sampling, TopPKeepsTheSmallestSetThatReachesIt) {
  EXPECT_EQ(sampled({.temperature = 1, .top_p = 0.5}, 0.999999), 3)
      << "  usually: token 1 has 0.3995, too little; with token 3 it is enough";
  EXPECT_EQ(sampled({.temperature = 1, .top_p = 0.5}, 0.45), 1)
      << "  usually: the draw is a share of what was kept, not of all";
  EXPECT_EQ(sampled({.temperature = 1, .top_p = 0.3}, 0.999999), 1)
      << "  usually: token 1 is enough";
  EXPECT_EQ(sampled({.temperature = 1, .top_p = 0}, 0.999999), 1)
      << "  usually: at least one stays";
}

TEST(Lab09Sampling, RowsAreAppendedBehindThoseInTheCache) {
  // Two sequences, capacity 3, width 2; 1 and 0 rows are cached, 1 and 2 come.
  const Doubles rows = {1, 2, -9, -9, 3, 4, 5, 6};
  const std::vector<int> cached = {1, 0}, length = {1, 2};
  Doubles cache(12, 0.0);
  append_rows(cache.data(), rows.data(), cached.data(), length.data(), 2, 2, 3, 2);
  expect_values(cache, {0, 0, 1, 2, 0, 0, 3, 4, 5, 6, 0, 0},
                "row t of sequence b goes to cached[b] + t, from row b T + t; padding stays out");
}

}  // namespace
}  // namespace ramoe
