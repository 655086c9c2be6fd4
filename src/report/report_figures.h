// Report - the figures of the report, each a section of HTML with its caption
#pragma once

#include <string>

#include "report/charts.h"
#include "report/report_input.h"
#include "report/report_parts.h"

namespace ramoe {

/// Whether the results are of one fine-tuning run, which is compared with its base model alone.
bool is_one_run(const Results& results);

/// Bars of the four types by task and language.
StackedBars taxonomy_chart(const Results& results);

/// Sections from <section> to </section>.
std::string difference_section(const Results& results);
std::string divergence_section(const Results& results);
std::string taxonomy_section(const Results& results);
std::string experts_section(const Results& results);
std::string curves_section(const Results& results);
/// Of a pair in each language (routing_trace.h). Nothing, not even a heading, where there is none.
std::string routing_section(const Results& results);
/// The questions of those pairs with their answers before and after. Nothing where there is none.
std::string answers_section(const Results& results);

}  // namespace ramoe
