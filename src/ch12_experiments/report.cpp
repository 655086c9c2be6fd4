#include "ch12_experiments/report.h"

#include <algorithm>
#include <cmath>

#include "ch12_experiments/report_figures.h"
#include "ch12_experiments/report_input.h"
#include "ch12_experiments/svg.h"
#include "support/error.h"

namespace ramoe {
namespace {

double mean_percent(const MethodAccuracy* method, bool given_english) {
  return method ? 100 * mean(given_english ? method->given_english : method->accuracy) : NAN;
}

/// "[-1.2, 3.4]" in points, or why there is none.
std::string interval_text(const DifferenceResults& difference) {
  if (difference.interval.known()) return interval_text(difference.interval, 100, 1);
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

std::string report_html(const Json& json) {
  const Results results = parse_results(json);
  std::string html = "<section>\n<h2>What was seen</h2>\n";
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
  return html_page(results.title, html);
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
