#include <algorithm>
#include <cmath>
#include <map>

#include "ch12_experiments/sentences.h"
#include "report/report.h"
#include "report/report_figures.h"
#include "support/error.h"

namespace ramoe {
namespace {

using Names = Named<std::string>;
using Rows = std::vector<std::vector<std::string>>;

std::string p_text(double p) {
  return std::isfinite(p) && p < 0.001 ? "&lt;0.001" : fixed_number(p, 3);
}

/// "value [low, high]" of an estimate times `factor`, with a star if the adjusted p is below 0.05.
std::string estimate_text(const Estimate& e, double factor, int decimals) {
  return cat(signed_number(factor * e.value, decimals),
             e.interval.known() ? " " + interval_text(e.interval, factor, decimals) : "",
             e.p_adjusted < 0.05 ? "*" : "");
}

std::string scope_text(const std::string& scope) {
  return scope == "all" ? "all cells" : escape_markup(scope);
}

std::string cells_text(const Evidence& evidence) {
  return range_text({double(evidence.cells.size())}, "cell", "cells") + ", " +
         range_text({double(evidence.seeds)}, "seed", "seeds") + " a cell";
}

// ---- Claims -------------------------------------------------------------------------------------

/// "4 of 6 hold, 2 not shown".
std::string counts_of(const Claim& claim) {
  std::vector<ClaimVerdict> verdicts;
  for (const ClaimPart& part : claim.parts)
    if (part.deciding) verdicts.push_back(part.verdict());
  if (verdicts.empty()) return "no number decides";
  const auto count = [&](ClaimVerdict verdict) {
    return std::count(verdicts.begin(), verdicts.end(), verdict);
  };
  const auto shown = count(ClaimVerdict::shown);
  std::string text = cat(shown, " of ", verdicts.size(), shown == 1 ? " holds" : " hold");
  for (const ClaimVerdict verdict :
       {ClaimVerdict::not_shown, ClaimVerdict::contradicted, ClaimVerdict::not_measured})
    if (count(verdict) > 0) text += cat(", ", count(verdict), " ", name_of(verdict));
  return text;
}

std::string numbers_of(const Claim& claim) {
  Rows rows;
  for (const ClaimPart& part : claim.parts) {
    const double factor = part.unit == "points" ? 100 : 1;
    rows.push_back({escape_markup(part.what), part.deciding ? name_of(part.verdict()) : "",
                    estimate_text(part.estimate, factor, part.unit == "D" ? 3 : 2),
                    p_text(part.estimate.p), p_text(part.estimate.p_adjusted),
                    cat(part.estimate.count), part.claimed_sign > 0 ? "above 0" : "below 0",
                    part.unit});
  }
  return html_table("Numbers with a verdict decide; the others stand beside them",
                    {"Number", "Verdict", "Value", "p", "p, Holm", "n", "Claimed", "Unit"}, rows,
                    2);
}

/// A warning about models that were chosen for their curve (docs/log.md).
std::string warning_of(const GridPlan& plan) {
  for (const auto& [model, run] : plan.model_runs)
    if (run.find("data/models/") != std::string::npos)
      return "<p><b>No independent evidence:</b> the base models of data/models were chosen among "
             "several because their curve on general text is a U (docs/log.md), which is what "
             "claim "
             "(a) describes. Only the task prompts are text that nobody chose by.</p>\n";
  return "";
}

/// A warning about learning rates at the edge of the search.
std::string edge_warning_of(const GridResults& grid) {
  const std::string text = edge_warning(grid.plan(), grid.facts().value("chosen", Json::array()));
  return text.empty() ? "" : "<p><b>Search edges:</b> " + text + "</p>\n";
}

std::string claims_table(const GridEvidence& weighed) {
  Rows rows;
  for (const Claim& claim : weighed.claims)
    rows.push_back({"(" + claim.id + ")", name_of(claim.verdict()), name_of(claim.decidable),
                    escape_markup(claim.statement), counts_of(claim)});
  return html_table("",
                    {"Claim", "Verdict", "Could it be decided here", "The sentence, in our words",
                     "Numbers that decide"},
                    rows, 5);
}

/// Each claim's numbers, and how it is measured.
std::string claims_in_full(const GridEvidence& weighed) {
  std::string inner;
  for (const Claim& claim : weighed.claims)
    inner += folded(cat("(", claim.id, ") ", name_of(claim.verdict()), ": how it is measured"),
                    "<p>" + escape_markup(claim.how) + "</p>\n" + numbers_of(claim));
  return inner;
}

std::string claims_section(const GridEvidence& weighed) {
  return cat(
      "<section>\n", section_heading("The claims, weighed"), claims_table(weighed),
      "<p>A number is shown if its 95 % interval lies on the claimed side of zero, contradicted if "
      "it lies on the other side, and not shown if it contains zero. A claim is shown if all of "
      "its "
      "deciding numbers are, and contradicted if one of them is. A star marks a p under 0.05 after "
      "Holm's adjustment; the verdicts rest on the intervals alone. Which numbers stand for a "
      "sentence is our choice. A claim about a gain can be decided only on base models whose "
      "routing holds something back: `ramoe headroom` asks that before training.</p>\n",
      warning_of(weighed.grid.plan()), edge_warning_of(weighed.grid), claims_in_full(weighed),
      "</section>\n");
}

// ---- Charts -------------------------------------------------------------------------------------

/// Methods that train, compared with SFT: over all cells, by model and by task.
std::string comparison_figure(const Evidence& evidence, const std::string& id) {
  DotPlot plot;
  plot.text = {id, "Methods against SFT",
               "Mean difference in test accuracy from SFT with its 95 % interval, over all cells, "
               "by model and by task.",
               "minus SFT, test accuracy (percentage points)"};
  std::vector<std::string> scopes = {"all"};
  for (const auto* more : {&evidence.models, &evidence.tasks})
    scopes.insert(scopes.end(), more->begin(), more->end());
  for (const std::string& scope : scopes) {
    DotGroup group = {scope == "all" ? "all cells" : scope, {}};
    for (const std::string& method : evidence.methods) {
      const Comparison* one = evidence.comparison(method, "sft", scope);
      if (!one || method.starts_with("steer-") || !std::isfinite(one->accuracy.value)) continue;
      const Interval& interval = one->accuracy.interval;
      group.rows.push_back({method_label(method),
                            100 * one->accuracy.value,
                            {100 * interval.low, 100 * interval.high}});
    }
    if (!group.rows.empty()) plot.groups.push_back(group);
  }
  return figure_html(
      dot_plot(plot), "intervals that do not touch the line at zero.",
      cat("right of zero a method is better than SFT; steering is in the tables. n: ",
          cells_text(evidence), "."),
      cat(paper_tag, "RA-MoE is better than SFT, steering and RISE. ", choice_tag,
          "models, tasks, sizes, and the tests; chapter 12.9."));
}

Series with_values(Series series, const std::vector<double>& values) {
  series.x = counting(values.size());
  series.y = values;
  return series;
}

PanelChart layer_chart(const Evidence& evidence, const Names& names, ChartText text) {
  PanelChart chart = {std::move(text), {}};
  chart.whole_x = true;
  for (const std::string& lang : evidence.languages)
    chart.legend.push_back(language_series(evidence.languages, lang, name_of(names, lang)));
  chart.legend.push_back(mean_series({}));
  return chart;
}

std::string divergence_figure(const Evidence& evidence, const Names& names) {
  PanelChart chart = layer_chart(
      evidence, names,
      {"divergence", "Routing divergence from English by layer",
       "A panel for each model, with a line per language and the mean.",
       "layer l, counted from 0; shaded: alignment zone", "D from English, general text (0 to 1)"});
  chart.from_zero = true;
  for (const ModelCurves& curves : evidence.curves) {
    Panel panel = panel_by_layer(curves.model, curves.zone);
    for (const auto& [lang, values] : curves.general_by_language)
      panel.series.push_back(
          with_values(language_series(evidence.languages, lang, name_of(names, lang)), values));
    panel.series.push_back(mean_series(curves.general));
    chart.panels.push_back(panel);
  }
  return figure_html(
      panel_chart(chart), "a valley: middle layers that route the languages alike.",
      cat("D is 0 where parallel texts use the same experts equally, and 1 where "
          "they differ as much as possible. n: ",
          range_text({double(evidence.languages.size())}, "language", "languages"), " a panel."),
      cat(paper_tag, "middle layers form a language-universal zone. ", choice_tag,
          "the zone is read off these curves; chapter 7.2."));
}

std::string routing_figure(const Evidence& evidence, const Names& names) {
  PanelChart chart =
      layer_chart(evidence, names,
                  {"routing-change", "Change of divergence by layer, RA-MoE minus SFT",
                   "A panel for each model, a thin line per task and language and the mean.",
                   "layer l, counted from 0; shaded: alignment zone",
                   "change of D; below 0: closer to English"});
  for (const ModelCurves& curves : evidence.curves) {
    Panel panel = panel_by_layer(curves.model, curves.zone);
    for (const EvidenceCell& cell : evidence.cells)
      if (const MethodInCell* ramoe = cell.method("ramoe"); ramoe && cell.model == curves.model) {
        panel.series.push_back(with_values(language_series(evidence.languages, cell.lang, ""),
                                           ramoe->divergence_change));
        panel.series.back().width = 0.8;
      }
    for (const RoutingChange& change : evidence.routing)
      if (change.scope == curves.model) panel.series.push_back(mean_series(change.by_layer));
    chart.panels.push_back(panel);
  }
  Rows rows;
  for (const RoutingChange& one : evidence.routing)
    rows.push_back({scope_text(one.scope), estimate_text(one.zone, 1, 3),
                    estimate_text(one.outside, 1, 3), estimate_text(one.difference, 1, 3),
                    estimate_text(one.mass_zone, 1, 3)});
  return figure_html(panel_chart(chart), "a fall inside of the shaded zone.",
                     cat("below zero the routing of the language is closer to English after RA-MoE "
                         "than after SFT. n: ",
                         cells_text(evidence), "."),
                     cat(paper_tag, "alignment makes target routing follow English. ", choice_tag,
                         "D over all experts and test pairs; chapter 12.9.")) +
         html_table("RA-MoE minus SFT: divergence from English, and mass of the task experts",
                    {"Cells", "Divergence in the zone", "outside", "zone minus outside",
                     "Mass in the zone"},
                    rows);
}

// ---- Tables -------------------------------------------------------------------------------------

/// The most important columns come first; the others may scroll out of a narrow window.
std::string accuracy_table(const Evidence& evidence, const std::string& model, const Names& names) {
  std::vector<std::string> head = {"Task",   "Language",         "n",   "English", "Base", "SFT",
                                   "RA-MoE", "RA-MoE minus SFT", "ci %"};
  std::vector<std::string> methods = {"sft", "ramoe"};
  for (const std::string& method : evidence.methods)
    if (method != "sft" && method != "ramoe") {
      methods.push_back(method);
      head.push_back(method_label(method));
    }
  Rows rows;
  for (const std::string& task : evidence.tasks)
    for (const EvidenceCell& cell : evidence.cells) {
      if (cell.model != model || cell.task != task) continue;
      rows.push_back({escape_markup(task), escape_markup(name_of(names, cell.lang)), cat(cell.n),
                      fixed_number(100 * cell.english, 1), fixed_number(100 * cell.base, 1)});
      for (const std::string& name : methods) {
        const MethodInCell* method = cell.method(name);
        rows.back().push_back(method ? fixed_number(100 * mean(method->accuracy), 1) : "n/a");
        if (name != "ramoe") continue;
        rows.back().push_back(method ? estimate_text(method->gain, 100, 1) : "n/a");
        rows.back().push_back(fixed_number(100 * cell.ci, 0));
      }
    }
  return html_table(
      "Accuracy on test in %, mean over seeds; the gain of RA-MoE over SFT in points "
      "with its 95 % interval",
      head, rows, 2);
}

std::string comparison_table(const Evidence& evidence) {
  Rows rows;
  for (const Comparison& one : evidence.comparisons)
    if (one.scope == "all")
      rows.push_back({method_in_words(one.method), method_in_words(one.against),
                      estimate_text(one.accuracy, 100, 2), p_text(one.accuracy.p),
                      p_text(one.accuracy.p_adjusted), estimate_text(one.given_english, 100, 2),
                      cat(one.cells), cat(one.above), cat(one.below)});
  return html_table(
      "Differences in points over all cells; above, below: cells whose own interval "
      "excludes zero",
      {"Method", "Minus", "Accuracy", "p", "p, Holm", "Known in English", "Cells", "above",
       "below"},
      rows, 2);
}

/// The grid on base models with headroom, whose plan was written before it was run.
std::string decide_section(const GridEvidence& decide) {
  std::vector<std::string> headroom;
  if (!decide.headroom.empty())
    for (const ModelHeadroom& model : decide.headroom[0].models)
      headroom.push_back(escape_markup(model.model) + " " + estimate_text(model.mean, 100, 1));
  return cat("<section>\n", section_heading("Where it can be decided"),
             "<p>Other base models, of a kind that was found by its headroom; the plan was written "
             "before it was run (docs/decide.md). ",
             cells_text(decide.evidence), ".",
             headroom.empty() ? "" : " Headroom in points: " + joined(headroom) + ".", "</p>\n",
             claims_table(decide), edge_warning_of(decide.grid),
             comparison_figure(decide.evidence, "decide"), claims_in_full(decide),
             folded("Methods over all cells", comparison_table(decide.evidence)), "</section>\n");
}

std::string cells_section(const Evidence& evidence, const Names& names) {
  std::string html = cat(
      "<section>\n", section_heading("Every cell"),
      "<p>Base: the model before fine-tuning; English: the same model on the English side. ci %: "
      "share of the training pairs that it answers in English only. Steering of the base model "
      "draws nothing at random, so it has one value.</p>\n");
  for (const std::string& model : evidence.models)
    html += folded(model, accuracy_table(evidence, model, names), model == evidence.models[0]);
  return html + folded("Methods over all cells", comparison_table(evidence)) + "</section>\n";
}

std::string ablations_section(const Ablations& ablations) {
  Rows rows, pairs;
  for (const Ablation& row : ablations.rows) {
    const bool is_default = row.variant == "ramoe";
    rows.push_back({is_default ? "default (RA-MoE)" : escape_markup(row.variant),
                    is_default ? "" : estimate_text(row.against_default, 100, 2),
                    estimate_text(row.against_sft, 100, 2),
                    is_default ? "" : estimate_text(row.valid_against_default, 100, 2),
                    estimate_text(row.routing_zone, 1, 3)});
  }
  for (const LearningPoint& point : ablations.learning)
    pairs.push_back({point.pairs == 0 ? "all" : cat(point.pairs), fixed_number(100 * point.sft, 1),
                     fixed_number(100 * point.ramoe, 1), estimate_text(point.difference, 100, 2)});
  std::string html =
      "<section>\n" + section_heading("Choices of the alignment loss") +
      html_table(
          "Each row changes one choice; points on test, change of divergence from English in "
          "the zone against SFT",
          {"Choice", "Minus default", "Minus SFT", "Minus default on adapt_valid",
           "Divergence in the zone"},
          rows);
  if (!pairs.empty())
    html += html_table("By number of training pairs: accuracy on test in %, difference in points",
                       {"Pairs", "SFT", "RA-MoE", "RA-MoE minus SFT"}, pairs);
  return html + "</section>\n";
}

std::string making_section(const GridResults& grid) {
  const Json& facts = grid.facts();
  const GridPlan& plan = grid.plan();
  const auto text = [](const Json& value) {
    return escape_markup(value.is_string() ? value.get<std::string>() : value.dump());
  };
  Rows rows = {{"seeds", cat(plan.first_seed, " to ", plan.last_seed())},
               {"keys", text(plan.keys)},
               {"code", text(facts.value("code", ""))}};
  for (const char* key : {"build", "machine", "data", "bases", "cost"}) {
    const Json part = facts.value(key, Json::object());
    for (const auto& [name, value] : part.items())
      if (name != "revision") rows.push_back({cat(key, ", ", escape_markup(name)), text(value)});
  }
  std::map<std::string, std::string> edge_of;  // by model/task/variant
  for (const EdgeRate& edge : rates_at_edge(plan, facts.value("chosen", Json::array())))
    edge_of[cat(edge.model, "/", edge.task, "/", edge.variant)] =
        edge.lowest ? "lowest" : "highest";
  Rows chosen;
  for (const Json& entry : facts.value("chosen", Json::array()))
    chosen.push_back(
        {text(entry.at("model")), text(entry.at("task")),
         escape_markup(method_label(entry.at("variant").get<std::string>())),
         text(entry.at("learning_rate")),
         edge_of[cat(entry.at("model").get<std::string>(), "/", entry.at("task").get<std::string>(),
                     "/", entry.at("variant").get<std::string>())]});
  std::string inner = html_table("The plan and where it ran", {"What", "Value"}, rows, 2);
  if (!chosen.empty())
    inner += html_table("Learning rates chosen on adapt_valid",
                        {"Model", "Task", "Method", "Rate", "Edge of the search"}, chosen, 3);
  return "<section>\n" + section_heading("How it was made") + folded("Plan", inner) +
         "</section>\n";
}

}  // namespace

std::string grid_report_html(const GridEvidence& weighed, const std::optional<GridRouting>& routing,
                             const std::optional<GridEvidence>& decide) {
  const Evidence& evidence = weighed.evidence;
  const Names names = routing ? routing->language_names : Names{};
  std::string html = cat(
      "<p>After <b>Routing-Aligned Fine-Tuning for Multilingual Downstream Tasks in "
      "Mixture-of-Experts Models</b> (arXiv 2605.28306), of which only the abstract is public to "
      "us. Models: ",
      evidence.models.size(), ", tasks: ", evidence.tasks.size(),
      ", target languages: ", evidence.languages.size(), ", so ", cells_text(evidence),
      ". All numbers, machine-readable: ", file_link("evidence.json", "evidence.json"), ".</p>\n",
      decide ? decide_section(*decide) : "", claims_section(weighed), "<section>\n",
      section_heading("What was seen"), comparison_figure(evidence, "comparison"),
      divergence_figure(evidence, names), routing_figure(evidence, names), "</section>\n",
      cells_section(evidence, names));
  if (weighed.ablations) html += ablations_section(*weighed.ablations);
  html += routing ? routing_section(routing->traces, names)
                  : "<section>\n" + section_heading("Routing of one pair") +
                        "<p>No pair was traced: <code>ramoe report FOLDER</code> on the folder of "
                        "the grid does it where its stages and base models are.</p>\n</section>\n";
  return html_page("What the grid of runs shows", html + making_section(weighed.grid));
}

}  // namespace ramoe
