// Report - the page of `ramoe headroom`: headroom by task and language, and what it is made of
//
// Tests: tests/report/headroom_report_test.cpp
#pragma once

#include <string>

#include "ch12_experiments/headroom_results.h"

namespace ramoe {

/// The page; style and drawings inside, no script, nothing fetched.
std::string headroom_report_html(const HeadroomResults& results);

}  // namespace ramoe
