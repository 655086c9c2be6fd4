// Chapter 12.6 - the figures of the report, each a section of HTML with its caption
#pragma once

#include <string>

#include "ch12_experiments/report_input.h"

namespace ramoe {

/// "RA-MoE" for ramoe and so on; other names as they are.
std::string method_label(const std::string& method);

/// <table> in a box that scrolls sideways. The first cell of a row is its heading; cells are HTML.
/// `text_columns`: how many from the left are text; the others are aligned as numbers.
std::string html_table(const std::string& caption, const std::vector<std::string>& head,
                       const std::vector<std::vector<std::string>>& rows, int text_columns = 1);
/// A part that is folded away, unless it is shown open.
std::string folded(const std::string& summary, const std::string& inside, bool open = false);
/// What stands in place of a section that is not there.
std::string missing_section(const std::string& what, const std::string& command);

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
