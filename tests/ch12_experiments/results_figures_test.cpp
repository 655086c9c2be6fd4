#include "ch12_experiments/results_figures.h"

#include "ch12_experiments/made_results.h"
#include "ch12_experiments/markup.h"
#include "support/texts.h"

namespace ramoe {
namespace {

const LanguageNames names = {{"es", "Spanish <&>"}};

/// Drawn well, with the parts.
void expect_figure(const std::string& svg, const std::vector<std::string>& parts) {
  expect_drawing(svg);
  for (const std::string& part : parts) expect_contains(svg, part);
}

TEST(ResultsFigures, DivergenceOfEveryModelOnBothTexts) {
  MadeGrid grid = made_grid();
  grid.facts["stages"]["a"]["divergence"]["by_language"]["es"] = {0.9, 0.4, 0.4, 0.9};
  const Evidence evidence = gather_evidence(grid.results());
  const std::string svg = divergence_figure(evidence, names);
  expect_figure(svg, {"a, general text", "b, task prompts", "Spanish &lt;&amp;&gt;", ">sw</text>",
                      "Zone of a: 1 to 2."});
  EXPECT_EQ(count_of(svg, "var(--band"), 4);  // a band in every panel
  EXPECT_EQ(count_of(svg, "<path"), 4 * 3);
}

TEST(ResultsFigures, ScattersHaveEveryCellAndItsCorrelation) {
  Evidence evidence = gather_evidence(made_grid().results());
  const std::string gap = gap_figure(evidence), gain = ci_gain_figure(evidence);
  // Cell 3 is a/sums/es: ci 6 of 22, gain 1.5 + 3 points; divergence .13, gap 80 - 13 points.
  expect_figure(gain, {"a es, sums: 27.3, 4.5", gap_words(evidence).empty() ? "x" : "r = +1.00"});
  expect_figure(gap, {"a es, sums: 0.1, 67", gap_words(evidence).substr(0, 30)});
  // Tasks differ by the shape: a dot and a ring, once more in the legend.
  EXPECT_EQ(count_of(gap, "<circle"), 8 + 2);
  evidence.cells[0].divergence_zone = std::nan("");
  EXPECT_EQ(count_of(gap_figure(evidence), "<circle"), 7 + 2);
  for (const GapCorrelation& one : evidence.gap)
    if (one.scope == "all" && !one.within)
      expect_contains(gap, " Over all cells r = " + estimate_text(one.zone, 1, 2));
}

TEST(ResultsFigures, WhatStagesFound) {
  const GridResults grid = made_grid().results();
  expect_figure(taxonomy_figure(grid, "a", names),
                {"id=\"taxonomy-a-title\"", "Spanish &lt;&amp;&gt;, ci English only: 2 of 22"});
  const std::string maps = experts_figure(grid, "a", "es", names);
  expect_figure(maps, {"facts, Spanish &lt;&amp;&gt;, RA-MoE, layer 3, expert 1: 0.7"});
  EXPECT_EQ(count_of(maps, "var(--outline"), 2 * 3 * 4);  // an outline per task, map and layer
  EXPECT_EQ(count_of(maps, "alignment zone"), 2 * 2);
  MadeGrid without = made_grid();
  for (auto& [id, record] : without.records) record.erase("q");
  EXPECT_EQ(experts_figure(without.results(), "a", "es", names), "");
}

TEST(ResultsFigures, RoutingChangeIsDrawnByLayer) {
  const Evidence evidence = gather_evidence(made_grid().results());
  const std::string svg = routing_change_figure(evidence);
  expect_figure(svg, {">a</text>", ">facts</text>", ">mean</text>"});
  EXPECT_EQ(count_of(svg, "<path"), 2 * (4 + 1));
}

TEST(ResultsFigures, MethodsBesideSft) {
  const Evidence evidence = gather_evidence(made_grid().results());
  const std::string comparison = comparison_figure(evidence), steering = steering_figure(evidence);
  const Estimate& all = evidence.comparison("ramoe", "sft", "all")->accuracy;
  expect_figure(comparison, {"all cells", "RA-MoE: " + short_number(100 * all.value) + " from " +
                                              short_number(100 * all.interval.low)});
  EXPECT_EQ(count_of(comparison, "RISE: "), 1 + 2 + 2);
  EXPECT_EQ(count_of(comparison, "steering"), 0);
  expect_figure(steering, {"soft steering, base: ", "hard steering, SFT: "});
  EXPECT_EQ(count_of(steering, "RA-MoE"), 0);
  EXPECT_EQ(steering_figure(Evidence{}), "");
  EXPECT_EQ(comparison_figure(Evidence{}), "");
}

TEST(ResultsFigures, Ablations) {
  Ablations ablations;
  Ablation row;
  row.variant = "ramoe";
  row.group = "main";
  row.against_sft = {.value = 0.02, .interval = {0.01, 0.03}};
  ablations.rows.push_back(row);
  row.group = "lambda";
  row.variant = "lambda=3";
  row.against_default = {.value = -0.015, .interval = {-0.02, 0.005}};
  ablations.rows.push_back(row);
  row.variant = "<odd>";  // without an interval
  row.against_default = {};
  ablations.rows.push_back(row);
  const std::string svg = ablations_figure(ablations);
  // Without alignment it is SFT that is compared with the default: the sign turns, and the ends.
  expect_figure(svg, {"SFT: -2 from -3 to -1", ">lambda</text>", ">3</text>",
                      "3: -1.5 from -2 to 0.5", "&lt;odd&gt;"});
  EXPECT_EQ(learning_figure(ablations), "");
  ablations.learning = {{20, 0.1, 0.2, {.value = 0.1, .interval = {0.05, 0.15}}},
                        {0, 0.3, 0.25, {}}};
  expect_figure(learning_figure(ablations),
                {">20</text>", ">all</text>", "20 pairs: RA-MoE minus SFT +10.00 [+5.00, +15.00]",
                 "all pairs: RA-MoE minus SFT n/a"});
}

TEST(ResultsFigures, Mixture) {
  EXPECT_EQ(mixture_exponent("exponent=0.3"), 0.3);
  for (const char* name : {"olmoe", "exponent=", "exponent=1x", "exponent"})
    EXPECT_TRUE(std::isnan(mixture_exponent(name))) << name;
  const Evidence mixture = gather_evidence(made_mixture());
  const std::string svg = mixture_figure(mixture, names);
  expect_figure(svg, {"Spanish &lt;&amp;&gt;", "gap to English (points)", ">0.4</text>"});
  EXPECT_EQ(count_of(svg, "<path"), 4);
  // es of exponent 0 is cells 1 and 3: base 11 and 13 %.
  EXPECT_NEAR(mean_over_tasks(mixture, "exponent=0", "es",
                              [](const EvidenceCell& cell) { return cell.base; }),
              0.12, 1e-12);
  expect_figure(mixture_gain_figure(mixture), {">0.5</text>", "0: "});
  EXPECT_EQ(mixture_figure(Evidence{}, names), "");
}

}  // namespace
}  // namespace ramoe
