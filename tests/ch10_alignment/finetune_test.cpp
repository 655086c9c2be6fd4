#include "ch10_alignment/finetune.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <tuple>

#include "ch07_divergence/small_world.h"
#include "support/compare.h"

namespace ramoe {
namespace {

std::vector<ClassifiedPair> classified() {
  std::vector<ClassifiedPair> taxonomy;
  for (const ExamplePair& pair : small_pairs())
    taxonomy.push_back({pair.target.id, "sw", "sums", PairType::ic, "", "", false});
  taxonomy[1].type = PairType::ci;
  taxonomy[1].target_output = "tatu";  // what the base model said
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
    EXPECT_EQ(small_tokenizer().decode_text(e.self.tokens),
              pairs[i].target.question + (i == 1 ? " tatu" : " "));
    EXPECT_EQ(e.self.prompt, e.target.prompt);
    EXPECT_TRUE(e.labelled);
    // All of the prompt but BOS, the last token being the question mark.
    for (const auto& [side, prompt] :
         {std::pair{&e.target, &e.target_prompt}, {&e.english, &e.english_prompt}}) {
      EXPECT_EQ(prompt->at.size(), std::size_t(side->prompt) - 1);
      EXPECT_EQ(prompt->at.back(), side->prompt - 1);
      EXPECT_EQ(prompt->signs.back(), '?');
    }
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

TEST(DrawWithPool, ThePoolIsWhatTheDrawLeftOverWithoutItsAnswers) {
  std::vector<FinetuneExample> all(170);
  for (int i = 0; i < 170; ++i) {
    all[std::size_t(i)].target = {{0, 20 + i, 3, 4, 5}, 3, i};
    all[std::size_t(i)].english = {{0, 20 + i, 6, 7}, 2, -1};
    all[std::size_t(i)].type = PairType::ci;
  }
  const auto names = [](const std::vector<FinetuneExample>& drawn, bool labelled) {
    std::set<int> result;
    for (const FinetuneExample& e : drawn)
      if (e.labelled == labelled) result.insert(e.target.tokens[1]);
    return result;
  };
  for (const int count : {10, 24, 60, 150, 0, 170, 500}) {  // the curve of labels, and all
    const auto drawn = draw_with_pool(all, count, kWholePool, 7);
    const std::size_t labelled = count > 0 && count < 170 ? std::size_t(count) : 170;
    ASSERT_EQ(drawn.size(), 170u) << count;
    EXPECT_EQ(labelled_count(drawn), labelled) << count;
    const auto without = draw_examples(all, count, 7);
    for (std::size_t i = 0; i < drawn.size(); ++i) {
      const FinetuneExample& e = drawn[i];
      EXPECT_EQ(e.target.example, int(i));
      EXPECT_EQ(e.labelled, i < labelled);
      if (e.labelled) {
        EXPECT_EQ(e.target.tokens, without[i].target.tokens);
      }
      EXPECT_EQ(int(e.target.tokens.size()), e.labelled ? 5 : 3) << "an answer";
      EXPECT_EQ(int(e.english.tokens.size()), e.labelled ? 4 : 2) << "an answer";
      EXPECT_EQ(e.type == PairType::ci, e.labelled) << "a type needs the answers";
    }
    EXPECT_EQ(names(drawn, true).size() + names(drawn, false).size(), 170u);
  }
  // The fewer among the more, and never one that is labelled.
  const auto small = draw_with_pool(all, 24, 20, 7), large = draw_with_pool(all, 24, 60, 7);
  EXPECT_EQ(names(small, false).size(), 20u);
  const std::set<int> few = names(small, false), many = names(large, false);
  EXPECT_TRUE(std::includes(many.begin(), many.end(), few.begin(), few.end()));
  EXPECT_EQ(names(small, true), names(large, true));
  EXPECT_EQ(draw_with_pool(all, 24, 0, 7).size(), 24u);
}

TEST(PoolSize, IsNoneAllOrANumber) {
  EXPECT_EQ(pool_size("0"), 0);
  EXPECT_EQ(pool_size("200"), 200);
  EXPECT_EQ(pool_size("all"), kWholePool);
  for (const char* bad : {"", "-1", "some", "1.5", "99999999999"})
    EXPECT_TRUE(mentions(error_of([&] { pool_size(bad); }), "pool = \"")) << bad;
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

/// The prompts (the first two tokens) of all eleven examples.
std::vector<TrainingSequence> prompt_rows(const std::vector<FinetuneExample>& examples) {
  std::vector<TrainingSequence> rows;
  for (const FinetuneExample& e : examples)
    rows.push_back({{e.target.tokens[0], e.target.tokens[1]}, 2, e.target.example});
  return rows;
}

/// A row of a batch: its tokens, its example, and whether its last token is scored.
using Row = std::tuple<std::vector<int>, int, bool>;
std::vector<Row> rows_of(const TrainingBatch& batch) {
  std::vector<Row> rows;
  for (int b = 0; b < batch.tokens.B; ++b) {
    const auto at = std::size_t(b * batch.tokens.T);
    const auto length = std::size_t(batch.tokens.length[std::size_t(b)]);
    const auto first = batch.tokens.token.begin() + std::ptrdiff_t(at);
    rows.push_back({{first, first + std::ptrdiff_t(length)},
                    batch.example[std::size_t(b)],
                    batch.tokens.scored[at + length - 1] != 0});
  }
  return rows;
}

// A step has the labelled rows that it has without a pool, and prompts that bring no target.
TEST(FinetuneBatches, PromptsStandBesideTheLabelledRows) {
  std::vector<FinetuneExample> examples = numbered_examples();
  for (std::size_t i = 5; i < 11; ++i) examples[i].labelled = false;
  const std::vector<FinetuneExample> labelled(examples.begin(), examples.begin() + 5);
  FinetuneBatches alone(labelled, 4, 1, 2, 0, 7),
      both(examples, 4, 1, 2, 0, 7, {prompt_rows(examples), true}),
      learnt(examples, 4, 1, 2, 0, 7, {prompt_rows(examples), false});
  std::vector<std::vector<int>> epochs;
  for (int epoch = 0; epoch < 3; ++epoch) {
    std::vector<int> order;
    for (int i = 0; i < 3; ++i) {  // 4 + 4 + 3 prompts, in some order
      const int step = 3 * epoch + i;
      const std::vector<Row> without = rows_of(alone.batch(step)), with = rows_of(both.batch(step));
      ASSERT_GT(with.size(), without.size());
      for (std::size_t r = 0; r < with.size(); ++r) {
        const auto& [tokens, example, scored] = with[r];
        if (r < without.size()) {
          EXPECT_EQ(tokens, std::get<0>(without[r]));
          EXPECT_EQ(example, -1) << "prompts are aligned in its place";
          EXPECT_TRUE(scored);
        } else {
          EXPECT_EQ(tokens, (std::vector<int>{0, 20 + example}));
          EXPECT_FALSE(scored) << "a router loss would count it";
          order.push_back(example);
        }
      }
      EXPECT_EQ(both.batch(step).target, alone.batch(step).target);
      EXPECT_EQ(std::get<1>(rows_of(learnt.batch(step))[0]), std::get<1>(without[0]));
      EXPECT_TRUE(std::get<2>(rows_of(learnt.batch(step)).back()));
    }
    EXPECT_EQ(std::set<int>(order.begin(), order.end()).size(), 11u);
    EXPECT_EQ(order.size(), 11u);
    epochs.push_back(order);
  }
  EXPECT_NE(epochs[0], epochs[1]);
}

TEST(FinetuneBatches, EveryCutOfAStepHasTheSameRowsBeside) {
  const std::vector<FinetuneExample> examples = numbered_examples();
  const BesideRows beside = {prompt_rows(examples), true};
  FinetuneBatches whole(examples, 6, 1, 2, 0, 7, beside);
  for (const auto& [batch, accumulate] : {std::pair{3, 2}, {2, 3}, {1, 6}}) {
    FinetuneBatches cut(examples, batch, accumulate, 2, 0, 7, beside);
    for (int step = 0; step < 6; ++step) {
      std::multiset<Row> rows;
      for (int micro = 0; micro < accumulate; ++micro) {
        const TrainingBatch piece = cut.batch(step * accumulate + micro);
        for (const Row& row : rows_of(piece)) rows.insert(row);
        EXPECT_EQ(piece.target.empty(), piece.tokens.B == 0) << "prompts alone have no loss";
      }
      const std::vector<Row> all = rows_of(whole.batch(step));
      EXPECT_EQ(rows, std::multiset<Row>(all.begin(), all.end())) << batch << " x " << accumulate;
    }
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
