#include "report/page.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

#include "report/svg.h"
#include "support/error.h"

namespace ramoe {
namespace {

/// The headings of a page as a list of links; nothing if there are fewer than three.
std::string contents_of(const std::string& body) {
  const std::string begin = "<h2 id=\"", end = "</h2>";
  std::string items;
  int count = 0;
  for (std::size_t at = body.find(begin); at != std::string::npos; at = body.find(begin, at + 1)) {
    const std::size_t id = at + begin.size(), quote = body.find('"', id), text = quote + 2;
    items += cat("<li><a href=\"#", body.substr(id, quote - id), "\">",
                 body.substr(text, body.find(end, text) - text), "</a></li>\n");
    ++count;
  }
  return count < 3 ? "" : "<nav aria-label=\"Contents\">\n<ul>\n" + items + "</ul>\n</nav>\n";
}

}  // namespace

std::string interval_text(Interval interval, double factor, int decimals) {
  if (!interval.known()) return "n/a";
  while (decimals < 5 && fixed_number(factor * interval.low, decimals) ==
                             fixed_number(factor * interval.high, decimals))
    ++decimals;
  return cat("[", signed_number(factor * interval.low, decimals), ", ",
             signed_number(factor * interval.high, decimals), "]");
}

std::string anchor_of(const std::string& text) {
  std::string id;
  for (const char c : text) {
    const auto letter = static_cast<unsigned char>(c);
    if (std::isalnum(letter))
      id += static_cast<char>(std::tolower(letter));
    else if (!id.empty() && id.back() != '-')
      id += '-';
  }
  while (!id.empty() && id.back() == '-') id.pop_back();
  return id;
}

std::string section_heading(const std::string& text, const std::string& id) {
  return cat("<h2 id=\"", id.empty() ? anchor_of(text) : id, "\">", escape_markup(text), "</h2>\n");
}

std::string file_link(const std::string& path, const std::string& name) {
  std::string url;
  for (const char c : path) {
    const auto byte = static_cast<unsigned char>(c);
    if (byte < 128 && (std::isalnum(byte) || std::string("-._~/").find(c) != std::string::npos)) {
      url += c;
    } else {
      char code[4];
      std::snprintf(code, sizeof code, "%%%02X", byte);
      url += code;
    }
  }
  return cat("<a href=\"", url, "\">", escape_markup(name), "</a>");
}

std::string range_text(const std::vector<double>& counts, const std::string& one,
                       const std::string& many) {
  if (counts.empty()) return "n/a";
  const auto [least, most] = std::minmax_element(counts.begin(), counts.end());
  const std::string text = short_number(*least, 0);
  if (*least == *most) return cat(text, " ", *least == 1 ? one : many);
  return cat(text, " to ", short_number(*most, 0), " ", many);
}

std::string figure_html(const std::string& drawing, const std::string& look,
                        const std::string& read, const std::string& source) {
  return cat("<figure>\n", drawing, "<figcaption>\n<p><b>Look for</b> ", look,
             "</p>\n<p><b>How to read it</b> ", read, "</p>\n<p class=\"source\">", source,
             "</p>\n</figcaption>\n</figure>\n");
}

std::string html_page(const std::string& title, const std::string& body) {
  const std::string name = escape_markup(title);
  return cat("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n",
             "<meta name=\"color-scheme\" content=\"light dark\">\n<title>", name,
             "</title>\n<style>", style_sheet(), "</style>\n</head>\n<body>\n", contents_of(body),
             "<main>\n<h1>", name, "</h1>\n", body, words_html(body),
             "</main>\n</body>\n</html>\n");
}

/// Keeps an interval on one line.
static std::string unbroken(std::string cell) {
  bool inside = false;
  for (std::size_t i = 0; i < cell.size(); ++i) {
    inside = cell[i] == '[' || (inside && cell[i] != ']');
    if (inside && cell[i] == ' ') cell.replace(i, 1, "&nbsp;");
  }
  return cell;
}

std::string html_table(const std::string& caption, const std::vector<std::string>& head,
                       const std::vector<std::vector<std::string>>& rows, int text_columns) {
  const auto kind = [&](std::size_t i) {
    return static_cast<int>(i) < text_columns ? "" : " class=\"number\"";
  };
  std::string html = "<div class=\"scroll\" tabindex=\"0\">\n<table>\n";
  if (!caption.empty()) html += cat("<caption><span>", caption, "</span></caption>\n");
  html += "<thead><tr>";
  for (std::size_t i = 0; i < head.size(); ++i)
    html += cat("<th scope=\"col\"", kind(i), ">", head[i], "</th>");
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : rows) {
    html += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      html += i == 0
                  ? cat("<th scope=\"row\"",
                        terminal_columns(row[i]) > 28 ? " class=\"long\">" : ">", row[i], "</th>")
                  : cat("<td", kind(i), ">",
                        static_cast<int>(i) < text_columns ? row[i] : unbroken(row[i]), "</td>");
    html += "</tr>\n";
  }
  return html + "</tbody>\n</table>\n</div>\n";
}

std::string folded(const std::string& summary, const std::string& inside, bool open) {
  return cat("<details", open ? " open=\"\"" : "", ">\n<summary>", escape_markup(summary),
             "</summary>\n", inside, "</details>\n");
}

std::string missing_section(const std::string& what, const std::string& command) {
  return cat("<p class=\"missing\">There is no ", escape_markup(what), " here: <code>",
             escape_markup(command), "</code> makes it.</p>\n");
}

}  // namespace ramoe
