#include "report/report.h"

#include <algorithm>
#include <cmath>
#include <filesystem>

#include "ch12_experiments/sentences.h"
#include "report/headroom_report.h"
#include "report/page.h"
#include "report/report_figures.h"
#include "report/svg.h"
#include "support/error.h"

namespace ramoe {
namespace {

using Files = std::vector<std::pair<std::string, std::string>>;

double mean_percent(const AccuracyRow& cell, const std::string& name, bool given_english) {
  const MethodAccuracy* method = find_named(cell.methods, name);
  if (!method) return not_measured;
  return 100 * mean(given_english ? method->given_english : method->accuracy);
}

/// "+1.2" and "[-1.2, 3.4]" in points, or why there is no interval. "n/a" without a difference.
std::pair<std::string, std::string> difference_text(const Difference* difference) {
  if (!difference) return {"n/a", ""};
  return {signed_number(100 * difference->mean, 1),
          difference->interval.known()       ? interval_text(difference->interval, 100, 1)
          : difference->per_seed.size() == 1 ? "one seed, no interval"
                                             : "seeds equal, no interval"};
}

/// "+0.28 points [-0.2, +0.8]"
std::string overall_text(const MeanInterval& difference) {
  return cat(signed_number(100 * difference.mean, 2), " points ",
             difference.interval.known() ? interval_text(difference.interval, 100, 2)
                                         : std::string("(no interval)"));
}

/// The methods in order of appearance.
std::vector<std::string> methods_in(const RunResults& results) {
  std::vector<std::string> names;
  for (const AccuracyRow& cell : results.accuracy)
    for (const auto& [name, method] : cell.methods) add_once(names, name);
  return names;
}

/// The max number of seeds of a method in a cell.
std::size_t seeds_in(const RunResults& results) {
  std::size_t most = 0;
  for (const AccuracyRow& cell : results.accuracy)
    for (const auto& [name, method] : cell.methods) most = std::max(most, method.accuracy.size());
  return most;
}

/// The cells in the order of the table: by task, then as given.
std::vector<const AccuracyRow*> table_order(const RunResults& results) {
  std::vector<const AccuracyRow*> cells;
  for (const std::string& task : results.tasks_in(results.accuracy))
    for (const AccuracyRow& cell : results.accuracy)
      if (cell.task == task) cells.push_back(&cell);
  return cells;
}

/// Whether this number is known in any row.
bool any_known(const RunResults& results, double AccuracyRow::*value) {
  return std::any_of(results.accuracy.begin(), results.accuracy.end(),
                     [&](const AccuracyRow& cell) { return std::isfinite(cell.*value); });
}

std::string accuracy_caption(bool given_english, bool one_run) {
  return cat(
      "Accuracy in % on ",
      given_english ? "the test items that the base model answers correctly in English" : "test",
      one_run         ? "; change from the base model in percentage points"
      : given_english ? ", mean over seeds"
                      : ", mean over seeds; difference in percentage points with 95 % interval");
}

std::string accuracy_html_table(const RunResults& results, bool given_english) {
  const auto methods = methods_in(results);
  const bool one_run = is_one_run(results), ci = any_known(results, &AccuracyRow::ci_share);
  std::vector<std::string> head = {"Language", "Task", "n", "Base"};
  for (const std::string& method : methods) head.push_back(escape_markup(method_label(method)));
  if (one_run)
    head.push_back("Change");
  else if (!given_english)
    for (const auto& [method, overall] : results.overall)
      head.push_back(escape_markup(method_label(method)) + " − SFT");
  if (!given_english && ci) head.push_back("ci %");
  std::vector<std::vector<std::string>> rows;
  for (const AccuracyRow* cell : table_order(results)) {
    const double base = 100 * (given_english ? cell->base_given_english : cell->base);
    rows.push_back({"<bdi>" + escape_markup(results.name(cell->lang)) + "</bdi>",
                    escape_markup(cell->task), cat(given_english ? cell->n_english : cell->n),
                    fixed_number(base, 1)});
    for (const std::string& name : methods)
      rows.back().push_back(fixed_number(mean_percent(*cell, name, given_english), 1));
    if (one_run)
      rows.back().push_back(
          signed_number(mean_percent(*cell, methods[0], given_english) - base, 1));
    else if (!given_english)
      for (const auto& [method, overall] : results.overall) {
        const auto [mean, interval] = difference_text(cell->difference(method));
        rows.back().push_back(cat(mean, " <small>", interval, "</small>"));
      }
    if (!given_english && ci) rows.back().push_back(fixed_number(100 * cell->ci_share, 0));
  }
  return html_table(accuracy_caption(given_english, one_run), head, rows, 2);
}

std::string accuracy_section(const RunResults& results) {
  std::string html = "<section>\n" + section_heading("Accuracy");
  if (results.accuracy.empty())
    return html + missing_section("accuracy", "ramoe demo") + "</section>\n";
  html += accuracy_html_table(results, false);
  html +=
      "<p>n: test items. An answer is right if it matches after normalisation, and "
      "after extraction where the data names an extractor. Base: before fine-tuning. ";
  if (any_known(results, &AccuracyRow::ci_share))
    html += "ci %: share of training pairs that the base model answers in English only. ";
  html += "The test split has been seen in no target language at any stage.";
  if (seeds_in(results) == 1)
    html += " <b>One seed only: no row has an interval, and chance cannot be told from effect.</b>";
  html += "</p>\n";
  for (const auto& [method, overall] : results.overall)
    if (std::isfinite(overall.difference.mean))
      html += cat("<p>Over all languages and tasks, ", escape_markup(method_in_words(method)),
                  " − SFT is <b>", overall_text(overall.difference),
                  "</b>; the interval is a bootstrap over cells, then seeds; chapter 12.2.</p>\n");
  std::vector<std::vector<std::string>> rows;
  for (const Score& score : results.base_accuracy)
    if (score.lang == "en")
      rows.push_back({escape_markup(score.task), fixed_number(100 * score.accuracy, 1)});
  std::string inner = accuracy_html_table(results, true);
  if (!rows.empty())
    inner += html_table("Accuracy of the base model in English, %", {"Task", "English"}, rows);
  return html + folded("On what English knows", inner) + "</section>\n";
}

/// A scalar in readable form, such as 12,345,678; lists and objects as JSON.
std::string shown(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return short_number(value.get<double>(), 4);
  std::string text = value.dump(-1, ' ', false, Json::error_handler_t::replace);
  const std::size_t sign = text[0] == '-' ? 1 : 0;
  if (value.is_number_integer() && text.size() - sign > 4)
    for (std::size_t i = text.size(); i > sign + 3;) text.insert(i -= 3, ",");
  return text;
}

std::string facts_table(const std::string& caption, const Json& facts) {
  std::vector<std::vector<std::string>> rows;
  for (const auto& [key, value] : facts.items()) {
    std::string name = key;
    std::replace(name.begin(), name.end(), '_', ' ');
    if (!value.is_null() && key != "build")
      rows.push_back({escape_markup(name), escape_markup(shown(value))});
  }
  return rows.empty() ? "" : html_table(caption, {"What", "Value"}, rows, 2);
}

std::string making_section(const RunResults& results, const Files& files) {
  std::string html = "<section>\n" + section_heading("How it was made");
  if (!files.empty()) {
    html += "<p>The numbers of this page, machine-readable: ";
    for (const auto& [name, path] : files)
      html += (name == files.front().first ? "" : ", ") + file_link(path, name);
    html += ".</p>\n";
  }
  if (results.model.is_null()) html += missing_section("description of the model", "ramoe demo");
  html += facts_table("Model", results.model);
  if (!results.seeds.empty()) {
    html += "<p>Seeds of fine-tuning:";
    for (const int seed : results.seeds) html += cat(" ", seed);
    html += methods_in(results).size() < 2
                ? ".</p>\n"
                : ". The same seed gives all methods the same examples in the same order.</p>\n";
  }
  std::vector<std::vector<std::string>> rows;
  for (const std::string& lang : results.languages) {
    const double* share = find_named(results.web_share, lang);
    rows.push_back({"<bdi>" + escape_markup(results.name(lang)) + "</bdi>", escape_markup(lang),
                    share ? short_number(*share, 4) : "n/a"});
  }
  if (!results.web_share.empty())
    html += html_table("Languages; share of web pages in % (Common Crawl CC-MAIN-2026-04)",
                       {"Language", "Code", "Web share"}, rows, 2);
  if (!results.web_share.empty())
    html +=
        "<p>Data: names, facts and number words of Unicode CLDR 47 (Unicode License V3), as "
        "language packs in data/languages.</p>\n";
  html +=
      "<p>Method: after the abstract of <i>Routing-Aligned "
      "Fine-Tuning for Multilingual Downstream Tasks in Mixture-of-Experts Models</i> (arXiv "
      "2605.28306). What is marked <span class=\"tag paper\">paper</span> is said there; what is "
      "marked <span class=\"tag choice\">our choice</span> is not.</p>\n";
  html +=
      facts_table("Run", results.run) +
      facts_table("Build", results.run.is_object() ? results.run.value("build", Json()) : Json());
  return html + "</section>\n";
}

/// Cells of UTF-8 text padded to columns; the first two are left-aligned, the others right-aligned.
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

bool is_one_run(const RunResults& results) {
  return methods_in(results).size() == 1;
}

std::string report_html(const RunResults& results, const Files& files) {
  std::string html = "<section>\n" + section_heading("What was seen");
  if (results.words.empty())
    html += missing_section("summary in words", "ramoe demo");
  else {
    html += "<ul class=\"lead\">\n";
    for (std::string sentence : results.words) {
      sentence = escape_markup(sentence);
      for (std::size_t at; (at = sentence.find(" %")) != std::string::npos;)
        sentence.replace(at, 1, "&nbsp;");
      html += "<li>" + sentence + "</li>\n";
    }
    html += "</ul>\n";
  }
  html += "</section>\n" + accuracy_section(results) + answers_section(results);
  // The page of a run shows fine-tuning before the stages it builds on, that of a demo after them.
  const std::string stages = divergence_section(results) + headroom_section(results) +
                             taxonomy_section(results) + experts_section(results);
  const std::string routing = routing_section(results.routing, results.language_names),
                    curves = curves_section(results);
  html += is_one_run(results) ? routing + curves + stages
                              : difference_section(results) + stages + routing + curves;
  return html_page(results.title, html + making_section(results, files));
}

void write_report(const std::string& path, const RunResults& results, const std::string& folder) {
  namespace fs = std::filesystem;
  const fs::path beside = fs::absolute(path).parent_path();
  Files files;
  for (const char* name : {"results.json", "run.json", "metrics.jsonl"}) {
    const fs::path file = fs::absolute(folder.empty() ? beside : fs::path(folder)) / name;
    if (fs::exists(file))
      files.push_back(
          {name,
           file.lexically_normal().lexically_relative(beside.lexically_normal()).generic_string()});
  }
  write_file(path, report_html(results, files));
}

std::string accuracy_table_text(const RunResults& results) {
  if (results.accuracy.empty()) return "There is no accuracy yet: ramoe demo measures it.\n";
  const auto methods = methods_in(results);
  const bool one_run = is_one_run(results);
  std::vector<std::vector<std::string>> rows = {{"task", "language", "n", "base"}};
  for (const std::string& method : methods) {
    rows[0].push_back(method_label(method));
    if (find_named(results.overall, method)) rows[0].insert(rows[0].end(), {"- SFT", "interval"});
  }
  rows[0].push_back(one_run ? "change" : "ci %");
  for (const AccuracyRow* cell : table_order(results)) {
    rows.push_back(
        {cell->task, results.name(cell->lang), cat(cell->n), fixed_number(100 * cell->base, 1)});
    for (const std::string& name : methods) {
      rows.back().push_back(fixed_number(mean_percent(*cell, name, false), 1));
      if (!find_named(results.overall, name)) continue;
      const auto [mean, interval] = difference_text(cell->difference(name));
      rows.back().insert(rows.back().end(), {mean, interval});
    }
    rows.back().push_back(
        one_run ? signed_number(mean_percent(*cell, methods[0], false) - 100 * cell->base, 1)
                : fixed_number(100 * cell->ci_share, 0));
  }
  std::string text =
      one_run ? "Test accuracy in %; change from the base model in points\n\n"
              : "Test accuracy in %, mean over seeds; '- SFT': difference from SFT in points with "
                "its 95 % interval\n\n";
  text += aligned(rows);
  for (const auto& [method, overall] : results.overall)
    if (std::isfinite(overall.difference.mean))
      text += cat(&overall == &results.overall.front().second ? "\n" : "", "all cells, ",
                  method_label(method), " - SFT: ", overall_text(overall.difference), "\n");
  return text;
}

}  // namespace ramoe
