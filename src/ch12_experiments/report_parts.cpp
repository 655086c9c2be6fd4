#include "ch12_experiments/report_parts.h"

#include "ch12_experiments/report_figures.h"
#include "ch12_experiments/svg.h"
#include "support/error.h"

namespace ramoe {
namespace {

const char* const style_sheet = R"(
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 46rem; padding: 1rem; background: #fff; color: #222;
  font: 1rem/1.5 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { font-size: 1.6rem; line-height: 1.25; margin: 0.5rem 0; }
h2 { font-size: 1.25rem; margin: 2.5rem 0 0.5rem; border-top: 1px solid #ddd; padding-top: 1rem; }
h3 { font-size: 1rem; margin: 1rem 0 0.25rem; }
p, li { max-width: 40rem; overflow-wrap: anywhere; }
.lead li { margin: 0.35rem 0; }
figure { margin: 1rem 0; }
svg { display: block; width: 100%; max-width: 34rem; height: auto; }
svg text { font-family: inherit; }
figcaption { font-size: 0.9rem; color: #333; }
figcaption p { margin: 0.35rem 0; }
.source { color: #555; }
.tag { font-size: 0.75rem; padding: 0 0.35rem; border-radius: 0.25rem; white-space: nowrap; }
.paper { background: #dcebf7; color: #00395c; }
.choice { background: #fbe6d4; color: #6b2f00; }
.missing { background: #f5f5f5; padding: 0.6rem 0.8rem; border-left: 3px solid #999; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.9rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-size: 0.9rem; color: #555; padding-bottom: 0.3rem; }
caption span { display: inline-block; max-width: min(40rem, calc(100vw - 4rem)); }
th, td { padding: 0.25rem 0.6rem; text-align: left; vertical-align: top; }
thead th { border-bottom: 2px solid #888; }
tbody tr { border-bottom: 1px solid #e5e5e5; }
tbody th { font-weight: 600; white-space: nowrap; }
tbody th.long { white-space: normal; min-width: 9rem; }
.number { text-align: right; white-space: nowrap; }
small { color: #555; }
details { margin: 1rem 0; border: 1px solid #ddd; border-radius: 0.3rem; padding: 0.4rem 0.8rem; }
@media (max-width: 32rem) { th, td { padding: 0.25rem 0.35rem; } table { font-size: 0.85rem; } }
summary { cursor: pointer; padding: 0.35rem 0; font-weight: 600; }
)";

}  // namespace

std::string method_label(const std::string& method) {
  static constexpr std::pair<const char*, const char*> labels[] = {
      {"sft", "SFT"},
      {"ramoe", "RA-MoE"},
      {"rise", "RISE"},
      {"sara", "SARA"},
      {"steer-soft-base", "soft steering, base"},
      {"steer-hard-base", "hard steering, base"},
      {"steer-soft-sft", "soft steering, SFT"},
      {"steer-hard-sft", "hard steering, SFT"}};
  for (const auto& [name, label] : labels)
    if (method == name) return label;
  return method;
}

std::string method_in_words(const std::string& method) {
  if (method == "base") return "base model";
  const std::size_t last = method.rfind('-');
  if (!method.starts_with("steer-") || last < 6) return method_label(method);
  const std::string form = method.substr(6, last - 6), model = method.substr(last + 1);
  return cat("Routing Steering (", form, ") of the ", model == "base" ? model : method_label(model),
             " model");
}

std::string signed_number(double value, int decimals) {
  const std::string text = fixed_number(value, decimals);
  return value > 0 && text.find_first_of("123456789") != std::string::npos ? "+" + text : text;
}

std::string interval_text(Interval interval, double factor, int decimals) {
  if (!interval.known()) return "n/a";
  return cat("[", signed_number(factor * interval.low, decimals), ", ",
             signed_number(factor * interval.high, decimals), "]");
}

std::string html_page(const std::string& title, const std::string& body) {
  const std::string name = escape_markup(title);
  return cat("<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
             "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>",
             name, "</title>\n<style>", style_sheet, routing_style(),
             "</style>\n</head>\n<body>\n<main>\n<h1>", name, "</h1>\n", body,
             "</main>\n</body>\n</html>\n");
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
                  : cat("<td", kind(i), ">", row[i], "</td>");
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
