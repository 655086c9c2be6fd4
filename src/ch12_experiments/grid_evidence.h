// Chapter 12.14 - a grid weighed: its evidence, the verdicts on the claims, and further grids
//
// Tests: tests/ch12_experiments/grid_evidence_test.cpp
#pragma once

#include <optional>
#include <vector>

#include "ch12_experiments/claims.h"

namespace ramoe {

struct GridEvidence {
  GridResults grid;
  Evidence evidence;
  std::vector<Claim> claims;
  std::optional<Ablations> ablations;
  std::optional<Evidence> mixture;  // a model per exponent, named "exponent=0.3"
  std::vector<HeadroomGain> headroom;  // empty: it was not measured
};

/// Gathers the evidence and weighs the claims. Without a grid of ablations, those of the grid's own
/// plan are taken. Headroom: runs of `ramoe headroom`, of these and other models. Error: as
/// gather_evidence(), or a model of the mixture is not named after its exponent.
GridEvidence weigh_grid(GridResults grid, const std::optional<GridResults>& ablations = {},
                        const std::optional<GridResults>& mixture = {},
                        const std::vector<HeadroomResults>& headroom = {});

/// evidence.json: all numbers, and the claims with their verdicts.
Json to_json(const GridEvidence& weighed);
/// The comparisons of a grid and its headroom alone, for a grid that asks nothing else.
Json comparisons_to_json(const GridEvidence& weighed);

}  // namespace ramoe
