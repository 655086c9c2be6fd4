#include "ch12_experiments/report_figures.h"

#include <algorithm>
#include <cmath>

#include "support/error.h"

namespace ramoe {
namespace {

const char* const paper_tag = "<span class=\"tag paper\">paper</span> ";
const char* const choice_tag = "<span class=\"tag choice\">our choice</span> ";

std::string figure(const std::string& drawing, const std::string& look, const std::string& read,
                   const std::string& source) {
  return cat("<figure>\n", drawing, "<figcaption>\n<p><b>Look for</b> ", look,
             "</p>\n<p><b>How to read it</b> ", read, "</p>\n<p class=\"source\">", source,
             "</p>\n</figcaption>\n</figure>\n");
}

std::vector<double> times(std::vector<double> values, double factor) {
  for (double& value : values) value *= factor;
  return values;
}

using Curves = std::vector<std::pair<std::string, std::vector<double>>>;

std::string divergence_chart(const Results& results, const Curves& curves, const std::string& id,
                             const std::string& title) {
  const DivergenceResults& divergence = *results.divergence;
  LineChart chart;
  chart.text = {id, title, "Routing divergence between English and each language, layer by layer.",
                "layer l, counted from 0", "Div_l, routing divergence (0 to 1)"};
  for (std::size_t i = 0; i < curves.size(); ++i)
    chart.series.push_back({.label = results.name(curves[i].first),
                            .x = counting(curves[i].second.size()),
                            .y = curves[i].second,
                            .colour = palette(i % 6),
                            .dashes = i < 6 ? "" : "4 2"});
  if (id == "divergence")
    chart.series.push_back({.label = "mean",
                            .x = counting(divergence.mean.size()),
                            .y = divergence.mean,
                            .colour = "#000",
                            .width = 3});
  chart.has_band = divergence.last >= divergence.first;
  chart.band_low = divergence.first - 0.5;
  chart.band_high = divergence.last + 0.5;
  chart.band_label = "zone M";
  chart.whole_x = chart.from_zero = true;
  return line_chart(chart);
}

std::string divergence_words(const DivergenceResults& divergence) {
  std::string text = "<p>";
  if (divergence.last >= divergence.first)
    text +=
        cat("The alignment zone M is layers ", divergence.first, " to ", divergence.last,
            divergence.rule.empty() ? "" : " (rule: " + escape_markup(divergence.rule) + ")", ". ");
  if (divergence.u_shaped)
    text += *divergence.u_shaped
                ? "Both ends of the mean curve lie above the zone: the published U shape is here. "
                : "The mean curve is <b>not</b> a U here: not both ends lie above the zone. ";
  if (std::isfinite(divergence.r_zone))
    text += cat("Over ", short_number(divergence.r_points, 0),
                " points (language and task), accuracy and divergence correlate with r = ",
                fixed_number(divergence.r_zone, 2),
                " inside the zone and r = ", fixed_number(divergence.r_outside, 2), " outside. ");
  return text + "</p>\n";
}

Series curve_of(const CurveResults& curve, bool alignment) {
  const bool sft = curve.method == "sft";
  return {.label = "",
          .x = curve.steps,
          .y = alignment ? curve.alignment : curve.loss,
          .colour = sft ? "#0072B2" : "#D55E00",
          .dashes = sft ? "5 2" : "",
          .width = 1};
}

/// A panel per language, thin lines per seed.
std::string finetune_chart(const Results& results, bool alignment) {
  PanelChart chart;
  chart.text = alignment ? ChartText{"alignment-curves", "Alignment loss while fine-tuning",
                                     "Alignment loss by step for each language and seed.",
                                     "optimiser step", "alignment loss (nats)"}
                         : ChartText{"loss-curves", "Training loss while fine-tuning",
                                     "Cross-entropy by step for each language, method and seed.",
                                     "optimiser step", "cross-entropy (nats per token)"};
  std::vector<std::string> languages;
  for (const CurveResults& curve : results.finetune) {
    if (alignment && curve.alignment.empty()) continue;
    if (std::find(languages.begin(), languages.end(), curve.lang) == languages.end())
      languages.push_back(curve.lang);
    Series entry = curve_of(curve, alignment);
    entry.label = method_label(curve.method);
    const auto same = [&](const Series& s) { return s.label == entry.label; };
    if (std::none_of(chart.legend.begin(), chart.legend.end(), same)) chart.legend.push_back(entry);
  }
  if (languages.empty()) return "";
  for (const std::string& lang : languages) {
    chart.panels.push_back({results.name(lang), {}});
    for (const CurveResults& curve : results.finetune)
      if (curve.lang == lang && (!alignment || !curve.alignment.empty()))
        chart.panels.back().series.push_back(curve_of(curve, alignment));
  }
  return panel_chart(chart);
}

std::string gain_scatter(const Results& results) {
  Scatter scatter;
  scatter.text = {"gain", "Share of ci pairs and gain",
                  "One point per language and task: ci share against the gain of RA-MoE over SFT.",
                  "share of ci among training pairs, ρ_ci (%)",
                  "gain, RA-MoE − SFT (percentage points)"};
  int points = 0;
  for (const std::string& task : results.tasks_in(results.accuracy))
    for (const AccuracyResults& cell : results.accuracy)
      if (cell.task == task) {
        scatter.points.push_back(
            {100 * cell.ci_share, 100 * cell.difference.mean, cell.lang, task});
        points += std::isfinite(cell.ci_share) && std::isfinite(cell.difference.mean);
      }
  if (points == 0) return "";
  std::string look = "points that rise to the right: more ci, more gain.";
  if (results.overall && std::isfinite(results.overall->r)) {
    const Interval& interval = results.overall->r_interval;
    look += cat(" Here r = ", fixed_number(results.overall->r, 2),
                interval.known() ? cat(" (95 % interval ", fixed_number(interval.low, 2), " to ",
                                       fixed_number(interval.high, 2), ")")
                                 : std::string(" (too few points for an interval)"),
                " over ", short_number(results.overall->r_points, 0), " points.");
  }
  return figure(scatter_plot(scatter), look,
                "each point is one language and task, named by the language's code.",
                cat(paper_tag, "the ci share of a task-language pair predicts the gain. ",
                    choice_tag, "Pearson's r with a bootstrap over points, chapter 12.3."));
}

DotPlot difference_plot(const Results& results) {
  DotPlot plot;
  plot.text = {"differences", "RA-MoE minus SFT",
               "Difference in test accuracy per task and language, with intervals and seeds.",
               "RA-MoE − SFT, test accuracy (percentage points)", ""};
  for (const std::string& task : results.tasks_in(results.accuracy)) {
    plot.groups.push_back({task, {}});
    for (const AccuracyResults& cell : results.accuracy) {
      if (cell.task != task || !std::isfinite(cell.difference.mean)) continue;
      const Interval& interval = cell.difference.interval;
      plot.groups.back().rows.push_back({results.name(cell.lang),
                                         100 * cell.difference.mean,
                                         {100 * interval.low, 100 * interval.high},
                                         times(cell.difference.per_seed, 100)});
    }
  }
  return plot;
}

}  // namespace

StackedBars taxonomy_chart(const Results& results) {
  StackedBars chart;
  chart.text = {"taxonomy", "The four types of training pairs",
                "Shares of cc, ci, ic and ii per task and language.", "share of training pairs (%)",
                ""};
  chart.part_names = {"cc both right", "ci English only", "ic target only", "ii both wrong"};
  chart.part_colours = {"#8fd0b5", "#F0A35E", "#9ecbee", "#d5d5d5"};
  for (const std::string& task : results.tasks_in(results.taxonomy)) {
    chart.groups.push_back({task, {}});
    for (const TaxonomyResults& cell : results.taxonomy)
      if (cell.task == task)
        chart.groups.back().bars.push_back({results.name(cell.lang), cell.counts});
  }
  return chart;
}

std::string difference_section(const Results& results) {
  std::string html = "<section>\n<h2>RA-MoE against SFT</h2>\n";
  const auto measured = [](const AccuracyResults& cell) {
    return std::isfinite(cell.difference.mean);
  };
  if (std::none_of(results.accuracy.begin(), results.accuracy.end(), measured))
    return html + missing_section("differences between RA-MoE and SFT", "ramoe demo") +
           "</section>\n";
  const bool one_seed =
      std::none_of(results.accuracy.begin(), results.accuracy.end(),
                   [](const AccuracyResults& cell) { return cell.difference.interval.known(); });
  html +=
      figure(dot_plot(difference_plot(results)),
             "intervals that do not touch the line at zero; most small effects will touch it.",
             cat("right of zero RA-MoE is better. The full dot is the mean over seeds, each ring "
                 "one seed",
                 one_seed ? ". One seed only: there is no interval, and nothing can "
                            "be said about chance."
                          : ", the bar the 95 % interval."),
             cat(paper_tag, "alignment is better than SFT on average. ", choice_tag,
                 "paired by seed, Student-t intervals over seeds; chapter 12.3."));
  return html + gain_scatter(results) + "</section>\n";
}

std::string divergence_section(const Results& results) {
  const std::string head = "<section>\n<h2>Routing divergence by layer</h2>\n";
  if (!results.divergence)
    return head + missing_section("routing divergence", "ramoe divergence") + "</section>\n";
  const DivergenceResults& divergence = *results.divergence;
  std::string html = head + divergence_words(divergence);
  html += figure(
      divergence_chart(results, divergence.by_language, "divergence", "Routing divergence"),
      "a valley: in the middle layers the languages are routed alike, at both ends apart.",
      "0: parallel texts in English and the other language use the same experts; 1: as different "
      "as can be. The shaded band is the alignment zone M.",
      cat(paper_tag,
          "middle layers form a language-universal zone, and divergence there predicts "
          "gaps in performance. ",
          choice_tag,
          "M is the longest run of layers under the mid-point between the curve's "
          "minimum and maximum, unless the rule above says otherwise. Formula "
          "D(q, q′): chapter 7.2, after arXiv 2510.04694."));
  std::string inner;
  for (std::size_t i = 0; i < divergence.by_task.size(); ++i)
    inner += cat("<h3>", escape_markup(divergence.by_task[i].first), "</h3>\n<figure>\n",
                 divergence_chart(results, divergence.by_task[i].second, cat("divergence-", i),
                                  "Routing divergence, " + divergence.by_task[i].first),
                 "</figure>\n");
  if (!inner.empty()) html += folded("The same for each task", inner);
  std::vector<std::string> columns = {"Language"};
  for (std::size_t l = 0; l < divergence.mean.size(); ++l) columns.push_back(cat("l = ", l));
  std::vector<std::vector<std::string>> rows;
  Curves all = divergence.by_language;
  all.push_back({"mean", divergence.mean});
  for (const auto& [lang, values] : all) {
    rows.push_back({escape_markup(results.name(lang))});
    for (const double value : values) rows.back().push_back(fixed_number(value, 3));
  }
  return html + folded("The numbers", html_table("Div by layer", columns, rows)) + "</section>\n";
}

std::string taxonomy_section(const Results& results) {
  const std::string head = "<section>\n<h2>Stage 1: what English knows</h2>\n";
  if (results.taxonomy.empty())
    return head + missing_section("types of training pairs", "ramoe taxonomy") + "</section>\n";
  std::vector<std::vector<std::string>> rows;
  for (const std::string& task : results.tasks_in(results.taxonomy))
    for (const TaxonomyResults& cell : results.taxonomy) {
      if (cell.task != task) continue;
      rows.push_back({escape_markup(results.name(cell.lang)), escape_markup(task)});
      double total = 0;
      for (const double count : cell.counts) {
        rows.back().push_back(short_number(count, 0));
        total += count;
      }
      rows.back().push_back(total > 0 ? fixed_number(100 * cell.counts[1] / total, 1) : "n/a");
    }
  return head +
         figure(stacked_bars(taxonomy_chart(results)),
                "the orange part, ci: English knows it, the language does not. That is what "
                "alignment can carry over.",
                "each bar is all training pairs of one language; the numbers are per cent, n is "
                "how many pairs.",
                cat(paper_tag, "the four types. ", choice_tag,
                    "greedy answers of the frozen base model and exact match after normalisation; "
                    "chapter 8.2.")) +
         folded("The numbers",
                html_table("Pairs by type", {"Language", "Task", "cc", "ci", "ic", "ii", "ci %"},
                           rows, 2)) +
         "</section>\n";
}

std::string experts_section(const Results& results) {
  std::string html = "<section>\n<h2>Stage 2: task experts</h2>\n";
  if (results.experts.empty())
    return html + missing_section("task experts", "ramoe experts") + "</section>\n";
  for (std::size_t i = 0; i < results.experts.size(); ++i) {
    const ExpertResults& experts = results.experts[i];
    HeatMap map;
    map.text = {cat("experts-", i), "Task experts, " + experts.task,
                "Score of each expert in each layer; task experts are outlined.",
                "expert e, counted from 0", "layer l"};
    map.values = experts.score;
    map.outlined = experts.experts;
    if (results.divergence) {
      map.band_first = results.divergence->first;
      map.band_last = results.divergence->last;
    }
    html += cat("<h3>", escape_markup(experts.task), "</h3>\n<figure>\n", heat_map(map));
    if (i + 1 < results.experts.size()) html += "</figure>\n";
  }
  return html +
         cat("<figcaption>\n<p><b>Look for</b> the few experts that the task uses far more than "
             "other text does.</p>\n<p><b>How to read it</b> orange: used more on the task, blue: "
             "less; a black edge marks the set S<sub>l</sub>, an orange bar at the side the "
             "alignment zone. "
             "The score is the rule's, by default usage Δ<sub>l</sub>[e].</p>\n<p "
             "class=\"source\">",
             paper_tag, "task-relevant experts are identified in the middle layers. ", choice_tag,
             "which rule and threshold does it; chapter 9.</p>\n</figcaption>\n</figure>\n",
             "</section>\n");
}

std::string curves_section(const Results& results) {
  std::string html = "<section>\n<h2>Stage 3: training curves</h2>\n";
  const std::string loss = finetune_chart(results, false);
  if (loss.empty())
    html += missing_section("curves of fine-tuning", "ramoe demo");
  else
    html += figure(
        loss, "two methods that fall alike: alignment should not cost training loss.",
        "a thin line per seed; both methods see the same examples in the same order.",
        cat(paper_tag, "L = L<sub>SFT</sub> + λ L<sub>align</sub>. ", choice_tag,
            "the form of L<sub>align</sub>, a KL over the task experts and the rest; chapter 10."));
  const std::string alignment = finetune_chart(results, true);
  if (!alignment.empty())
    html += folded("Alignment loss",
                   figure(alignment, "a fall: routing on ci examples comes to follow English.",
                          "0: same mass on the task experts and same shares among them. Batches "
                          "without a ci example have none.",
                          "Mean of D<sub>l</sub> over the zone M; chapter 10.2."));
  if (results.pretrain.steps.empty())
    return html + missing_section("curve of pre-training", "ramoe pretrain") + "</section>\n";
  LineChart chart;
  chart.text = {"pretraining", "Pre-training loss", "Cross-entropy by step of pre-training.",
                "optimiser step", "cross-entropy (nats per token)"};
  chart.series = {
      {.label = "", .x = results.pretrain.steps, .y = results.pretrain.loss, .colour = palette(0)}};
  return html +
         folded("Pre-training loss",
                figure(line_chart(chart), "a curve that is still falling, or no longer.",
                       "the loss of the base model on its mixture of languages.", "Chapter 5.")) +
         "</section>\n";
}

}  // namespace ramoe
