#include "ch12_experiments/comparison.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <map>

#include "ch12_experiments/statistics.h"
#include "support/error.h"

namespace ramoe {
namespace {

Json estimate(double mean, const Interval& interval) {
  return {{"mean", number_or_null(mean)},
          {"low", number_or_null(interval.low)},
          {"high", number_or_null(interval.high)}};
}

/// The test score of one run for a task.
const Json& test_score(const Json& run, const std::string& task) {
  for (const Json& score : run.at("test"))
    if (score.at("task") == task) return score;
  fail("the fine-tuning run of ", run.at("language").dump(), " has no test score of ", task, ".");
}

/// Runs by (language, method, seed).
using RunIndex = std::map<std::string, const Json*>;
std::string key_of(const std::string& lang, const std::string& method, std::int64_t seed) {
  return lang + "/" + method + "/" + std::to_string(seed);
}

/// One value per seed, in the order of the seeds.
std::vector<double> by_seed(const RunIndex& index, const Json& seeds, const std::string& lang,
                            const std::string& method, const std::string& task, const char* what) {
  std::vector<double> values;
  for (const Json& seed : seeds) {
    const std::string key = key_of(lang, method, seed.get<std::int64_t>());
    const auto run = index.find(key);
    check(run != index.end(), "the comparison lacks the fine-tuning run ", key,
          " (language/method/seed).");
    values.push_back(test_score(*run->second, task).at(what).get<double>());
  }
  return values;
}

const Json* find_row(const Json& rows, const std::string& lang, const std::string& task) {
  for (const Json& row : rows)
    if (row.at("lang") == lang && row.at("task") == task) return &row;
  return nullptr;
}

std::string text(const char* format, double a, double b = 0, double c = 0) {
  char buffer[200];
  std::snprintf(buffer, sizeof buffer, format, a, b, c);
  return buffer;
}

bool excludes_zero(const Json& e) {
  return e["low"].is_number() && (e["low"].get<double>() > 0 || e["high"].get<double>() < 0);
}

}  // namespace

void compare_methods(Json& results, const std::vector<Json>& runs) {
  RunIndex index;
  for (const Json& run : runs)
    index[key_of(run.at("language"), run.at("method"), run.at("seed").get<std::int64_t>())] = &run;
  const Json& seeds = results.at("seeds");
  std::vector<std::vector<double>> cells;
  std::vector<double> shares, gains;
  Json table = Json::array();
  for (const Json& language : results.at("languages")) {
    const std::string lang = language.get<std::string>();
    if (lang == "en") continue;
    for (const Json& name : results.at("tasks")) {
      const std::string task = name.get<std::string>();
      const Json* base = find_row(results.at("base_accuracy"), lang, task);
      const Json* types = find_row(results.at("taxonomy"), lang, task);
      check(base && types, "the comparison lacks base accuracy or taxonomy of ", lang, " ", task,
            ".");
      Json row = {{"lang", lang},
                  {"task", task},
                  {"n", base->at("n")},
                  {"n_english_correct", base->at("n_english_correct")},
                  {"base", base->at("accuracy")},
                  {"base_given_english", base->at("given_english")},
                  {"methods", Json::object()}};
      for (const char* method : {"sft", "ramoe"})
        row["methods"][method] = {
            {"accuracy", by_seed(index, seeds, lang, method, task, "accuracy")},
            {"given_english", by_seed(index, seeds, lang, method, task, "given_english")}};
      std::vector<double> difference =
          row["methods"]["ramoe"]["accuracy"].get<std::vector<double>>();
      const auto sft = row["methods"]["sft"]["accuracy"].get<std::vector<double>>();
      for (std::size_t s = 0; s < difference.size(); ++s) difference[s] -= sft[s];
      row["difference"] = estimate(mean(difference), student_interval(difference));
      row["difference"]["per_seed"] = difference;
      row["ci_share"] = types->at("rho_ci");
      shares.push_back(types->at("rho_ci").get<double>());
      gains.push_back(mean(difference));
      cells.push_back(std::move(difference));
      table.push_back(std::move(row));
    }
  }
  const GrandMean grand = grand_mean(cells);
  const CorrelationEstimate r = estimate_correlation(shares, gains);
  results["accuracy"] = std::move(table);
  results["overall"] = {{"difference", estimate(grand.mean, grand.interval)},
                        {"ci_gain_correlation",
                         {{"r", number_or_null(r.r)},
                          {"low", number_or_null(r.interval.low)},
                          {"high", number_or_null(r.interval.high)},
                          {"points", r.points}}}};
  results["words"] = sentences(results);
}

namespace {

/// English and the targets in the order of their accuracy, for one task.
std::string base_sentence(const Json& results, const std::string& task) {
  std::vector<std::pair<double, std::string>> targets;
  double english = 0;
  for (const Json& row : results.at("base_accuracy")) {
    if (row.at("task") != task) continue;
    const double accuracy = row.at("accuracy").get<double>();
    if (row.at("lang") == "en")
      english = accuracy;
    else
      targets.emplace_back(accuracy, row.at("lang").get<std::string>());
  }
  std::stable_sort(targets.begin(), targets.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  std::string sentence =
      "Before fine-tuning, " + task + " on test: English " + text("%.2f", english);
  for (const auto& [accuracy, lang] : targets) sentence += ", " + lang + text(" %.2f", accuracy);
  return sentence + ".";
}

std::string divergence_sentence(const Json& d) {
  const int first = d.at("zone").at("first").get<int>(), last = d.at("zone").at("last").get<int>();
  std::string sentence =
      cat("Routing divergence from English is lowest in layers ", first, " to ", last,
          ", the alignment zone; over depth it ",
          d.at("u_shaped").get<bool>()
              ? "has the U shape that was published for large models."
              : "does not have the U shape that was published for large models.");
  const Json& r = d.at("correlation");
  if (r.at("zone").is_number())
    sentence +=
        cat(" Its correlation with the accuracy gap to English over ", r.at("points").get<int>(),
            " language-task pairs is ", text("%+.2f", r.at("zone").get<double>()), " in the zone");
  if (r.at("zone").is_number() && r.at("outside").is_number())
    sentence += text(" and %+.2f outside", r.at("outside").get<double>());
  return r.at("zone").is_number() ? sentence + "." : sentence;
}

std::string overall_sentence(const Json& results) {
  const Json& d = results.at("overall").at("difference");
  if (!d.at("mean").is_number()) return "SFT and RA-MoE could not be compared.";
  std::string sentence = text("RA-MoE minus SFT, mean over languages and tasks: %+.1f points",
                              100 * d.at("mean").get<double>());
  if (!d.at("low").is_number())
    return sentence + "; one seed gives no interval, so nothing follows from it.";
  sentence += text(" (95 %% interval %+.1f to %+.1f)", 100 * d.at("low").get<double>(),
                   100 * d.at("high").get<double>());
  if (!excludes_zero(d))
    return sentence + ". The interval contains 0: at this scale the difference is within noise.";
  return sentence + (d.at("mean").get<double>() > 0
                         ? ". The interval lies above 0: alignment helped here."
                         : ". The interval lies below 0: alignment hurt here.");
}

}  // namespace

std::vector<std::string> sentences(const Json& results) {
  std::vector<std::string> words;
  for (const Json& task : results.at("tasks"))
    words.push_back(base_sentence(results, task.get<std::string>()));
  words.push_back(divergence_sentence(results.at("divergence")));
  int clear = 0, cells = 0;
  for (const Json& row : results.at("accuracy")) {
    ++cells;
    clear += excludes_zero(row.at("difference"));
  }
  words.push_back(overall_sentence(results));
  words.push_back(cat("Of ", cells, " language-task pairs taken alone, ", clear,
                      clear == 1 ? " has" : " have",
                      " an interval over seeds that excludes 0; with ", cells,
                      " looks, one in twenty does by chance."));
  const Json& r = results.at("overall").at("ci_gain_correlation");
  if (r.at("r").is_number() && r.at("low").is_number())
    words.push_back(
        text("Correlation of the ci share with the gain: %+.2f (95 %% interval %+.2f to %+.2f).",
             r.at("r").get<double>(), r.at("low").get<double>(), r.at("high").get<double>()));
  return words;
}

}  // namespace ramoe
