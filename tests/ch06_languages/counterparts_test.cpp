#include "ch06_languages/counterparts.h"

#include <gtest/gtest.h>

#include "ch06_languages/small_tokenizer.h"

namespace ramoe {
namespace {

TEST(Counterparts, ByHand) {
  using From = std::vector<int>;
  EXPECT_EQ(counterparts("   ", "   "), (From{0, 1, 2}));
  // Without the same signs: the last stands for the last, the others by relative position.
  EXPECT_EQ(counterparts("  ", "    "), (From{0, 0, 1, 1}));
  EXPECT_EQ(counterparts("    ", "  "), (From{1, 3}));
  EXPECT_EQ(counterparts("?   ", "  "), (From{1, 3}));
  // "Ken ya : cur ren cy ?" and "K e nya : sarafu ?": name, sign, cue, sign.
  EXPECT_EQ(counterparts("  :   ?", "   : ?"), (From{0, 1, 1, 2, 5, 6}));
  // A segment that English lacks is left as it is.
  EXPECT_EQ(counterparts(": ?", " : ?"), (From{-1, 0, 1, 2}));
  EXPECT_EQ(counterparts("", " "), (From{-1}));
}

// Signs are read off the tokens, white space aside; BOS is left out, and what is behind the prompt.
TEST(Counterparts, PromptTokensBySign) {
  const Tokenizer tokenizer = small();
  const auto token = [&](const char* text) {
    const std::vector<int> ids = tokenizer.encode(text);
    EXPECT_EQ(ids.size(), 1u) << text;
    return ids[0];
  };
  const TrainingSequence sequence{
      {tokenizer.bos(), token("a"), token(":"), token("b"), token("?"), token("?")}, 5};
  const PromptTokens prompt = prompt_tokens(tokenizer, sequence, tokenizer.bos());
  EXPECT_EQ(prompt.at, (std::vector<int>{1, 2, 3, 4}));
  EXPECT_EQ(prompt.signs, " : ?");
  EXPECT_EQ(prompt_tokens(tokenizer, sequence, -1).signs, "  : ?");
}

}  // namespace
}  // namespace ramoe
