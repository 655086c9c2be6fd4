// Report - reading the results of a demo with care
//
// Each section that is there is checked as a whole before anything is drawn: an Error names the
// key, "results: accuracy[2].difference.mean: given "x", expected a number or null". null is NaN.
// What is missing, null or an empty list is not there.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "ch12_experiments/statistics.h"
#include "support/files.h"

namespace ramoe {

struct DivergenceResults {
  std::vector<std::pair<std::string, std::vector<double>>> by_language;
  std::vector<double> mean;
  std::vector<std::pair<std::string, decltype(by_language)>> by_task;
  int first = 0, last = -1;  // the zone; layers count from 0
  std::string rule;
  std::optional<bool> u_shaped;
  double r_zone, r_outside, r_points;  // correlation of divergence with the gap to English
  std::vector<double> texts;           // parallel texts by language; empty if not known
};

struct TaxonomyResults {
  std::string lang, task;
  std::vector<double> counts;  // cc, ci, ic, ii
};

struct ExpertResults {
  std::string task, rule;  // rule empty: not known
  double tau, prompts;     // NaN: not known, or not of this rule
  std::vector<std::vector<double>> score;
  std::vector<std::vector<int>> experts;
};

struct CurveResults {
  std::string lang, method;
  int seed = 0;
  std::vector<double> steps, loss, alignment;
};

struct MethodAccuracy {
  std::string name;
  std::vector<double> accuracy, given_english;  // by seed
};

struct DifferenceResults {
  double mean;
  Interval interval;
  std::vector<double> per_seed;
};

struct AccuracyResults {
  std::string lang, task;
  double n, n_english, base, base_given_english, ci_share;
  std::vector<MethodAccuracy> methods;
  DifferenceResults difference;
  const MethodAccuracy* method(const std::string& name) const;
};

struct OverallResults {
  DifferenceResults difference;
  double r;
  Interval r_interval;
  double r_points;
};

/// A prompt inside a model: its tokens, the experts that each visits and what was answered.
struct PassageResults {
  std::string question, answer, output;
  std::vector<std::string> tokens;                    // (T)
  std::vector<std::vector<std::vector<int>>> chosen;  // (L,T,K)
  std::vector<double> mass, divergence;               // (L); no divergence on the English side
  std::optional<bool> correct;                        // the answer; empty if not known
};

/// One parallel pair before and after fine-tuning (routing_trace.h).
struct RoutingResults {
  std::string lang, task, method, id;
  int experts = 0, first = 0, last = -1;       // E; the zone
  std::vector<std::vector<int>> task_experts;  // (L)
  PassageResults english, before, after;
};

/// A key and its value as text, for lists of facts.
using Facts = std::vector<std::pair<std::string, std::string>>;

struct Results {
  std::string title;
  Facts model, run, build;
  std::vector<std::string> languages, tasks, words;
  std::vector<double> seeds;
  std::map<std::string, std::string> language_names;
  std::map<std::string, double> web_share;                   // per cent
  std::vector<std::pair<std::string, double>> base_english;  // task, accuracy in English
  CurveResults pretrain;                                     // empty steps: not there
  std::optional<DivergenceResults> divergence;
  std::vector<TaxonomyResults> taxonomy;
  std::vector<ExpertResults> experts;
  std::vector<CurveResults> finetune;
  std::vector<AccuracyResults> accuracy;
  std::vector<RoutingResults> routing;
  std::optional<OverallResults> overall;

  /// The language's name, or its code.
  std::string name(const std::string& lang) const;
  /// Tasks that `has` says something about: those listed first, others in order of appearance.
  template <class Entries>
  std::vector<std::string> tasks_in(const Entries& entries) const {
    std::vector<std::string> found;
    const auto add = [&](const std::string& task) {
      for (const std::string& known : found)
        if (known == task) return;
      for (const auto& entry : entries)
        if (entry.task == task) {
          found.push_back(task);
          return;
        }
    };
    for (const std::string& task : tasks) add(task);
    for (const auto& entry : entries) add(entry.task);
    return found;
  }
};

/// Error: see above.
Results parse_results(const Json& results);

}  // namespace ramoe
