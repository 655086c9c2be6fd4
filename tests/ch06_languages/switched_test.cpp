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

TEST(Switched, WithItselfALanguageStaysAsItIs) {
  for (const std::string& id : corpus().ids(Task::follow, Split::adapt_valid))
    EXPECT_EQ(switched_example(corpus(), id, "th", "th").question,
              corpus().example(id, "th").question);
}

}  // namespace
}  // namespace ramoe
