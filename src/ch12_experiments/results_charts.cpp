// The figures of a grid's results that compare methods: rows of dots, and curves.
#include <algorithm>
#include <cmath>

#include "ch12_experiments/results_figures.h"
#include "report/report_parts.h"
#include "support/error.h"

namespace ramoe {
namespace {

DotRow row_of(const std::string& label, const Estimate& estimate) {
  return {
      label, 100 * estimate.value, {100 * estimate.interval.low, 100 * estimate.interval.high}, {}};
}

std::string drawn(const DotPlot& plot) {
  const auto empty = [](const DotGroup& group) { return group.rows.empty(); };
  DotPlot full = plot;
  std::erase_if(full.groups, empty);
  return full.groups.empty() ? "" : dot_plot(full);
}

bool is_steering(const std::string& method) {
  return method.starts_with("steer-");
}

/// The comparisons with SFT of those methods that `wanted` says, a group per scope.
DotPlot against_sft(const Evidence& evidence, const std::vector<std::string>& scopes,
                    bool (*wanted)(const std::string&)) {
  DotPlot plot;
  for (const std::string& scope : scopes) {
    plot.groups.push_back({scope == "all" ? "all cells" : scope, {}});
    for (const std::string& method : evidence.methods)
      if (const Comparison* one = evidence.comparison(method, "sft", scope);
          one && wanted(method) && std::isfinite(one->accuracy.value))
        plot.groups.back().rows.push_back(row_of(method_label(method), one->accuracy));
  }
  return plot;
}

std::vector<std::string> with_models(const Evidence& evidence) {
  std::vector<std::string> scopes = {"all"};
  scopes.insert(scopes.end(), evidence.models.begin(), evidence.models.end());
  return scopes;
}

/// "js" of "divergence=js": the group's name stands above.
std::string choice_label(const Ablation& row) {
  const std::string prefix = row.group + "=";
  return row.variant.starts_with(prefix) ? row.variant.substr(prefix.size()) : row.variant;
}

Series curve(const std::string& label, const std::string& dashes) {
  return {.label = label, .x = {}, .y = {}, .colour = ink, .dashes = dashes, .width = 2};
}

}  // namespace

std::string comparison_figure(const Evidence& evidence) {
  std::vector<std::string> scopes = with_models(evidence);
  scopes.insert(scopes.end(), evidence.tasks.begin(), evidence.tasks.end());
  DotPlot plot =
      against_sft(evidence, scopes, [](const std::string& m) { return !is_steering(m); });
  plot.text = {"comparison", "Methods against SFT",
               "Mean difference in test accuracy from SFT with its 95 % interval, over all cells, "
               "by model and by task.",
               "minus SFT, test accuracy (percentage points)", ""};
  return drawn(plot);
}

std::string steering_figure(const Evidence& evidence) {
  DotPlot plot = against_sft(evidence, with_models(evidence), is_steering);
  plot.text = {"steering", "Routing Steering against SFT",
               "Mean difference in test accuracy from SFT with its 95 % interval: soft and hard "
               "steering of the base model and of the models that SFT trained.",
               "minus SFT, test accuracy (percentage points)", ""};
  return drawn(plot);
}

std::string ablations_figure(const Ablations& ablations) {
  DotPlot plot;
  plot.text = {"ablations", "Choices of the alignment loss",
               "Mean difference in test accuracy from RA-MoE with its default choices, with 95 % "
               "intervals.",
               "minus default RA-MoE, test accuracy (points)", ""};
  for (const Ablation& row : ablations.rows) {
    if (row.variant == "ramoe") {
      const Estimate& sft = row.against_sft;
      plot.groups.push_back({"no alignment", {}});
      plot.groups.back().rows.push_back(
          row_of("SFT", {-sft.value, {-sft.interval.high, -sft.interval.low}}));
    } else if (row.group != "train_pairs") {
      if (plot.groups.empty() || plot.groups.back().label != row.group)
        plot.groups.push_back({row.group, {}});
      plot.groups.back().rows.push_back(row_of(choice_label(row), row.against_default));
    }
  }
  return drawn(plot);
}

std::string learning_figure(const Ablations& ablations) {
  if (ablations.learning.empty()) return "";
  LineChart chart;
  chart.text = {"learning", "Accuracy by number of training pairs",
                "Mean test accuracy of SFT and RA-MoE over cells and seeds.",
                "training pairs of the target language", "test accuracy (%)"};
  chart.series = {curve("SFT", "5 2"), curve("RA-MoE", "")};
  for (std::size_t i = 0; i < ablations.learning.size(); ++i) {
    const LearningPoint& point = ablations.learning[i];
    chart.x_names.push_back(point.pairs == 0 ? "all" : cat(point.pairs));
    for (Series& series : chart.series) series.x.push_back(static_cast<double>(i));
    chart.series[0].y.push_back(100 * point.sft);
    chart.series[1].y.push_back(100 * point.ramoe);
    chart.text.description += cat(" ", chart.x_names.back(), " pairs: RA-MoE minus SFT ",
                                  estimate_text(point.difference, 100, 2), " points.");
  }
  return line_chart(chart);
}

double mixture_exponent(const std::string& model) {
  const std::string prefix = "exponent=";
  if (!model.starts_with(prefix)) return std::nan("");
  const char* begin = model.c_str() + prefix.size();
  char* end = nullptr;
  const double value = std::strtod(begin, &end);
  return end != begin && *end == '\0' ? value : std::nan("");
}

double mean_over_tasks(const Evidence& evidence, const std::string& model, const std::string& lang,
                       double (*value)(const EvidenceCell&)) {
  std::vector<double> values;
  for (const EvidenceCell& cell : evidence.cells)
    if (cell.model == model && cell.lang == lang) values.push_back(value(cell));
  return mean(values);
}

std::string mixture_figure(const Evidence& mixture, const LanguageNames& names) {
  PanelChart chart;
  chart.text = {"mixture", "Base model by exponent of the language mixture",
                "Accuracy of the base model and its gap to English by language, mean over tasks, "
                "against the exponent of the mixture's weights.",
                "exponent (0: all languages alike; 1: as on the web)", "per cent, points"};
  chart.whole_x = false;
  chart.panel_height = 170;
  chart.from_zero = true;
  chart.panels = {{"target accuracy (%)", {}}, {"gap to English (points)", {}}};
  double (*const values[])(const EvidenceCell&) = {
      [](const EvidenceCell& cell) { return 100 * cell.base; },
      [](const EvidenceCell& cell) { return 100 * cell.gap(); }};
  for (const std::string& lang : mixture.languages) {
    Series line = language_series(mixture, lang, names);
    chart.legend.push_back(line);
    for (const std::string& model : mixture.models) line.x.push_back(mixture_exponent(model));
    for (std::size_t p = 0; p < 2; ++p) {
      line.y.clear();
      for (const std::string& model : mixture.models)
        line.y.push_back(mean_over_tasks(mixture, model, lang, values[p]));
      chart.panels[p].series.push_back(line);
    }
  }
  return chart.legend.empty() || mixture.models.empty() ? "" : panel_chart(chart);
}

std::string mixture_gain_figure(const Evidence& mixture) {
  DotPlot plot;
  plot.text = {"mixture-gain", "Gain of RA-MoE by exponent of the language mixture",
               "Mean difference in test accuracy between RA-MoE and SFT with its 95 % interval.",
               "RA-MoE minus SFT, test accuracy (percentage points)", ""};
  plot.groups.push_back({"exponent", {}});
  for (const std::string& model : mixture.models)
    if (const Comparison* one = mixture.comparison("ramoe", "sft", model))
      plot.groups[0].rows.push_back(row_of(short_number(mixture_exponent(model)), one->accuracy));
  return drawn(plot);
}

}  // namespace ramoe
