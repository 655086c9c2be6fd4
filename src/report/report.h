// Report - the report: what a demo found, as one page and as one table
//
// The page is a single HTML file: style and drawings inside, no script, nothing fetched. Shares are
// shown in per cent and percentage points; a number that was not measured is "n/a". A section that
// is not in `results` is replaced by a sentence with the command that makes it.
// Tests: tests/report/report_test.cpp, grid_report_test.cpp
#pragma once

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "ch12_experiments/grid_evidence.h"
#include "ch12_experiments/run_results.h"

namespace ramoe {

/// The page. `files`: the name and the path, relative to the page, of each file that it links to.
std::string report_html(const RunResults& results,
                        const std::vector<std::pair<std::string, std::string>>& files = {});

/// Writes report_html() to a file, with links to the results of the run in `folder` (empty: the
/// folder of the page). A failed write leaves the old file.
void write_report(const std::string& path, const RunResults& results,
                  const std::string& folder = "");

/// For the terminal: one row per task and language, with the base model, each method, the
/// difference with its interval over seeds, and the share of ci.
std::string accuracy_table_text(const RunResults& results);

// ---- Of a grid (grid_report.cpp): a verdict on each claim, the main table, the most telling
// charts, the routing of a pair. It keeps apart what the abstract says and what we chose; its
// long form is made by docs/make_results.py.

/// The page; it links to evidence.json beside it. Without routing it says how to trace a pair.
/// `decide`: the grid on base models with headroom, which then comes first.
std::string grid_report_html(const GridEvidence& weighed, const std::optional<GridRouting>& routing,
                             const std::optional<GridEvidence>& decide = {});

}  // namespace ramoe
