#include <gtest/gtest.h>

#include <iomanip>
#include <sstream>

#include "support/json_place.h"
#include "support/texts.h"

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

// dump() is compiled in json.cpp; operator<< is the library's own writer.
TEST(Json, DumpIsWhatTheLibraryWrites) {
  const auto expect_same = [](const auto& json) {
    std::ostringstream close, apart;
    close << json;
    apart << std::setw(3) << std::setfill('.') << json;
    EXPECT_EQ(json.dump(), close.str());
    EXPECT_EQ(json.dump(3, '.'), apart.str());
  };
  const std::string text = R"({"b":[1,-2.5,true,null,{}],"a":{"\u00e9\n":[]}})";
  expect_same(parse_json(text));
  expect_same(parse_json<nlohmann::json>(text));
  EXPECT_EQ(Json("\xC3\xA9").dump(-1, ' ', true), R"("\u00e9")");
  EXPECT_EQ(Json("\xC3").dump(-1, ' ', false, Json::error_handler_t::ignore), R"("")");
  EXPECT_THROW(Json("\xC3").dump(), Json::exception);
}

TEST(Json, WhatIsNotJsonCanBeDiscarded) {
  EXPECT_EQ(json_or_discarded("[1]"), Json::array({1}));
  for (const char* text : {"", "{", "1e999", "[1] 2"})
    EXPECT_TRUE(json_or_discarded(text).is_discarded()) << text;
}

enum class Choice { one, other };
constexpr auto names(Choice) {
  return std::array{"one", "other"};
}

TEST(JsonPlace, ErrorsNameFilePathAndWhatWasFound) {
  const std::string file = "a.json";
  const Json json =
      parse_json(R"({"sub": [1, {"n": "x", "flag": 1}], "share": 0.5, "none": null})");
  const JsonAt<Json> at{file, "", json, "; make it again."};
  const auto element = at["sub"][1];
  EXPECT_EQ(error_of([&] { element["n"].number(); }),
            "a.json: sub[1].n: expected a number, found \"x\"; make it again.");
  EXPECT_EQ(error_of([&] { at["sub"].object(); }),
            "a.json: sub: expected an object, found a list of 2; make it again.");
  EXPECT_EQ(error_of([&] { element["m"]; }), "a.json: sub[1].m is missing; make it again.");
  EXPECT_EQ(error_of([&] { at["sub"][0].text(); }),
            "a.json: sub[0]: expected text, found 1; make it again.");
  EXPECT_EQ(error_of([&] { element["flag"].flag(); }),
            "a.json: sub[1].flag: expected true or false, found 1; make it again.");
  EXPECT_EQ(error_of([&] { at.list(); }),
            "a.json: expected a list, found an object of 3 keys; make it again.");
  EXPECT_EQ(error_of([&] {
              element.only({"n", "flags"});
            }),
            "a.json: sub[1].flag is an unknown key (did you mean \"flags\"?); expected n, "
            "flags; make it again.");
  EXPECT_EQ(error_of([&] { element["n"].choice<Choice>(); }),
            "a.json: sub[1].n: expected one of one, other, found \"x\"; make it again.");
  expect_contains(error_of([&] { at["share"].choice<Choice>(); }), "expected one of one, other");
  const Json other = "other";
  EXPECT_EQ((JsonAt<Json>{file, "", other}.choice<Choice>()), Choice::other);
  expect_contains(error_of([&] { at["share"].whole(0); }), "share: expected a whole number of at");
  expect_contains(error_of([&] { at["sub"][0].whole(2, 5); }),
                  "a whole number from 2 to 5, found 1");
  EXPECT_EQ(at["sub"][0].whole(1, 1), 1);
  EXPECT_EQ(at["share"].number(), 0.5);
  EXPECT_TRUE(at.has("none") && !at.given("none"));
  EXPECT_EQ(at.members()[1].first, "share");
}

}  // namespace
}  // namespace ramoe
