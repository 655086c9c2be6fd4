// Chapter 12.10 - what the parts of the evidence share: differences by seed, estimates, families
//
// Only the sources of evidence.h use it. Tests: tests/ch12_experiments/evidence_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch12_experiments/evidence.h"

namespace ramoe {

/// a - b seed by seed. A side with one value has no seeds. If that is b, it is subtracted from each
/// value of a; if it is a, the result is one value, a minus the mean of b. Error: the numbers of
/// values differ in any other way.
std::vector<double> paired_differences(const std::vector<double>& a, const std::vector<double>& b);

/// One cell: paired bootstrap and sign flips over seeds; neither for fewer than 2 values, and no
/// interval if all values are the same. Nothing at all (count 0) if a value is unknown.
Estimate estimate_over_seeds(const std::vector<double>& differences);
/// Many cells: hierarchical bootstrap, and sign flips over the cells' means; no interval if all
/// values are the same. Cells with an unknown value are left out.
Estimate estimate_over_cells(std::vector<std::vector<double>> cells);
/// Sets p_adjusted, by Holm, of the estimates that have a p.
void adjust_family(const std::vector<Estimate*>& family);

/// The cells of a plan in its order: the runs of the base models.
std::vector<GridRun> cells_of(const GridPlan& plan);
/// Error, naming what is missing: sft and ramoe are not among the variants of the group main.
void check_sft_and_ramoe(const GridResults& results);

/// A number of a split of each record, such as "test", "accuracy". given_english is unknown (NaN)
/// if no item is known in English.
std::vector<double> values_of(const std::vector<const Json*>& records, const char* split,
                              const char* key);
/// A member with a number for each layer, such as "divergence" or "mass". Error: not L numbers.
std::vector<double> layers_of(const Json& record, const char* key, std::size_t L);
/// The mean, layer by layer, over vectors of one length; empty if there are none.
std::vector<double> mean_by_layer(const std::vector<std::vector<double>>& curves);
/// Mean over the layers of the zone, or over the others; NaN if there are none.
double mean_inside(const std::vector<double>& by_layer, Zone zone);
double mean_outside(const std::vector<double>& by_layer, Zone zone);

/// What the stage divergence found. Error: it is missing, or not as the stage writes it.
ModelCurves curves_of_model(const GridResults& results, const std::string& model);

/// The parts that rest on the cells alone (evidence_cells.cpp makes those).
std::vector<EvidenceCell> gather_cells(const GridResults& results, const Evidence& evidence);
std::vector<Comparison> gather_comparisons(const Evidence& evidence);
std::vector<GapCorrelation> gather_gap(const Evidence& evidence);
std::vector<CellCorrelation> gather_ci_gain(const Evidence& evidence);
std::vector<RoutingChange> gather_routing(const GridResults& results, const Evidence& evidence);

/// A variant with keys of its own, or a control: no method of the paper's and no steering.
bool is_extension(const std::string& method);
/// The group of a cell, its model and task, as a number; `numbers` keeps those given so far.
int group_of(const EvidenceCell& cell, std::map<std::string, int>& numbers);
/// Whether a cell belongs to a scope: "all", or the name of a model or a task.
bool in_scope(const EvidenceCell& cell, const std::string& scope);
/// "all", the models, the tasks.
std::vector<std::string> scopes_of(const Evidence& evidence);

}  // namespace ramoe
