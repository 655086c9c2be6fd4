// App - the routing of one pair of each task before and after RA-MoE, for the report of a grid
//
// A grid keeps no models and needs none: this model is trained again, in about a second and with
// the same bits. Tests: tests/app/results_test.cpp
#pragma once

#include "app/stages.h"
#include "ch12_experiments/grid_results.h"
#include "ch12_experiments/run_results.h"

namespace ramoe {

/// The options of the runs of a variant, without those that differ between runs.
FinetuneOptions variant_options(const GridPlan& plan, const GridVariant& variant,
                                const std::string& where);
/// Sets the paths of the base model and of its stages in the folder of a grid.
void set_model(FinetuneOptions& options, const GridPlan& plan, const std::string& model,
               const std::string& folder);
/// Plan, code, build, data and base models. Results may only be mixed if these facts agree.
Json experiment_facts(const GridPlan& plan, const Json& plan_json);

/// The routing for the plan's first model, first language and first seed; kept as routing.json in
/// the folder. Nothing, with the reason on standard error, if code, build, data or base models are
/// no longer those of the grid, or if its stages are missing. Error: the answers of the model that
/// was trained again differ from its record.
std::optional<GridRouting> grid_routing(const std::string& folder, const GridResults& grid);
/// The same routing, if the folder already has it.
std::optional<GridRouting> kept_routing(const std::string& folder, const Json& facts);

}  // namespace ramoe
