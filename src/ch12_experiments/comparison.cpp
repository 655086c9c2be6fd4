#include "ch12_experiments/comparison.h"

#include <cmath>
#include <map>

#include "ch12_experiments/sentences.h"
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

Json numbers(const std::vector<double>& values) {
  Json list = Json::array();
  for (const double value : values) list.push_back(number_or_null(value));
  return list;
}

bool all_known(const std::vector<double>& values) {
  return std::isfinite(mean(values));
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
    const Json& value = test_score(*run->second, task).at(what);
    values.push_back(value.is_null() ? std::nan("") : value.get<double>());
  }
  return values;
}

const Json* find_row(const Json& rows, const std::string& lang, const std::string& task) {
  for (const Json& row : rows)
    if (row.at("lang") == lang && row.at("task") == task) return &row;
  return nullptr;
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
      const auto values = [&](const char* method, const char* what) {
        return by_seed(index, seeds, lang, method, task, what);
      };
      for (const char* method : {"sft", "ramoe"})
        row["methods"][method] = {{"accuracy", numbers(values(method, "accuracy"))},
                                  {"given_english", numbers(values(method, "given_english"))}};
      std::vector<double> difference = values("ramoe", "accuracy");
      const std::vector<double> sft = values("sft", "accuracy");
      for (std::size_t s = 0; s < difference.size(); ++s) difference[s] -= sft[s];
      const bool known = all_known(difference);
      row["difference"] =
          estimate(mean(difference), known ? student_interval(difference) : unknown_interval());
      row["difference"]["per_seed"] = numbers(difference);
      row["ci_share"] = types->at("rho_ci");
      if (known) {
        if (row["ci_share"].is_number()) {
          shares.push_back(row["ci_share"].get<double>());
          gains.push_back(mean(difference));
        }
        cells.push_back(std::move(difference));
      }
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

}  // namespace ramoe
