#include "report/made_grid_results.h"
#include "report/markup.h"
#include "report/page.h"
#include "report/report.h"
#include "support/scratch.h"
#include "support/text.h"
#include "support/texts.h"

namespace ramoe {
namespace {

Json with_ablations() {
  Json variants = MadeGrid::three_methods();
  const auto add = [&](const char* name, const char* group, const char* method, const Json& keys) {
    variants.push_back({{"name", name}, {"group", group}, {"method", method}, {"keys", keys}});
  };
  add("lambda=3", "lambda", "ramoe", {{"lambda", 3}});
  add("sft-train_pairs=20", "train_pairs", "sft", {{"train_pairs", 20}});
  add("train_pairs=20", "train_pairs", "ramoe", {{"train_pairs", 20}});
  return variants;
}

/// Weighed once: bootstraps take a while.
const GridEvidence& whole() {
  static const GridEvidence weighed =
      weigh_grid(made_grid().results(), made_grid(with_ablations()).results());
  return weighed;
}

TEST(GridReport, WholePage) {
  const std::string html = grid_report_html(whole(), made_routing());
  expect_page(html);
  for (const char* part :
       {"The claims, weighed", "What was seen", "Every cell", "Choices of the alignment loss",
        "Routing of one pair", "How it was made"})
    EXPECT_EQ(count_of(html, section_heading(part)), 1) << part;
  for (const char* chart : {"comparison", "divergence", "routing-change"})
    expect_contains(html, cat("id=\"", chart, "-title\""));
  expect_contains(html, "Spanish &lt;&amp;&gt; |x|, facts");  // the pair
  EXPECT_EQ(grid_report_html(whole(), made_routing()), html) << "made twice";
  // With the grid that decides, that comes first.
  EXPECT_EQ(count_of(html, "Where it can be decided"), 0);
  const std::string both = grid_report_html(whole(), made_routing(), whole());
  expect_page(both);
  EXPECT_LT(both.find(section_heading("Where it can be decided")),
            both.find(section_heading("The claims, weighed")));
  expect_contains(both, "id=\"decide-title\"");
}

TEST(GridReport, NumbersAreThoseOfTheEvidence) {
  const std::string html = grid_report_html(whole(), made_routing());
  const auto cells = [](const std::vector<std::string>& all) {
    std::string text;
    for (const std::string& one : all) text += "<td class=\"number\">" + one + "</td>";
    return text;
  };
  // a/sums/es: base 13 %, sft 41 %, ramoe 42.5 + 3 %; English 80 %.
  expect_contains(html, cells({"100", "80.0", "13.0", "41.0", "45.5"}));
  const auto value = [](const Estimate& e, double factor, int decimals) {
    return signed_number(factor * e.value, decimals) + " [";
  };
  const auto spaced = [](std::string text) {
    for (std::size_t at; (at = text.find("&nbsp;")) != std::string::npos;) text.replace(at, 6, " ");
    return text;
  };
  const std::string text = spaced(html);
  const Comparison* rise = whole().evidence.comparison("ramoe", "rise", "all");
  expect_contains(text, value(rise->accuracy, 100, 2));
  expect_contains(text, value(whole().ablations->rows[1].against_default, 100, 2));
  for (const Claim& claim : whole().claims) {
    expect_contains(text, cat("(", claim.id, ") ", name_of(claim.verdict()), ": how"));
    for (const ClaimPart& part : claim.parts)
      if (part.estimate.interval.known())
        expect_contains(
            text, value(part.estimate, part.unit == "points" ? 100 : 1, part.unit == "D" ? 3 : 2));
  }
}

TEST(GridReport, WhatIsMissingIsSaid) {
  const GridEvidence weighed = weigh_grid(made_grid().results());
  const std::string html = grid_report_html(weighed, {});
  expect_page(html);
  expect_contains(html, "No pair was traced: <code>ramoe report FOLDER</code>");
  EXPECT_EQ(html.find("Choices of the alignment loss"), std::string::npos);
  expect_contains(html, "<td>es</td>");  // a language without a name
}

TEST(GridReport, HowItWasMade) {
  MadeGrid grid = made_grid();
  grid.facts["machine"] = {{"cpu", "Processor <9>"}, {"threads", 2}};
  grid.facts["build"]["revision"] = "abcdef";
  grid.facts["chosen"] = {
      {{"model", "a"}, {"task", "facts"}, {"variant", "ramoe"}, {"learning_rate", 0.0015}}};
  const std::string before = grid_report_html(weigh_grid(grid.results()), {});
  EXPECT_EQ(before.find("No independent evidence"), std::string::npos);
  grid.facts["plan"]["models"]["a"] = "data/models/a";  // chosen for its curve
  const std::string html = grid_report_html(weigh_grid(grid.results()), {});
  expect_contains(html, "No independent evidence");
  for (const char* part : {"c0de", "Processor &lt;9&gt;", "1 to 2", "0.0015"})
    expect_contains(html, part);
  EXPECT_EQ(html.find("abcdef"), std::string::npos) << "it changes without the results";
}

TEST(GridReport, RatesAtTheEdgeOfTheSearchAreSaid) {
  MadeGrid grid = made_grid();
  grid.facts["finished"] = false;  // the records of these rates are not there
  grid.facts["plan"]["search"]["learning_rates"] = {0.0005, 0.001, 0.002};
  const auto chosen = [](const char* variant, double rate) {
    return Json{{"model", "a"},
                {"task", "facts"},
                {"variant", variant},
                {"learning_rate", rate},
                {"valid_by_rate", {{"0.0005", 0.1}, {"0.001", 0.2}, {"0.002", 0.3}}}};
  };
  grid.facts["chosen"] = Json::array({chosen("sft", 0.002), chosen("ramoe", 0.001)});
  const std::string html = grid_report_html(weigh_grid(grid.results()), {});
  expect_contains(html, "<b>Search edges:</b> 1 of 2 chosen learning rates lie at the edge");
  EXPECT_EQ(count_of(html, ">highest</td>"), 1);
  grid.facts["chosen"] = Json::array({chosen("ramoe", 0.001)});
  EXPECT_EQ(count_of(grid_report_html(weigh_grid(grid.results()), {}), "Search edges:"), 0);
}

}  // namespace
}  // namespace ramoe
