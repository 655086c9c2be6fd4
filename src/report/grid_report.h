// Report - a grid: a verdict on each claim, the main table, the most telling charts, the routing of
// a pair
//
// One offline page, as for a run. It keeps apart what the abstract says and what we chose. Its long
// form is made by docs/make_results.py. Tests: tests/report/grid_report_test.cpp
#pragma once

#include <optional>
#include <string>

#include "ch12_experiments/grid_evidence.h"
#include "ch12_experiments/run_results.h"

namespace ramoe {

/// The page; it links to evidence.json beside it. Without routing it says how to trace a pair.
std::string grid_report_html(const GridEvidence& weighed,
                             const std::optional<GridRouting>& routing);

}  // namespace ramoe
