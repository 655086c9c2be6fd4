// Report - what all pages share: the frame with its style sheet, tables, parts that fold
#pragma once

#include <string>
#include <vector>

#include "ch12_experiments/statistics.h"

namespace ramoe {

/// "[-1.2, +3.4]", both ends times `factor`; "n/a" if it is not known. More decimals where the ends
/// would read the same.
std::string interval_text(Interval interval, double factor, int decimals);

/// The style of all pages: bright, dark where the reader asks for it, and on paper.
std::string style_sheet();

/// What sources of a statement are marked with.
inline constexpr const char *paper_tag = "<span class=\"tag paper\">paper</span> ",
                            *choice_tag = "<span class=\"tag choice\">our choice</span> ";

/// "claim-a" of "Claim (a)": for links inside of a page.
std::string anchor_of(const std::string& text);
/// <h2> that the contents link to; `id`: anchor_of(text) if empty. `text` is plain.
std::string section_heading(const std::string& text, const std::string& id = "");
/// A link to a file beside the page. `path` is relative to it, with '/'.
std::string file_link(const std::string& path, const std::string& name);
/// "3 seeds", "153 to 300 test items"; "n/a" of none.
std::string range_text(const std::vector<double>& counts, const std::string& one,
                       const std::string& many);
/// A drawing with a caption of three parts, which are HTML.
std::string figure_html(const std::string& drawing, const std::string& look,
                        const std::string& read, const std::string& source);

/// A whole page: style inside, no script, nothing fetched, with links to its sections if there are
/// three or more. `title` is plain text, `body` HTML.
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
