// A small judge of markup: do the tags balance, is every attribute quoted, are ids unique.
#pragma once

#include <gtest/gtest.h>

#include <cctype>
#include <set>
#include <string>
#include <vector>

#include "support/error.h"

namespace ramoe {

/// "" if well formed, else what is wrong and where. Void elements of HTML need no end.
inline std::string markup_offence(const std::string& text) {
  static const std::set<std::string> no_end = {"meta", "!DOCTYPE"};
  std::vector<std::string> open;
  std::set<std::string> ids;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '&') {
      const std::string entity = text.substr(i, text.find(';', i) - i + 1);
      if (entity.size() > 6 || entity.size() < 4) return "bare & at " + text.substr(i, 30);
    }
    if (text[i] == '>') return "bare > before " + text.substr(i, 30);
    if (text[i] != '<') continue;
    std::size_t end = i + 1;
    bool quoted = false;
    while (end < text.size() && (quoted || text[end] != '>')) {
      if (text[end] == '"') quoted = !quoted;
      if (text[end] == '<') return "< inside a tag at " + text.substr(i, 60);
      ++end;
    }
    if (end == text.size()) return "tag without end at " + text.substr(i, 60);
    const std::string tag = text.substr(i + 1, end - i - 1);
    const std::string name = tag.substr(0, tag.find_first_of(" \n"));
    const std::size_t id = tag.find(" id=\"");
    if (id != std::string::npos) {
      const std::string value = tag.substr(id + 5, tag.find('"', id + 5) - id - 5);
      if (!ids.insert(value).second) return "id " + value + " twice";
    }
    if (name[0] == '/') {
      if (open.empty() || open.back() != name.substr(1))
        return cat("<", name, "> closes <", open.empty() ? "nothing" : open.back(), ">");
      open.pop_back();
    } else if (tag.back() != '/' && !no_end.contains(name)) {
      open.push_back(name);
    }
    i = end;
  }
  return open.empty() ? "" : "<" + open.back() + "> is never closed";
}

/// Whether the text holds nan or inf as a number would be written, in any case.
inline bool has_broken_number(const std::string& text) {
  for (const char* word : {"nan", "inf", "NaN", "Infinity", "null"})
    for (std::size_t at = text.find(word); at != std::string::npos; at = text.find(word, at + 1)) {
      const auto letter = [&](std::size_t i) {
        return i < text.size() && std::isalpha(static_cast<unsigned char>(text[i]));
      };
      if (!letter(at - 1) && !letter(at + std::string(word).size())) return true;
    }
  return false;
}

/// The page without its style sheet, whose braces are no markup.
inline std::string body_of(const std::string& html) {
  const std::size_t begin = html.find("<style>"), end = html.find("</style>");
  return html.substr(0, begin) + html.substr(end + 8);
}

/// "" if every link leads to an id of the page or to a JSON file beside it, else the first bad one.
inline std::string bad_link(const std::string& html) {
  const std::string begin = "href=\"";
  for (std::size_t at = html.find(begin); at != std::string::npos; at = html.find(begin, at + 1)) {
    const std::size_t from = at + begin.size();
    const std::string target = html.substr(from, html.find('"', from) - from);
    const bool inside = target.starts_with("#") &&
                        html.find(" id=\"" + target.substr(1) + "\"") != std::string::npos;
    const bool file = target.find(':') == std::string::npos &&
                      (target.ends_with(".json") || target.ends_with(".jsonl"));
    if (!inside && !file) return target;
  }
  return "";
}

/// A whole page: well formed, no broken number, nothing from outside and no script.
inline void expect_page(const std::string& html) {
  EXPECT_EQ(markup_offence(body_of(html)), "");
  EXPECT_FALSE(has_broken_number(html));
  for (const char* outside : {"<script", "<link", "src=", "url(", "@import"})
    EXPECT_EQ(html.find(outside), std::string::npos) << outside;
  EXPECT_EQ(bad_link(html), "");
}

/// A drawing, alone or in a page.
inline void expect_drawing(const std::string& svg) {
  EXPECT_EQ(markup_offence(svg), "");
  EXPECT_FALSE(has_broken_number(svg)) << svg;
}

/// How often the text holds the part.
inline int count_of(const std::string& text, const std::string& part) {
  int times = 0;
  for (std::size_t at = text.find(part); at != std::string::npos; at = text.find(part, at + 1))
    ++times;
  return times;
}

}  // namespace ramoe
