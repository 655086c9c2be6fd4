#include "report/headroom_report.h"

#include <gtest/gtest.h>

#include "report/markup.h"
#include "support/texts.h"

namespace ramoe {
namespace {

HeadroomResults made() {
  HeadroomResults results;
  results.model = "runs/<base>";
  results.form = "last";
  results.layers = "zone";
  results.control = "other";
  results.split = "adapt_train";
  results.forced = {2, 3};
  results.language_names = {{"sw", "Swahili"}, {"es", "Spanish"}};
  std::vector<OracleItem> some(40);
  for (std::size_t i = 0; i < some.size(); ++i)
    some[i] = {.id = "x", .english = true, .base = i % 4 == 0, .own = i % 2 == 0};
  const std::vector<std::vector<OracleItem>> items = {some, std::vector<OracleItem>(3), some};
  results.cells = {headroom_cell("sw", "facts", items[0]), headroom_cell("es", "facts", items[1]),
                   headroom_cell("sw", "sums", items[2])};
  results.cells[0].english_frame = 0.125;
  weigh_headroom(results, items);
  return results;
}

TEST(HeadroomReport, WholePage) {
  const std::string page = headroom_report_html(made());
  expect_page(page);
  for (const char* part : {"Swahili", "Spanish", "own minus OTHER", "Swahili, base", "+50.0",
                           "runs/&lt;base&gt;", "2605.28306", "12.5", "layers zone (2, 3)",
                           "Undecided: own minus OTHER", "3 to 40 pairs a cell"})
    expect_contains(page, part);
}

TEST(HeadroomReport, NamesTheControl) {
  HeadroomResults results = made();
  results.control = "mean";
  const std::string page = headroom_report_html(results);
  expect_contains(page, "own minus mean");
  EXPECT_EQ(page.find("(OTHER)"), std::string::npos);
}

}  // namespace
}  // namespace ramoe
