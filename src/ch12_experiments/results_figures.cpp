#include "ch12_experiments/results_figures.h"

#include <algorithm>
#include <cmath>

#include "report/charts.h"
#include "report/report_figures.h"
#include "support/error.h"

namespace ramoe {
namespace {

/// An id for SVG: letters, digits and '-'.
std::string id_of(std::string name) {
  for (char& c : name)
    if (!std::isalnum(static_cast<unsigned char>(c))) c = '-';
  return name;
}

/// Element by element; layers that one list lacks are left out.
std::vector<double> mean_by_layer(const std::vector<const std::vector<double>*>& lists) {
  std::size_t layers = lists.empty() ? 0 : lists[0]->size();
  for (const auto* list : lists) layers = std::min(layers, list->size());
  std::vector<double> result(layers, 0.0);
  for (const auto* list : lists)
    for (std::size_t l = 0; l < layers; ++l)
      result[l] += (*list)[l] / static_cast<double>(lists.size());
  return result;
}

Panel panel_of_model(const ModelCurves& curves, const std::string& title) {
  return {title, {}, true, curves.zone.first - 0.5, curves.zone.last + 0.5};
}

Series bold_mean(std::vector<double> x, std::vector<double> y) {
  return {.label = "mean", .x = std::move(x), .y = std::move(y), .colour = ink, .width = 3};
}

/// A point of each cell, its shape by task, with r over all cells and within models and tasks.
std::string cell_scatter(const Evidence& evidence, const ChartText& text,
                         double (*x)(const EvidenceCell&), double (*y)(const EvidenceCell&)) {
  Scatter scatter{text, {}, true, false};
  bool any = false;
  for (const std::string& task : evidence.tasks)
    for (const EvidenceCell& cell : evidence.cells)
      if (cell.task == task) {
        scatter.points.push_back({x(cell), y(cell), cell.model + " " + cell.lang, task});
        any = any || (std::isfinite(x(cell)) && std::isfinite(y(cell)));
      }
  return any ? scatter_plot(scatter) : "";
}

double gain_of(const EvidenceCell& cell) {
  const MethodInCell* ramoe = cell.method("ramoe");
  return ramoe ? 100 * ramoe->gain.value : std::nan("");
}

}  // namespace

std::string language_name(const LanguageNames& names, const std::string& lang) {
  const auto found = names.find(lang);
  return found == names.end() || found->second.empty() ? lang : found->second;
}

Series language_series(const Evidence& evidence, const std::string& lang,
                       const LanguageNames& names) {
  const auto at = std::find(evidence.languages.begin(), evidence.languages.end(), lang);
  const std::size_t i = static_cast<std::size_t>(at - evidence.languages.begin());
  return {.label = language_name(names, lang),
          .x = {},
          .y = {},
          .colour = palette(i),
          .dashes = dash_pattern(i / 6)};
}

std::string estimate_text(const Estimate& estimate, double factor, int decimals) {
  const std::string value = signed_number(factor * estimate.value, decimals);
  if (!estimate.interval.known()) return value;
  return value + " " + interval_text(estimate.interval, factor, decimals);
}

std::string gap_words(const Evidence& evidence) {
  std::string text;
  for (const GapCorrelation& one : evidence.gap)
    if (one.scope == "all")
      text += cat(one.within ? " Within models and tasks" : " Over all cells",
                  " r = ", estimate_text(one.zone, 1, 2), " in the zone and ",
                  estimate_text(one.outside, 1, 2), " outside of it.");
  return text;
}

std::string ci_words(const Evidence& evidence) {
  std::string text;
  for (const CellCorrelation& one : evidence.ci_gain)
    if (one.scope == "all")
      text += cat(one.within ? " Within models and tasks" : " Over all cells",
                  " r = ", estimate_text(one.r, 1, 2), ".");
  return text;
}

std::string divergence_figure(const Evidence& evidence, const LanguageNames& names) {
  PanelChart chart;
  chart.text = {
      "divergence", "Routing divergence from English by layer",
      "For each model two panels, general text and task prompts, with a line per language "
      "and the mean; the alignment zone is shaded.",
      "layer l, counted from 0; shaded: alignment zone", "D from English (0 to 1, no unit)"};
  chart.from_zero = true;
  for (const std::string& lang : evidence.languages)
    chart.legend.push_back(language_series(evidence, lang, names));
  chart.legend.push_back(bold_mean({}, {}));
  for (const ModelCurves& curves : evidence.curves) {
    chart.text.description +=
        cat(" Zone of ", curves.model, ": ", curves.zone.first, " to ", curves.zone.last, ".");
    Panel general = panel_of_model(curves, curves.model + ", general text");
    Panel prompts = panel_of_model(curves, curves.model + ", task prompts");
    for (const std::string& lang : evidence.languages) {
      Series line = language_series(evidence, lang, names);
      const auto add = [&](Panel& panel, const std::vector<double>& values) {
        line.x = counting(values.size());
        line.y = values;
        if (!values.empty()) panel.series.push_back(line);
      };
      if (const auto found = curves.general_by_language.find(lang);
          found != curves.general_by_language.end())
        add(general, found->second);
      std::vector<const std::vector<double>*> tasks;
      for (const auto& [task, by_language] : curves.by_task)
        if (const auto found = by_language.find(lang); found != by_language.end())
          tasks.push_back(&found->second);
      add(prompts, mean_by_layer(tasks));
    }
    general.series.push_back(bold_mean(counting(curves.general.size()), curves.general));
    prompts.series.push_back(bold_mean(counting(curves.prompts.size()), curves.prompts));
    chart.panels.push_back(general);
    chart.panels.push_back(prompts);
  }
  return chart.panels.empty() ? "" : panel_chart(chart);
}

std::string gap_figure(const Evidence& evidence) {
  ChartText text = {"gap", "Divergence in the zone and the gap to English",
                    "One point per model, task and language, and the line of least squares.",
                    "mean D in the zone (0 to 1), base model, test prompts",
                    "gap: English minus target accuracy (points)"};
  text.description += gap_words(evidence);
  return cell_scatter(
      evidence, text, [](const EvidenceCell& cell) { return cell.divergence_zone; },
      [](const EvidenceCell& cell) { return 100 * cell.gap(); });
}

std::string ci_gain_figure(const Evidence& evidence) {
  ChartText text = {"ci-gain", "Share of ci pairs and gain",
                    "One point per model, task and language, and the line of least squares.",
                    "share of ci among training pairs (%)", "gain: RA-MoE minus SFT (points)"};
  text.description += ci_words(evidence);
  return cell_scatter(
      evidence, text, [](const EvidenceCell& cell) { return 100 * cell.ci; }, gain_of);
}

std::string taxonomy_figure(const GridResults& results, const std::string& model,
                            const LanguageNames& names) {
  StackedBars chart = taxonomy_chart(parse_results({{"taxonomy", results.stage(model, "taxonomy")},
                                                    {"tasks", results.plan().tasks},
                                                    {"language_names", names}}));
  chart.text.id = id_of("taxonomy-" + model);
  chart.text.title += ", " + model;
  return chart.groups.empty() ? "" : stacked_bars(chart);
}

std::string experts_figure(const GridResults& results, const std::string& model,
                           const std::string& lang, const LanguageNames& names) {
  MapTable chart;
  const std::string name = language_name(names, lang);
  chart.text = {
      id_of("experts-" + model), cat("Routing before and after RA-MoE, ", model),
      cat("Mean router probability of each expert by layer on the test prompts, in ", name,
          " before and after RA-MoE with seed 1, and in English; task experts are "
          "outlined."),
      "expert e by layer l, both counted from 0; outlined: task experts",
      "mean router probability"};
  chart.headings = {name + ", base model", name + ", RA-MoE", "English, base model"};
  const Json& zone = results.stage(model, "divergence").at("zone");
  chart.band_first = zone.at("first").get<int>();
  chart.band_last = zone.at("last").get<int>();
  for (const std::string& task : results.plan().tasks) {
    const std::string cell = model + "/" + task + "/" + lang;
    const Json *base = results.find(cell + "/base"), *tuned = results.find(cell + "/ramoe/1");
    if (!base || !tuned || !base->contains("q") || !tuned->contains("q")) continue;
    MapRow row{task, {}, {}};
    for (const Json* q : {&(*base)["q"], &(*tuned)["q"], &base->at("q_english")})
      row.maps.push_back(q->get<std::vector<std::vector<double>>>());
    for (const Json& experts : results.stage(model, "experts"))
      if (experts.value("task", "") == task)
        row.outlined = experts.at("experts").get<std::vector<std::vector<int>>>();
    chart.rows.push_back(row);
  }
  return chart.rows.empty() ? "" : map_table(chart);
}

std::string routing_change_figure(const Evidence& evidence) {
  PanelChart chart;
  chart.text = {"routing-change", "Change of divergence by layer, RA-MoE minus SFT",
                "A panel per model, a thin line per task and language and the mean; the alignment "
                "zone is shaded; below zero RA-MoE is nearer to English.",
                "layer l, counted from 0; shaded: alignment zone",
                "change of D (no unit); below 0: nearer to English"};
  chart.columns = 3;
  chart.panel_height = 160;
  for (std::size_t i = 0; i < evidence.tasks.size(); ++i)
    chart.legend.push_back({.label = evidence.tasks[i],
                            .x = {},
                            .y = {},
                            .colour = soft_ink,
                            .dashes = dash_pattern(i),
                            .width = 0.8});
  for (const ModelCurves& curves : evidence.curves) {
    Panel panel = panel_of_model(curves, curves.model);
    for (std::size_t i = 0; i < evidence.tasks.size(); ++i)
      for (const EvidenceCell& cell : evidence.cells) {
        const MethodInCell* ramoe = cell.method("ramoe");
        if (cell.model != curves.model || cell.task != evidence.tasks[i] || !ramoe) continue;
        Series line = chart.legend[i];
        line.x = counting(ramoe->divergence_change.size());
        line.y = ramoe->divergence_change;
        panel.series.push_back(line);
      }
    for (const RoutingChange& change : evidence.routing)
      if (change.scope == curves.model)
        panel.series.push_back(bold_mean(counting(change.by_layer.size()), change.by_layer));
    chart.panels.push_back(panel);
  }
  chart.legend.push_back(bold_mean({}, {}));
  return chart.panels.empty() ? "" : panel_chart(chart);
}

}  // namespace ramoe
