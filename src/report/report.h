// Report - the report: what a demo found, as one page and as one table
//
// The page is a single HTML file: style and drawings inside, no script, nothing fetched. All
// numbers come from `results`, where shares are 0..1;
// they are shown in per cent and percentage points. A number that was not measured is null there
// and "n/a" here. A section that is not in `results` is replaced by a sentence that names the
// command which makes it. Tests: tests/report/report_test.cpp
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "support/files.h"

namespace ramoe {

/// The page. `files`: names and paths, relative to the page, of what it links to. Error: a section
/// that is there but malformed, with its key, for instance "results: accuracy[2].difference.mean:
/// ...".
std::string report_html(const Json& results,
                        const std::vector<std::pair<std::string, std::string>>& files = {});

/// report_html into a file, with links to the results of the run in `folder` (empty: that of the
/// page); a failed write leaves the old file.
void write_report(const std::string& path, const Json& results, const std::string& folder = "");

/// For the terminal: a row per task and language with base, each method, the difference with its
/// interval over seeds, and the ci share. Errors as report_html.
std::string accuracy_table_text(const Json& results);

}  // namespace ramoe
