// data/convert.py: what editors and spreadsheets do to files.
#include <gtest/gtest.h>

#include <cstdlib>

#include "support/files.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

using namespace std::string_literals;

class Convert : public testing::Test {
 protected:
  void SetUp() override {
    if (std::system("python3 --version >/dev/null 2>&1") != 0)
      GTEST_SKIP() << "python3 is not installed; only scripts need it";
  }
  /// What the script prints, or its message, for files given as language and content.
  std::string convert(const std::string& form,
                      const std::vector<std::pair<std::string, std::string>>& files) {
    std::string arguments;
    for (const auto& [lang, content] : files) {
      write_file(scratch_.file(lang), content);
      arguments += " " + lang + "=" + scratch_.file(lang);
    }
    failed_ = std::system(("python3 " RAMOE_SOURCE_DIR "/data/convert.py " + form + arguments +
                           " >" + scratch_.file("out") + " 2>&1")
                              .c_str()) != 0;
    return read_file(scratch_.file("out"));
  }
  bool failed_ = false;
  ScratchFolder scratch_;
};

TEST_F(Convert, MarksBlankLinesAndLineEndsChangeNothing) {
  const std::string plain = convert("mgsm", {{"en", "a\t1\nb\t2\n"}, {"sw", "c\t1\nd\t2\n"}});
  EXPECT_FALSE(failed_) << plain;
  expect_contains(plain, R"({"task": "mgsm", "id": "2", "lang": "sw", "question": "d", )");
  EXPECT_EQ(convert("mgsm", {{"en", "\xEF\xBB\xBF"s + "a\t1\r\n\r\nb\t2\r\n\r\n"},
                             {"sw", "\nc\t1\nd\t2\n \n"}}),
            plain);
  const std::string row = R"({"sample_id": 7, "question": "q", "option_a": "1", "option_b": "2", )"
                          R"("option_c": "3", "option_d": "4", "answer": "B"})";
  const std::string choice = convert("mmlu", {{"en", row + "\n"}});
  expect_contains(choice, R"("id": "7", "lang": "en", "question": "q\nA. 1\nB. 2\nC. 3\nD. 4")");
  EXPECT_EQ(convert("mmlu", {{"en", "\xEF\xBB\xBF\n" + row + "\r\n\r\n"}}), choice);
}

TEST_F(Convert, DamageIsNamedWithItsPlace) {
  const auto expect = [&](const std::string& form, const std::string& content, const char* part) {
    expect_contains(convert(form, {{"en", content}}), part);
    EXPECT_TRUE(failed_) << content;
  };
  expect("mgsm", "a\t1\nb\0\t2\n"s, "en, line 2, column 2: a NUL byte");
  expect("mgsm", "\xFF\xFE"s + "a\0\t\0"s, "UTF-16");
  expect("mgsm", "a\t1\n\xFF\t2\n", "en, line 2, column 1: no valid UTF-8");
  expect("mgsm", "a\t1\nb\t\n", "en, line 2: expected question, tab, answer");
  expect("mmlu", "\n{\"a\": \n", "en, line 2, column 7: no JSON");
  expect("mmlu", "[1]\n", "en, line 1: expected a JSON object");
  expect("mmlu", "{}\n", "en, line 1: without answer, option_a");
}

// The second problem is missing in Swahili: passed over, the third would become the second.
TEST_F(Convert, ABlankLineInPlaceOfAProblemIsRefused) {
  const std::string text =
      convert("mgsm", {{"en", "a\t1\nb\t2\nc\t3\n"}, {"sw", "d\t1\n\nf\t3\n"}});
  EXPECT_TRUE(failed_);
  expect_contains(text, "sw, line 2: a blank line, and the files differ");
}

}  // namespace
}  // namespace ramoe
