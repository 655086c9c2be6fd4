#include "ch12_experiments/manuscript.h"

#include "report/report_parts.h"
#include "report/svg.h"
#include "support/error.h"

namespace ramoe {
namespace {

/// Plain text for Markdown: nothing in it is read as markup, line breaks become blanks.
std::string escape_markdown(const std::string& text) {
  const auto at = [&](std::size_t i) { return i < text.size() ? text[i] : ' '; };
  const auto letter = [&](std::size_t i) {
    return std::isalnum(static_cast<unsigned char>(at(i))) ||
           static_cast<unsigned char>(at(i)) >= 128;
  };
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const char c = text[i];
    // An underscore inside a word is none of Markdown's, nor is a bracket that no address follows.
    const bool marks = c == '\\' || c == '`' || c == '*' || c == '|' || c == '~' ||
                       (c == '_' && !(i > 0 && letter(i - 1) && letter(i + 1))) ||
                       (c == ']' && (at(i + 1) == '(' || at(i + 1) == '[' || at(i + 1) == ':'));
    if (marks) out += '\\';
    out += c == '\n' || c == '\t' ? ' ' : c;
  }
  // Tags, broken UTF-8 and control characters as in HTML, but quotes stay quotes.
  out = escape_markup(out);
  for (const auto& [entity, quote] : {std::pair{"&#39;", "'"}, {"&quot;", "\""}})
    for (std::size_t i = out.find(entity); i != std::string::npos; i = out.find(entity, i + 1))
      out.replace(i, std::string(entity).size(), quote);
  return out;
}

std::string markdown_of_sentence(const Sentence& sentence) {
  std::string text;
  for (const Words& words : sentence)
    text += words.kind == Words::Kind::strong ? "**" + escape_markdown(words.text) + "**"
            : words.kind == Words::Kind::code && words.text.find('`') == std::string::npos
                ? "`" + words.text + "`"
                : escape_markdown(words.text);
  return text;
}

std::string html_of_sentence(const Sentence& sentence) {
  std::string text;
  for (const Words& words : sentence) {
    const std::string inside = escape_markup(words.text);
    const char* tag = words.kind == Words::Kind::strong ? "b" : "code";
    text += words.kind == Words::Kind::plain ? inside : cat("<", tag, ">", inside, "</", tag, ">");
  }
  return text;
}

std::string markdown_table(const TextTable& table) {
  std::string text = table.caption.empty() ? "" : escape_markdown(table.caption) + "\n\n";
  const auto line = [&](const std::vector<std::string>& cells) {
    text += "|";
    for (const std::string& cell : cells) text += " " + escape_markdown(cell) + " |";
    text += "\n";
  };
  line(table.head);
  text += "|";
  for (std::size_t i = 0; i < table.head.size(); ++i)
    text += static_cast<int>(i) < table.text_columns ? "---|" : "---:|";
  text += "\n";
  for (const auto& row : table.rows) line(row);
  return text;
}

}  // namespace

Words strong(std::string text) {
  return {std::move(text), Words::Kind::strong};
}

Words code(std::string text) {
  return {std::move(text), Words::Kind::code};
}

void Manuscript::heading(const std::string& text, const std::string& anchor) {
  blocks_.push_back({What::heading, text, {}, 0, anchor});
}

void Manuscript::text_heading(const std::string& text) {
  blocks_.push_back({What::text_heading, text, {}});
}

void Manuscript::subheading(const std::string& text) {
  blocks_.push_back({What::subheading, text, {}});
}

void Manuscript::paragraph(const Sentence& sentence) {
  blocks_.push_back({What::paragraph, "", sentence});
}

void Manuscript::item(const Sentence& sentence) {
  blocks_.push_back({What::item, "", sentence});
}

void Manuscript::add_table(What what, const TextTable& table) {
  for (const auto& row : table.rows)
    check(row.size() == table.head.size(), "table \"", table.caption, "\": a row of ", row.size(),
          " cells; expected ", table.head.size(), ".");
  check(table.anchors.empty() || table.anchors.size() == table.rows.size(), "table \"",
        table.caption, "\": ", table.anchors.size(), " links for ", table.rows.size(), " rows.");
  if (table.rows.empty()) return;
  blocks_.push_back({what, "", {}, tables_.size()});
  tables_.push_back(table);
}

void Manuscript::table(const TextTable& table) {
  add_table(What::table, table);
}

void Manuscript::text_table(const TextTable& table) {
  add_table(What::text_table, table);
}

void Manuscript::figure(const TextFigure& figure) {
  if (figure.drawing.empty()) return;
  blocks_.push_back({What::figure, "", {}, figures_.size()});
  figures_.push_back(figure);
}

void Manuscript::fold(const std::string& summary) {
  blocks_.push_back({What::fold, summary, {}});
}

void Manuscript::end_fold() {
  blocks_.push_back({What::end_fold, "", {}});
}

void Manuscript::page_only(const std::string& html) {
  blocks_.push_back({What::page_only, html, {}});
}

void Manuscript::text_only(const Sentence& sentence) {
  blocks_.push_back({What::text_only, "", sentence});
}

std::string Manuscript::markdown_of(const Block& block, const std::string& figures) const {
  switch (block.what) {
    case What::heading:
    case What::text_heading:
      return "## " + escape_markdown(block.text) + "\n";
    case What::subheading:
      return "### " + escape_markdown(block.text) + "\n";
    case What::paragraph:
    case What::text_only:
      return markdown_of_sentence(block.sentence) + "\n";
    case What::item:
      return "- " + markdown_of_sentence(block.sentence) + "\n";
    case What::table:
    case What::text_table:
      return markdown_table(tables_[block.index]);
    case What::figure: {
      const TextFigure& figure = figures_[block.index];
      return cat("![", escape_markdown(figure.alt), "](", figures, "/", figure.name, ".svg)\n\n",
                 markdown_of_sentence(figure.caption), "\n");
    }
    case What::fold:
      return "<details>\n<summary>" + escape_markup(block.text) + "</summary>\n";
    case What::end_fold:
      return "</details>\n";
    case What::page_only:
      break;
  }
  return "";
}

std::string Manuscript::markdown(const std::string& figures) const {
  std::string text = "# " + escape_markdown(title_) + "\n";
  What before = What::heading;
  for (const Block& block : blocks_) {
    const std::string part = markdown_of(block, figures);
    if (part.empty()) continue;
    if (block.what != What::item || before != What::item) text += "\n";
    text += part;
    before = block.what;
  }
  return text;
}

std::string Manuscript::html_of(const Block& block) const {
  switch (block.what) {
    case What::heading:
      return section_heading(block.text, block.anchor);
    case What::subheading:
      return "<h3>" + escape_markup(block.text) + "</h3>\n";
    case What::paragraph:
      return "<p>" + html_of_sentence(block.sentence) + "</p>\n";
    case What::item:
      return "<li>" + html_of_sentence(block.sentence) + "</li>\n";
    case What::table: {
      TextTable table = tables_[block.index];
      for (std::string& cell : table.head) cell = escape_markup(cell);
      for (auto& row : table.rows)
        for (std::string& cell : row) cell = escape_markup(cell);
      for (std::size_t i = 0; i < table.anchors.size(); ++i)
        table.rows[i][0] = cat("<a href=\"#", table.anchors[i], "\">", table.rows[i][0], "</a>");
      return html_table(escape_markup(table.caption), table.head, table.rows, table.text_columns);
    }
    case What::figure: {
      const TextFigure& figure = figures_[block.index];
      return cat("<figure>\n", figure.drawing, "<figcaption>\n<p>",
                 html_of_sentence(figure.caption), "</p>\n</figcaption>\n</figure>\n");
    }
    case What::fold:
      return "<details>\n<summary>" + escape_markup(block.text) + "</summary>\n";
    case What::end_fold:
      return "</details>\n";
    case What::page_only:
      return block.text;
    case What::text_heading:
    case What::text_only:
    case What::text_table:
      break;
  }
  return "";
}

std::string Manuscript::html() const {
  std::string body;
  What before = What::heading;
  for (const Block& block : blocks_) {
    if (block.what == What::item && before != What::item) body += "<ul class=\"lead\">\n";
    if (block.what != What::item && before == What::item) body += "</ul>\n";
    body += html_of(block);
    before = block.what;
  }
  if (before == What::item) body += "</ul>\n";
  return html_page(title_, body);
}

}  // namespace ramoe
