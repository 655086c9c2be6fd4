// Lab 8: byte-pair encoding, learnt by counting all pairs again for each merge.
#include "ch06_languages/bpe_train.h"
#include "labs/lab.h"

namespace ramoe {
namespace {

/// What was learnt, token by token.
std::vector<std::string> learnt(const std::vector<WeightedLine>& lines, int count) {
  const Tokenizer tokenizer = train_bpe_plain(lines, kSmallestVocab + count);
  std::vector<std::string> tokens;
  for (int id = kSmallestVocab; id < tokenizer.vocab_size(); ++id)
    tokens.push_back(tokenizer.token(id));
  return tokens;
}
void expect_learnt(const std::vector<WeightedLine>& lines, int count,
                   const std::vector<std::string>& expected, const std::string& means) {
  EXPECT_EQ(learnt(lines, count), expected) << "  usually: " << means;
}

TEST(Lab08Bpe, TheMostFrequentPairFirst) {
  expect_learnt({{"abc", 2}, {"ab", 1}}, 1, {"ab"}, "ab occurs 3 times, bc 2 times");
}

TEST(Lab08Bpe, TokensAreMergedAgain) {
  expect_learnt({{"abc", 2}, {"ab", 1}}, 9, {"ab", "abc"},
                "after ab is a token, abc is the pair (ab, c)");
}

TEST(Lab08Bpe, LinesCountAsOftenAsTheySay) {
  expect_learnt({{"xy", 2}, {"ab", 5}, {"cd", 3}}, 2, {"ab", "cd"},
                "a pair in a line counts as often as the line");
}

TEST(Lab08Bpe, TiesGoToTheLowestIds) {
  expect_learnt({{"zy", 2}, {"ab", 2}, {"ac", 2}}, 2, {"ab", "ac"},
                "of equal counts the pair with the lower left id wins, then the lower right one");
}

TEST(Lab08Bpe, APairThatOccursOnceIsNotMerged) {
  expect_learnt({{"ab", 1}, {"cd", 1}}, 9, {}, "learning ends when no pair occurs twice");
}

TEST(Lab08Bpe, LearningEndsWhenTheVocabularyIsFull) {
  expect_learnt({{"aabb", 9}}, 1, {"aa"}, "vocab_size counts all tokens, special ones and bytes");
}

TEST(Lab08Bpe, OverlapsAreReplacedFromTheLeft) {
  // aaaaa: 4 pairs aa. Then aa aa a: the pairs (aa,aa) and (aa,a) occur twice in two lines.
  const Tokenizer tokenizer = train_bpe_plain({{"aaaaa", 2}}, kSmallestVocab + 2);
  EXPECT_EQ(tokenizer.parts().merges.at(0).left, kSpecials + 'a');
  EXPECT_EQ(tokenizer.parts().merges.at(1).right, kSpecials + 'a')
      << "  usually: aaaaa becomes aa aa a, and of equal counts (aa,a) has the lower ids";
}

TEST(Lab08Bpe, NoPairAcrossPieces) {
  expect_learnt({{"a b", 5}}, 9, {" b"}, "pairs are counted inside a piece: 'a' and ' b' are two");
}

TEST(Lab08Bpe, EveryMergeIsListedWithItsResult) {
  const Tokenizer tokenizer = train_bpe_plain({{"abc", 2}, {"ab", 1}}, kSmallestVocab + 9);
  std::vector<int> numbers;
  for (const Merge& merge : tokenizer.parts().merges)
    numbers.insert(numbers.end(), {merge.left, merge.right, merge.result});
  const int a = kSpecials + 'a', b = kSpecials + 'b', c = kSpecials + 'c';
  expect_numbers(numbers, {a, b, kSmallestVocab, kSmallestVocab, c, kSmallestVocab + 1},
                 "merge() lists left, right and the id of the new token, in the order of learning");
  EXPECT_EQ(tokenizer.encode("abc"), std::vector<int>{kSmallestVocab + 1})
      << "  usually: the listed merges are what encoding replays";
}

TEST(Lab08Bpe, IsWhatTheFastOneLearns) {
  std::vector<WeightedLine> lines;
  Random random(5, 1);
  for (int i = 0; i < 20; ++i) {
    std::string line;
    for (int k = 0; k < 30; ++k) line += "aaabbc -"[random.below(8)];
    lines.emplace_back(line, 1 + long(random.below(3)));
  }
  // The vocabulary that the program's own train_bpe learns from the same lines.
  const Tokenizer fast = train_bpe(lines, 330), plain = train_bpe_plain(lines, 330);
  EXPECT_EQ(plain.parts().tokens, fast.parts().tokens);
  EXPECT_EQ(plain.parts().merges.size(), fast.parts().merges.size());
}

}  // namespace
}  // namespace ramoe
