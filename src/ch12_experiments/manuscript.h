// Chapter 12.11 - one text in two forms: Markdown for docs/, HTML for a page of its own
//
// A manuscript is a list of blocks, all of plain text: what came from data is escaped for the form
// in which it is written, so nobody who builds one need think of it. Figures stand inside the HTML;
// Markdown points to their files. Tests: tests/ch12_experiments/manuscript_test.cpp
#pragma once

#include <string>
#include <vector>

namespace ramoe {

/// A run of text in a sentence.
struct Words {
  enum class Kind { plain, strong, code };
  std::string text;
  Kind kind = Kind::plain;

  Words(const char* words) : text(words) {}
  Words(std::string words, Kind how = Kind::plain) : text(std::move(words)), kind(how) {}
};
using Sentence = std::vector<Words>;
/// Without blanks at its ends: Markdown would not see it.
Words strong(std::string text);
Words code(std::string text);

/// The first cell of a row is its heading; `text_columns` from the left are text, others numbers.
struct TextTable {
  std::string caption;
  std::vector<std::string> head;
  std::vector<std::vector<std::string>> rows;
  int text_columns = 1;
  std::vector<std::string> anchors = {};  // of the headings that the rows' first cells link to
};

/// `name` is that of the file, without .svg. An empty drawing is left out with its caption.
struct TextFigure {
  std::string name, alt, drawing;
  Sentence caption;
};

class Manuscript {
 public:
  explicit Manuscript(std::string title) : title_(std::move(title)) {}

  /// `anchor`: what links of the page name it by; made of the text if empty.
  void heading(const std::string& text, const std::string& anchor = "");
  void subheading(const std::string& text);
  void paragraph(const Sentence& sentence);
  /// Items that follow each other make one list.
  void item(const Sentence& sentence);
  /// Error: a row of another length than the head. A table without rows is left out.
  void table(const TextTable& table);
  void figure(const TextFigure& figure);
  /// What comes until end_fold() is folded away.
  void fold(const std::string& summary);
  void end_fold();
  /// HTML that only the page has.
  void page_only(const std::string& html);
  /// A heading, sentence or table that only the Markdown has.
  void text_heading(const std::string& text);
  void text_only(const Sentence& sentence);
  void text_table(const TextTable& table);

  /// `figures`: where the files of the figures are, "results/figures".
  std::string markdown(const std::string& figures) const;
  std::string html() const;
  const std::vector<TextFigure>& figures() const { return figures_; }

 private:
  enum class What {
    heading,
    subheading,
    paragraph,
    item,
    table,
    figure,
    fold,
    end_fold,
    page_only,
    text_heading,
    text_only,
    text_table
  };
  struct Block {
    What what;
    std::string text;
    Sentence sentence;
    std::size_t index = 0;  // of a table or a figure
    std::string anchor = "";
  };
  void add_table(What what, const TextTable& table);
  std::string markdown_of(const Block& block, const std::string& figures) const;
  std::string html_of(const Block& block) const;

  std::string title_;
  std::vector<Block> blocks_;
  std::vector<TextTable> tables_;
  std::vector<TextFigure> figures_;
};

}  // namespace ramoe
