#include "ch06_languages/switched.h"

#include <gtest/gtest.h>

#include "ch06_languages/small_corpus.h"

namespace ramoe {
namespace {

TEST(Switched, FrameOfOneLanguageNamesOfTheOther) {
  const std::string fact = "facts/DE/currency", sum = "sums/7+5", follow = "follow/repeat2/1f419";
  const Example german = switched_example(corpus(), fact, "en", "es");
  EXPECT_EQ(german.question, "Alemania : currency ?");
  EXPECT_EQ(german.answer, corpus().example(fact, "en").answer);
  EXPECT_EQ(german.lang, "en");
  EXPECT_EQ(switched_example(corpus(), fact, "es", "en").question, "Germany : moneda ?");
  EXPECT_EQ(switched_example(corpus(), fact, "es", "en").answer,
            corpus().example(fact, "es").answer);
  EXPECT_EQ(switched_example(corpus(), sum, "en", "sw").question, "saba plus tano ?");
  EXPECT_EQ(switched_example(corpus(), follow, "en", "sw").question, "repeat mbili : pweza ?");
  EXPECT_EQ(switched_example(corpus(), follow, "sw", "en").question, "rudia two : octopus ?");
}

TEST(Switched, KeepsTheFormOfTheCorpus) {
  CorpusConfig config = small_config();
  config.languages = {"en", "es", "sw"};
  config.form = {AnswerForm::neutral, NumberForm::digits};
  const Corpus neutral = load_corpus(config);
  const Example german = switched_example(neutral, "facts/DE/currency", "en", "es");
  EXPECT_EQ(german.question, "Alemania : currency ?");
  EXPECT_EQ(german.answer, "EUR");
  EXPECT_EQ(switched_example(neutral, "sums/7+5", "en", "sw").question, "7 plus 5 ?");
  EXPECT_EQ(switched_example(neutral, "sums/7+5", "sw", "en").question, "7 kuongeza 5 ?");
  EXPECT_EQ(switched_example(neutral, "sums/7+5", "sw", "en").answer, "12");
  EXPECT_EQ(switched_example(neutral, "follow/repeat2/1f419", "en", "sw").question,
            "repeat 2 : pweza ?");
}

TEST(Switched, WithItselfALanguageStaysAsItIs) {
  for (const std::string& id : corpus().ids(Task::follow, Split::adapt_valid))
    EXPECT_EQ(switched_example(corpus(), id, "th", "th").question,
              corpus().example(id, "th").question);
}

}  // namespace
}  // namespace ramoe
