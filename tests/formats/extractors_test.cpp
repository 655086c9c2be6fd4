#include "formats/extractors.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <utility>

#include "ch01_tensor/philox.h"
#include "support/texts.h"

namespace ramoe {
namespace {

using Readings = std::vector<std::string>;

/// Without a language: what the text alone says.
Readings number(const std::string& text, const std::string& lang = "") {
  return readings(Extractor::last_number, lang, text);
}
Readings letter(const std::string& text, const std::string& lang = "en") {
  return readings(Extractor::choice_letter, lang, text);
}

TEST(Extractors, Names) {
  for (const Extractor extractor : every<Extractor>())
    EXPECT_EQ(from_name<Extractor>(name_of(extractor), "extractor"), extractor);
  expect_contains(error_of([] { from_name<Extractor>("last_numbr", "extractor"); }),
                  "did you mean last_number");
}

TEST(Exact, IsNormalisedEquality) {
  EXPECT_TRUE(is_same_answer(Extractor::exact, "", "Kenyan Shilling", "  kenyan\tSHILLING\n"));
  EXPECT_TRUE(is_same_answer(Extractor::exact, "", "caf\u00e9", "cafe\u0301"));
  EXPECT_FALSE(is_same_answer(Extractor::exact, "", "18", "It is 18"));
  EXPECT_FALSE(is_same_answer(Extractor::exact, "", "18", "18.0"));
}

TEST(LastNumber, PlainOnes) {
  for (const auto& [text, wanted] : std::vector<std::pair<std::string, std::string>>{
           {"18", "18"},
           {"18.0", "18"},
           {"0018", "18"},
           {"18,5", "18.5"},
           {"0.125", "0.125"},
           {"0,125", "0.125"},
           {"about .5", "0.5"},
           {"-.50", "-0.5"},
           {"12.3456", "12.3456"},
           {"She has 3 cats and 12 dogs.", "12"},
           {"The answer is 18.", "18"},
           {"18%", "18"},
           {"#### 72", "72"},
           {"-7", "-7"},
           {"it is -7", "-7"},
           {"\u22127", "-7"},
           {"-0.0", "0"},
           {"+7", "7"},
           {"10-3", "3"},
           {"x-3", "3"},
           {"(2)-3", "3"},
           {"10 - 3", "3"},
           {"-$5", "-5"},
           {"$-5", "-5"},
           {"$12,200,000.", "12200000"},
           {"20 \u20ac", "20"},
           {"123456789012345678901234567890", "123456789012345678901234567890"},
           {"1, 2, 3", "3"},
           {"1,2,3", "3"},
           {"12.5.2020", "2020"},
           {"10:30", "30"},
           {"3/4", "4"},
       })
    EXPECT_EQ(number(text), Readings{wanted}) << text;
  EXPECT_EQ(number(""), Readings{});
  EXPECT_EQ(number("none at all"), Readings{});
}

TEST(LastNumber, ThousandsAndDecimals) {
  for (const auto& [text, wanted] : std::vector<std::pair<std::string, std::string>>{
           {"1,234,567", "1234567"},
           {"1.234.567", "1234567"},
           {"1 234 567", "1234567"},
           {"1\u00a0234\u202f567", "1234567"},
           {"1'234", "1234"},
           {"1,234.5", "1234.5"},
           {"1.234,5", "1234.5"},
           {"1,234,567.125", "1234567.125"},
           {"12 345,50", "12345.5"},
           {"1234,567", "1234.567"},
           {"10,000", "10000"},
           {"10.000", "10000"},
           {"in 2020 100 came", "100"},
           {"in 2020 1,234,567 came", "1234567"},
           {"5 12,34", "12.34"},
           {"1,23,456", "123456"},
           {"1.234,567.8", "8"},
       })
    EXPECT_EQ(number(text), Readings{wanted}) << text;
  // Three digits behind one separator: either reading.
  EXPECT_EQ(number("1,234"), (Readings{"1234", "1.234"}));
  EXPECT_EQ(number("1.234"), (Readings{"1234", "1.234"}));
  EXPECT_TRUE(is_same_answer(Extractor::last_number, "", "1234", "1.234"));
  EXPECT_TRUE(is_same_answer(Extractor::last_number, "", "1.234", "1,234"));
  EXPECT_TRUE(is_same_answer(Extractor::last_number, "", "1200", "It costs $1,200."));
  EXPECT_FALSE(is_same_answer(Extractor::last_number, "", "1234", "12.34"));
  EXPECT_FALSE(is_same_answer(Extractor::last_number, "", "10", "10,000"));
  EXPECT_FALSE(is_same_answer(Extractor::last_number, "", "18", "none"));
}

TEST(LastNumber, OtherScripts) {
  for (const auto& [text, wanted] : std::vector<std::pair<std::string, std::string>>{
           {"الجواب هو ١٨.", "18"},
           {"١٬٢٣٤٫٥", "1234.5"},
           {"۱۸", "18"},
           {"उत्तर १८ है", "18"},
           {"१,२३४,५६७", "1234567"},
           {"คำตอบคือ ๑๘", "18"},
           {"คำตอบคือ-๑๘", "-18"},
           {"答案是１８。", "18"},
           {"答案是－１８元", "-18"},
           {"１，２３４，５６７", "1234567"},
           {"উত্তর ১৮", "18"},
           {"jibu ni 18", "18"},
       })
    EXPECT_EQ(number(text), Readings{wanted}) << text;
  EXPECT_EQ(number("١٬٢٣٤"), Readings{"1234"});  // the Arabic thousands sign is not ambiguous
  EXPECT_EQ(number("١٫٢٣٤"), Readings{"1.234"});
}

TEST(LastNumber, Latex) {
  EXPECT_EQ(number("so \\boxed{18}. Check (2) again."), Readings{"18"});
  EXPECT_EQ(number("\\boxed{3} and then \\boxed{-1{,}200{,}300}"), Readings{"-1200300"});
  EXPECT_EQ(number("\\boxed{\\text{18 cm}^{2}} 5"), Readings{"2"});  // within the box, the last
  EXPECT_EQ(number("$1\\,234\\,567$"), Readings{"1234567"});
  EXPECT_EQ(number("\\boxed{18"), Readings{"18"});
  EXPECT_EQ(number("\\boxed{} 5"), Readings{});
}

TEST(ChoiceLetter, Forms) {
  for (const auto& [text, wanted] : std::vector<std::pair<std::string, std::string>>{
           {"B", "B"},
           {" b ", "B"},
           {"b.", "B"},
           {"(B)", "B"},
           {"(b) the second", "B"},
           {"B.", "B"},
           {"B) 12", "B"},
           {"**B**", "B"},
           {"\\boxed{C}", "C"},
           {"Answer: B", "B"},
           {"Answer:B", "B"},
           {"the answer is (C)", "C"},
           {"The answer is C because A is wrong", "C"},
           {"A", "A"},
           {"A.", "A"},
           {"A is right", "A"},
           {"The answer is A because of it", "A"},
           {"Between A and C: C", "A"},
           {"A dog has it, so D", "D"},
           {"No. A dog has it, so D", "D"},
           {"I think it is J", "J"},
           {"E.g. the U.S.A has B", "B"},
           {"A's A-level is D", "D"},
           {"B2 and 2B, so C", "C"},
           {"Because Dogs: \u00c9A, then F", "F"},
           {"right answer.B", "B"},
           {"B\nThis is why", "B"},
       })
    EXPECT_EQ(letter(text), Readings{wanted}) << text;
  for (const char* text : {"", "K", "Because", "a dog", "a b", "42", "A dog", "I do"})
    EXPECT_EQ(letter(text), Readings{}) << text;
}

TEST(ChoiceLetter, OtherScripts) {
  EXPECT_EQ(letter("答案是B。"), Readings{"B"});
  EXPECT_EQ(letter("答案：Ｃ"), Readings{"C"});
  EXPECT_EQ(letter("（Ｂ）第二"), Readings{"B"});
  EXPECT_EQ(letter("ｂ"), Readings{"B"});
  EXPECT_EQ(letter("الإجابة: D، لأن"), Readings{"D"});
  EXPECT_EQ(letter("उत्तर (A) है"), Readings{"A"});
  EXPECT_EQ(letter("คำตอบคือA"), Readings{"A"});
  EXPECT_EQ(letter("Jibu ni B; si A"), Readings{"B"});
  EXPECT_TRUE(is_same_answer(Extractor::choice_letter, "", "(b)", "Ｂ。"));
  EXPECT_FALSE(is_same_answer(Extractor::choice_letter, "", "B", "C, not B"));
  EXPECT_FALSE(is_same_answer(Extractor::choice_letter, "", "B", ""));
}

TEST(Extractors, ReadingAReadingChangesNothing) {
  const std::vector<std::string> parts = {
      "1",  "20",       "300", ",",   ".", " ", "-",  "$",  "A", "B)", "(c",   ")",  "a",
      "\n", "\\boxed{", "}",   "{,}", "٣", "٬", "，", "是", "'", "é",  "\xff", "０", "．"};
  Random random(5, 0);
  int numbers = 0, ambiguous = 0, letters = 0;
  for (int i = 0; i < 20000; ++i) {
    std::string text;
    for (std::uint32_t n = random.below(12); n > 0; --n)
      text += parts[random.below(static_cast<std::uint32_t>(parts.size()))];
    const Readings found = number(text), chosen = letter(text);
    numbers += !found.empty();
    ambiguous += found.size() == 2;
    letters += !chosen.empty();
    ASSERT_LE(found.size(), 2u) << text;
    for (const std::string& reading : found) {
      const Readings again = number(reading);
      EXPECT_NE(std::find(again.begin(), again.end(), reading), again.end()) << text;
    }
    if (!chosen.empty()) {
      EXPECT_EQ(letter(chosen[0]), chosen) << text;
    }
  }
  EXPECT_GT(numbers, 10000);
  EXPECT_GT(ambiguous, 10);
  EXPECT_GT(letters, 1000);
}

TEST(Extractors, BrokenTextIsReadToo) {
  EXPECT_EQ(number("\xff\xfe 18 \xc3"), Readings{"18"});
  EXPECT_EQ(letter("\xff B \xe2\x82"), Readings{"B"});
}

}  // namespace
}  // namespace ramoe
