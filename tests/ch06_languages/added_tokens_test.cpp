// Added tokens, holes and whole pieces, by hand; real_tokenizers_test.cpp has them against the
// reference.
#include "ch06_languages/added_tokens.h"

#include <gtest/gtest.h>

#include "ch06_languages/small_tokenizer.h"

namespace ramoe {
namespace {

TEST(Tokenizer, AHoleEncodesAndDecodesNothing) {
  TokenizerParts parts = small().parts();
  const int hole = static_cast<int>(parts.tokens.size());
  parts.tokens.push_back("");
  parts.tokens.push_back("zz");
  const Tokenizer tokenizer(parts);
  EXPECT_EQ(tokenizer.decode({hole, hole + 1, hole}), "zz");
  EXPECT_EQ(tokenizer.encode("hello"), small().encode("hello"));
  EXPECT_EQ(tokenizer.find_token(""), -1);
}

TEST(Tokenizer, AnAddedTokenMayHaveTheBytesOfAnOrdinaryOne) {
  TokenizerParts parts = small().parts();
  const int ordinary = small().find_token("aa"), added = static_cast<int>(parts.tokens.size());
  ASSERT_GE(ordinary, 0);
  parts.added.push_back({.id = added, .special = true, .in_vocab = false});
  parts.tokens.push_back("aa");
  const Tokenizer tokenizer(parts);
  EXPECT_EQ(tokenizer.find_token("aa"), ordinary);
  EXPECT_EQ(tokenizer.encode("aa"), std::vector<int>{ordinary});
  EXPECT_EQ(tokenizer.encode("aa", SpecialText::tokens), std::vector<int>{added});
  EXPECT_EQ(tokenizer.decode({ordinary, added}), "aaaa");
}

TEST(Tokenizer, ASpecialTokenPassedOverIsPassedOverWhole) {
  TokenizerParts parts = small().parts();
  for (const auto& [text, special] : {std::pair("#qz#", true), std::pair("qz", false)}) {
    parts.added.push_back({static_cast<int>(parts.tokens.size()), special});
    parts.tokens.push_back(text);
  }
  const int outer = static_cast<int>(parts.tokens.size()) - 2, inner = outer + 1;
  const Tokenizer tokenizer(parts);
  EXPECT_EQ(tokenizer.encode("#qz#", SpecialText::tokens), std::vector<int>{outer});
  EXPECT_EQ(tokenizer.encode("#qz#").size(), 4u);  // as `tokenizers`: no token inside it either
  EXPECT_EQ(tokenizer.encode("#qz").back(), inner);
}

TEST(Tokenizer, ANormalizedTokenMatchesWhatItsTextIsNormalisedTo) {
  TokenizerParts parts = small().parts();
  parts.nfc = true;
  const int id = static_cast<int>(parts.tokens.size());
  parts.added.push_back({.id = id, .special = false, .normalized = true});
  parts.tokens.push_back("e\u0301");
  EXPECT_EQ(Tokenizer(parts).encode("\u00E9"), std::vector<int>{id});
  EXPECT_EQ(Tokenizer(parts).encode("e\u0301"), std::vector<int>{id});
  parts.added.back().normalized = false;
  EXPECT_NE(Tokenizer(parts).encode("\u00E9"), std::vector<int>{id});
  EXPECT_EQ(Tokenizer(parts).encode("e\u0301"), std::vector<int>{id});
}

TEST(Tokenizer, IgnoreMergesTakesAWholePieceThatIsAToken) {
  TokenizerParts parts = small().parts();
  const int whole = static_cast<int>(parts.tokens.size());
  parts.tokens.push_back("zebra");  // no merge makes it
  EXPECT_EQ(Tokenizer(parts).encode("zebra").size(), 5u);
  parts.ignore_merges = true;
  EXPECT_EQ(Tokenizer(parts).encode("zebra"), std::vector<int>{whole});
  EXPECT_EQ(Tokenizer(parts).encode("zebras").size(), 6u);
  parts.added.push_back({.id = whole, .special = true, .in_vocab = false});
  EXPECT_EQ(Tokenizer(parts).encode("zebra").size(), 5u);  // not one of the vocabulary
}

TEST(Tokenizer, LongestAddedTokenWinsAndPlainOnesAlwaysMatch) {
  TokenizerParts parts = small().parts();
  for (const char* text : {"##", "###"}) {
    parts.added.push_back({static_cast<int>(parts.tokens.size()), false});
    parts.tokens.push_back(text);
  }
  const int two = static_cast<int>(parts.tokens.size()) - 2;
  EXPECT_EQ(Tokenizer(parts).encode("#####"), (std::vector<int>{two + 1, two}));
}

}  // namespace
}  // namespace ramoe
