#include "ch12_experiments/report.h"

#include <algorithm>
#include <cmath>

#include "ch12_experiments/report_figures.h"
#include "ch12_experiments/report_input.h"
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
.number { text-align: right; white-space: nowrap; }
small { color: #555; }
details { margin: 1rem 0; border: 1px solid #ddd; border-radius: 0.3rem; padding: 0.4rem 0.8rem; }
@media (max-width: 32rem) { th, td { padding: 0.25rem 0.35rem; } table { font-size: 0.85rem; } }
summary { cursor: pointer; padding: 0.35rem 0; font-weight: 600; }
)";

double mean_percent(const MethodAccuracy* method, bool given_english) {
  return method ? 100 * mean(given_english ? method->given_english : method->accuracy) : NAN;
}

std::string signed_number(double value, int decimals) {
  const std::string text = fixed_number(value, decimals);
  return value > 0 && text.find_first_of("123456789") != std::string::npos ? "+" + text : text;
}

/// "[-1.2, 3.4]", or why there is none.
std::string interval_text(const DifferenceResults& difference) {
  if (difference.interval.known())
    return cat("[", signed_number(100 * difference.interval.low, 1), ", ",
               signed_number(100 * difference.interval.high, 1), "]");
  if (!std::isfinite(difference.mean)) return "";
  return difference.per_seed.size() == 1 ? "one seed, no interval" : "no interval";
}

/// The methods in order of appearance.
std::vector<std::string> methods_in(const Results& results) {
  std::vector<std::string> names;
  for (const AccuracyResults& cell : results.accuracy)
    for (const MethodAccuracy& method : cell.methods)
      if (std::find(names.begin(), names.end(), method.name) == names.end())
        names.push_back(method.name);
  return names;
}

/// The most seeds that a cell's methods were run with.
std::size_t seeds_in(const Results& results) {
  std::size_t most = 0;
  for (const AccuracyResults& cell : results.accuracy)
    for (const MethodAccuracy& method : cell.methods) most = std::max(most, method.accuracy.size());
  return most;
}

/// The cells in the order of the table: by task, then as given.
std::vector<const AccuracyResults*> table_order(const Results& results) {
  std::vector<const AccuracyResults*> cells;
  for (const std::string& task : results.tasks_in(results.accuracy))
    for (const AccuracyResults& cell : results.accuracy)
      if (cell.task == task) cells.push_back(&cell);
  return cells;
}

std::string accuracy_html_table(const Results& results, bool given_english) {
  const auto methods = methods_in(results);
  std::vector<std::string> head = {"Language", "Task", "n", "Base"};
  for (const std::string& method : methods) head.push_back(escape_markup(method_label(method)));
  if (!given_english) head.insert(head.end(), {"RA-MoE − SFT", "ci %"});
  std::vector<std::vector<std::string>> rows;
  for (const AccuracyResults* cell : table_order(results)) {
    rows.push_back(
        {"<bdi>" + escape_markup(results.name(cell->lang)) + "</bdi>", escape_markup(cell->task),
         short_number(given_english ? cell->n_english : cell->n, 0),
         fixed_number(100 * (given_english ? cell->base_given_english : cell->base), 1)});
    for (const std::string& name : methods)
      rows.back().push_back(fixed_number(mean_percent(cell->method(name), given_english), 1));
    if (given_english) continue;
    rows.back().push_back(cat(signed_number(100 * cell->difference.mean, 1), " <small>",
                              interval_text(cell->difference), "</small>"));
    rows.back().push_back(fixed_number(100 * cell->ci_share, 0));
  }
  return html_table(given_english ? "Accuracy in % on the test items that the base model answers "
                                    "correctly in English; mean over seeds"
                                  : "Accuracy in % on test, mean over seeds; difference in "
                                    "percentage points with 95 % interval",
                    head, rows, 2);
}

std::string accuracy_section(const Results& results) {
  std::string html = "<section>\n<h2>Accuracy</h2>\n";
  if (results.accuracy.empty())
    return html + missing_section("accuracy", "ramoe demo") + "</section>\n";
  html += accuracy_html_table(results, false);
  html +=
      "<p>n: test items. Exact match after normalisation. Base: before fine-tuning. ci %: share of "
      "training pairs that the base model answers in English only. The test split has been seen "
      "in no target language at any stage.";
  if (seeds_in(results) == 1)
    html += " <b>One seed only: there is no interval, and chance cannot be told from effect.</b>";
  html += "</p>\n";
  if (results.overall && std::isfinite(results.overall->difference.mean))
    html += cat("<p>Over all languages and tasks, RA-MoE − SFT is <b>",
                signed_number(100 * results.overall->difference.mean, 2), " points</b>",
                results.overall->difference.interval.known()
                    ? " (95 % interval " + interval_text(results.overall->difference) +
                          ", bootstrap over cells, then seeds; chapter 12.3)"
                    : std::string(" (no interval)"),
                ".</p>\n");
  std::vector<std::vector<std::string>> rows;
  for (const auto& [task, accuracy] : results.base_english)
    rows.push_back({escape_markup(task), fixed_number(100 * accuracy, 1)});
  std::string inner = accuracy_html_table(results, true);
  if (!rows.empty())
    inner += html_table("Accuracy of the base model in English, %", {"Task", "English"}, rows);
  return html + folded("On what English knows", inner) + "</section>\n";
}

std::string facts_table(const std::string& caption, const Facts& facts) {
  if (facts.empty()) return "";
  std::vector<std::vector<std::string>> rows;
  for (auto [key, value] : facts) {
    std::replace(key.begin(), key.end(), '_', ' ');
    rows.push_back({escape_markup(key), escape_markup(value)});
  }
  return html_table(caption, {"What", "Value"}, rows, 2);
}

std::string making_section(const Results& results) {
  std::string html = "<section>\n<h2>How it was made</h2>\n";
  if (results.model.empty()) html += missing_section("description of the model", "ramoe demo");
  html += facts_table("Model", results.model);
  if (!results.seeds.empty()) {
    html += "<p>Seeds of fine-tuning:";
    for (const double seed : results.seeds) html += " " + short_number(seed, 0);
    html += ". The same seed gives both methods the same examples in the same order.</p>\n";
  }
  std::vector<std::vector<std::string>> rows;
  for (const std::string& lang : results.languages) {
    const auto share = results.web_share.find(lang);
    rows.push_back({"<bdi>" + escape_markup(results.name(lang)) + "</bdi>", escape_markup(lang),
                    share == results.web_share.end() ? "n/a" : short_number(share->second, 4)});
  }
  if (!rows.empty())
    html += html_table("Languages; share of web pages in % (Common Crawl CC-MAIN-2026-04)",
                       {"Language", "Code", "Web share"}, rows, 2);
  html +=
      "<p>Data: names, facts and number words of Unicode CLDR 47 (Unicode License V3), as language "
      "packs in data/languages.</p>\n<p>Method: after the abstract of <i>Routing-Aligned "
      "Fine-Tuning for Multilingual Downstream Tasks in Mixture-of-Experts Models</i> (arXiv "
      "2605.28306). What is marked <span class=\"tag paper\">paper</span> is said there; what is "
      "marked <span class=\"tag choice\">our choice</span> is not.</p>\n";
  html += facts_table("Run", results.run) + facts_table("Build", results.build);
  return html + "</section>\n";
}

/// Cells of UTF-8 text padded to columns; the first two to the left, the others to the right.
std::string aligned(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths(rows[0].size(), 0);
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i)
      widths[i] = std::max(widths[i], terminal_columns(row[i]));
  std::string text;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i) {
      const std::string space(widths[i] - terminal_columns(row[i]), ' ');
      line += (i == 0 ? "" : "  ") + (i < 2 ? row[i] + space : space + row[i]);
    }
    line.erase(line.find_last_not_of(' ') + 1);
    text += line + "\n";
  }
  return text;
}

}  // namespace

std::string method_label(const std::string& method) {
  return method == "sft" ? "SFT" : method == "ramoe" ? "RA-MoE" : method;
}

std::string html_table(const std::string& caption, const std::vector<std::string>& head,
                       const std::vector<std::vector<std::string>>& rows, int text_columns) {
  const auto kind = [&](std::size_t i) {
    return static_cast<int>(i) < text_columns ? "" : " class=\"number\"";
  };
  std::string html = cat("<div class=\"scroll\" tabindex=\"0\">\n<table>\n<caption><span>", caption,
                         "</span></caption>\n<thead><tr>");
  for (std::size_t i = 0; i < head.size(); ++i)
    html += cat("<th scope=\"col\"", kind(i), ">", head[i], "</th>");
  html += "</tr></thead>\n<tbody>\n";
  for (const auto& row : rows) {
    html += "<tr>";
    for (std::size_t i = 0; i < row.size(); ++i)
      html += i == 0 ? cat("<th scope=\"row\">", row[i], "</th>")
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

std::string report_html(const Json& json) {
  const Results results = parse_results(json);
  const std::string title = escape_markup(results.title);
  std::string html = cat(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n",
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>", title,
      "</title>\n<style>", style_sheet, routing_style(), "</style>\n</head>\n<body>\n<main>\n<h1>",
      title, "</h1>\n", "<section>\n<h2>What was seen</h2>\n");
  if (results.words.empty())
    html += missing_section("summary in words", "ramoe demo");
  else {
    html += "<ul class=\"lead\">\n";
    for (const std::string& sentence : results.words)
      html += "<li>" + escape_markup(sentence) + "</li>\n";
    html += "</ul>\n";
  }
  html += "</section>\n";
  html += accuracy_section(results) + difference_section(results) + divergence_section(results) +
          taxonomy_section(results) + experts_section(results) + routing_section(results) +
          curves_section(results) + making_section(results);
  return html + "</main>\n</body>\n</html>\n";
}

void write_report(const std::string& path, const Json& results) {
  write_file(path, report_html(results));
}

std::string accuracy_table_text(const Json& json) {
  const Results results = parse_results(json);
  if (results.accuracy.empty()) return "There is no accuracy yet: ramoe demo measures it.\n";
  const auto methods = methods_in(results);
  std::vector<std::vector<std::string>> rows = {{"task", "language", "n", "base"}};
  for (const std::string& method : methods) rows[0].push_back(method_label(method));
  rows[0].insert(rows[0].end(), {"difference", "interval", "ci %"});
  for (const AccuracyResults* cell : table_order(results)) {
    rows.push_back({cell->task, results.name(cell->lang), short_number(cell->n, 0),
                    fixed_number(100 * cell->base, 1)});
    for (const std::string& name : methods)
      rows.back().push_back(fixed_number(mean_percent(cell->method(name), false), 1));
    rows.back().push_back(signed_number(100 * cell->difference.mean, 1));
    rows.back().push_back(interval_text(cell->difference));
    rows.back().push_back(fixed_number(100 * cell->ci_share, 0));
  }
  std::string text =
      "Test accuracy in %, mean over seeds; difference RA-MoE - SFT in points with "
      "its 95 % interval\n\n" +
      aligned(rows);
  if (results.overall && std::isfinite(results.overall->difference.mean))
    text += cat("\nall cells: ", signed_number(100 * results.overall->difference.mean, 2),
                " points ", interval_text(results.overall->difference), "\n");
  return text;
}

}  // namespace ramoe
