#include <gtest/gtest.h>

#include "ch07_divergence/small_world.h"
#include "ch12_experiments/run_results.h"
#include "support/compare.h"
#include "support/json.h"

namespace ramoe {
namespace {

constexpr int kTokens = 40;

/// English and Swahili with a few sums and instructions.
const Corpus& corpus() {
  static const Corpus shared = [] {
    CorpusConfig config;
    config.data = std::string(RAMOE_SOURCE_DIR) + "/data";
    config.languages = {"en", "sw"};
    config.tasks = {"sums", "follow"};
    config.max_sum = 5;
    config.follow_base = 10;
    config.follow_adapt = config.follow_valid = config.follow_test = 4;
    return load_corpus(config);
  }();
  return shared;
}

ModelConfig config_for_corpus() {
  ModelConfig config = small_model_config();
  config.max_position_embeddings = 256;  // bytes: the tokenizer knows few words of the corpus
  return config;
}

/// Knows English sums 0, 1 and 2 and Swahili sums 1, 2 and 3 of the test split, nothing else.
Model<float>& taught_model() {
  static Model<float> model(config_for_corpus(), 1);
  static bool taught = false;
  if (!taught) {
    const auto en = corpus().examples("en", Task::sums, Split::test),
               sw = corpus().examples("sw", Task::sums, Split::test);
    teach(model, {en[0], en[1], en[2], sw[1], sw[2], sw[3]}, 150);
    taught = true;
  }
  return model;
}

TEST(Evaluation, CountsByHand) {
  Model<float>& model = taught_model();
  const auto sw = corpus().examples("sw", Task::sums, Split::test);
  ASSERT_GE(sw.size(), 5u);
  // Of items 0 to 2 and 4, which English is said to know, Swahili knows 1 and 2.
  const std::set<std::string> known = {sw[0].id, sw[1].id, sw[2].id, sw[4].id, "sums/99+1"};
  std::vector<std::pair<Example, Answer>> answers;
  const std::vector<Score> scores =
      evaluate(model, small_tokenizer(), corpus(),
               {{"sw", "en"}, corpus().tasks_by_name(), Split::test, kTokens}, known, {}, &answers);
  ASSERT_EQ(scores.size(), 4u);  // by language, then by task
  EXPECT_EQ(scores[0].lang + scores[0].task, "swsums");
  EXPECT_EQ(scores[1].lang + scores[1].task, "swfollow");
  EXPECT_EQ(scores[2].lang + scores[2].task, "ensums");
  EXPECT_EQ(scores[3].lang + scores[3].task, "enfollow");

  const Score& sums = scores[0];
  int correct = 0;  // of untaught items some may be right by chance
  for (std::size_t i = 0; i < sw.size(); ++i) {
    EXPECT_EQ(answers[i].first.id, sw[i].id);
    EXPECT_EQ(answers[i].second.id, sw[i].id);
    correct += answers[i].second.correct;
  }
  for (const std::size_t i : {1u, 2u, 3u}) EXPECT_TRUE(answers[i].second.correct) << i;
  const int lucky = answers[0].second.correct + answers[4].second.correct;
  EXPECT_EQ(sums.n, static_cast<int>(sw.size()));
  EXPECT_EQ(sums.n_english, 4);
  EXPECT_NEAR(sums.accuracy, double(correct) / double(sw.size()), 1e-12);
  EXPECT_NEAR(sums.given_english, (2.0 + lucky) / 4, 1e-12);
  EXPECT_EQ(sums.verified, sums.accuracy);
  EXPECT_LT(sums.accuracy, 1);
  EXPECT_EQ(scores[1].n,
            static_cast<int>(corpus().examples("sw", Task::follow, Split::test).size()));
  EXPECT_EQ(scores[1].n_english, 0);
  EXPECT_TRUE(std::isnan(scores[1].given_english)) << "0 of 0 is no accuracy";
  EXPECT_EQ(answers.size(), std::size_t(scores[0].n + scores[1].n + scores[2].n + scores[3].n));
}

TEST(Evaluation, FollowIsAlsoVerified) {
  Model<float> model(config_for_corpus(), 1);
  std::vector<Example> taught = corpus().examples("en", Task::follow, Split::test);
  ASSERT_EQ(taught.size(), 4u);
  std::vector<Example> lessons = taught;
  lessons[1].answer = "nothing of the kind";
  lessons.pop_back();
  teach(model, lessons, 200);
  std::vector<std::pair<Example, Answer>> answers;
  const Score score =
      evaluate(model, small_tokenizer(), corpus(),
               {{"en"}, corpus().tasks_by_name(), Split::test, 100}, {}, {}, &answers)[1];
  int verified = 0, correct = 0;
  for (const auto& [example, answer] : answers) {
    if (example.task != "follow") continue;
    verified += follows(parse_instruction(example.id), answer.output, corpus().pack("en")).ok;
    correct += answer.correct;
  }
  EXPECT_GE(correct, 2);
  EXPECT_LT(correct, 4);
  EXPECT_GE(verified, correct);  // what matches the answer follows the instruction
  EXPECT_LT(verified, 4);
  EXPECT_NEAR(score.verified, verified / 4.0, 1e-12);
  EXPECT_NEAR(score.accuracy, correct / 4.0, 1e-12);
}

TEST(Evaluation, WhatIsCorrectInEnglish) {
  const std::set<std::string> ids =
      correct_in_english(taught_model(), small_tokenizer(), corpus(),
                         {{}, corpus().tasks_by_name(), Split::test, kTokens});
  std::set<std::string> wanted;
  for (const Task task : corpus().tasks())
    for (const Example& e : corpus().examples("en", task, Split::test))
      if (answer_questions(taught_model(), small_tokenizer(), {e}, kTokens)[0].correct)
        wanted.insert(e.id);
  EXPECT_EQ(ids, wanted);
  const auto en = corpus().examples("en", Task::sums, Split::test);
  for (const std::size_t i : {0u, 1u, 2u}) EXPECT_TRUE(ids.contains(en[i].id)) << i;
  EXPECT_LT(ids.size(), en.size());
}

TEST(Evaluation, AsJson) {
  Score score{"sw", "sums"};
  score.n = 8;
  score.n_english = 4;
  score.accuracy = 0.5;
  score.given_english = 0.75;
  score.verified = 0.625;
  EXPECT_EQ(to_json(score), parse_json(R"({"lang": "sw", "task": "sums", "n": 8,
      "n_english_correct": 4, "accuracy": 0.5, "given_english": 0.75, "verified": 0.625})"));
  score.given_english = std::nan("");
  EXPECT_TRUE(to_json(score)["given_english"].is_null());
}

}  // namespace
}  // namespace ramoe
