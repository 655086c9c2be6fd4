#include "ch07_divergence/answers.h"

#include <gtest/gtest.h>

#include "ch05_training/memory.h"
#include "ch07_divergence/small_world.h"
#include "formats/extractors.h"
#include "support/compare.h"

namespace ramoe {
namespace {

/// The outputs for questions the model was taught these answers to.
std::vector<Answer> answers_of_taught(const std::vector<Example>& taught,
                                      const std::vector<Example>& asked) {
  Model<float> model(small_model_config(), 1);
  teach(model, taught);
  return answer_questions(model, small_tokenizer(), asked);
}

TEST(Answers, ComeInTheOrderOfTheQuestions) {
  // Lengths differ, so that the batches are formed in another order.
  const std::vector<Example> examples = {
      small_example("a", "en", "one two three four five ?", "one"),
      small_example("b", "en", "two ?", "three four"),
      small_example("c", "en", "moja mbili tatu ?", "tano")};
  const std::vector<Answer> answers = answers_of_taught(examples, examples);
  ASSERT_EQ(answers.size(), 3u);
  for (std::size_t i = 0; i < 3; ++i) {
    EXPECT_EQ(answers[i].id, examples[i].id);
    EXPECT_TRUE(answers[i].correct) << answers[i].output;
    // The output keeps the blank between question and answer.
    EXPECT_EQ(answers[i].output, " " + examples[i].answer);
  }
  EXPECT_EQ(accuracy(answers), 1);
}

TEST(Answers, AreComparedAfterNormalisation) {
  // Taught: decomposed e + U+0301, capitals, two blanks. Expected: composed, lower case, one blank.
  const std::vector<Example> taught = {small_example("a", "es", "one ?", "Cafe\xcc\x81  TWO")};
  const auto asked = [](const std::string& answer) {
    return small_example("a", "es", "one ?", answer);
  };
  const std::vector<Answer> answers =
      answers_of_taught(taught, {asked("caf\xc3\xa9 two"), asked(" CAF\xc3\x89\ttwo "),
                                 asked("cafe two"), asked("caf\xc3\xa9two"), asked("")});
  std::vector<bool> correct;
  for (const Answer& answer : answers) correct.push_back(answer.correct);
  EXPECT_EQ(correct, (std::vector<bool>{true, true, false, false, false})) << answers[0].output;
  EXPECT_NEAR(accuracy(answers), 0.4, 1e-12);
}

TEST(Answers, EndAtTheStopTextAndAreReadByTheExtractor) {
  std::vector<Example> taught = {small_example("a", "en", "one ?", "two 3 ; four 5"),
                                 small_example("b", "en", "four ?", "three B 7 ; five")};
  Model<float> model(small_model_config(), 1);
  teach(model, taught, 200);
  PromptFormat format = Prompts(small_tokenizer()).format();
  format.stop = " ;";
  const Prompts prompts(small_tokenizer(), format);
  taught[0].answer = "3";
  taught[1].answer = "(B)";
  EXPECT_EQ(accuracy(answer_questions(model, prompts, taught)), 0);
  taught[0].is_same = answer_rule(Extractor::last_number);
  taught[1].is_same = answer_rule(Extractor::choice_letter);
  const std::vector<Answer> answers = answer_questions(model, prompts, taught);
  EXPECT_EQ(answers[0].output, " two 3");
  EXPECT_EQ(answers[1].output, " three B 7");
  EXPECT_TRUE(answers[0].correct && answers[1].correct);
  EXPECT_FALSE(answer_questions(model, small_tokenizer(), taught)[0].correct);  // 5 comes last
}

TEST(Answers, NeverHoldTokensThatTheTokenizerLacks) {
  ModelConfig config = small_model_config();
  config.vocab_size *= 3;
  Model<float> model(config, 1);
  std::vector<Example> asked;
  for (int i = 0; i < 20; ++i)
    asked.push_back(small_example(cat(i), "en", cat("one ", i, " ?"), "two"));
  EXPECT_EQ(answer_questions(model, small_tokenizer(), asked).size(), 20u);
}

TEST(Answers, PromptsThatLeaveNoRoomAreNamed) {
  Model<float> model(small_model_config(), 1);
  const std::string error = error_of([&] {
    answer_questions(model, small_tokenizer(),
                     {small_example("sums/9", "sw", std::string(60, 'q'), "x")});
  });
  EXPECT_TRUE(mentions(error, "sums/9") && mentions(error, "sw") && mentions(error, "64")) << error;
}

TEST(Answers, CacheAndPassOverThePromptsMustFitTogether) {
  const ModelConfig config = small_model_config();
  const std::vector<Example> asked(8, small_example("a", "en", "one two three ?", "four"));
  AnswerOptions options;
  options.max_new_tokens = 1;
  CachedEncoder encoder(small_tokenizer());
  const Prompts prompts(small_tokenizer());
  const int longest = int(prompts.prompt(encoder, asked[0].question).size());
  const double cache = 8 * (longest + 1) * cache_bytes_per_token(config);
  for (const Precision weights : {Precision::fp32, Precision::bf16}) {
    Model<float> model(config, weights);
    const auto error_within = [&](double bytes) {
      ::setenv("RAMOE_MEMORY_GB", std::to_string(bytes / (1 << 30)).c_str(), 1);
      const std::string error = error_of([&] { answer_questions(model, prompts, asked, options); });
      ::unsetenv("RAMOE_MEMORY_GB");
      return error;
    };
    const double pass = count_forward(config, longest).bytes(8 * longest, 8, weights);
    EXPECT_TRUE(mentions(error_within(cache),
                         "answering 8 questions together needs " + size_text(cache + pass)))
        << name_of(weights) << " " << size_text(cache + pass) << " " << error_within(cache);
    EXPECT_EQ(error_within(1e9), "no error");
  }
}

TEST(Answers, LengthIsLimitedAndNoneIsNoError) {
  Model<float> model(small_model_config(), 1);
  const std::vector<Example> taught = {
      small_example("a", "en", "one ?", "one two three four five")};
  teach(model, taught);
  const Answer cut = answer_questions(model, small_tokenizer(), taught, 2)[0];
  EXPECT_FALSE(cut.correct);
  EXPECT_TRUE(taught[0].answer.starts_with(cut.output.substr(1))) << cut.output;
  EXPECT_TRUE(answer_questions(model, small_tokenizer(), taught, 24)[0].correct);
  EXPECT_TRUE(answer_questions(model, small_tokenizer(), {}).empty());
  EXPECT_EQ(accuracy({}), 0);
  // 64 positions: what would not fit is refused, not cut.
  EXPECT_NE(error_of([&] { answer_questions(model, small_tokenizer(), taught, 64); }), "no error");
}

}  // namespace
}  // namespace ramoe
