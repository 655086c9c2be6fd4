// Report - the report: what a demo found, as one page and as one table
//
// The page is a single HTML file: style and drawings inside, no script, nothing fetched. Shares are
// shown in per cent and percentage points; a number that was not measured is "n/a". A section that
// is not in `results` is replaced by a sentence that names the command which makes it.
// Tests: tests/report/report_test.cpp
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "ch12_experiments/run_results.h"

namespace ramoe {

/// The page. `files`: names and paths, relative to the page, of what it links to.
std::string report_html(const RunResults& results,
                        const std::vector<std::pair<std::string, std::string>>& files = {});

/// report_html into a file, with links to the results of the run in `folder` (empty: that of the
/// page); a failed write leaves the old file.
void write_report(const std::string& path, const RunResults& results,
                  const std::string& folder = "");

/// For the terminal: a row per task and language with base, each method, the difference with its
/// interval over seeds, and the ci share.
std::string accuracy_table_text(const RunResults& results);

}  // namespace ramoe
