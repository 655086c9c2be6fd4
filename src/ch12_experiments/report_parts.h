// Chapter 12.6 - what all pages share: the frame with its style sheet, tables, parts that fold
#pragma once

#include <string>
#include <vector>

#include "ch12_experiments/statistics.h"

namespace ramoe {

/// "RA-MoE" for ramoe and so on; other names as they are.
std::string method_label(const std::string& method);
/// The same where there is more room: "Routing Steering (soft) of the base model".
std::string method_in_words(const std::string& method);

/// fixed_number with a "+" before what is above 0.
std::string signed_number(double value, int decimals);
/// "[-1.2, +3.4]", both ends times `factor`; "n/a" if it is not known.
std::string interval_text(Interval interval, double factor, int decimals);

/// A whole page: style inside, no script, nothing fetched. `title` is plain text, `body` HTML.
std::string html_page(const std::string& title, const std::string& body);

/// <table> in a box that scrolls sideways. The first cell of a row is its heading; cells are HTML.
/// `text_columns`: how many from the left are text; the others are aligned as numbers.
std::string html_table(const std::string& caption, const std::vector<std::string>& head,
                       const std::vector<std::vector<std::string>>& rows, int text_columns = 1);
/// A part that is folded away, unless it is shown open.
std::string folded(const std::string& summary, const std::string& inside, bool open = false);
/// What stands in place of a section that is not there.
std::string missing_section(const std::string& what, const std::string& command);

}  // namespace ramoe
