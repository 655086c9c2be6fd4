#include "support/names.h"

#include <gtest/gtest.h>

#include "support/error.h"

namespace ramoe {
namespace {

TEST(Names, AreTheSameButForCapitalsAndDashes) {
  for (const char* name : {"save_every", "SAVE_EVERY", "save-every", "SaveEvery", "save every",
                           "save\u2013every", "save\u2212every"})
    EXPECT_TRUE(same_name(name, "save_every")) << name;
  EXPECT_FALSE(same_name("save_ever", "save_every"));
  EXPECT_FALSE(same_name("", "save_every"));
}

TEST(Names, DashesOfDocumentsBecomePlain) {
  EXPECT_EQ(plain_dashes("\u2013steps\u20145\u2212x\uFF0Dy\uFE63"), "-steps-5-x-y-");
  EXPECT_EQ(plain_dashes("Köln – \xE2\x80"), "Köln - \xE2\x80");  // a part of a character stays
}

TEST(Names, TheNearestWordIsASlipAway) {
  const std::vector<std::string> keys = {"learning_rate", "least_rate", "lambda", "language",
                                         "layers",        "steps",      "run"};
  const auto nearest = [&](const char* word) { return nearest_word(word, keys); };
  EXPECT_EQ(nearest("lamda"), "lambda");
  EXPECT_EQ(nearest("stesp"), "steps");  // an exchange is one slip
  EXPECT_EQ(nearest("learningrat"), "learning_rate");
  EXPECT_EQ(nearest("lang"), "language");  // the beginning of one
  EXPECT_EQ(nearest("rate"), "");          // the end of two
  EXPECT_EQ(nearest("rnu"), "run");
  for (const char* word : {"temperature", "lr", "sn", "runs_in_the_house", ""})
    EXPECT_EQ(nearest(word), "") << word;
}

TEST(Names, AreJoinedByCommas) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(joined(Names{}), "");
  EXPECT_EQ(joined(Names{"a"}), "a");
  EXPECT_EQ(joined(Names{"a", "b", "c"}), "a, b, c");
  EXPECT_EQ(joined(Names{"", "b"}, " or "), " or b");
  EXPECT_EQ(joined(std::vector<int>{1, 2}, ","), "1,2");
}

TEST(Names, CodesOfTwoLettersHaveNoNeighbours) {
  const std::vector<std::string> codes = {"ar", "en", "es", "hi", "sw", "th", "zh"};
  for (const char* code : {"tr", "sx", "fr", "de", "et", "is", "sv", "eo", "az", "zu", "he"})
    EXPECT_EQ(nearest_word(code, codes), "") << code;
  EXPECT_EQ(nearest_word("swa", codes), "sw");
  EXPECT_EQ(nearest_word("EN", codes), "en");
  for (const char* code : {"deu", "hin-deva", "ron"})
    EXPECT_EQ(nearest_word(code, codes), "") << code;
}

}  // namespace
}  // namespace ramoe
