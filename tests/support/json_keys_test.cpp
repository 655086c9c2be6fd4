#include "support/json_keys.h"

#include <gtest/gtest.h>

#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {

struct Row {
  std::string name;
  int count = 0;
  double share = 0.5;
  std::optional<bool> flag;
  std::vector<double> values;
  Named<int> by_name;
  std::string note = "none";
};
template <class Keys>
static void list(Keys& keys, KeysOf<Keys, Row>& row) {
  keys("name", row.name, "count", row.count, "share", row.share, "flag", row.flag);
  keys.maybe("note", row.note);
  keys.object("inner", [&](auto&& inner) { inner("values", row.values, "by", row.by_name); });
}

namespace {

Row read(const std::string& text) {
  Row row;
  JsonKeyReader(parse_json(text), "file").read(row);
  return row;
}

TEST(JsonKeys, ThereAndBack) {
  const Json json =
      parse_json(R"({"name": "a", "count": 3, "share": null, "flag": true, "note": "n",)"
                  R"( "inner": {"values": [1.5, null], "by": {"z": 1, "a": 2}}})");
  const Row row = read(json.dump());
  EXPECT_TRUE(std::isnan(row.share) && std::isnan(row.values.at(1)));
  EXPECT_EQ(row.by_name[0].first, "z") << "in the order of the file";
  EXPECT_EQ(*find_named(row.by_name, "a"), 2);
  EXPECT_EQ(find_named(row.by_name, "b"), nullptr);
  EXPECT_EQ(JsonKeyWriter::written(row).dump(), json.dump());
}

TEST(JsonKeys, WhatMayBeMissing) {
  const Row row = read(R"({"name": "", "count": 0, "inner": {}})");
  EXPECT_TRUE(std::isnan(row.share));
  EXPECT_FALSE(row.flag);
  EXPECT_EQ(row.note, "none");
  EXPECT_FALSE(JsonKeyWriter::written(row).contains("flag")) << "an empty optional is left out";
}

TEST(JsonKeys, ErrorsNameFileAndKey) {
  const auto error = [](const std::string& text) { return error_of([&] { read(text); }); };
  expect_contains(error("[]"), "file: the whole: given []");
  expect_contains(error(R"({"name": 3})"), "file: name: given 3, expected text");
  expect_contains(error(R"({"name": "a"})"), "count: given nothing, expected a whole number");
  expect_contains(error(R"({"name": "a", "count": 1e12})"), "count: given");
  const std::string begin = R"({"name": "a", "count": 1, )";
  expect_contains(error(begin + R"("share": "x"})"),
                  "share: given \"x\", expected a number or null");
  expect_contains(error(begin + R"("flag": 1})"), "flag: given 1, expected true or false");
  expect_contains(error(begin + R"("inner": {"values": [1, "x"]}})"), "inner.values[1]: given");
  expect_contains(error(begin + R"("inner": {"values": 1}})"),
                  "inner.values: given 1, expected a list");
  expect_contains(error(begin + R"("inner": {"by": []}})"),
                  "inner.by: given [], expected an object");
}

}  // namespace
}  // namespace ramoe
