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

AccuracyRow compared(const RunResults& results, const std::vector<RunScores>& runs,
                     const std::string& lang, const std::string& task) {
  const Score& base = row_of(results.base_accuracy, lang, task);
  AccuracyRow row{.lang = lang,
                  .task = task,
                  .n = base.n,
                  .n_english = base.n_english,
                  .base = base.accuracy,
                  .base_given_english = base.given_english,
                  .ci_share = row_of(results.taxonomy, lang, task).rho_ci};
  for (const char* method : {"sft", "ramoe"}) {
    MethodAccuracy& by_seed = row.methods.emplace_back(method, MethodAccuracy{}).second;
    for (const int seed : results.seeds) {
      const Score& score = test_score(runs, lang, method, seed, task);
      by_seed.accuracy.push_back(score.accuracy);
      by_seed.given_english.push_back(score.given_english);
    }
  }
  const std::vector<double>& sft = row.methods[0].second.accuracy;
  const std::vector<double>& ramoe = row.methods[1].second.accuracy;
  for (std::size_t s = 0; s < sft.size(); ++s) row.difference.per_seed.push_back(ramoe[s] - sft[s]);
  row.difference.mean = mean(row.difference.per_seed);
  if (std::isfinite(row.difference.mean))
    row.difference.interval = student_interval(row.difference.per_seed);
  return row;
}

}  // namespace

void compare_methods(RunResults& results, const std::vector<RunScores>& runs) {
  std::vector<std::vector<double>> cells;
  std::vector<double> shares, gains;
  for (const std::string& lang : results.languages)
    for (const std::string& task : results.tasks) {
      if (lang == "en") continue;
      const AccuracyRow& row = results.accuracy.emplace_back(compared(results, runs, lang, task));
      if (!std::isfinite(row.difference.mean)) continue;
      cells.push_back(row.difference.per_seed);
      if (!std::isfinite(row.ci_share)) continue;
      shares.push_back(row.ci_share);
      gains.push_back(row.difference.mean);
    }
  const GrandMean grand = grand_mean(cells);
  const CorrelationEstimate r = estimate_correlation(shares, gains);
  results.overall = {{grand.mean, grand.interval}, {r.r, r.interval, int(r.points)}};
  results.words = sentences(results);
}

}  // namespace ramoe
