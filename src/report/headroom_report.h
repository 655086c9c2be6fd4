// Report - headroom by task and language, and what it is made of: the page of `ramoe headroom`, and
// a section of the report of a demo
//
// Tests: tests/report/headroom_report_test.cpp
#pragma once

#include <string>

#include "ch12_experiments/run_results.h"

namespace ramoe {

/// The page; style and drawings inside, no script, nothing fetched.
std::string headroom_report_html(const HeadroomResults& results);
/// Section from <section> to </section>: each form, with the accuracies of SFT beside those of the
/// base model. Nothing for one fine-tuning run, which has no headroom of its own.
std::string headroom_section(const RunResults& results);

}  // namespace ramoe
