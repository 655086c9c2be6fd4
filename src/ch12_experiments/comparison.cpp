#include "ch12_experiments/comparison.h"

#include <cmath>

#include "ch12_experiments/sentences.h"
#include "support/error.h"

namespace ramoe {
namespace {

/// The test score of a run of this language, method and seed.
const Score& test_score(const std::vector<RunScores>& runs, const std::string& lang,
                        const std::string& method, int seed, const std::string& task) {
  for (const RunScores& run : runs) {
    if (run.language != lang || run.method != method || run.seed != seed) continue;
    for (const Score& score : run.test)
      if (score.task == task) return score;
    fail("the fine-tuning run of ", lang, " has no test score of ", task, ".");
  }
  fail("the comparison lacks the fine-tuning run ", lang, "/", method, "/", seed,
       " (language/method/seed).");
}

template <class Row>
const Row& row_of(const std::vector<Row>& rows, const std::string& lang, const std::string& task) {
  for (const Row& row : rows)
    if (row.lang == lang && row.task == task) return row;
  fail("the comparison lacks base accuracy or taxonomy of ", lang, " ", task, ".");
}

/// The methods of the runs in their order, SFT first. Error: it is not among them.
std::vector<std::string> methods_of(const std::vector<RunScores>& runs) {
  std::vector<std::string> methods = {"sft"};
  bool sft = false;
  for (const RunScores& run : runs) {
    sft |= run.method == "sft";
    add_once(methods, run.method);
  }
  check(sft,
        "the comparison lacks the fine-tuning runs of sft, which the others are compared with.");
  return methods;
}

/// a - b by seed.
Difference difference_of(const std::vector<double>& a, const std::vector<double>& b) {
  Difference difference;
  for (std::size_t s = 0; s < a.size(); ++s) difference.per_seed.push_back(a[s] - b[s]);
  difference.mean = mean(difference.per_seed);
  if (std::isfinite(difference.mean)) difference.interval = student_interval(difference.per_seed);
  return difference;
}

AccuracyRow compared(const RunResults& results, const std::vector<RunScores>& runs,
                     const std::vector<std::string>& methods, const std::string& lang,
                     const std::string& task) {
  const Score& base = row_of(results.base_accuracy, lang, task);
  AccuracyRow row{.lang = lang,
                  .task = task,
                  .n = base.n,
                  .n_english = base.n_english,
                  .base = base.accuracy,
                  .base_given_english = base.given_english,
                  .ci_share = row_of(results.taxonomy, lang, task).rho_ci};
  for (const std::string& method : methods) {
    MethodAccuracy by_seed;
    for (const int seed : results.seeds) {
      const Score& score = test_score(runs, lang, method, seed, task);
      by_seed.accuracy.push_back(score.accuracy);
      by_seed.given_english.push_back(score.given_english);
    }
    if (!row.methods.empty())
      by_seed.difference = difference_of(by_seed.accuracy, row.methods[0].second.accuracy);
    row.methods.emplace_back(method, std::move(by_seed));
  }
  return row;
}

/// What a number of a cell says of the method's gain, over the cells where both are known.
template <class Number>
GainCorrelation gain_correlation(const RunResults& results, const std::string& method,
                                 const Number& number_of) {
  std::vector<double> numbers, gains;
  for (const AccuracyRow& row : results.accuracy) {
    const Difference* difference = row.difference(method);
    const double number = number_of(row);
    if (!difference || !std::isfinite(number)) continue;
    numbers.push_back(number);
    gains.push_back(difference->mean);
  }
  const CorrelationEstimate r = estimate_correlation(numbers, gains);
  return {r.r, r.interval, int(r.points)};
}

OverallResults overall_of(const RunResults& results, const std::string& method) {
  std::vector<std::vector<double>> cells;
  for (const AccuracyRow& row : results.accuracy)
    if (const Difference* difference = row.difference(method))
      cells.push_back(difference->per_seed);
  const GrandMean grand = grand_mean(cells);
  OverallResults overall;
  overall.difference = {grand.mean, grand.interval};
  overall.ci_gain =
      gain_correlation(results, method, [](const AccuracyRow& row) { return row.ci_share; });
  for (const HeadroomResults& headroom : results.headroom)
    overall.headroom_gain.emplace_back(
        headroom.form, gain_correlation(results, method, [&](const AccuracyRow& row) {
          const HeadroomCell* cell = headroom.cell(row.lang, row.task);
          return cell ? cell->headroom : not_measured;
        }));
  return overall;
}

}  // namespace

void compare_methods(RunResults& results, const std::vector<RunScores>& runs) {
  const std::vector<std::string> methods = methods_of(runs);
  for (const std::string& lang : results.languages)
    for (const std::string& task : results.tasks)
      if (lang != "en") results.accuracy.push_back(compared(results, runs, methods, lang, task));
  for (std::size_t m = 1; m < methods.size(); ++m)
    results.overall.emplace_back(methods[m], overall_of(results, methods[m]));
  results.words = sentences(results);
}

}  // namespace ramoe
