// What a page says against what its JSON holds, over awkward inputs: one language, task or seed,
// equal seeds, nothing right at all, nothing known in English, nothing measured.
#include "ch12_experiments/sentences.h"

#include <gtest/gtest.h>

#include <cmath>
#include <optional>
#include <regex>

#include "ch12_experiments/comparison.h"
#include "ch12_experiments/statistics.h"
#include "report/markup.h"
#include "report/report.h"
#include "support/files.h"
#include "support/texts.h"

namespace ramoe {
namespace {

/// Results of a demo before the comparison, and its runs.
struct World {
  int languages = 2, tasks = 2, seeds = 3;
  double (*sft)(int lang, int task, int seed) = nullptr;
  double (*gain)(int lang, int task, int seed) = nullptr;
  bool measured = true;  // else accuracies are null, as of splits without items
  std::optional<bool> u_shaped = true;

  std::string lang(int l) const { return cat("l", l); }
  std::string task(int t) const { return cat("task", t); }

  Json before() const {
    Json r = {{"languages", {"en"}}, {"base_accuracy", Json::array()}, {"taxonomy", Json::array()}};
    for (int t = 0; t < tasks; ++t) r["tasks"].push_back(task(t));
    for (int s = 1; s <= seeds; ++s) r["seeds"].push_back(s);
    const auto base = [&](const std::string& l, int t, double accuracy) {
      r["base_accuracy"].push_back({{"lang", l},
                                    {"task", task(t)},
                                    {"n", measured ? 40 : 0},
                                    {"n_english_correct", 0},
                                    {"accuracy", measured ? Json(accuracy) : Json()},
                                    {"given_english", nullptr}});
    };
    for (int t = 0; t < tasks; ++t) base("en", t, 0.9);
    for (int l = 0; l < languages; ++l) {
      r["languages"].push_back(lang(l));
      r["language_names"][lang(l)] = cat("Language ", l);
      for (int t = 0; t < tasks; ++t) {
        base(lang(l), t, sft(l, t, 0) / 2);
        r["taxonomy"].push_back({{"lang", lang(l)},
                                 {"task", task(t)},
                                 {"cc", 1},
                                 {"ci", l + 1},
                                 {"ic", 0},
                                 {"ii", 2},
                                 {"rho_ci", (l + 1.0) / (l + 4.0)}});
      }
    }
    r["divergence"] = {{"mean", {0.3, 0.1, 0.2}},
                       {"by_language", Json::object()},
                       {"by_task", Json::object()},
                       {"zone", {{"first", 2}, {"last", 2}}},
                       {"u_shaped", *u_shaped},
                       {"correlation",
                        {{"zone", languages * tasks < 3 ? Json() : Json(0.4)},
                         {"outside", nullptr},
                         {"points", languages * tasks}}}};
    return r;
  }

  Json results() const {
    std::vector<Json> runs;
    for (int l = 0; l < languages; ++l)
      for (const bool ramoe : {false, true})
        for (int s = 1; s <= seeds; ++s) {
          Json test = Json::array();
          for (int t = 0; t < tasks; ++t) {
            const double accuracy = sft(l, t, s) + (ramoe ? gain(l, t, s) : 0);
            test.push_back({{"task", task(t)},
                            {"accuracy", measured ? Json(accuracy) : Json()},
                            {"given_english", nullptr}});
          }
          runs.push_back({{"language", lang(l)},
                          {"method", ramoe ? "ramoe" : "sft"},
                          {"seed", s},
                          {"test", test}});
        }
    std::vector<RunScores> scores;
    for (const Json& run : runs) scores.push_back(results_from<RunScores>(run, "run"));
    RunResults r = results_from<RunResults>(before(), "results");
    compare_methods(r, scores);
    return to_json(r);
  }
};

double zero(int, int, int) {
  return 0;
}
double varied(int l, int t, int s) {
  return 0.3 + 0.01 * ((3 * l + 5 * t + 7 * s) % 11);
}
double same_seeds(int l, int t, int) {
  return 0.05 * (l + 1) + 0.025 * t;
}
double noisy(int l, int t, int s) {
  return 0.01 * ((l + 2 * t + 3 * s) % 5 - 2);
}
double tiny(int l, int t, int s) {
  return 0.0003 + 0.0001 * ((l + t + s) % 3);
}
double same(int, int, int) {
  return 0.125;
}
double half_equal(int l, int t, int s) {
  return l == 0 ? 0.02 : noisy(l, t, s) + 0.1;
}

std::vector<World> worlds() {
  std::vector<World> all;
  for (const int languages : {1, 2, 6})
    for (const int tasks : {1, 2})
      for (const int seeds : {1, 2, 3})
        for (const auto gain : {zero, same_seeds, noisy, tiny, same, half_equal})
          for (const auto sft : {zero, varied}) all.push_back({languages, tasks, seeds, sft, gain});
  all.push_back({1, 1, 3, zero, zero, false});
  all.push_back({2, 2, 1, varied, noisy, false, false});
  return all;
}

/// The first match of the pattern in the sentences; empty if there is none.
std::vector<std::string> match(const std::vector<std::string>& words, const std::string& pattern) {
  std::smatch found;
  for (const std::string& sentence : words)
    if (std::regex_search(sentence, found, std::regex(pattern)))
      return {found.begin(), found.end()};
  return {};
}

double number(const Json& value) {
  return value.is_number() ? value.get<double>() : std::nan("");
}

struct Seen {
  int measured = 0, known = 0, clear = 0;
};

/// What the JSON holds, counted without the code that writes the sentences.
Seen count(const Json& results) {
  Seen seen;
  for (const Json& row : results["accuracy"]) {
    const Json& d = row["methods"]["ramoe"]["difference"];
    if (d["mean"].is_null()) continue;
    ++seen.measured;
    if (d["low"].is_null()) continue;
    ++seen.known;
    EXPECT_LT(d["low"], d["high"]) << "an interval has a width: " << d.dump();
    seen.clear += d["low"] > 0 || d["high"] < 0;
  }
  return seen;
}

void expect_overall(const Json& results, const std::vector<std::string>& words) {
  const Json& d = results["overall"]["ramoe"]["difference"];
  if (d["mean"].is_null()) {
    EXPECT_FALSE(match(words, "^SFT and RA-MoE could not be compared\\.").empty());
    return;
  }
  const auto found = match(words,
                           "^RA-MoE minus SFT, mean over (\\d+) language-task (pairs?): (\\S+) "
                           "points( \\(95 % interval (\\S+) to (\\S+)\\)|;)(.*)");
  ASSERT_EQ(found.size(), 8u) << results.dump();
  EXPECT_EQ(std::stoi(found[1]), count(results).measured);
  EXPECT_EQ(found[2], count(results).measured == 1 ? "pair" : "pairs");
  EXPECT_NEAR(std::stod(found[3]), 100 * number(d["mean"]), 0.0501);
  EXPECT_EQ(d["low"].is_null(), found[4] == ";");
  if (d["low"].is_null()) {
    EXPECT_TRUE(mentions(found[7], "nothing follows from it"));
    return;
  }
  const double low = std::stod(found[5]), high = std::stod(found[6]);
  EXPECT_NEAR(low, 100 * number(d["low"]), 0.0501);
  EXPECT_NEAR(high, 100 * number(d["high"]), 0.0501);
  const bool enough = count(results).measured * int(results["seeds"].size()) >= 6;
  EXPECT_EQ(mentions(found[7], "too few to tell effect from chance"), !enough) << found[0];
  EXPECT_EQ(mentions(found[7], "contains 0"), enough && low <= 0 && high >= 0) << found[0];
  EXPECT_EQ(mentions(found[7], "alignment helped"), enough && low > 0) << found[0];
  EXPECT_EQ(mentions(found[7], "alignment hurt"), enough && high < 0) << found[0];
}

void expect_pairs(const Json& results, const std::vector<std::string>& words) {
  const Seen seen = count(results);
  const auto found =
      match(words, " Of (\\d+) language-task pairs? (each|none|\\d+) ha[sv]e? an interval(.*)");
  ASSERT_EQ(found.empty(), seen.measured == 0);
  if (found.empty()) return;
  EXPECT_EQ(std::stoi(found[1]), seen.measured);
  EXPECT_EQ(found[2], seen.known == 0               ? "none"
                      : seen.known == seen.measured ? "each"
                                                    : cat(seen.known));
  const bool one_seed = results["seeds"].size() == 1;
  EXPECT_EQ(mentions(found[3], "there is one seed"), one_seed);
  EXPECT_EQ(mentions(found[3], "all seeds give the same difference"),
            !one_seed && seen.known < seen.measured);
  const std::string clear =
      cat("; ", seen.clear == 0 ? "none" : cat(seen.clear), " of these exclude");
  EXPECT_EQ(mentions(found[3], clear), seen.known > 0) << found[0];
}

void expect_correlation(const Json& results, const std::vector<std::string>& words) {
  const Json& r = results["overall"]["ramoe"]["ci_gain_correlation"];
  const auto found =
      match(words, "ci share and the gain of RA-MoE (have no correlation|correlate) over (\\d+)");
  ASSERT_EQ(found.size(), 3u);
  EXPECT_EQ(std::stoi(found[2]), r["points"].get<int>());
  EXPECT_EQ(found[1] == "correlate", r["r"].is_number());
  EXPECT_TRUE(r["points"] >= fewest_points || r["low"].is_null());
  EXPECT_EQ(match(words, "ci share .*with r = \\S+ \\(95 %").empty(), r["low"].is_null());
  // Of the base model: divergence and the gap, never the accuracy itself.
  const Json& d = results["divergence"]["correlation"];
  const auto gap = match(words,
                         "Over (\\d+) language-task pairs divergence and the gap .accuracy in "
                         "English minus accuracy in the language. correlate with r = (\\S+) ");
  ASSERT_EQ(gap.empty(), d["zone"].is_null());
  if (!gap.empty()) {
    EXPECT_EQ(std::stod(gap[2]), number(d["zone"]));
  }
}

TEST(Sentences, SayWhatTheirJsonHolds) {
  for (const World& world : worlds()) {
    const Json results = world.results();
    const std::vector<std::string> words = results["words"];
    std::string all;
    for (const std::string& sentence : words) all += sentence + "\n";
    SCOPED_TRACE(all);
    expect_overall(results, words);
    expect_pairs(results, words);
    expect_correlation(results, words);
    EXPECT_FALSE(has_broken_number(all));
    EXPECT_FALSE(mentions(all, "1 language-task pairs") || mentions(all, " 0 language-task pair "));
    // The lowest layer is 1, and the zone layer 2.
    EXPECT_FALSE(
        match(words, "zone is layer 2\\. .*lowest in layer 1 .*outside of the zone").empty());
    EXPECT_EQ(match(words, "the curve has the U").empty(), !*world.u_shaped);
    for (int t = 0; t < world.tasks; ++t)
      EXPECT_EQ(
          match(words, cat("base model on ", world.task(t), ", test: en 90.0 %, Language")).empty(),
          !world.measured);
  }
}

/// Of the whole page: no sentence of one seed where there are more, intervals where there are any.
TEST(Sentences, ThePageAgrees) {
  for (const World& world : worlds()) {
    const Json results = world.results();
    const RunResults typed = results_from<RunResults>(results, "results");
    const std::string html = report_html(typed), table = accuracy_table_text(typed);
    SCOPED_TRACE(table);
    expect_page(html);
    EXPECT_FALSE(has_broken_number(table));
    EXPECT_EQ(mentions(html, "One seed only"), world.seeds == 1);
    const Seen seen = count(results);
    const int without = seen.measured - seen.known;
    EXPECT_EQ(count_of(table, "one seed, no interval"), world.seeds == 1 ? without : 0);
    EXPECT_EQ(count_of(table, "seeds equal, no interval"), world.seeds > 1 ? without : 0);
    EXPECT_FALSE(mentions(html, "accuracy and divergence correlate"));
    EXPECT_FALSE(std::regex_search(html, std::regex("\\[([+-]?[0-9.]+),(&nbsp;| )\\1\\]")))
        << "of width 0";
    // Nothing is known in English: n/a, not 0.
    EXPECT_TRUE(mentions(html, "<td class=\"number\">0</td><td class=\"number\">n/a</td>"));
  }
}

TEST(Sentences, AFlatCurveHasNoLowestLayer) {
  World world{1, 3, 2, varied, noisy};
  Json results = world.results();
  results["divergence"]["mean"] = {0.2, 0.2, 0.2};
  const auto said = [&] { return sentences(results_from<RunResults>(results, "results")); };
  EXPECT_TRUE(match(said(), "lowest").empty());
  results["divergence"]["mean"] = {0.2, nullptr, 0.2};
  EXPECT_TRUE(match(said(), "lowest").empty());
}

TEST(Sentences, OfOneRun) {
  const auto row = [](const Json& base, const Json& after, int n, int known) {
    return Json{
        {"lang", "sw"},
        {"task", "facts"},
        {"n", n},
        {"n_english_correct", known},
        {"base", base},
        {"base_given_english", known ? base : Json()},
        {"methods",
         {{"ramoe", {{"accuracy", {after}}, {"given_english", {known ? after : Json()}}}}}}};
  };
  const auto said = [&](const Json& one) {
    return run_sentences(results_from<RunResults>(
        {{"accuracy", {one}}, {"language_names", {{"sw", "Swahili"}}}}, "results"));
  };
  EXPECT_EQ(
      said(row(0.1, 0.25, 40, 20)),
      (std::vector<std::string>{
          "On facts RA-MoE gets 25.0 % of 40 test items right in Swahili, the base model 10.0 %: "
          "+15.0 points. Of the 20 that the base model knows in English: 25.0 %, before "
          "10.0 %.",
          "This is one run with one seed: there is no interval, and chance cannot be told "
          "from effect."}));
  EXPECT_TRUE(mentions(said(row(0.5, 0.5, 1, 0))[0], "of 1 test item right in Swahili"));
  EXPECT_TRUE(mentions(said(row(0.5, 0.5, 1, 0))[0],
                       "the base model 50.0 %: no change. The base model "
                       "knows none of these items in English."));
  EXPECT_TRUE(mentions(said(row(0, 0, 9, 0))[0], "0.0 %: no change"));
  EXPECT_TRUE(mentions(said(row(0.5, 0.25, 4, 4))[0], ": -25.0 points"));
  EXPECT_TRUE(mentions(said(row(nullptr, nullptr, 0, 0))[0], "n/a of 0 test items"));
  EXPECT_TRUE(run_sentences({}).empty());
}

}  // namespace
}  // namespace ramoe
