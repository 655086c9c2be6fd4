// The three stages: types of pairs, task experts, training curves. Declared in report_figures.h.
#include <algorithm>

#include "ch12_experiments/sentences.h"
#include "report/report_figures.h"
#include "support/error.h"

namespace ramoe {

namespace {

StackedBars taxonomy_chart(const RunResults& results) {
  StackedBars chart;
  chart.text = {"taxonomy", "The four types of training pairs",
                "Shares of cc, ci, ic and ii per task and language.",
                "share of training pairs (%)"};
  chart.part_names = {"cc both right", "ci English only", "ic target only", "ii both wrong"};
  chart.part_colours = {"var(--cc, #b4b4b4)", "var(--ci, #bd93e0)", "var(--ic, #d6d6d6)",
                        "var(--ii, #efefef)"};
  for (const std::string& task : results.tasks_in(results.taxonomy)) {
    chart.groups.push_back({task, {}});
    for (const TaxonomyRow& cell : results.taxonomy)
      if (cell.task == task)
        chart.groups.back().bars.push_back({results.name(cell.lang), cell.counts()});
  }
  return chart;
}

/// What the scores of the rule are, as far as the rule is known.
std::string rule_words(const ExpertResults& experts) {
  if (experts.rule.empty()) return "The score is the rule's, by default usage Δ<sub>l</sub>[e].";
  std::string text =
      experts.rule == "usage"
          ? "The score is Δ<sub>l</sub>[e], usage on the task's prompts minus that on general text"
      : experts.rule == "contrast"
          ? "The score is usage on prompts answered correctly minus usage on those that are not"
          : "The score is the rule's, " + escape_markup(experts.rule);
  text += ", in shares of the tokens";
  if (experts.tau)
    text += cat("; an expert above τ = ", fixed_number(*experts.tau, 2),
                " is a task expert, and where none is, those with the largest scores");
  text += ".";
  if (experts.prompts)
    text += cat(" n: ", *experts.prompts,
                *experts.prompts == 1 ? " English prompt" : " English prompts", " of ",
                escape_markup(experts.task), ".");
  return text;
}

HeatMap experts_map(const RunResults& results, const ExpertResults& experts, std::size_t i) {
  HeatMap map;
  map.text = {cat("experts-", i), "Task experts, " + experts.task,
              "Score of each expert in each layer; task experts are outlined.",
              "expert e, counted from 0", "layer l"};
  map.values = experts.score;
  map.outlined = experts.experts;
  map.threshold = experts.tau.value_or(not_measured);
  if (results.divergence && results.divergence->zone) {
    map.band_first = results.divergence->zone->first;
    map.band_last = results.divergence->zone->last;
  }
  return map;
}

Series thin_curve(const std::vector<int>& steps, const std::vector<double>& y) {
  return {.label = "", .x = {steps.begin(), steps.end()}, .y = y, .width = 1};
}

/// The languages of the curves, in their order.
std::vector<std::string> languages_of(const std::vector<FinetuneCurve>& curves) {
  std::vector<std::string> languages;
  for (const FinetuneCurve& curve : curves) add_once(languages, curve.lang);
  return languages;
}

/// A panel for each language and method that has such a curve, with a thin line per seed.
PanelChart curve_panels(const RunResults& results, const ChartText& text,
                        std::vector<double> FinetuneCurve::*values) {
  PanelChart chart;
  chart.text = text;
  for (const std::string& lang : languages_of(results.finetune))
    for (const FinetuneCurve& curve : results.finetune) {
      if (curve.lang != lang || (curve.*values).empty()) continue;
      const std::string title = results.name(lang) + ", " + method_label(curve.method);
      auto panel = std::find_if(chart.panels.begin(), chart.panels.end(),
                                [&](const Panel& one) { return one.title == title; });
      if (panel == chart.panels.end()) panel = chart.panels.insert(panel, {title, {}});
      panel->series.push_back(thin_curve(curve.steps, curve.*values));
    }
  return chart;
}

/// Each method minus SFT for the same language, seed and steps.
PanelChart difference_panels(const RunResults& results) {
  PanelChart chart;
  chart.text = {"loss-difference", "Training loss minus that of SFT",
                "Difference of the cross-entropy by step for each language, method and seed.",
                "optimiser step", "method minus SFT, cross-entropy (nats per token)"};
  for (const std::string& lang : languages_of(results.finetune))
    for (const auto& [method, overall] : results.overall) {
      Panel panel{cat(results.name(lang), ", ", method_label(method)), {}};
      for (const FinetuneCurve& a : results.finetune)
        for (const FinetuneCurve& b : results.finetune) {
          const bool pair = a.lang == lang && b.lang == lang && a.method == method &&
                            b.method == "sft" && a.seed == b.seed && a.steps == b.steps;
          if (!pair) continue;
          std::vector<double> difference = a.loss;
          for (std::size_t i = 0; i < difference.size(); ++i) difference[i] -= b.loss[i];
          panel.series.push_back(thin_curve(a.steps, difference));
        }
      if (!panel.series.empty()) chart.panels.push_back(panel);
    }
  return chart;
}

/// How many lines a panel has.
std::string lines_text(const PanelChart& chart) {
  std::vector<double> lines;
  for (const Panel& panel : chart.panels) lines.push_back(double(panel.series.size()));
  return range_text(lines, "seed", "seeds") + " a panel";
}

}  // namespace

std::string taxonomy_section(const RunResults& results) {
  const std::string head = "<section>\n" + section_heading("Stage 1: what English knows");
  if (results.taxonomy.empty())
    return head + missing_section("types of training pairs", "ramoe taxonomy") + "</section>\n";
  std::vector<std::vector<std::string>> rows;
  for (const std::string& task : results.tasks_in(results.taxonomy))
    for (const TaxonomyRow& cell : results.taxonomy) {
      if (cell.task != task) continue;
      rows.push_back({escape_markup(results.name(cell.lang)), escape_markup(task)});
      const int total = cell.cc + cell.ci + cell.ic + cell.ii;
      for (const int count : {cell.cc, cell.ci, cell.ic, cell.ii})
        rows.back().push_back(cat(count));
      rows.back().push_back(total > 0 ? fixed_number(100.0 * cell.ci / total, 1) : "n/a");
    }
  return head +
         figure_html(
             stacked_bars(taxonomy_chart(results)),
             "the violet part, ci: English knows it, the language does not. That is what "
             "alignment can carry over.",
             "each bar is all training pairs of one language; the numbers are per cent, n is "
             "how many pairs.",
             cat(paper_tag, "the four types. ", choice_tag,
                 "greedy answers of the frozen base model and exact match after normalisation; "
                 "chapter 8.")) +
         folded("The numbers",
                html_table("Pairs by type", {"Language", "Task", "cc", "ci", "ic", "ii", "ci %"},
                           rows, 2)) +
         "</section>\n";
}

std::string experts_section(const RunResults& results) {
  std::string html = "<section>\n" + section_heading("Stage 2: task experts");
  if (results.experts.empty())
    return html + missing_section("task experts", "ramoe experts") + "</section>\n";
  html += cat(
      "<p><b>Look for</b> the few experts that the task uses far more than other text "
      "does. <b>How to read it</b> the stronger the tint, the higher the expert's "
      "score; a thick edge marks the set S<sub>l</sub>, a bar at the side the alignment zone.</p>\n"
      "<p class=\"source\">",
      paper_tag, "task-relevant experts are identified in the middle layers. ", choice_tag,
      "which rule and threshold does it; chapter 9.</p>\n");
  for (std::size_t i = 0; i < results.experts.size(); ++i) {
    const ExpertResults& experts = results.experts[i];
    html += cat("<h3>", escape_markup(experts.task), "</h3>\n<figure>\n",
                heat_map(experts_map(results, experts, i)), "<figcaption>\n<p>",
                rule_words(experts), "</p>\n</figcaption>\n</figure>\n");
  }
  return html + "</section>\n";
}

std::string curves_section(const RunResults& results) {
  std::string html = "<section>\n" + section_heading("Stage 3: training curves");
  PanelChart loss = curve_panels(results,
                                 {"loss-curves", "Training loss while fine-tuning",
                                  "Cross-entropy by step for each language, method and seed.",
                                  "optimiser step", "cross-entropy (nats per token)"},
                                 &FinetuneCurve::loss);
  const PanelChart difference = difference_panels(results);
  const std::string source =
      cat(paper_tag, "L = L<sub>SFT</sub> + λ L<sub>align</sub>. ", choice_tag,
          "the form of L<sub>align</sub>, a KL over the task experts and the rest; chapter 10.");
  if (loss.panels.empty()) {
    html += missing_section("curves of fine-tuning", "ramoe demo");
  } else {
    // The methods of a language stand side by side.
    const std::string curves =
        figure_html(panel_chart(loss), "a fall that slows down.",
                    cat("a thin line per seed. n: ", lines_text(loss), "."), source);
    html += difference.panels.empty()
                ? curves
                : figure_html(panel_chart(difference),
                              "lines near zero: alignment should not cost training loss.",
                              cat("above zero the method fits the training answers less well. All "
                                  "methods see the same examples in the same order. n: ",
                                  lines_text(difference), "."),
                              source) +
                      folded("Training loss of each method", curves);
  }
  PanelChart alignment = curve_panels(results,
                                      {"alignment-curves", "Alignment loss while fine-tuning",
                                       "Alignment loss by step for each language and seed.",
                                       "optimiser step", "alignment loss (nats)"},
                                      &FinetuneCurve::alignment);
  alignment.from_zero = true;
  if (!alignment.panels.empty())
    html += folded("Alignment loss",
                   figure_html(panel_chart(alignment),
                               "a fall: routing of the aligned examples comes to follow English.",
                               cat("0: same mass on the task experts and same shares among them. "
                                   "Batches without an aligned example have none. n: ",
                                   lines_text(alignment), "."),
                               "Mean of D<sub>l</sub> over the zone M; chapter 10.2."));
  if (results.pretrain.steps.empty())
    return html +
           (is_one_run(results) ? "" : missing_section("curve of pre-training", "ramoe pretrain")) +
           "</section>\n";
  const PanelChart chart = {
      {"pretraining", "Pre-training loss", "Cross-entropy by step of pre-training.",
       "optimiser step", "cross-entropy (nats per token)"},
      {{"", {thin_curve(results.pretrain.steps, results.pretrain.loss)}}},
      {},
      1,
      200};
  return html +
         folded(
             "Pre-training loss",
             figure_html(panel_chart(chart), "whether the curve is still falling.",
                         "the loss of the base model on its mixture of languages.", "Chapter 5.")) +
         "</section>\n";
}

}  // namespace ramoe
