// Where the methods and languages differ. Declared in report_figures.h.
#include "report/report_figures.h"

#include <algorithm>
#include <cmath>
#include <functional>

#include "ch12_experiments/sentences.h"
#include "support/error.h"

namespace ramoe {
namespace {

PanelChart divergence_chart(const RunResults& results, const CurvesByLanguage& curves,
                            const std::string& id, const std::string& title) {
  const DivergenceResults& divergence = *results.divergence;
  PanelChart chart;
  chart.text = {id, title, "Routing divergence between English and each language, layer by layer.",
                "layer l, counted from 0; shaded: alignment zone M",
                "D from English (0: alike, 1: as different as can be; no unit)"};
  chart.panels.push_back(panel_by_layer("", divergence.zone));
  std::vector<Series>& series = chart.panels[0].series;
  for (const auto& [lang, values] : curves) {
    series.push_back(language_series(results.languages, lang, results.name(lang)));
    chart.legend.push_back(series.back());
    series.back().x = counting(values.size());
    series.back().y = values;
  }
  if (id == "divergence") {
    series.push_back(mean_series(divergence.mean));
    chart.legend.push_back(mean_series({}));
  }
  chart.panel_height = 220;
  chart.whole_x = chart.from_zero = true;
  return chart;
}

std::string divergence_words(const DivergenceResults& divergence) {
  std::string text = "<p>";
  if (divergence.zone) {
    const auto [first, last] = *divergence.zone;
    text += cat(
        "The alignment zone M is ",
        first == last ? cat("layer ", first) : cat("layers ", first, " to ", last),
        divergence.zone_rule.empty() ? "" : " (rule: " + escape_markup(divergence.zone_rule) + ")",
        ". ");
  }
  if (divergence.u_shaped)
    text += *divergence.u_shaped
                ? "Both ends of the mean curve lie above the zone: the published U shape is here. "
                : "The mean curve is <b>not</b> a U here: the zone reaches an end of the model, or "
                  "an end does not lie above it. ";
  if (!divergence.correlation) return text + "</p>\n";
  const auto [zone, outside, points] = *divergence.correlation;
  if (std::isfinite(zone) || std::isfinite(outside))
    text += cat("Over ", points,
                " points (language and task), divergence and the gap (accuracy in English minus "
                "accuracy in the language, base model) correlate with r = ",
                fixed_number(zone, 2), " inside the zone and r = ", fixed_number(outside, 2),
                " outside. ");
  else
    text +=
        cat("Divergence and the gap (accuracy in English minus accuracy in the language) have "
            "no correlation over ",
            points, points == 1 ? " point" : " points",
            " (language and task): too few, or one side is the same in all. ");
  return text + "</p>\n";
}

/// What a gain is held against: a number of each cell.
struct GainAxis {
  ChartText text;      // x_label; the rest is completed
  std::string look;    // for the caption
  std::string source;  // for the caption
  std::function<double(const AccuracyRow&)> number_of;
};

/// A point for each language (by hue) and task (by shape); nothing if there is none.
std::string gain_scatter(const RunResults& results, const std::string& method, const GainAxis& axis,
                         const GainCorrelation& correlation) {
  Scatter scatter;
  scatter.text = axis.text;
  scatter.text.y_label = cat("gain, ", method_label(method), " − SFT (percentage points)");
  int points = 0;
  const std::vector<std::string> tasks = results.tasks_in(results.accuracy);
  for (std::size_t t = 0; t < tasks.size(); ++t) {
    for (const AccuracyRow& cell : results.accuracy) {
      if (cell.task != tasks[t]) continue;
      Series point = language_series(results.languages, cell.lang, results.name(cell.lang));
      point.sign = Series::Sign::mark;
      if (t == 0) scatter.legend.push_back(point);
      point.label += ", " + cell.task;
      point.mark = t;
      const Difference* difference = cell.difference(method);
      point.x = {100 * axis.number_of(cell)};
      point.y = {difference ? 100 * difference->mean : not_measured};
      points += std::isfinite(point.x[0]) && std::isfinite(point.y[0]);
      scatter.points.push_back(point);
    }
    if (tasks.size() > 1)
      scatter.legend.push_back({.label = tasks[t], .sign = Series::Sign::mark, .mark = t});
  }
  if (points == 0) return "";
  std::string look = axis.look;
  if (const auto& [r, interval, unused] = correlation; std::isfinite(r))
    look += cat(" Here r = ", fixed_number(r, 2),
                interval.known() ? cat(" (95 % interval ", fixed_number(interval.low, 2), " to ",
                                       fixed_number(interval.high, 2), ")")
                                 : std::string(" (no interval: too few points or no spread)"),
                ".");
  return figure_html(
      scatter_plot(scatter), look,
      cat("each point is one language and task. n: ", points, points == 1 ? " point." : " points."),
      axis.source);
}

std::string ci_scatter(const RunResults& results, const std::string& method,
                       const OverallResults& overall) {
  return gain_scatter(results, method,
                      {{"gain-" + method, "Share of ci pairs and gain",
                        "One point per language and task: ci share against the gain over SFT.",
                        "share of ci among training pairs, ρ_ci (%)"},
                       "whether points rise to the right: more ci, more gain.",
                       cat(paper_tag, "the ci share of a task-language pair predicts the gain. ",
                           choice_tag, "Pearson's r with a bootstrap over points, chapter 12.2."),
                       [](const AccuracyRow& cell) { return cell.ci_share; }},
                      overall.ci_gain);
}

/// Headroom in the form that the method's loss asks for, against its gain.
std::string headroom_scatter(const RunResults& results, const std::string& method,
                             const OverallResults& overall) {
  const std::string form = asked_form(method);
  const GainCorrelation* correlation = find_named(overall.headroom_gain, form);
  for (const HeadroomResults& r : results.headroom)
    if (r.form == form && correlation)
      return gain_scatter(
          results, method,
          {{"headroom-gain-" + method, "Headroom and gain",
            "One point per language and task: headroom of the base model against the gain over "
            "SFT.",
            cat("headroom, form ", form, ": own − ", control_label(r.control),
                " (percentage points)")},
           "whether points rise to the right: where routing holds more back, more is won.",
           cat(choice_tag, "headroom is of the base model and of ", escape_markup(r.split),
               ", before any fine-tuning; the gain is of test. Pearson's r with a bootstrap over "
               "points, chapter 12.2."),
           [&](const AccuracyRow& row) {
             const HeadroomCell* cell = r.cell(row.lang, row.task);
             return cell ? cell->headroom : not_measured;
           }},
          *correlation);
  return "";
}

DotPlot difference_plot(const RunResults& results, const std::string& method) {
  const std::string label = method_label(method);
  DotPlot plot;
  plot.text = {"differences-" + method, label + " minus SFT",
               "Difference in test accuracy per task and language, with intervals and seeds.",
               label + " − SFT, test accuracy (percentage points)", ""};
  for (const std::string& task : results.tasks_in(results.accuracy)) {
    plot.groups.push_back({task, {}});
    for (const AccuracyRow& cell : results.accuracy) {
      const Difference* difference = cell.difference(method);
      if (cell.task != task || !difference) continue;
      plot.groups.back().rows.push_back(
          {results.name(cell.lang),
           100 * difference->mean,
           {100 * difference->interval.low, 100 * difference->interval.high},
           times(difference->per_seed, 100)});
    }
  }
  return plot;
}

/// A method against SFT, and its gain against headroom and the share of ci; nothing if no
/// difference was measured.
std::string method_against_sft(const RunResults& results, const std::string& method,
                               const OverallResults& overall) {
  std::vector<double> items, seeds;
  for (const AccuracyRow& cell : results.accuracy)
    if (const Difference* difference = cell.difference(method)) {
      items.push_back(cell.n);
      seeds.push_back(static_cast<double>(difference->per_seed.size()));
    }
  if (items.empty()) return "";
  const bool ours = method_is_ours(method);
  return cat(
      "<h3>", escape_markup(method_in_words(method)), "</h3>\n",
      figure_html(
          dot_plot(difference_plot(results, method)),
          "intervals that do not touch the line at zero; most small effects will touch it.",
          cat("right of zero the method is better. The full dot is the mean over seeds, each ring "
              "one seed, the bar the 95 % interval; where there is one seed, or all seeds agree, "
              "there is no interval, and nothing can be said about chance. n: ",
              range_text(items, "test item", "test items"), " a row, ",
              range_text(seeds, "seed", "seeds"), "."),
          cat(ours ? "" : cat(paper_tag, "alignment is better than SFT on average. "), choice_tag,
              ours ? "the method is an extension of ours; " : "",
              "paired by seed, Student-t intervals over seeds; chapter 12.2.")),
      headroom_scatter(results, method, overall), ci_scatter(results, method, overall));
}

}  // namespace

std::vector<double> times(std::vector<double> values, double factor) {
  for (double& value : values) value *= factor;
  return values;
}

Series language_series(const std::vector<std::string>& languages, const std::string& lang,
                       const std::string& name) {
  std::size_t i = 0;
  for (const std::string& known : languages) {
    if (known == lang) break;
    i += known != "en";
  }
  return {.label = name, .colour = palette(i), .dashes = dash_pattern(i / 6)};
}

Panel panel_by_layer(const std::string& title, const std::optional<Zone>& zone) {
  if (!zone) return {title, {}};
  return {title, {}, true, zone->first - 0.5, zone->last + 0.5};
}

Series mean_series(const std::vector<double>& by_layer) {
  return {.label = "mean", .x = counting(by_layer.size()), .y = by_layer, .width = 3};
}

std::string difference_section(const RunResults& results) {
  std::string html;
  for (const auto& [method, overall] : results.overall)
    html += method_against_sft(results, method, overall);
  if (html.empty()) html = missing_section("differences from SFT", "ramoe demo");
  return "<section>\n" + section_heading("Against SFT") + html + "</section>\n";
}

std::string divergence_section(const RunResults& results) {
  const std::string head = "<section>\n" + section_heading("Routing divergence by layer");
  if (!results.divergence)
    return head + missing_section("routing divergence", "ramoe divergence") + "</section>\n";
  const DivergenceResults& divergence = *results.divergence;
  std::vector<double> texts;
  for (const auto& [lang, n] : divergence.texts) texts.push_back(n);
  std::string html = head + divergence_words(divergence);
  html += figure_html(
      panel_chart(
          divergence_chart(results, divergence.by_language, "divergence", "Routing divergence")),
      "whether there is a valley: middle layers that route the languages alike, and both ends "
      "apart.",
      cat("D is 0 where parallel texts in English and the other language use the same experts "
          "alike, and 1 where they differ as much as can be. The shaded band is the alignment zone "
          "M.",
          texts.empty()
              ? std::string()
              : cat(" n: ", range_text(texts, "parallel text", "parallel texts"), " a language.")),
      cat(paper_tag,
          "middle layers form a language-universal zone, and divergence there predicts "
          "gaps in performance. ",
          choice_tag,
          "M is the longest run of layers under the mid-point between the curve's "
          "minimum and maximum, unless the rule above says otherwise. Formula "
          "D(q, q′): chapter 7.2, after arXiv 2510.04694."));
  std::string inner;
  for (std::size_t i = 0; i < divergence.by_task.size(); ++i)
    inner += cat(
        "<h3>", escape_markup(divergence.by_task[i].first), "</h3>\n<figure>\n",
        panel_chart(divergence_chart(results, divergence.by_task[i].second, cat("divergence-", i),
                                     "Routing divergence, " + divergence.by_task[i].first)),
        "</figure>\n");
  if (!inner.empty()) html += folded("The same for each task", inner);
  std::vector<std::string> columns = {"Language"};
  for (std::size_t l = 0; l < divergence.mean.size(); ++l) columns.push_back(cat("l = ", l));
  std::vector<std::vector<std::string>> rows;
  CurvesByLanguage all = divergence.by_language;
  all.push_back({"mean", divergence.mean});
  for (const auto& [lang, values] : all) {
    rows.push_back({escape_markup(results.name(lang))});
    for (const double value : values) rows.back().push_back(fixed_number(value, 3));
  }
  return html +
         folded("The numbers", html_table("D from English by layer, 0 to 1", columns, rows)) +
         "</section>\n";
}

}  // namespace ramoe
