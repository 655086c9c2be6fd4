#include "ch06_languages/bpe.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "ch06_languages/bpe_train.h"
#include "ch06_languages/small_tokenizer.h"
#include "support/texts.h"

namespace ramoe {
namespace {

using Pieces = std::vector<std::string_view>;

Pieces cut(std::string_view text) {
  return pretokenize(text, find_scanner(kWordsPattern));
}

/// Bytes of all kinds: letters of three scripts, marks, digits, blanks, special tokens, broken
/// UTF-8.
std::string random_text(std::mt19937& random, std::size_t pieces) {
  const std::vector<std::string> parts = {"a",
                                          "b",
                                          "ab",
                                          "ba",
                                          "hello",
                                          "\u0915\u093F",
                                          "\u0E19\u0E49\u0E33",
                                          "\u4E2D",
                                          "\u0661",
                                          "7",
                                          "12",
                                          " ",
                                          "  ",
                                          "\n",
                                          "\t",
                                          "\u00A0",
                                          "\u3000",
                                          "?",
                                          "...",
                                          "<|eos|>",
                                          "<|",
                                          "\u0301",
                                          "\U0001F419",
                                          "\xFF",
                                          "\xE2\x82",
                                          "\xC3",
                                          std::string(1, '\0'),
                                          "\xED\xA0\x80"};
  std::string text;
  for (std::size_t i = 0; i < pieces; ++i) text += parts[random() % parts.size()];
  return text;
}

TEST(Pretokenize, WordsNumbersPunctuation) {
  EXPECT_EQ(cut("Kenya : 12 ?"), (Pieces{"Kenya", " :", " 1", "2", " ?"}));
  EXPECT_EQ(cut("a-b"), (Pieces{"a", "-", "b"}));
  EXPECT_EQ(cut(""), Pieces{});
}

TEST(Pretokenize, VowelSignsStayInTheirWord) {
  EXPECT_EQ(cut("\u0939\u093F\u0928\u094D\u0926\u0940 \u0E19\u0E49\u0E33"),
            (Pieces{"\u0939\u093F\u0928\u094D\u0926\u0940", " \u0E19\u0E49\u0E33"}));
  EXPECT_EQ(cut("\u0301a"), (Pieces{"\u0301a"}));  // a mark without a letter before it
}

TEST(Pretokenize, WhiteSpace) {
  EXPECT_EQ(cut("a   b"), (Pieces{"a", "  ", " b"}));
  EXPECT_EQ(cut("a \n b"), (Pieces{"a", " \n", " b"}));
  EXPECT_EQ(cut("a\n\nb"), (Pieces{"a", "\n", "\n", "b"}));
  EXPECT_EQ(cut("a\nb"), (Pieces{"a", "\n", "b"}));
  EXPECT_EQ(cut("a  "), (Pieces{"a", "  "}));
  EXPECT_EQ(cut(" "), (Pieces{" "}));
  EXPECT_EQ(cut("\u3000\u3000x"), (Pieces{"\u3000", "\u3000", "x"}));  // only a blank joins on
}

TEST(Pretokenize, BrokenBytesArePunctuationAndAreKept) {
  EXPECT_EQ(cut("a\xFF\xE2\x82?"), (Pieces{"a", "\xFF\xE2\x82?"}));
  std::mt19937 random(1);
  for (int i = 0; i < 500; ++i) {
    const std::string text = random_text(random, 20);
    std::string joined;
    for (const std::string_view piece : cut(text)) {
      ASSERT_FALSE(piece.empty());
      joined += piece;
    }
    ASSERT_EQ(joined, text);
  }
}

TEST(Pretokenize, PatternsOfRealModels) {
  const auto with = [](const char* pattern, std::string_view text) {
    return pretokenize(text, find_scanner(pattern));
  };
  const std::string_view text = "I'LL don't 1234 x\u0301y  \r\n\n z.\n(a)";
  EXPECT_EQ(with(kGpt2Pattern, text), (Pieces{"I", "'", "LL", " don", "'t", " 1234", " x", "\u0301",
                                              "y", "  \r\n\n", " z", ".", "\n", "(", "a", ")"}));
  EXPECT_EQ(with(kQwen2Pattern, text),
            (Pieces{"I", "'LL", " don", "'t", " ", "1", "2", "3", "4", " x", "\u0301y", "  \r\n\n",
                    " z", ".\n", "(a", ")"}));
  EXPECT_EQ(with(kLlama3Pattern, "1234567\u0661x"), (Pieces{"123", "456", "7\u0661", "x"}));
  EXPECT_EQ(with(kQwen2Pattern, "'\u017Fx"), (Pieces{"'\u017F", "x"}));
  EXPECT_EQ(with(kQwen2Pattern, "'\uFB06x"), (Pieces{"'\uFB06x"}));
}

TEST(Pretokenize, UnknownPatternIsNamed) {
  const std::string what = error_of([] { find_scanner("\\w+"); });
  EXPECT_NE(what.find("\\w+"), std::string::npos) << what;
  EXPECT_NE(what.find(kWordsPattern), std::string::npos) << what;
}

TEST(Bpe, HeapIsThePlainMerge) {
  std::mt19937 random(2);
  for (int round = 0; round < 300; ++round) {
    // Merges in any order over a small alphabet, so that a later one may outrank an earlier one.
    const int alphabet = 2 + round % 3, v = alphabet + 12;
    std::vector<Merge> merges;
    for (int left = 0; left < v; ++left) {
      for (int right = 0; right < v; ++right) {
        if (random() % 3 == 0) merges.push_back({left, right, static_cast<int>(random()) & 7});
      }
    }
    std::shuffle(merges.begin(), merges.end(), random);
    const MergeTable table(merges);
    std::vector<int> ids(random() % 40);
    for (int& id : ids) id = static_cast<int>(random() % static_cast<unsigned>(alphabet));
    ASSERT_EQ(bpe_merge(ids, table), bpe_merge_plain(ids, table)) << "round " << round;
  }
}

TEST(Bpe, HeapIsThePlainMergeOnWords) {
  const Tokenizer tokenizer = small();
  const MergeTable table(tokenizer.parts().merges);
  std::mt19937 random(3);
  for (int i = 0; i < 300; ++i) {
    std::vector<int> ids;
    for (const char c : random_text(random, 8)) {
      ids.push_back(kSpecials + static_cast<unsigned char>(c));
    }
    ASSERT_EQ(bpe_merge(ids, table), bpe_merge_plain(ids, table));
  }
  EXPECT_TRUE(bpe_merge({}, table).empty());
}

TEST(Bpe, MergeTwiceIsAnError) {
  EXPECT_THROW(MergeTable({{1, 2, 3}, {1, 2, 4}}), Error);
}

TEST(Tokenizer, DecodeOfEncodeIsTheText) {
  const Tokenizer tokenizer = small();
  CachedEncoder cached(tokenizer);
  std::mt19937 random(4);
  for (int i = 0; i < 500; ++i) {
    const std::string text = random_text(random, 15);
    for (const SpecialText special : {SpecialText::plain, SpecialText::tokens}) {
      const std::vector<int> ids = tokenizer.encode(text, special);
      ASSERT_EQ(tokenizer.decode(ids), text);
      ASSERT_EQ(cached.encode(text, special), ids);
    }
  }
  EXPECT_TRUE(tokenizer.encode("").empty());
  EXPECT_EQ(tokenizer.decode({}), "");
}

TEST(Tokenizer, SpecialTextIsPlainUnlessAskedFor) {
  const Tokenizer tokenizer = small();
  for (const int id : tokenizer.encode("a<|eos|>b<|bos|>")) EXPECT_FALSE(tokenizer.is_special(id));
  const std::vector<int> ids = tokenizer.encode("a<|eos|><|bos|>b<|eos", SpecialText::tokens);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), tokenizer.eos()), 1);
  EXPECT_EQ(std::count(ids.begin(), ids.end(), tokenizer.bos()), 1);
  EXPECT_EQ(tokenizer.decode_text(ids), "ab<|eos");
  EXPECT_EQ(tokenizer.decode(ids), "a<|eos|><|bos|>b<|eos");
}

TEST(Tokenizer, SpecialIds) {
  const Tokenizer tokenizer = small();
  EXPECT_EQ(tokenizer.bos(), 0);
  EXPECT_EQ(tokenizer.eos(), 1);
  EXPECT_EQ(tokenizer.pad(), 2);
  EXPECT_EQ(tokenizer.token(0), "<|bos|>");
  EXPECT_EQ(tokenizer.find_token("<|pad|>"), 2);
  EXPECT_EQ(tokenizer.find_token("no such token"), -1);
  TokenizerParts parts = tokenizer.parts();
  parts.bos = -1;
  EXPECT_THROW(Tokenizer(parts).bos(), Error);
}

TEST(Tokenizer, NfcWhereAsked) {
  TokenizerParts parts = small().parts();
  parts.nfc = true;
  const Tokenizer tokenizer(parts);
  EXPECT_EQ(tokenizer.decode(tokenizer.encode("e\u0301")), "\u00E9");
}

TEST(Tokenizer, IdsOutsideAreNamed) {
  const Tokenizer tokenizer = small();
  for (const int id : {-1, tokenizer.vocab_size()}) {
    const std::string what = error_of([&] { tokenizer.decode({3, id}); });
    EXPECT_NE(what.find("token id " + std::to_string(id)), std::string::npos) << what;
    EXPECT_THROW(tokenizer.is_special(id), Error);
  }
}

TEST(Tokenizer, BadPartsAreErrors) {
  const TokenizerParts good = small().parts();
  const auto error = [&](const std::function<void(TokenizerParts&)>& spoil) {
    TokenizerParts parts = good;
    spoil(parts);
    return error_of([&] { Tokenizer{parts}; });
  };
  EXPECT_EQ(error([](TokenizerParts&) {}), "no error");
  EXPECT_NE(error([](auto& p) { p.tokens[3 + 'q'] = "qq"; }).find("byte 113"), std::string::npos);
  EXPECT_NE(error([](auto& p) { p.tokens.back() = "<|bos|>"; }), "no error");
  EXPECT_NE(error([](auto& p) {
              p.eos = static_cast<int>(p.tokens.size());
              p.tokens.push_back("");
            }).find("empty"),
            std::string::npos);
  EXPECT_NE(error([](auto& p) { p.added.push_back(p.added[1]); }).find("second time"),
            std::string::npos);
  EXPECT_NE(error([](auto& p) { p.after = {9999}; }).find("template token 0"), std::string::npos);
  EXPECT_NE(error([](auto& p) { p.tokens.push_back("<|bos|>"); }).find("distinct"),
            std::string::npos);
  EXPECT_NE(error([](auto& p) { p.merges[0].right = 9999; }).find("9999"), std::string::npos);
  EXPECT_NE(error([](auto& p) { p.merges[0].result = 5; }).find("joined"), std::string::npos);
  EXPECT_NE(error([](auto& p) { p.added[0].id = -4; }).find("-4"), std::string::npos);
  EXPECT_NE(error([](auto& p) { p.eos = 100000; }).find("100000"), std::string::npos);
  EXPECT_NE(error([](auto& p) { p.pattern = "x"; }).find("no scanner"), std::string::npos);
}

void expect_same(const Tokenizer& a, const Tokenizer& b) {
  EXPECT_EQ(a.parts().tokens, b.parts().tokens);
  const auto &x = a.parts().merges, &y = b.parts().merges;
  ASSERT_EQ(x.size(), y.size());
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_TRUE(x[i].left == y[i].left && x[i].right == y[i].right && x[i].result == y[i].result)
        << "merge " << i;
  }
}

TEST(TrainBpe, ByHand) {
  // Pairs: "ab" 3 times, "bc" 2 times; then "abc" 2 times; then nothing occurs twice.
  const Tokenizer tokenizer = train_bpe(std::vector<std::string>{"abc", "abc", "ab"}, 1000);
  EXPECT_EQ(tokenizer.vocab_size(), kSmallestVocab + 2);
  EXPECT_EQ(tokenizer.token(kSmallestVocab), "ab");
  EXPECT_EQ(tokenizer.token(kSmallestVocab + 1), "abc");
  EXPECT_EQ(tokenizer.encode("abcab"), (std::vector<int>{kSmallestVocab + 1, kSmallestVocab}));
}

TEST(TrainBpe, TiesGoToTheLowestIds) {
  const Tokenizer tokenizer = train_bpe(std::vector<std::string>{"zy", "zy", "ab", "ab"}, 260);
  EXPECT_EQ(tokenizer.token(259), "ab");
}

TEST(TrainBpe, IncrementalCountsAreThePlainOnes) {
  std::mt19937 random(5);
  for (int round = 0; round < 40; ++round) {
    std::vector<WeightedLine> lines;
    for (int i = 0; i < 12; ++i) {
      std::string line;
      for (auto k = random() % 30; k > 0; --k) line += "aaabbc -"[random() % 8];
      lines.emplace_back(round % 2 ? line : random_text(random, 12), random() % 4);
    }
    expect_same(train_bpe(lines, 330), train_bpe_plain(lines, 330));
  }
}

// Long words of two letters: overlapping pairs, tokens of tokens, the text used up.
TEST(TrainBpe, LongWordsOfTwoLetters) {
  std::mt19937 random(6);
  for (int round = 0; round < 60; ++round) {
    std::vector<WeightedLine> lines;
    for (int i = 0; i < 4; ++i) {
      std::string line;
      for (int k = 0; k < 150; ++k) line += "aaab"[random() % 4];
      lines.emplace_back(line, 1 + random() % 3);
    }
    const Tokenizer tokenizer = train_bpe(lines, 400);
    expect_same(tokenizer, train_bpe_plain(lines, 400));
    ASSERT_EQ(tokenizer.decode(tokenizer.encode(lines[0].first)), lines[0].first);
  }
}

TEST(TrainBpe, TheOrderOfLinesDoesNotMatterAndCountsDo) {
  const std::vector<WeightedLine> lines = {{"hello help", 3}, {"yellow yell", 2}, {"abab", 1}};
  const std::vector<WeightedLine> turned(lines.rbegin(), lines.rend());
  const Tokenizer tokenizer = train_bpe(lines, 280);
  expect_same(tokenizer, train_bpe(turned, 280));
  std::vector<std::string> written;
  for (const auto& [line, count] : lines) {
    for (long i = 0; i < count; ++i) written.push_back(line);
  }
  expect_same(tokenizer, train_bpe(written, 280));
}

TEST(TrainBpe, NoMergeCrossesPieces) {
  const Tokenizer tokenizer =
      train_bpe(std::vector<std::string>(50, "one two  three 1234 ?! one"), 400);
  for (int id = kSmallestVocab; id < tokenizer.vocab_size(); ++id) {
    EXPECT_EQ(cut(tokenizer.token(id)).size(), 1u) << tokenizer.token(id);
  }
}

TEST(TrainBpe, BadInput) {
  const std::vector<std::string> none;
  EXPECT_NE(error_of([&] { train_bpe(none, 258); }).find("258"), std::string::npos);
  EXPECT_EQ(train_bpe(none, 259).vocab_size(), 259);
  EXPECT_THROW(train_bpe(std::vector<WeightedLine>{{"a", -1}}, 300), Error);
  EXPECT_EQ(train_bpe(std::vector<WeightedLine>{{"abab", 0}}, 300).vocab_size(), 259);
}

}  // namespace
}  // namespace ramoe
