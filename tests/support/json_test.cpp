#include "support/json.h"

#include <gtest/gtest.h>

#include "support/scratch.h"

namespace ramoe {
namespace {

using namespace std::string_literals;

std::string error_in(const std::string& text, long line = 0) {
  return error_of([&] { parse_json(text, "a.json", line); });
}

// The parser takes a NUL for the end: what stands behind it was lost in silence.
TEST(Json, ANulByteIsAnErrorWithItsPlace) {
  EXPECT_EQ(nlohmann::json::parse("{}\0 x"s), nlohmann::json::object()) << "the parser has changed";
  expect_contains(error_in("{}\0 x"s), "a.json, line 1, column 3: a NUL byte");
  expect_contains(error_in("{\n \"a\":\0 1}"s), "a.json, line 2, column 6: a NUL byte");
  expect_contains(error_in("{\n \"a\": \"x\0y\"}"s), "a.json, line 2, column 9: a NUL byte");
  expect_contains(error_in("\0{}"s), "line 1, column 1: a NUL byte");
  expect_contains(error_in("{}\n\n\0"s), "line 3, column 1: a NUL byte");
  expect_contains(error_in("{}\0"s, 7), "a.json, line 7, column 3: a NUL byte");
  EXPECT_EQ(parse_json(R"({"a": "x\u0000y"})", "a.json")["a"], Json("x\0y"s));
}

TEST(Json, ByteOrderMarks) {
  EXPECT_EQ(parse_json("\xEF\xBB\xBF{\"a\": 1}", "a.json")["a"], 1);
  for (const std::string& text :
       {"\xFF\xFE{\0}\0"s, "\xFE\xFF\0{\0}"s, "\xFF\xFE\0\0{\0\0\0"s, "\0\0\xFE\xFF\0\0\0{"s})
    expect_contains(error_in(text), "a.json: this is UTF-16 or UTF-32; save the file as UTF-8");
  expect_contains(error_in("{\0\"\0"s),
                  "column 2: a NUL byte, which no JSON holds; the file is "
                  "damaged or not UTF-8");
}

TEST(Json, ALineIsNamedByItsNumber) {
  expect_contains(error_in("{\"a\": ", 12),
                  "a.json, line 12, column 7: this is not valid JSON (the "
                  "line ends too early; one object a line");
  expect_contains(error_in("{} {}", 12),
                  "a.json, line 12, column 4: this is not valid JSON (unexp");
  EXPECT_EQ(parse_json("{\"a\": 1}\r", "a.json", 12)["a"], 1);  // CRLF
  EXPECT_EQ(parse_json<nlohmann::json>("{\"b\": 1, \"a\": 2}", "a.json").begin().key(), "a");
}

}  // namespace
}  // namespace ramoe
