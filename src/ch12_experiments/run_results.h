// Chapter 12.4 - what a demo or one fine-tuning run found: structs here, JSON only in files
//
// Shares are 0..1. A number that was not measured is NaN, and null in the file. A part that is not
// there is empty.
// Tests: tests/report/report_test.cpp, tests/report/routing_trace_test.cpp
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "ch07_divergence/divergence.h"
#include "ch12_experiments/evaluation.h"
#include "ch12_experiments/headroom_results.h"
#include "support/json_keys.h"

namespace ramoe {

constexpr double not_measured = std::numeric_limits<double>::quiet_NaN();

/// One number for each layer, by language.
using CurvesByLanguage = Named<std::vector<double>>;

struct LanguageGap {
  std::string lang, task;
  double gap = not_measured;
};
/// Correlation of divergence with the gap to English, over languages and tasks.
struct GapCorrelations {
  double zone = not_measured, outside = not_measured;
  int points = 0;
};
/// results.json of `ramoe divergence`.
struct DivergenceResults {
  CurvesByLanguage by_language;
  std::vector<double> mean;
  Named<int> texts;  // parallel texts by language; empty if not known
  Named<CurvesByLanguage> by_task;
  std::vector<LanguageGap> gaps;
  std::optional<Zone> zone;
  std::string zone_rule;
  std::optional<bool> u_shaped;
  std::optional<GapCorrelations> correlation;
};

/// A row of results.json of `ramoe taxonomy`.
struct TaxonomyRow {
  std::string lang, task;
  int cc = 0, ci = 0, ic = 0, ii = 0;
  double rho_ci = not_measured;
  std::vector<double> counts() const { return {double(cc), double(ci), double(ic), double(ii)}; }
};

/// One task of results.json of `ramoe experts`.
struct ExpertResults {
  std::string task;
  std::vector<std::vector<double>> score;  // (L,E)
  std::vector<std::vector<int>> experts;   // (L)
  std::string rule;                        // empty: not known
  std::optional<double> tau;               // nothing: not known, or the rule has none
  std::optional<int> prompts;
};

struct LossCurve {
  std::vector<int> steps;
  std::vector<double> loss;
};
struct FinetuneCurve : LossCurve {
  std::string lang, method;
  int seed = 0;
  std::vector<double> alignment;  // empty: the run had none
};

/// What a comparison reads from results.json of `ramoe finetune`.
struct RunScores {
  std::string language, method;
  int seed = 0;
  std::vector<Score> test;
};

struct MeanInterval {
  double mean = not_measured;
  Interval interval = unknown_interval();
};
struct Difference : MeanInterval {
  std::vector<double> per_seed;
};
struct MethodAccuracy {
  std::vector<double> accuracy, given_english;  // by seed
  std::optional<Difference> difference;         // minus SFT; nothing: it was not compared
};
/// One language and task, on test.
struct AccuracyRow {
  std::string lang, task;
  int n = 0, n_english = 0;  // test items; those known in English
  double base = not_measured, base_given_english = not_measured;
  Named<MethodAccuracy> methods = {};  // SFT first, if there are several
  double ci_share = not_measured;

  /// The method's difference from SFT; nullptr if there is none or it was not measured.
  const Difference* difference(const std::string& method) const;
};
struct GainCorrelation {
  double r = not_measured;
  Interval interval = unknown_interval();
  int points = 0;
};
/// A method against SFT, over all languages and tasks.
struct OverallResults {
  MeanInterval difference;
  GainCorrelation ci_gain;               // the share of ci and the gain
  Named<GainCorrelation> headroom_gain;  // by form of headroom: headroom and the gain
};

/// A prompt inside a model: its tokens, the experts that each token visits, and the answer.
struct Passage {
  std::string question, answer, output;
  std::optional<bool> correct;                        // whether the output is; nothing: not known
  std::vector<std::string> tokens;                    // (T)
  std::vector<std::vector<std::vector<int>>> chosen;  // (L,T,K)
  std::vector<double> mass, divergence;               // (L); no divergence on the English side
};
/// One parallel pair before and after fine-tuning (report/routing_trace.h).
struct RoutingTrace {
  std::string lang, task, method, id;
  int experts = 0;  // E
  Zone zone;
  std::vector<std::vector<int>> task_experts;  // (L)
  Passage english, before, after;
};
/// routing.json of a grid: the facts that it belongs to (`of`), and one pair of each task.
struct GridRouting {
  std::string of;
  Named<std::string> language_names;
  std::vector<RoutingTrace> traces;
};

struct RunResults {
  std::string title = "RA-MoE in small";
  Json model, run;  // facts, which pages show unchanged
  Named<std::string> language_names;
  Named<double> web_share;  // per cent
  std::vector<std::string> languages, tasks;
  std::vector<int> seeds;
  std::vector<Score> base_accuracy;
  LossCurve pretrain;
  std::optional<DivergenceResults> divergence;
  std::vector<HeadroomResults> headroom;  // one for each form
  std::vector<TaxonomyRow> taxonomy;
  std::vector<ExpertResults> experts;
  std::vector<FinetuneCurve> finetune;
  std::vector<RoutingTrace> routing;
  std::vector<AccuracyRow> accuracy;
  Named<OverallResults> overall;  // by method that was compared with SFT
  std::vector<std::string> words;

  std::string name(const std::string& lang) const;
  /// The tasks that occur in `entries`: first those of `tasks`, then others as they appear.
  template <class Entries>
  std::vector<std::string> tasks_in(const Entries& entries) const {
    std::vector<std::string> found;
    const auto add = [&](const std::string& task) { add_once(found, task); };
    for (const std::string& task : tasks)
      for (const auto& entry : entries)
        if (entry.task == task) add(task);
    for (const auto& entry : entries) add(entry.task);
    return found;
  }
};

/// The language's name, or its code.
std::string name_of(const Named<std::string>& language_names, const std::string& lang);

/// Reads RunResults, GridRouting, RunScores, or the results of a stage: DivergenceResults, a list
/// of TaxonomyRow or of ExpertResults. Error, with the file and the key: something is malformed.
template <class Results>
Results results_from(const Json& json, const std::string& file);

/// Writes one of these, or a Score. What was not measured is null.
template <class Results>
Json to_json(const Results& results);

}  // namespace ramoe
