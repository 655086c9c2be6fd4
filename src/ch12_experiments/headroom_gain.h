// Chapter 12.11 - headroom beside the gain: could a gain have been seen on these base models?
//
// Headroom (7.6) is asked of a base model before anything is trained. Where it is nothing, aligned
// routing has nothing to win, and no number of seeds decides whether aligning it helps. All of this
// is ours, not the paper's. Tests: tests/ch12_experiments/headroom_gain_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch12_experiments/evidence.h"
#include "ch12_experiments/headroom_results.h"

namespace ramoe {

struct ModelHeadroom {
  std::string model;
  Estimate mean;  // over the model's cells
};

/// Headroom against the gain of a method that is no method of the paper's, over all cells.
struct ExtensionCorrelation {
  std::string method;
  CellCorrelation r;
};

/// One form of forcing, over a grid.
struct HeadroomGain {
  std::string form;
  std::vector<ModelHeadroom> models;  // those of the grid that were measured
  std::vector<double> by_cell;        // in the order of the evidence; NaN: not measured
  std::vector<CellCorrelation> r;     // of headroom with the gain of RA-MoE over SFT, by cell
  std::vector<ExtensionCorrelation> extensions;  // the same for them, raw and within model and task
};

/// The runs over a grid's models (the model of a run is the plan's folder), zone and OTHER alone, a
/// form at a time: seq, which is what the loss asks for, first.
std::vector<HeadroomGain> gather_headroom(const Evidence& evidence, const GridPlan& plan,
                                          const std::vector<HeadroomResults>& runs);

/// Whether a claim about a gain could be decided on all models of a grid.
///   yes        in each model some form has headroom: its interval lies above 0
///   no         in each model every form has none: intervals hold 0 and end below small_headroom
///   open       neither
///   not_asked  of some model no headroom was measured
enum class Decidable { yes, no, open, not_asked };
constexpr auto names(Decidable) {
  return std::array{"yes", "no", "open", "not asked"};
}
Decidable decidable(const Evidence& evidence, const std::vector<HeadroomGain>& headroom);

}  // namespace ramoe
