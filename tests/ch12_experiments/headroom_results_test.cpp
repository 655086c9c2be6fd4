#include "ch12_experiments/headroom_results.h"

#include <gtest/gtest.h>

#include "support/compare.h"
#include "support/texts.h"

namespace ramoe {
namespace {

OracleItem item(bool english, bool base, bool own, bool control) {
  return {.id = "x",
          .english = english,
          .base = base,
          .own = own,
          .control = control,
          .base_divergence = 0.5,
          .own_divergence = 0.25};
}

// Four items, three of them ci; own rescues two of these, the control one.
std::vector<OracleItem> four() {
  return {item(true, false, true, false), item(true, false, true, true),
          item(true, false, false, false), item(false, true, true, true)};
}

TEST(HeadroomResults, ACellByHand) {
  const HeadroomCell cell = headroom_cell("sw", "facts", four());
  EXPECT_EQ(cell.n, 4);
  EXPECT_EQ(cell.ci, 3);
  EXPECT_DOUBLE_EQ(cell.english, 0.75);
  EXPECT_DOUBLE_EQ(cell.base, 0.25);
  EXPECT_DOUBLE_EQ(cell.own, 0.75);
  EXPECT_DOUBLE_EQ(cell.control, 0.5);
  EXPECT_DOUBLE_EQ(cell.headroom, 0.25);
  EXPECT_DOUBLE_EQ(cell.rescued_own, 2.0 / 3);
  EXPECT_DOUBLE_EQ(cell.rescued_control, 1.0 / 3);
  EXPECT_DOUBLE_EQ(cell.base_divergence, 0.5);
  EXPECT_DOUBLE_EQ(cell.own_divergence, 0.25);
  // One item of four differs: a resample has 0 to 4 of it, and 0 to 3 hold the middle 95 %.
  EXPECT_DOUBLE_EQ(cell.low, 0);
  EXPECT_DOUBLE_EQ(cell.high, 0.75);
}

TEST(HeadroomResults, OfNoCiItemNothingIsRescued) {
  const HeadroomCell cell = headroom_cell("sw", "facts", {item(true, true, true, true)});
  EXPECT_EQ(cell.ci, 0);
  EXPECT_TRUE(std::isnan(cell.rescued_own));
  EXPECT_EQ(cell.headroom, 0);
  EXPECT_FALSE(cell.interval().known());
}

HeadroomResults weighed(const std::vector<std::vector<OracleItem>>& items) {
  HeadroomResults results;
  results.form = "seq";
  results.layers = "zone";
  results.control = "other";
  for (const auto& cell : items) results.cells.push_back(headroom_cell("sw", "facts", cell));
  weigh_headroom(results, items);
  return results;
}

/// `n` items of which `more` are right under own alone, and `fewer` under the control alone.
std::vector<OracleItem> items_with(int n, int more, int fewer) {
  std::vector<OracleItem> items;
  for (int i = 0; i < n; ++i)
    items.push_back(item(true, false, i < more, i >= more && i < more + fewer));
  return items;
}

TEST(HeadroomResults, TheSentenceFollowsTheInterval) {
  EXPECT_TRUE(weighed({items_with(200, 100, 0)}).words.starts_with("Routing holds something back"));
  EXPECT_TRUE(
      weighed({items_with(4000, 4, 4)}).words.starts_with("Routing holds nothing back here: own"));
  EXPECT_TRUE(weighed({items_with(10, 1, 1)}).words.starts_with("Undecided: own minus OTHER"));
  expect_contains(weighed({items_with(10, 0, 0)}).words, "right on the same items");
  EXPECT_TRUE(weighed({items_with(3, 3, 0)}).words.starts_with("Undecided: "));
  EXPECT_TRUE(
      weighed({items_with(200, 0, 100)}).words.starts_with("Routing holds nothing back here"));
  const HeadroomResults two = weighed({items_with(10, 4, 0), items_with(100, 0, 0)});
  EXPECT_DOUBLE_EQ(two.headroom, 0.2);  // cells weigh the same
  expect_contains(two.words, "+20.0 points [");
  expect_contains(two.words, "mean over 2 cells");
  // All items are wrong by themselves; own is right on a half of them, OTHER on a quarter.
  expect_contains(weighed({items_with(200, 100, 50)}).words,
                  "Own minus base is +50.0 points: what aligned routing alone could win");
}

TEST(HeadroomResults, FilesAreReadAsTheyWereWritten) {
  HeadroomResults results = weighed({four(), items_with(3, 0, 0)});
  results.forced = {1, 2};
  results.model = "base";
  results.language_names = {{"sw", "Swahili"}};
  const Json json = to_json(results);
  EXPECT_TRUE(json["cells"][1]["low"].is_null());
  EXPECT_EQ(to_json(headroom_from(json, "results.json")), json);
  EXPECT_EQ(headroom_table_text(headroom_from(json, "results.json")), headroom_table_text(results));
  Json broken = json;
  broken["cells"][0]["own"] = "half";
  EXPECT_TRUE(mentions(error_of([&] { headroom_from(broken, "results.json"); }),
                       "results.json: cells[0].own"));
  EXPECT_TRUE(mentions(error_of([&] { headroom_from(Json::array(), "results.json"); }),
                       "results.json"));
}

TEST(HeadroomResults, TheTableHasEachNumber) {
  const std::string text = headroom_table_text(weighed({four()}));
  for (const char* part : {"OTHER", "75.0", "25.0", "50.0", "+25.0", "[0.0, +75.0]", "66.7 / 33.3"})
    expect_contains(text, part);
}

}  // namespace
}  // namespace ramoe
