// Report - the figures of the report, each a section of HTML with its caption
#pragma once

#include <string>

#include "ch12_experiments/run_results.h"
#include "report/charts.h"
#include "report/page.h"

namespace ramoe {

/// Whether the results are of one fine-tuning run, which is only compared with its base model.
bool is_one_run(const RunResults& results);

/// How every chart draws a language; its hue follows from its place among the targets of the page.
Series language_series(const std::vector<std::string>& languages, const std::string& lang,
                       const std::string& name);
/// A panel of layers with its zone shaded, if there is one.
Panel panel_by_layer(const std::string& title, const std::optional<Zone>& zone);
/// The thick line of the mean by layer.
Series mean_series(const std::vector<double>& by_layer);

/// Each value times the factor.
std::vector<double> times(std::vector<double> values, double factor);

/// Sections from <section> to </section>.
std::string difference_section(const RunResults& results);
std::string divergence_section(const RunResults& results);
std::string taxonomy_section(const RunResults& results);
std::string experts_section(const RunResults& results);
std::string curves_section(const RunResults& results);
/// One pair in each language (routing_trace.h). Nothing, not even a heading, if there is none.
std::string routing_section(const std::vector<RoutingTrace>& traces,
                            const Named<std::string>& language_names);
/// The questions of those pairs with their answers before and after. Nothing if there is none.
std::string answers_section(const RunResults& results);

}  // namespace ramoe
