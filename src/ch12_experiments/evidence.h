// Chapter 12.8 - the evidence: what the records of a finished grid say, cell by cell and in all
//
//   cell       one model, task and target language; its values by seed are paired across methods
//   gain       accuracy of a method minus that of sft, seed by seed
//   interval   95 %: per cell a paired bootstrap over seeds; over cells the hierarchical bootstrap
//              of chapter 12.3 (cells, then seeds); of a correlation a bootstrap over cells (those
//              of a model and task among themselves where these were centred). The three models
//              are taken as given: nothing here generalises to a fourth. That cells of a language
//              or task resemble each other is left out, so the intervals are rather too narrow
//   p          two-sided sign flips (12.3): per cell over seeds, in all over the cells' means
//   p_adjusted Holm's, over the family that the field's comment names; accuracy and given_english
//              are families of their own
//
// Steering of the base model draws nothing: it has one value in a cell. Against sft that is one
// value minus the mean over sft's seeds, without an interval of its own; against it and against the
// base model each seed of the other side is held.
//
// Shares are 0..1 throughout. Nothing is chosen here, and adapt_valid is looked at for the
// ablations alone.
// Tests: evidence_test.cpp, evidence_routing_test.cpp, ablations_test.cpp (tests/ch12_experiments)
#pragma once

#include <cmath>
#include <map>
#include <string>
#include <vector>

#include "ch07_divergence/divergence.h"
#include "ch12_experiments/grid_results.h"
#include "ch12_experiments/statistics.h"

namespace ramoe {

/// A mean difference or a correlation with its interval; p is NaN where nothing was tested.
struct Estimate {
  double value = std::nan("");
  Interval interval = unknown_interval();
  double p = std::nan(""), p_adjusted = std::nan("");
  int count = 0;  // cells, seeds or points that it rests on
  bool above_zero() const { return interval.known() && interval.low > 0; }
  bool below_zero() const { return interval.known() && interval.high < 0; }
};

/// A method in one cell.
struct MethodInCell {
  std::string name;                             // "sft", "ramoe", "steer-soft-base", ...
  std::vector<double> accuracy, given_english;  // on test, by seed; one value if nothing is drawn
  double setting = std::nan("");                // learning rate or strength of steering, as chosen
  // Minus sft, seed by seed; unknown of sft itself. Family of p_adjusted: all cells of this method.
  Estimate gain, gain_given_english;
  // Minus sft at the same seed, by layer and averaged over seeds (trained methods; else empty): D
  // between the frozen base model's English routing and this model's target routing, and the mass.
  std::vector<double> divergence_change, mass_change;
  std::vector<double> divergence;  // (L) mean over seeds
};

struct EvidenceCell {
  std::string model, task, lang;
  int n = 0, n_english = 0;                              // test items; known in English
  double english = 0, base = 0, base_given_english = 0;  // accuracy of the base model on test
  double cc = 0, ci = 0, ic = 0, ii = 0;                 // shares of the training pairs
  std::vector<double> divergence;                        // (L) base model, test pairs
  double divergence_zone = 0, divergence_outside = 0;    // means over layers; NaN outside if none
  std::vector<MethodInCell> methods;
  double gap() const { return english - base; }
  /// nullptr if the cell lacks it.
  const MethodInCell* method(const std::string& name) const;
};

/// One base model: its divergence from English by layer.
struct ModelCurves {
  std::string model;
  Zone zone;
  std::vector<double> general;  // (L) mean over languages: the curve that the zone was read off
  std::map<std::string, std::vector<double>> general_by_language;
  std::vector<double> prompts;  // (L) mean over tasks, languages
  std::map<std::string, std::map<std::string, std::vector<double>>> by_task;  // [task][lang]
  // Mean of the layers before (after) the zone minus mean of the zone, on task prompts, over the
  // plan's task-language pairs, bootstrap over languages (of means over tasks). The zone was read
  // off general text, other text than this. count 0: there is no such layer.
  Estimate early, late;
};

/// One method against another over many cells: each against "sft", "ramoe" against each other one;
/// "sft", "ramoe" and steering of the base model against "base", the base model as it is. scope:
/// "all", or a model's or a task's name.
struct Comparison {
  std::string method, against, scope;
  Estimate accuracy, given_english;     // family: the comparisons of one scope
  int cells = 0, above = 0, below = 0;  // cells whose own interval excludes 0
};

/// A correlation over cells; scope as above. `within`: both sides were centred within each model
/// and task first, so that only differences between languages count.
struct CellCorrelation {
  std::string scope;
  bool within = false;
  Estimate r;
};

/// Divergence and gap: in the zone, outside it, and zone minus outside (resampled together).
struct GapCorrelation {
  std::string scope;
  bool within = false;
  Estimate zone, outside, difference;
};

/// What alignment did to routing, RA-MoE minus SFT, over the cells of a model ("all": of all).
struct RoutingChange {
  std::string scope;
  Estimate zone, outside, difference;  // of divergence: mean over layers; zone minus outside
  Estimate mass_zone;                  // of the task experts' mass. Family: the four of a scope
  std::vector<double> by_layer;        // of divergence; empty for "all"
};

struct Evidence {
  // methods: the variants of the group main, then steer-soft-base, steer-hard-base, and of "sft"
  std::vector<std::string> models, tasks, languages, methods;
  int seeds = 0;
  std::vector<EvidenceCell> cells;
  std::vector<ModelCurves> curves;
  std::vector<Comparison> comparisons;
  std::vector<GapCorrelation> gap;       // divergence against gap
  std::vector<CellCorrelation> ci_gain;  // share of ci against the gain of RA-MoE
  std::vector<RoutingChange> routing;
  const Comparison* comparison(const std::string& method, const std::string& against,
                               const std::string& scope) const;
};

/// All of it from one finished grid. Error: no sft or ramoe, records or stages missing.
Evidence gather_evidence(const GridResults& results);

/// An ablation against the default choice and against sft, over the cells and seeds of its grid.
/// Of the default, "ramoe", what is against the default is unknown. Family of p_adjusted: all rows,
/// for each of the estimates.
struct Ablation {
  std::string group, variant;
  Json keys;
  Estimate against_default, against_sft;  // on test
  Estimate valid_against_default;         // on adapt_valid: what a default is chosen by
  Estimate routing_zone;                  // change of divergence in the zone against sft
};

/// One point of the learning curve; 0 pairs: all of them.
struct LearningPoint {
  int pairs = 0;
  double sft = 0, ramoe = 0;  // mean accuracy over cells and seeds
  Estimate difference;        // ramoe minus sft; family: the points of the curve
};

struct Ablations {
  std::vector<std::string> models, tasks, languages;
  int seeds = 0;
  std::vector<Ablation> rows;           // of the plan's order, the default among them as "ramoe"
  std::vector<LearningPoint> learning;  // ascending, all pairs last; empty: none in the plan
};
/// From the plan's variants outside of the group main and "ramoe"; those of the group train_pairs
/// make the learning curve. A point of it that lacks sft or ramoe is left out. Error: as above.
Ablations gather_ablations(const GridResults& results);

/// Machine-readable, every estimate with value, low, high, p, p_adjusted, count.
Json to_json(const Estimate& estimate);
Json to_json(const Evidence& evidence);
Json to_json(const Ablations& ablations);

}  // namespace ramoe
