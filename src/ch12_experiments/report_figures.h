// Chapter 12.6 - the figures of the report, each a section of HTML with its caption
#pragma once

#include <string>

#include "ch12_experiments/charts.h"
#include "ch12_experiments/report_input.h"
#include "ch12_experiments/report_parts.h"

namespace ramoe {

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
/// The part of the page's style that routing_section needs.
std::string routing_style();

}  // namespace ramoe
