// Report - shared by all pages: the frame with its style sheet, tables, parts that fold
#pragma once

#include <string>
#include <vector>

#include "ch12_experiments/statistics.h"

namespace ramoe {

/// "[-1.2, +3.4]", both ends times `factor`; "n/a" if it is not known. It gets more decimals if the
/// ends would read the same.
std::string interval_text(Interval interval, double factor, int decimals);

/// The style of all pages: bright, or dark if the reader's system asks for it; bright on paper.
std::string style_sheet();

/// Tags for the source of a statement.
inline constexpr const char *paper_tag = "<span class=\"tag paper\">paper</span> ",
                            *choice_tag = "<span class=\"tag choice\">our choice</span> ";

/// "claim-a" for "Claim (a)", for links within a page.
std::string anchor_of(const std::string& text);
/// <h2> that the contents link to; `id`: anchor_of(text) if empty. `text` is plain.
std::string section_heading(const std::string& text, const std::string& id = "");
/// A link to a file beside the page. `path` is relative to it, with '/'.
std::string file_link(const std::string& path, const std::string& name);
/// "3 seeds", "153 to 300 test items"; "n/a" if there are none.
std::string range_text(const std::vector<double>& counts, const std::string& one,
                       const std::string& many);
/// A drawing with a caption of three parts, each in HTML.
std::string figure_html(const std::string& drawing, const std::string& look,
                        const std::string& read, const std::string& source);

/// A whole page: style inside, no script, nothing fetched. With three sections or more it has links
/// to them. `title` is plain text, `body` is HTML.
std::string html_page(const std::string& title, const std::string& body);

/// <table> in a box that scrolls sideways. The first cell of a row is its heading; cells are HTML.
/// The first `text_columns` columns hold text; the others are aligned as numbers.
std::string html_table(const std::string& caption, const std::vector<std::string>& head,
                       const std::vector<std::vector<std::string>>& rows, int text_columns = 1);
/// A part that is folded away, unless it is shown open.
std::string folded(const std::string& summary, const std::string& inside, bool open = false);
/// What replaces a section that is missing.
std::string missing_section(const std::string& what, const std::string& command);

// ---- Words that a reader may not know: a list at the end of every page (words.cpp) --------------
//
// A page must work offline and wherever it is copied to, so it holds the sentences themselves in
// place of links. The sentences are those of tutorial/glossary.md, letter by letter.

struct Word {
  const char *name, *meaning;
};
/// In alphabetical order.
const std::vector<Word>& words();

/// A folded list of the words that the page's text uses; nothing if it uses none.
std::string words_html(const std::string& body);

}  // namespace ramoe
