#include "ch12_experiments/results_page.h"

#include "ch12_experiments/made_results.h"
#include "ch12_experiments/markup.h"
#include "report/report_parts.h"
#include "report/svg.h"
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

ResultsInput make_whole() {
  return results_input(made_grid().results(), made_grid(with_ablations()).results(), made_mixture(),
                       made_routing());
}

/// Everything there, gathered once: bootstraps take a while.
const ResultsInput& whole() {
  static const ResultsInput input = make_whole();
  return input;
}

/// The row of a table in Markdown that begins with these cells, as cells.
std::vector<std::string> row_of(const std::string& markdown, const std::string& begin) {
  const std::size_t at = markdown.find("\n| " + begin + " |");
  EXPECT_NE(at, std::string::npos) << begin;
  if (at == std::string::npos) return {};
  std::vector<std::string> cells;
  std::istringstream line(markdown.substr(at + 3, markdown.find('\n', at + 1) - at - 4));
  for (std::string cell; std::getline(line, cell, '|');) {
    while (!cell.empty() && cell.front() == ' ') cell.erase(0, 1);
    while (!cell.empty() && cell.back() == ' ') cell.pop_back();
    cells.push_back(cell);
  }
  return cells;
}

TEST(ResultsPage, WholeInBothForms) {
  const ResultsInput& input = whole();
  const Manuscript page = results_manuscript(input);
  const std::string html = page.html(), text = page.markdown("results/figures");
  expect_page(html);
  EXPECT_FALSE(has_broken_number(text));
  for (const char* part : {"The claims, weighed", "Claim (e)", "Routing of one pair", "Every cell",
                           "Methods over many cells", "Choices of the alignment loss",
                           "How many training pairs", "The language mixture", "How it was made"}) {
    EXPECT_EQ(count_of(html, cat("<h2 id=\"", anchor_of(part), "\">", part)), 1) << part;
    EXPECT_TRUE(mentions(text, "## " + std::string(part))) << part;
  }
  for (const char* name : {"divergence", "gap", "comparison", "steering", "ci-gain", "taxonomy-a",
                           "taxonomy-b", "routing-change", "experts-a", "experts-b", "ablations",
                           "learning", "mixture", "mixture-gain"}) {
    EXPECT_TRUE(mentions(text, "](results/figures/" + std::string(name) + ".svg)")) << name;
    EXPECT_TRUE(mentions(html, "id=\"" + std::string(name) + "-title\"")) << name;
  }
  EXPECT_EQ(page.figures().size(), 14u);
  EXPECT_EQ(results_manuscript(make_whole()).html(), html) << "made twice";
}

TEST(ResultsPage, NumbersAreThoseOfTheEvidence) {
  const ResultsInput& input = whole();
  const std::string text = results_manuscript(input).markdown("f");
  const Evidence& e = input.evidence;
  // a/sums/es, the third cell: base 13 %, sft 41 %, ramoe 42.5 + 3 %, gain 4.5 points, ci 6 of 22.
  const std::string line = text.substr(text.find("| sums | Spanish"), 200);
  expect_contains(line, "| 100 | 80.0 | 13.0 | 41.0 | 45.5 |");
  for (const EvidenceCell& cell : e.cells)
    if (cell.model == "a" && cell.task == "sums" && cell.lang == "es")
      expect_contains(line, "| " + estimate_text(cell.method("ramoe")->gain, 100, 1));
  // Comparisons over all cells.
  const Comparison* rise = e.comparison("ramoe", "rise", "all");
  const std::vector<std::string> row = row_of(text, "RA-MoE | RISE");
  ASSERT_EQ(row.size(), 10u);
  EXPECT_EQ(row[2], estimate_text(rise->accuracy, 100, 2));
  EXPECT_EQ(row[4], p_text(rise->accuracy.p_adjusted) == "<0.001"
                        ? "&lt;0.001"
                        : p_text(rise->accuracy.p_adjusted));
  EXPECT_EQ(row[7], "8");
  // Every part of every claim.
  for (const Claim& claim : input.claims)
    for (const ClaimPart& part : claim.parts) {
      const double factor = part.unit == "points" ? 100 : 1;
      const int decimals = part.unit == "D" ? 3 : 2;
      const std::string value = signed_number(factor * part.estimate.value, decimals);
      EXPECT_TRUE(
          mentions(text, cat("| ", part.what, " | ", verdict_text(part.verdict()), " | ", value,
                             " | ", interval_text(part.estimate.interval, factor, decimals))))
          << claim.id << " " << part.what;
    }
  // The routing of the pair, the ablation and the mixture.
  EXPECT_EQ(row_of(text, "1, zone"),
            (std::vector<std::string>{"1, zone", "0.250", "0.062", "0.500", "0.500", "0.500"}));
  EXPECT_EQ(row_of(text, "lambda=3")[1],
            estimate_text(input.ablations->rows[1].against_default, 100, 2));
  EXPECT_EQ(row_of(text, "0.5")[1], "16.0");  // es: cells 5 and 7
}

TEST(ResultsPage, SaysWhatIsShown) {
  ResultsInput input = whole();
  const auto text = [&] { return results_manuscript(input).markdown("f"); };
  const auto ramoe = [&]() -> Estimate& {
    for (Comparison& one : input.evidence.comparisons)
      if (one.method == "ramoe" && one.against == "sft" && one.scope == "all") return one.accuracy;
    throw Error("no comparison");
  };
  const std::string begin = "- **RA-MoE minus SFT**: ";
  ramoe() = {.value = 0.01, .interval = {0.005, 0.015}, .count = 8};
  expect_contains(text(), begin +
                              "+1.00 [+0.50, +1.50] points over 8 cells, which is shown to be "
                              "above zero.");
  ramoe().interval.low = -0.005;
  expect_contains(text(), "which is not shown to differ from zero.");
  ramoe() = {.value = -0.01, .interval = {-0.015, -0.005}, .count = 8};
  expect_contains(text(), "which is shown to be below zero.");
  ramoe() = {};
  expect_contains(text(), begin + "n/a points over 8 cells, which was not measured.");
  expect_page(results_manuscript(input).html());
  for (const Claim& claim : input.claims) {
    const std::string verdict = verdict_text(claim.verdict());
    expect_contains(text(), "\n## Claim (" + claim.id + "): " + verdict + "\n");
    EXPECT_EQ(row_of(text(), "(" + claim.id + ")").at(1), verdict);
  }
}

TEST(ResultsPage, StarsFollowTheAdjustedP) {
  Estimate estimate = {.value = 0.1, .interval = {0.05, 0.2}, .p = 0.001, .p_adjusted = 0.049};
  EXPECT_EQ(star(estimate), "*");
  estimate.p_adjusted = 0.05;
  EXPECT_EQ(star(estimate), "");
  EXPECT_EQ(star(Estimate{}), "");
  EXPECT_EQ(p_text(0.0009), "<0.001");
  EXPECT_EQ(p_text(0.0494), "0.049");
  EXPECT_EQ(p_text(std::nan("")), "n/a");
  EXPECT_EQ(estimate_cells(Estimate{}, 1, 2),
            (std::vector<std::string>{"n/a", "n/a", "n/a", "n/a"}));
}

TEST(ResultsPage, WhatIsMissingIsSaid) {
  const ResultsInput input = results_input(made_grid().results(), {}, {}, nullptr);
  const Manuscript page = results_manuscript(input);
  expect_page(page.html());
  const std::string text = page.markdown("f");
  expect_contains(text, "No pair was traced: `ramoe report FOLDER`");
  expect_contains(text, "No ablations were collected: `make grid PLAN=ablations`");
  expect_contains(text, "No grid over the exponent of the language mixture was collected.");
  expect_contains(text, "| sums | es |");  // a language without a name
  EXPECT_TRUE(results_json(input)["ablations"].is_null());
  // A plan that has ablations of its own shows them.
  const ResultsInput own = results_input(made_grid(with_ablations()).results(), {}, {}, nullptr);
  expect_contains(results_manuscript(own).markdown("f"), "| lambda=3 |");
  expect_contains(
      error_of([] { results_input(made_grid().results(), {}, made_grid().results(), nullptr); }),
      "a base model is called \"a\"; expected names of the form exponent=0.3");
}

TEST(ResultsPage, HowItWasMade) {
  MadeGrid grid = made_grid();
  grid.facts["machine"] = {{"cpu", "Processor <9>"}, {"threads", 2}};
  grid.facts["build"]["revision"] = "abc";
  grid.facts["cost"] = {{"runs", 77}, {"core_seconds", 7200}};
  grid.facts["chosen"] = {
      {{"model", "a"}, {"task", "facts"}, {"variant", "ramoe"}, {"learning_rate", 0.0015}}};
  const ResultsInput input = results_input(grid.results(), {}, {}, nullptr);
  const std::string text = results_manuscript(input).markdown("f");
  expect_contains(text, "| code | c0de |");
  expect_contains(text, "| machine, cpu | Processor &lt;9&gt; |");
  expect_contains(text, "| cost | 7200 core seconds, 2.0 core hours |");
  expect_contains(text, "| seeds | 1 to 2 |");
  expect_contains(text, "| a | facts | RA-MoE | 0.0015 |");
  EXPECT_FALSE(mentions(text, "abc")) << "the revision changes without the results";
}

TEST(ResultsPage, MachineReadable) {
  const ResultsInput& input = whole();
  const Json json = results_json(input);
  EXPECT_EQ(json["code"], "c0de");
  ASSERT_EQ(json["claims"].size(), input.claims.size());
  EXPECT_EQ(json["claims"][2]["id"], "c");
  EXPECT_EQ(json["claims"][2]["verdict"], verdict_text(input.claims[2].verdict()));
  EXPECT_EQ(json["claims"][2]["parts"][0]["value"], input.claims[2].parts[0].estimate.value);
  EXPECT_EQ(json["evidence"], to_json(input.evidence));
  EXPECT_EQ(json["ablations"], to_json(*input.ablations));
}

}  // namespace
}  // namespace ramoe
