#include "report/report.h"

#include <gtest/gtest.h>

#include <limits>

#include "report/markup.h"
#include "report/page.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// What a demo with one language, one task and two seeds writes.
Json small_results() {
  return parse_json(R"({
    "title": "Small <run> & \"more\"",
    "model": {"family": "olmoe", "layers": 3, "parameters": 950000},
    "languages": ["en", "zh"], "language_names": {"en": "English", "zh": "Chinese <中文>"},
    "tasks": ["facts"], "seeds": [1, 2], "web_share": {"en": 41.7, "zh": 4.93},
    "base_accuracy": [{"lang": "en", "task": "facts", "accuracy": 0.95, "n": 40}],
    "pretrain": {"steps": [1, 2], "loss": [3.0, 2.5]},
    "divergence": {"by_language": {"zh": [0.3, 0.1, 0.2]}, "mean": [0.3, 0.1, 0.2],
      "by_task": {"facts": {"zh": [0.3, 0.1, 0.2]}}, "zone": {"first": 1, "last": 1},
      "zone_rule": "curve", "u_shaped": true,
      "correlation": {"zone": -0.5, "outside": null, "points": 3}},
    "headroom": [{"model": "runs/base", "form": "seq", "layers": "zone", "control": "other",
      "split": "adapt_train", "forced": [1], "headroom": 0.02, "low": 0.01, "high": 0.03,
      "language_names": {"zh": "Chinese <中文>"}, "words": "Routing holds <something> back.",
      "cells": [{"lang": "zh", "task": "facts", "n": 30, "ci": 12, "english": 0.9, "base": 0.2,
        "own": 0.25, "control": 0.23, "headroom": 0.02, "low": 0.01, "high": 0.03}]}],
    "taxonomy": [{"lang": "zh", "task": "facts", "cc": 5, "ci": 12, "ic": 1, "ii": 2}],
    "experts": [{"task": "facts", "score": [[0.1, 0.2], [0.3, -0.1], [0, 0]],
      "experts": [[1], [0], []]}],
    "finetune": [
      {"lang": "zh", "method": "sft", "seed": 1, "steps": [1, 2], "loss": [2, 1], "alignment": []},
      {"lang": "zh", "method": "ramoe", "seed": 1, "steps": [1, 2], "loss": [2, 1],
       "alignment": [0.5, null]}],
    "accuracy": [{"lang": "zh", "task": "facts", "n": 40, "n_english_correct": 38, "base": 0.125,
      "base_given_english": 0.1, "ci_share": 0.6,
      "methods": {"sft": {"accuracy": [0.2, 0.3], "given_english": [0.2, 0.3]},
                  "ramoe": {"accuracy": [0.3, 0.36], "given_english": [0.3, 0.4],
        "difference": {"mean": 0.08, "low": -0.17, "high": 0.33, "per_seed": [0.1, 0.06]}},
                  "ramoe-last": {"accuracy": [0.25, 0.3], "given_english": [0.3, 0.4],
        "difference": {"mean": 0.025, "low": -0.1, "high": 0.15, "per_seed": [0.05, 0]}}}}],
    "overall": {"ramoe": {"difference": {"mean": 0.08, "low": 0.06, "high": 0.1},
      "ci_gain_correlation": {"r": null, "low": null, "high": null, "points": 1},
      "headroom_gain_correlation": {"seq": {"r": null, "low": null, "high": null, "points": 1}}},
                "ramoe-last": {"difference": {"mean": 0.025, "low": 0, "high": 0.05},
      "ci_gain_correlation": {"r": null, "low": null, "high": null, "points": 1},
      "headroom_gain_correlation": {"seq": {"r": null, "low": null, "high": null, "points": 1}}}},
    "words": ["RA-MoE < SFT & so on."],
    "run": {"command": "demo", "finished": "now", "build": {"compiler": "g++"}}})");
}

/// Of what a results.json holds.
std::string page_of(const Json& json) {
  return report_html(results_from<RunResults>(json, "results"));
}
std::string table_of(const Json& json) {
  return accuracy_table_text(results_from<RunResults>(json, "results"));
}

/// Typed.
RunResults small() {
  return results_from<RunResults>(small_results(), "results");
}

TEST(Report, WholePage) {
  const std::string html = page_of(small_results());
  expect_page(html);
  expect_contains(html, "<h1>Small &lt;run&gt; &amp; &quot;more&quot;</h1>");
  expect_contains(html, "Chinese &lt;中文&gt;");
  expect_contains(html, "RA-MoE &lt; SFT &amp; so on.");
  expect_contains(html, "+8.0 <small>[-17.0,&nbsp;+33.0]</small>");
  expect_contains(html, "<td class=\"number\">33.0</td>");  // mean of 30 and 36 %
  expect_contains(html, "950,000");
  EXPECT_FALSE(mentions(html, "class=\"missing\"")) << "nothing is missing";
}

TEST(Report, OrderOfSections) {
  const std::string html = page_of(small_results());
  std::size_t before = 0;
  for (const char* heading :
       {"What was seen", "Accuracy", "Against SFT", "Routing divergence by layer",
        "Headroom: is routing what is missing", "Stage 1: what English knows",
        "Stage 2: task experts", "Stage 3: training curves", "How it was made"}) {
    const std::size_t at = html.find(section_heading(heading));
    EXPECT_NE(html.find(cat("<li><a href=\"#", anchor_of(heading), "\">", heading, "</a></li>")),
              std::string::npos)
        << heading;
    ASSERT_NE(at, std::string::npos) << heading;
    EXPECT_GT(at, before) << heading;
    before = at;
  }
}

TEST(Report, EachMissingSectionNamesItsCommand) {
  const std::pair<const char*, const char*> commands[] = {{"divergence", "ramoe divergence"},
                                                          {"headroom", "ramoe headroom"},
                                                          {"taxonomy", "ramoe taxonomy"},
                                                          {"experts", "ramoe experts"},
                                                          {"pretrain", "ramoe pretrain"},
                                                          {"accuracy", "ramoe demo"},
                                                          {"finetune", "ramoe demo"},
                                                          {"words", "ramoe demo"},
                                                          {"model", "ramoe demo"}};
  for (const auto& [key, command] : commands) {
    Json results = small_results();
    results.erase(key);
    const std::string html = page_of(results);
    expect_page(html);
    EXPECT_TRUE(mentions(html, std::string("<code>") + command + "</code>")) << key;
    results[key] = nullptr;
    EXPECT_EQ(page_of(results), html) << key << " null is as good as none";
  }
  expect_page(page_of(Json::object()));
}

TEST(Report, NumbersThatWereNotMeasured) {
  Json results = small_results();
  results["accuracy"][0]["base"] = nullptr;
  results["accuracy"][0]["ci_share"] = std::numeric_limits<double>::quiet_NaN();
  results["divergence"]["mean"][1] = std::numeric_limits<double>::infinity();
  results["divergence"]["by_language"]["zh"][0] = nullptr;
  results["experts"][0]["score"][0][0] = nullptr;
  results["finetune"][0]["loss"][1] = nullptr;
  results["overall"]["ramoe"]["difference"]["mean"] = nullptr;
  results["run"]["cost"] = std::numeric_limits<double>::quiet_NaN();
  const std::string html = page_of(results);
  expect_page(html);
  expect_contains(html, "<td class=\"number\">n/a</td>");
  EXPECT_FALSE(has_broken_number(table_of(results)));
}

TEST(Report, OneSeedHasNoInterval) {
  Json results = small_results();
  results["seeds"] = {1};
  Json& cell = results["accuracy"][0];
  for (const char* method : {"sft", "ramoe", "ramoe-last"}) {
    Json& by_seed = cell["methods"][method];
    for (const char* part : {"accuracy", "given_english"}) by_seed[part].erase(1);
    if (by_seed.contains("difference"))
      by_seed["difference"] = {
          {"mean", 0.1}, {"low", nullptr}, {"high", nullptr}, {"per_seed", {0.1}}};
  }
  const std::string html = page_of(results);
  expect_page(html);
  expect_contains(html, "One seed only: no row has an interval");
  expect_contains(html, "one seed, no interval");
  expect_contains(table_of(results), "one seed, no interval");
  EXPECT_FALSE(mentions(page_of(small_results()), "ne seed only"));
}

TEST(Report, MalformedSectionsAreNamed) {
  const auto error_after = [](const std::string& pointer, const Json& value) {
    Json results = small_results();
    results[Json::json_pointer(pointer)] = value;
    return error_of([&] { page_of(results); });
  };
  expect_contains(error_after("/accuracy/0/methods/ramoe/difference/mean", "x"),
                  "accuracy[0].methods.ramoe.difference.mean");
  expect_contains(error_after("/headroom/0/cells", Json::array()), "headroom[0].cells");
  expect_contains(error_after("/accuracy/0/methods/sft/accuracy", 1), "methods.sft.accuracy");
  expect_contains(error_after("/divergence/by_language/zh", {1, 2}), "divergence.by_language.zh");
  expect_contains(error_after("/divergence/zone/last", 3), "layers 0 to 2");
  expect_contains(error_after("/experts/0/experts/0/0", 2), "an expert from 0 to 1");
  expect_contains(error_after("/experts/0/score/1", {1}), "experts[0].score[1]");
  expect_contains(error_after("/taxonomy/0/ci", -1), "taxonomy[0].ci");
  expect_contains(error_after("/taxonomy/0/lang", nullptr), "given nothing, expected text");
  expect_contains(error_after("/finetune/0/loss", {1}), "finetune[0].loss");
  expect_contains(error_after("/words", "text"), "words");
  expect_contains(error_of([] { page_of(Json::array()); }), "the whole");
}

TEST(Report, TableForTheTerminal) {
  const std::string table = table_of(small_results());
  EXPECT_EQ(table,
            "Test accuracy in %, mean over seeds; '- SFT': difference from SFT in points with its "
            "95 % interval\n\n"
            "task   language         n  base   SFT  RA-MoE  - SFT        interval  "
            "last token (ours)  - SFT        interval  ci %\n"
            "facts  Chinese <中文>  40  12.5  25.0    33.0   +8.0  [-17.0, +33.0]  "
            "             27.5   +2.5  [-10.0, +15.0]    60\n"
            "\nall cells, RA-MoE - SFT: +8.00 points [+6.00, +10.00]\n"
            "all cells, last token (ours) - SFT: +2.50 points [0.00, +5.00]\n");
  expect_contains(table_of(Json::object()), "ramoe demo");
}

TEST(Report, WritesAFile) {
  ScratchFolder scratch;
  write_report(scratch.file("report.html"), small());
  EXPECT_EQ(read_file(scratch.file("report.html")), page_of(small_results()));
  expect_contains(error_of([&] { write_report(scratch.file("no/report.html"), small()); }),
                  "no/report.html");
}

TEST(Report, LinksToItsNumbers) {
  ScratchFolder scratch;
  make_folder(scratch.file("a run/x"));
  write_file(scratch.file("a run/results.json"), "{}");
  write_report(scratch.file("a run/report.html"), small());
  const std::string beside = read_file(scratch.file("a run/report.html"));
  expect_page(beside);
  expect_contains(beside, "<a href=\"results.json\">results.json</a>.</p>");
  EXPECT_FALSE(mentions(beside, "metrics.jsonl"));
  write_report(scratch.file("a run/x/page.html"), small(), scratch.file("a run"));
  expect_contains(read_file(scratch.file("a run/x/page.html")), "href=\"../results.json\"");
  write_report(scratch.file("page.html"), small(), scratch.file("a run"));
  expect_contains(read_file(scratch.file("page.html")), "href=\"a%20run/results.json\"");
}

/// The same run alone: one method, no comparison.
Json one_run() {
  Json results = small_results();
  Json& cell = results["accuracy"][0];
  for (const char* other : {"sft", "ramoe-last"}) cell["methods"].erase(other);
  cell["methods"]["ramoe"] = {{"accuracy", {0.25}}, {"given_english", {nullptr}}};
  cell.erase("ci_share");
  for (const char* key : {"overall", "headroom", "pretrain", "web_share"}) results.erase(key);
  cell["n_english_correct"] = 0;
  cell["base_given_english"] = nullptr;
  results["finetune"].erase(0);
  const Json side = {{"question", "q?"},       {"answer", "right"},
                     {"output", "one"},        {"correct", true},
                     {"tokens", {"q", "?"}},   {"chosen", {{{0}, {1}}, {{1}, {0}}, {{0}, {0}}}},
                     {"mass", {0.1, 0.2, 0.3}}};
  Json before = side, after = side;
  before["output"] = "wrong <one>";
  before["correct"] = false;
  before["divergence"] = after["divergence"] = {0.1, 0.2, 0.3};
  results["routing"] = {{{"lang", "zh"},
                         {"task", "facts"},
                         {"method", "ramoe"},
                         {"id", "1"},
                         {"experts", 2},
                         {"task_experts", {{0}, {1}, Json::array()}},
                         {"zone", {{"first", 1}, {"last", 1}}},
                         {"english", side},
                         {"target", side},
                         {"before", before},
                         {"after", after}}};
  return results;
}

TEST(Report, ARunTellsItsResultFirst) {
  const std::string html = page_of(one_run());
  expect_page(html);
  std::size_t before = 0;
  for (const char* heading :
       {"What was seen", "Accuracy", "A question before and after", "Routing of one pair",
        "Stage 3: training curves", "Routing divergence by layer", "Stage 1: what English knows"}) {
    const std::size_t at = html.find(section_heading(heading));
    ASSERT_NE(at, std::string::npos) << heading;
    EXPECT_GT(at, before) << heading;
    before = at;
  }
  // From 12.5 % to 25 %; nothing is known in English.
  expect_contains(html,
                  "<td class=\"number\">12.5</td><td class=\"number\">25.0</td>"
                  "<td class=\"number\">+12.5</td></tr>");
  expect_contains(html, "<td class=\"number\">0</td><td class=\"number\">n/a</td>");
  expect_contains(html, "<bdi>wrong &lt;one&gt;</bdi> <small>✗ wrong</small>");
  expect_contains(html, "<bdi>one</bdi> <small>✓ right</small>");
  for (const char* other : {"RA-MoE − SFT", "RA-MoE minus SFT", "Against SFT", "eadroom",
                            "class=\"missing\"", "all methods", "CLDR", "ci %: share"})
    EXPECT_FALSE(mentions(html, other)) << other;
}

TEST(Report, CurvesThatHideEachOtherAreDrawnApart) {
  Json results = small_results();
  results["finetune"][1]["loss"] = {2.5, 1.25};
  const std::string html = page_of(results);
  const std::size_t difference = html.find("id=\"loss-difference-title\"");
  ASSERT_NE(difference, std::string::npos);
  const std::string drawing = html.substr(difference, html.find("</svg>", difference) - difference);
  EXPECT_EQ(count_of(drawing, "<path"), 1) << "one seed, 0.5 and 0.25";
  for (const char* panel : {"Chinese &lt;中文&gt;, SFT", "Chinese &lt;中文&gt;, RA-MoE"})
    EXPECT_TRUE(mentions(html, panel)) << panel;
  results["finetune"][1]["seed"] = 2;  // no pair
  EXPECT_FALSE(mentions(page_of(results), "loss-difference"));
}

TEST(Report, HeatMapsHaveTauAndFixedDecimals) {
  Json results = small_results();
  results["experts"][0].update({{"rule", "usage"}, {"tau", 0.25}, {"prompts", 212}});
  const std::string html = page_of(results);
  for (const char* part : {">0.30</text>", ">-0.10</text>", ">0.00</text>", ">τ = 0.25</text>",
                           "above τ = 0.25", "n: 212 English prompts of facts"})
    EXPECT_TRUE(mentions(html, part)) << part;
  expect_page(html);
}

// Each method against SFT, the extension named as ours; each form of headroom with SFT beside it.
TEST(Report, AThirdMethodAndHeadroom) {
  const std::string html = page_of(small_results());
  for (const char* part :
       {"id=\"differences-ramoe-title\"", "id=\"differences-ramoe-last-title\"",
        "id=\"gain-ramoe-last-title\"", "id=\"headroom-gain-ramoe-title\"",
        "id=\"headroom-seq-title\"", "id=\"headroom-accuracy-seq-title\"",
        "<h3>RA-MoE at the last prompt token (our extension)</h3>",
        "the method is an extension of ours", "last token (ours) − SFT",
        "+2.5 <small>[-10.0,&nbsp;+15.0]</small>", "Routing holds &lt;something&gt; back.",
        "Chinese &lt;中文&gt;, SFT, test", "Chinese &lt;中文&gt;, base, test",
        "Form seq: the mean routing of the prompt"})
    EXPECT_TRUE(mentions(html, part)) << part;
  // There is no headroom of the form that alignment at the last token asks for.
  EXPECT_FALSE(mentions(html, "headroom-gain-ramoe-last"));
  expect_page(html);
}

// One colour, one meaning: languages have hues, ci is violet, everything else is ink and greys.
TEST(Report, AColourHasOneMeaning) {
  const std::string html = body_of(page_of(small_results()));
  EXPECT_EQ(html.find("stroke=\"#"), std::string::npos);
  EXPECT_EQ(html.find("fill=\"#"), std::string::npos);
  EXPECT_EQ(count_of(html, "var(--hue1"), 0) << "one language";
  const std::size_t points = html.find("id=\"headroom-gain-ramoe-title\""),
                    stage1 = html.find("id=\"taxonomy-title\"");
  for (std::size_t at = html.find("var(--hue0"); at != std::string::npos;
       at = html.find("var(--hue0", at + 1))
    EXPECT_TRUE(points < at && at < stage1) << "points and curves of languages";
  for (std::size_t at = html.find("var(--ci"); at != std::string::npos;
       at = html.find("var(--ci", at + 1))
    EXPECT_TRUE(stage1 < at);
}

}  // namespace
}  // namespace ramoe
