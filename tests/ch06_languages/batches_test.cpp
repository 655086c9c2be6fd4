#include "ch06_languages/batches.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "ch06_languages/bpe_train.h"
#include "ch06_languages/small_corpus.h"
#include "support/compare.h"

namespace ramoe {
namespace {

const Mixture& mixture() {
  static const Mixture shared(corpus(), {});
  return shared;
}
const Tokenizer& tokenizer() {
  static const Tokenizer shared = [] {
    std::vector<std::string> lines;
    for (std::uint64_t i = 0; i < 500; ++i) lines.push_back(mixture().document(i).text());
    return train_bpe(lines, 600);
  }();
  return shared;
}

bool equal(const TrainingBatch& a, const TrainingBatch& b) {
  return a.tokens.token == b.tokens.token && a.tokens.length == b.tokens.length &&
         a.logit_rows == b.logit_rows && a.target == b.target && a.prompt == b.prompt;
}

/// The sequences of a batch without their padding, and how often each occurs.
using Bag = std::map<std::vector<int>, int>;
void put(Bag& bag, const TrainingBatch& batch) {
  for (int b = 0; b < batch.tokens.B; ++b) {
    const auto begin = batch.tokens.token.begin() + b * batch.tokens.T;
    ++bag[{begin, begin + batch.tokens.length[std::size_t(b)]}];
  }
}

TEST(Batches, PromptAndAnswerMeetAtAPiecesEdge) {
  CachedEncoder encoder(tokenizer());
  int examples = 0;
  for (const LanguagePack& pack : corpus().packs())
    for (const Task task : every<Task>())
      for (const Split split : {Split::adapt_valid, Split::test})
        for (const Example& e : corpus().examples(pack.code, task, split)) {
          const TrainingSequence s = Prompts(tokenizer()).example(encoder, e.question, e.answer);
          std::vector<int> whole = tokenizer().encode(e.question + " " + e.answer);
          whole.insert(whole.begin(), tokenizer().bos());
          whole.push_back(tokenizer().eos());
          ASSERT_EQ(s.tokens, whole) << pack.code << " " << e.question << " " << e.answer;
          const std::vector<int> prompt = Prompts(tokenizer()).prompt(encoder, e.question);
          ASSERT_EQ(s.prompt, static_cast<int>(prompt.size()));
          ASSERT_TRUE(std::equal(prompt.begin(), prompt.end(), s.tokens.begin()));
          ++examples;
        }
  EXPECT_GT(examples, 3000);
}

TEST(Batches, ATextWithoutQuestionIsAllAnswer) {
  CachedEncoder encoder(tokenizer());
  const TrainingSequence s = Prompts(tokenizer()).example(encoder, "", "lemon, mango");
  EXPECT_EQ(s.prompt, 1);
  EXPECT_EQ(s.tokens.front(), tokenizer().bos());
  EXPECT_EQ(s.tokens.back(), tokenizer().eos());
  EXPECT_EQ(tokenizer().decode_text(s.tokens), "lemon, mango");
  EXPECT_EQ(Prompts(tokenizer()).prompt(encoder, ""), std::vector<int>{tokenizer().bos()});
}

TEST(Batches, BucketsHoldSimilarLengthsAndEverySequence) {
  std::vector<TrainingSequence> sequences;
  for (int i = 0; i < 10; ++i)
    sequences.push_back({std::vector<int>(std::size_t(1 + (i * 7) % 10), i), 1, i});
  const auto batches = bucket_by_length(sequences, 4, 3);
  ASSERT_EQ(batches.size(), 3u);
  std::map<std::size_t, std::size_t> most_of_least;  // lengths of each batch: shortest -> longest
  std::vector<int> seen, sizes;
  for (const auto& batch : batches) {
    sizes.push_back(static_cast<int>(batch.size()));
    for (const TrainingSequence& s : batch) seen.push_back(s.example);
    most_of_least[batch.front().tokens.size()] = batch.back().tokens.size();
  }
  std::sort(seen.begin(), seen.end());
  std::sort(sizes.begin(), sizes.end());
  EXPECT_EQ(seen, (std::vector<int>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9}));
  EXPECT_EQ(sizes, (std::vector<int>{2, 4, 4}));
  EXPECT_EQ(most_of_least, (std::map<std::size_t, std::size_t>{{1, 4}, {5, 8}, {9, 10}}));

  const auto order = [&](std::uint64_t seed) {
    std::vector<std::size_t> lengths;
    for (const auto& batch : bucket_by_length(sequences, 1, seed))
      lengths.push_back(batch[0].tokens.size());
    return lengths;
  };
  EXPECT_EQ(order(3), order(3));
  EXPECT_NE(order(3), order(4));
}

TEST(Batches, ABatchIsAFunctionOfSeedAndNumber) {
  MixtureBatches forward(mixture(), tokenizer(), 4, 1, true, 9);
  MixtureBatches backward(mixture(), tokenizer(), 4, 1, true, 9);
  MixtureBatches other_seed(mixture(), tokenizer(), 4, 1, true, 10);
  std::vector<TrainingBatch> batches;
  for (int i = 0; i < 20; ++i) batches.push_back(forward.batch(i));
  int same = 0;
  for (int i = 19; i >= 0; --i) {
    EXPECT_TRUE(equal(backward.batch(i), batches[std::size_t(i)])) << i;
    same += equal(other_seed.batch(i), batches[std::size_t(i)]);
  }
  EXPECT_LT(same, 10);  // another order within the groups
  EXPECT_TRUE(equal(MixtureBatches(mixture(), tokenizer(), 4, 1, true, 9).batch(13), batches[13]));
}

// 12 rows a step, cut in every way: the same rows in the same steps, and 12 x 1 is the plain batch.
TEST(Batches, EveryCutOfAStepHasTheSameRows) {
  MixtureBatches whole(mixture(), tokenizer(), 12, 1, true, 9);
  for (const auto& [batch, accumulate] : {std::pair{6, 2}, {4, 3}, {1, 12}}) {
    MixtureBatches cut(mixture(), tokenizer(), batch, accumulate, true, 9);
    for (int step = 0; step < 10; ++step) {
      Bag wanted, got;
      put(wanted, whole.batch(step));
      for (int micro = 0; micro < accumulate; ++micro)
        put(got, cut.batch(step * accumulate + micro));
      EXPECT_EQ(got, wanted) << batch << " x " << accumulate << ", step " << step;
    }
  }
}

TEST(Batches, AStepOfMoreRowsThanCanBeDrawnIsRefused) {
  const std::string error =
      error_of([] { MixtureBatches(mixture(), tokenizer(), 1 << 20, 2, true, 9); });
  EXPECT_TRUE(mentions(error, "batch * accumulate = 2097152 rows a step")) << error;
}

TEST(Batches, APieceOfAStepMayHaveFewerRowsOrNone) {
  std::vector<TrainingSequence> rows;
  for (int i = 0; i < 5; ++i) rows.push_back({{0, 3 + i}, 1, i});
  const auto examples = [&](int batch, int micro) {
    return piece_of_step(rows, batch, micro, 2, 0).example;
  };
  EXPECT_EQ(examples(2, 0), (std::vector<int>{0, 1}));
  EXPECT_EQ(examples(2, 2), (std::vector<int>{4}));
  EXPECT_EQ(examples(2, 3), std::vector<int>{});
  EXPECT_EQ(examples(1 << 20, (1 << 20) - 1), std::vector<int>{});
  EXPECT_EQ(piece_of_step(rows, 2, 3, 2, 0).tokens.B, 0);
}

TEST(Batches, EveryDocumentOfAGroupComesOnce) {
  constexpr int kBatch = 5;
  MixtureBatches batches(mixture(), tokenizer(), kBatch, 1, true, 9);
  CachedEncoder encoder(tokenizer());
  for (int group = 0; group < 3; ++group) {
    Bag wanted, got;
    for (int i = 0; i < 8; ++i) {
      const TrainingBatch batch = batches.batch(group * 8 + i);
      EXPECT_EQ(batch.tokens.B, kBatch);
      put(got, batch);
    }
    for (int i = 0; i < 8 * kBatch; ++i) {
      const Document d = mixture().document(static_cast<std::uint64_t>(group * 8 * kBatch + i));
      ++wanted[Prompts(tokenizer()).example(encoder, d.question, d.answer).tokens];
    }
    EXPECT_EQ(got, wanted) << group;
  }
}

TEST(Batches, LittlePaddingIsComputed) {
  constexpr int kBatch = 16;
  MixtureBatches batches(mixture(), tokenizer(), kBatch, 1, true, 9);
  CachedEncoder encoder(tokenizer());
  std::size_t rows = 0, real = 0, unsorted_rows = 0;
  for (int i = 0; i < 40; ++i) {
    const TokenBatch tokens = batches.batch(i).tokens;
    rows += tokens.token.size();
    for (const int length : tokens.length) real += std::size_t(length);
    std::size_t longest = 0;  // the same documents as they come
    for (int b = 0; b < kBatch; ++b) {
      const Document d = mixture().document(static_cast<std::uint64_t>(i * kBatch + b));
      longest = std::max(longest,
                         Prompts(tokenizer()).example(encoder, d.question, d.answer).tokens.size());
    }
    unsorted_rows += longest * kBatch;
  }
  // One batch of eight holds the long tail and pays for it; the other seven are nearly even.
  EXPECT_LT(double(rows - real) / double(rows), 0.18);
  EXPECT_GT(double(unsorted_rows - real) / double(unsorted_rows), 0.45);
}

TEST(Batches, TargetsAreTheAnswerOrEverything) {
  MixtureBatches answers(mixture(), tokenizer(), 6, 1, false, 9),
      all(mixture(), tokenizer(), 6, 1, true, 9);
  bool shorter = false;
  for (int i = 0; i < 8; ++i) {
    const TrainingBatch a = answers.batch(i), b = all.batch(i);
    EXPECT_EQ(a.tokens.token, b.tokens.token);
    EXPECT_EQ(b.prompt, std::vector<int>(6, 1));
    std::size_t behind_bos = 0, behind_prompt = 0;
    for (std::size_t s = 0; s < 6; ++s) {
      behind_bos += std::size_t(b.tokens.length[s]) - 1;
      behind_prompt += std::size_t(a.tokens.length[s] - a.prompt[s]);
      shorter = shorter || a.prompt[s] > 1;
    }
    EXPECT_EQ(a.target.size(), behind_prompt);
    EXPECT_EQ(b.target.size(), behind_bos);
    EXPECT_EQ(std::count(b.target.begin(), b.target.end(), tokenizer().eos()), 6);
    EXPECT_EQ(std::count(b.target.begin(), b.target.end(), tokenizer().pad()), 0);
  }
  EXPECT_TRUE(shorter);
}

TEST(Batches, TokenizerLinesAreTheLexiconAndTheFirstDocuments) {
  const std::vector<std::string> lines = tokenizer_lines(mixture(), 7);
  const std::size_t lexicon = mixture().lexicon_documents().size();
  ASSERT_EQ(lines.size(), lexicon + 7);
  EXPECT_EQ(lines[0], mixture().lexicon_documents()[0].text());
  for (std::uint64_t i = 0; i < 7; ++i) EXPECT_EQ(lines[lexicon + i], mixture().document(i).text());
}

}  // namespace
}  // namespace ramoe
