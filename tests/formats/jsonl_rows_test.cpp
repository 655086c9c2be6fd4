#include "formats/jsonl_rows.h"

#include <gtest/gtest.h>

#include "support/files.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

class JsonlRows : public testing::Test {
 protected:
  std::string put(const std::string& text) {
    write_file(scratch_.file("a.jsonl"), text);
    return scratch_.file("a.jsonl");
  }
  std::vector<ItemRow> items(const std::string& text) {
    return read_item_rows(put(text), Extractor::exact);
  }
  /// The error of a file whose third line is the given one; the second is empty.
  std::string error(const std::string& line) {
    const std::string good =
        R"({"id": "1", "lang": "en", "task": "t", "question": "q", "answer": "a"})";
    return error_of([&] { items(good + "\n\n" + line + "\n"); });
  }
  ScratchFolder scratch_;
};

TEST_F(JsonlRows, ItemsAreRead) {
  const auto rows = items(
      "\xEF\xBB\xBF{\"id\": \"7\", \"lang\": \"sw\", \"task\": \"mgsm\", \"question\": \"Ngapi?\", "
      "\"answer\": \"18\"}\r\n\r\n"
      R"({"split": "adapt_valid", "extractor": "last_number", "id": "a/b", "lang": "en",)"
      R"( "task": "mmlu", "question": "q \"x\" \u00e9", "answer": " it is 2"})");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].example.id, "mgsm/7");
  EXPECT_EQ(rows[0].example.task, "mgsm");
  EXPECT_EQ(rows[0].example.lang, "sw");
  EXPECT_EQ(rows[0].example.question, "Ngapi?");
  EXPECT_EQ(rows[0].example.answer, "18");
  EXPECT_EQ(rows[0].extractor, Extractor::exact);
  EXPECT_FALSE(rows[0].split.has_value());
  EXPECT_TRUE(rows[0].where.ends_with("a.jsonl, line 1")) << rows[0].where;
  EXPECT_EQ(rows[1].example.id, "mmlu/a/b");
  EXPECT_EQ(rows[1].example.question, "q \"x\" \u00e9");
  EXPECT_EQ(rows[1].extractor, Extractor::last_number);
  EXPECT_EQ(rows[1].split, Split::adapt_valid);
  EXPECT_TRUE(rows[1].where.ends_with("line 3")) << rows[1].where;
  EXPECT_EQ(read_item_rows(scratch_.file("a.jsonl"), Extractor::last_number)[0].extractor,
            Extractor::last_number);
}

TEST_F(JsonlRows, WhatIsWrongIsNamedWithFileLineAndKey) {
  const auto expect = [&](const std::string& line, const std::vector<std::string>& parts) {
    const std::string text = error(line);
    expect_contains(text, "a.jsonl, line 3");
    for (const std::string& part : parts) expect_contains(text, part);
  };
  const auto row = [](const std::string& more, const std::string& answer = "a") {
    return R"({"id": "2", "lang": "en", "task": "t", "question": "q", "answer": ")" + answer +
           "\"" + more + "}";
  };
  expect("{\"id\": ", {"JSON"});
  expect("[1]", {"object"});
  expect("{}{}", {"JSON"});
  expect(row(R"(, "anser": "x")"), {"anser is an unknown key (did you mean \"answer\"?)"});
  expect(row(R"(, "id": "3")"), {"\"id\"", "twice"});
  expect(R"({"id": "2", "lang": "en", "task": "t", "question": "q"})", {"answer is missing"});
  expect(R"({"id": 2, "lang": "en", "task": "t", "question": "q", "answer": "a"})",
         {"id: expected text, found 2"});
  expect(row("", ""), {"answer is empty"});
  expect(row("", " \\n\\u00a0"), {"answer is empty"});
  expect(R"({"id": "2", "lang": "e n", "task": "t", "question": "q", "answer": "a"})",
         {": lang = \"e n\""});
  expect(R"({"id": "2", "lang": "en", "task": "t,u", "question": "q", "answer": "a"})",
         {": task = \"t,u\""});
  expect(row(R"(, "extractor": "last_numbr")"), {": extractor: ", "last_number"});
  expect(row(R"(, "extractor": 1)"), {": extractor: expected text"});
  expect(row(R"(, "split": "tests")"), {": split: ", "tests"});
  expect(row(R"(, "split": "base")"), {"\"split\"", "base"});
  expect(row(R"(, "extractor": "last_number")"), {"\"answer\"", "last_number", "no number"});
  expect(row(R"(, "extractor": "choice_letter")", "dog"), {"\"answer\"", "choice_letter"});
  expect(row("", "\xff"), {"UTF-8"});
  expect(row("", "\\ud800"), {"JSON"});
  using namespace std::string_literals;
  expect(row("", "a\0b"s), {"line 3, column 69", "NUL"});  // inside a text
  expect(row("") + "\0"s, {"line 3, column 71", "NUL"});  // behind the object, where a parser stops
  expect("\0\0\0"s, {"line 3, column 1", "NUL"});         // as after a crash of the machine
  expect(row("", "a\\u0000b"), {": answer holds", "U+0000"});
  for (const std::string& utf16 : {"\xFF\xFE{\0}\0"s, "\xFE\xFF\0{\0}"s})
    expect_contains(error_of([&] { items(utf16); }), "a.jsonl: this is UTF-16");
  const std::string deep(200000, '['), closed(200000, ']');
  expect("{\"task\": " + deep + closed + "}", {": task: expected text, found a list"});
  expect(deep, {"JSON"});
  expect_contains(error_of([&] { items("\n \n"); }), "no line");
  expect_contains(error_of([] { read_item_rows("/none.jsonl", Extractor::exact); }), "/none.jsonl");
}

TEST_F(JsonlRows, Texts) {
  const auto rows = read_text_rows(put(R"({"id": "1", "lang": "sw", "text": "Habari ya leo"})"));
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].id + "|" + rows[0].lang + "|" + rows[0].text, "1|sw|Habari ya leo");
  expect_contains(
      error_of([&] { read_text_rows(put(R"({"id": "1", "lang": "sw", "question": "x"})")); }),
      "question is an unknown key");
}

}  // namespace
}  // namespace ramoe
