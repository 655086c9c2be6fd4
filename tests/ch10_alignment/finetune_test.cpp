#include "ch10_alignment/finetune.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

#include "ch07_divergence/small_world.h"
#include "support/compare.h"

namespace ramoe {
namespace {

std::vector<ClassifiedPair> classified() {
  std::vector<ClassifiedPair> taxonomy;
  for (const ExamplePair& pair : small_pairs())
    taxonomy.push_back({pair.target.id, "sw", "sums", PairType::ic, "", "", false});
  taxonomy[1].type = PairType::ci;
  taxonomy.push_back({"sums/2+1", "th", "sums", PairType::cc, "", "", false});  // another language
  return taxonomy;
}

TEST(FinetuneExamples, HoldBothSidesAndTheType) {
  const std::vector<ExamplePair> pairs = small_pairs();
  const auto examples = finetune_examples(pairs, classified(), small_tokenizer());
  ASSERT_EQ(examples.size(), pairs.size());
  for (std::size_t i = 0; i < pairs.size(); ++i) {
    const FinetuneExample& e = examples[i];
    EXPECT_EQ(e.id, pairs[i].target.id);
    EXPECT_EQ(e.task, "sums");
    EXPECT_EQ(e.type, i == 1 ? PairType::ci : PairType::ic);
    EXPECT_EQ(e.target.example, static_cast<int>(i));
    EXPECT_EQ(small_tokenizer().decode_text(e.target.tokens),
              pairs[i].target.question + " " + pairs[i].target.answer);
    EXPECT_EQ(small_tokenizer().decode_text(e.english.tokens),
              pairs[i].english.question + " " + pairs[i].english.answer);
    EXPECT_GT(e.target.prompt, 1);
  }
  std::vector<ClassifiedPair> less = classified();
  less.erase(less.begin() + 1);
  const std::string error = error_of([&] { finetune_examples(pairs, less, small_tokenizer()); });
  EXPECT_TRUE(mentions(error, "sums/2+1") && mentions(error, "sw")) << error;
}

/// Eleven examples of length 2 to 5 whose second token is their number.
std::vector<FinetuneExample> numbered_examples() {
  std::vector<FinetuneExample> examples(11);
  for (int i = 0; i < 11; ++i) {
    std::vector<int> tokens(std::size_t(2 + i % 4), 3);
    tokens[0] = 0;
    tokens[1] = 20 + i;
    examples[std::size_t(i)].target = {tokens, 1, i};
  }
  return examples;
}

TEST(DrawExamples, BySeedInTheirOldOrderTheFewerAmongTheMore) {
  const std::vector<FinetuneExample> all = numbered_examples();
  const auto numbers = [&](int count, std::uint64_t seed) {
    std::vector<int> result;
    const std::vector<FinetuneExample> drawn = draw_examples(all, count, seed);
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      EXPECT_EQ(drawn[i].target.example, static_cast<int>(i));  // numbered as they now stand
      result.push_back(drawn[i].target.tokens[1]);
    }
    EXPECT_TRUE(std::is_sorted(result.begin(), result.end()));
    return result;
  };
  const std::vector<int> four = numbers(4, 7), seven = numbers(7, 7);
  EXPECT_EQ(four.size(), 4u);
  EXPECT_EQ(std::set<int>(four.begin(), four.end()).size(), 4u);
  EXPECT_TRUE(std::includes(seven.begin(), seven.end(), four.begin(), four.end()));
  EXPECT_EQ(numbers(4, 7), four);
  EXPECT_NE(numbers(4, 8), four);
  for (const int count : {0, 11, 12}) EXPECT_EQ(numbers(count, 7).size(), 11u);
  EXPECT_TRUE(mentions(error_of([&] { numbers(-1, 7); }), "train_pairs = -1"));
}

TEST(FinetuneBatches, EveryExampleOncePerEpochInANewOrder) {
  const std::vector<FinetuneExample> examples = numbered_examples();
  FinetuneBatches batches(examples, 4, 1, 2, 0, 7);
  std::vector<std::vector<int>> epochs;
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::vector<int> order;
    for (int i = 0; i < 3; ++i) {  // 4 + 4 + 3, in some order
      const TrainingBatch batch = batches.batch(3 * epoch + i);
      order.insert(order.end(), batch.example.begin(), batch.example.end());
      for (int b = 0; b < batch.tokens.B; ++b)
        EXPECT_EQ(batch.tokens.token[std::size_t(b * batch.tokens.T + 1)],
                  20 + batch.example[std::size_t(b)]);
    }
    EXPECT_EQ(order.size(), 11u);
    EXPECT_EQ(std::set<int>(order.begin(), order.end()).size(), 11u);
    epochs.push_back(order);
  }
  EXPECT_NE(epochs[0], epochs[1]);
  EXPECT_NE(epochs[1], epochs[2]);
}

TEST(FinetuneBatches, ABatchIsAFunctionOfSeedAndStep) {
  const std::vector<FinetuneExample> examples = numbered_examples();
  FinetuneBatches forward(examples, 4, 1, 2, 0, 7), backward(examples, 4, 1, 2, 0, 7),
      other(examples, 4, 1, 2, 0, 8);
  std::vector<std::vector<int>> seen;
  for (int step = 0; step < 9; ++step) seen.push_back(forward.batch(step).example);
  bool differs = false;
  for (int step = 8; step >= 0; --step) {
    EXPECT_EQ(backward.batch(step).example, seen[std::size_t(step)]);
    differs = differs || other.batch(step).example != seen[std::size_t(step)];
  }
  EXPECT_TRUE(differs);
  EXPECT_TRUE(mentions(error_of([] { FinetuneBatches({}, 4, 1, 2, 0, 7); }), "training pairs"));
}

// Eleven examples, six rows a step: steps of 6 and 5 rows, however they are cut.
TEST(FinetuneBatches, EveryCutOfAStepHasTheSameRows) {
  const std::vector<FinetuneExample> examples = numbered_examples();
  FinetuneBatches whole(examples, 6, 1, 2, 0, 7);
  for (const auto& [batch, accumulate] : {std::pair{3, 2}, {2, 3}, {1, 6}}) {
    FinetuneBatches cut(examples, batch, accumulate, 2, 0, 7);
    std::size_t rows = 0;
    for (int step = 0; step < 6; ++step) {
      std::vector<int> got;
      for (int micro = 0; micro < accumulate; ++micro) {
        const std::vector<int> piece = cut.batch(step * accumulate + micro).example;
        got.insert(got.end(), piece.begin(), piece.end());
      }
      EXPECT_EQ(got, whole.batch(step).example) << batch << " x " << accumulate << ", " << step;
      rows += got.size();
    }
    EXPECT_EQ(rows, 33u);
  }
}

TEST(Finetune, RunsToTheLastStepOrUntilToldToStop) {
  const auto examples = finetune_examples(small_pairs(), classified(), small_tokenizer());
  const int pad = small_tokenizer().pad(), bos = small_tokenizer().bos();
  TrainConfig config;
  config.steps = 12;
  config.accumulate = 2;
  Model<float> straight(small_model_config(), 1), halted(small_model_config(), 1);
  Trainer<float> one(straight, config), two(halted, config);
  ExtraLoss<float>* const none = nullptr;
  FinetuneBatches batches(examples, 3, 2, pad, bos, 7), again(examples, 3, 2, pad, bos, 7);
  std::vector<int> steps;
  FinetuneBatches expected(examples, 3, 2, pad, bos, 7);
  finetune(one, batches, config, none, [&](int step, const StepReport& report) {
    EXPECT_EQ(report.extra, 0);
    // Both pieces of a step, of three rows and of one, none of them twice.
    EXPECT_EQ(report.tokens, expected.batch(2 * step - 2).tokens.token.size() +
                                 expected.batch(2 * step - 1).tokens.token.size());
    steps.push_back(step);
    return true;
  });
  EXPECT_EQ(steps, (std::vector<int>{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}));
  finetune(two, again, config, none, [](int step, const StepReport&) { return step < 5; });
  EXPECT_EQ(two.steps_done(), 5);
  finetune(two, again, config, none, [](int, const StepReport&) { return true; });
  for (std::size_t i = 0; i < straight.parameters().size(); ++i)
    EXPECT_EQ(straight.parameters()[i]->value, halted.parameters()[i]->value);
}

}  // namespace
}  // namespace ramoe
