// Chapter 12.9 - the evidence: what the records of a finished grid say, by cell and over all cells
//
//   cell       one model, task and target language; its values by seed are paired across methods
//   gain       accuracy of a method minus that of sft, seed by seed
//   interval   95 %. Per cell: a paired bootstrap over seeds. Over cells: the hierarchical
//              bootstrap of chapter 12.2 (cells, then seeds). Of a correlation: a bootstrap over
//              cells (within each model and task, if the values were centred there). The models
//              are taken as given, so nothing here generalises to another one. That cells of one
//              language or task resemble each other is ignored; the intervals may be too narrow
//   p          two-sided sign flips (12.2): per cell over seeds, over cells on the cells' means
//   p_adjusted by Holm, over the family that the comment of the field names; accuracy and
//              given_english are separate families
//
// Steering of the base model has no seeds, so it has one value in a cell. Its gain is this value
// minus the mean over sft's seeds, without an interval. As the other side of a comparison, it is
// compared with each seed of the method, and so is the base model.
//
// All shares are 0..1. Nothing is chosen here, and adapt_valid is read for the ablations alone.
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

/// A mean difference or a correlation with its interval; p is NaN if nothing was tested.
struct Estimate {
  double value = std::nan("");
  Interval interval = unknown_interval();
  double p = std::nan(""), p_adjusted = std::nan("");
  int count = 0;  // how many cells, seeds or points it is computed from
  bool above_zero() const { return interval.known() && interval.low > 0; }
  bool below_zero() const { return interval.known() && interval.high < 0; }
};

/// A method in one cell.
struct MethodInCell {
  std::string name;                             // "sft", "ramoe", "steer-soft-base", ...
  std::vector<double> accuracy, given_english;  // on test, by seed; one value if there are no seeds
  double setting = std::nan("");                // chosen learning rate or strength of steering
  // Minus sft, seed by seed; unknown for sft. Family of p_adjusted: all cells of this method.
  Estimate gain, gain_given_english;
  // By layer: minus sft at the same seed, averaged over seeds (empty unless the method trains). Of
  // D between the English routing of the frozen base model and the target routing of this model,
  // and of the mass.
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
  std::vector<double> general;  // (L) mean over languages: the curve that gave the zone
  std::map<std::string, std::vector<double>> general_by_language;
  std::vector<double> prompts;  // (L) mean over tasks, languages
  std::map<std::string, std::map<std::string, std::vector<double>>> by_task;  // [task][lang]
  // Mean of the layers before (after) the zone minus the mean of the zone, on the task prompts of
  // the plan's tasks and languages. The bootstrap is over languages (of means over tasks). The zone
  // comes from general text, not from this text. count is 0 if there are no such layers.
  Estimate early, late;
};

/// One method against another over many cells: each against "sft"; "ramoe" against each other one;
/// extensions and controls (names that are no method of the paper) against those behind them;
/// "sft", "ramoe" and steering of the base model against "base", the unchanged base model. scope:
/// "all", or the name of a model or a task.
struct Comparison {
  std::string method, against, scope;
  Estimate accuracy = {}, given_english = {};  // family: the comparisons of one scope
  int cells = 0, above = 0, below = 0;  // cells whose own interval excludes 0
};

/// A correlation over cells; scope as above. `within`: both sides were first centred within each
/// model and task, so that only differences between languages count.
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

/// How alignment changed routing: RA-MoE minus SFT over the cells of a model ("all": all cells).
struct RoutingChange {
  std::string scope;
  Estimate zone, outside, difference;  // of divergence: mean over layers; zone minus outside
  Estimate mass_zone;                  // mass of the task experts. Family: the four of a scope
  std::vector<double> by_layer;        // of divergence; empty for "all"
};

struct Evidence {
  // methods: variants of the group main, then steering (soft, hard) of the base model and of sft
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

/// All evidence of one finished grid. Error: sft, ramoe, a record or a stage is missing.
Evidence gather_evidence(const GridResults& results);

/// One method against another over the cells of several grids together, each cell with the seeds
/// that its grid has; p is not adjusted. Error: a grid lacks one of the two.
Comparison compare_over_grids(const std::vector<const Evidence*>& grids, const std::string& method,
                              const std::string& against);

/// An ablation against the default choice and against sft, over the cells and seeds of its grid.
/// For the default itself, "ramoe", estimates against the default are unknown. Family of
/// p_adjusted: all rows, for each of the estimates.
struct Ablation {
  std::string group, variant;
  Json keys;
  Estimate against_default, against_sft;  // on test
  Estimate valid_against_default;         // on adapt_valid, by which defaults are chosen
  Estimate routing_zone;                  // divergence in the zone, minus that of sft
};

/// One point of the learning curve; pairs = 0 means all pairs.
struct LearningPoint {
  int pairs = 0;
  double sft = 0, ramoe = 0;  // mean accuracy over cells and seeds
  Estimate difference;        // ramoe minus sft; family: the points of the curve
};

struct Ablations {
  std::vector<std::string> models, tasks, languages;
  int seeds = 0;
  std::vector<Ablation> rows;           // in the plan's order, with the default as "ramoe"
  std::vector<LearningPoint> learning;  // ascending, all pairs last; empty if the plan has none
};
/// From "ramoe" and the plan's variants outside the group main. Variants of the group train_pairs
/// make the learning curve; a point that lacks sft or ramoe is left out. Error: as above.
Ablations gather_ablations(const GridResults& results);

/// Machine-readable; every estimate has value, low, high, p, p_adjusted and count.
Json to_json(const Evidence& evidence);
Json to_json(const Ablations& ablations);
Json to_json(const Comparison& comparison);

}  // namespace ramoe
