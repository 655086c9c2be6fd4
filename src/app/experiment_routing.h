// App - the routing of one pair of each task before and after RA-MoE, for the report of a grid
//
// A grid keeps no models, and needs none: this one is trained again in a second, with the same
// bits. Tests: tests/app/results_test.cpp
#pragma once

#include "app/stages.h"
#include "ch12_experiments/grid_results.h"
#include "ch12_experiments/run_results.h"

namespace ramoe {

/// The options of a variant's runs, without what differs from run to run.
FinetuneOptions variant_options(const GridPlan& plan, const GridVariant& variant,
                                const std::string& where);
/// Where base and stages of a model are, in the folder of a grid.
void set_model(FinetuneOptions& options, const GridPlan& plan, const std::string& model,
               const std::string& folder);
/// What the results of this program on these base models must not be mixed with other than:
/// plan, code, build, data and base models.
Json experiment_facts(const GridPlan& plan, const Json& plan_json);

/// Of the plan's first model and first language, with the first seed; kept as routing.json in the
/// folder. Nothing, and the reason on standard error, if code, build, data or base models are no
/// longer those of the grid, or its stages are not there. Error: the model that was trained again
/// answers otherwise than its record says.
std::optional<GridRouting> grid_routing(const std::string& folder, const GridResults& grid);
/// The same if the folder has it already.
std::optional<GridRouting> kept_routing(const std::string& folder, const Json& facts);

}  // namespace ramoe
