// The tables of the results: cells, comparisons, ablations, mixture, and how all was made.
#include <algorithm>
#include <cmath>
#include <filesystem>

#include "ch12_experiments/results_page.h"
#include "report/report_parts.h"
#include "report/svg.h"
#include "support/error.h"

namespace ramoe {
namespace {

std::string percent(double share) {
  return fixed_number(100 * share, 1);
}

/// "+1.2 [-0.3, +2.8]*" in points.
std::string points_text(const Estimate& estimate) {
  return estimate_text(estimate, 100, 1) + star(estimate);
}

/// What an interval says of a difference between two accuracies.
std::string judgement(const Estimate& estimate) {
  if (!std::isfinite(estimate.value)) return "was not measured";
  if (!estimate.interval.known()) return "has no interval, so nothing is shown";
  return estimate.above_zero()   ? "is shown to be above zero"
         : estimate.below_zero() ? "is shown to be below zero"
                                 : "is not shown to differ from zero";
}

/// The cells of a model in the order of tasks and languages.
std::vector<const EvidenceCell*> cells_of(const Evidence& evidence, const std::string& model) {
  std::vector<const EvidenceCell*> cells;
  for (const std::string& task : evidence.tasks)
    for (const EvidenceCell& cell : evidence.cells)
      if (cell.model == model && cell.task == task) cells.push_back(&cell);
  return cells;
}

TextTable accuracy_table(const Evidence& evidence, const std::string& model,
                         const LanguageNames& names) {
  TextTable table{
      "Accuracy on test in %, mean over seeds; the gain of RA-MoE over SFT in points with "
      "its 95 % interval",
      {"Task", "Language", "n", "English", "Base"},
      {},
      2};
  // What the page is about stands first; the others may scroll out of a narrow window.
  std::vector<std::string> others;
  for (const std::string& method : evidence.methods)
    if (method != "sft" && method != "ramoe") others.push_back(method);
  table.head.insert(table.head.end(), {"SFT", "RA-MoE", "RA-MoE minus SFT", "ci %"});
  for (const std::string& method : others) table.head.push_back(method_label(method));
  for (const EvidenceCell* cell : cells_of(evidence, model)) {
    table.rows.push_back({cell->task, language_name(names, cell->lang), cat(cell->n),
                          percent(cell->english), percent(cell->base)});
    std::vector<std::string>& row = table.rows.back();
    const auto add = [&](const std::string& name) {
      const MethodInCell* method = cell->method(name);
      row.push_back(method ? percent(mean(method->accuracy)) : "n/a");
    };
    add("sft");
    add("ramoe");
    const MethodInCell* ramoe = cell->method("ramoe");
    row.push_back(ramoe ? points_text(ramoe->gain) : "n/a");
    row.push_back(fixed_number(100 * cell->ci, 0));
    for (const std::string& name : others) add(name);
  }
  return table;
}

/// Gains over SFT of all methods, on all test items or on those that the base knows in English.
TextTable gain_table(const Evidence& evidence, const std::string& model, const LanguageNames& names,
                     bool given_english) {
  TextTable table{given_english
                      ? "Minus SFT in points, on the test items that the base model knows "
                        "in English"
                      : "Minus SFT in points, on all test items",
                  {"Task", "Language", "n"},
                  {},
                  2};
  for (const std::string& method : evidence.methods)
    if (method != "sft") table.head.push_back(method_label(method));
  for (const EvidenceCell* cell : cells_of(evidence, model)) {
    table.rows.push_back({cell->task, language_name(names, cell->lang),
                          cat(given_english ? cell->n_english : cell->n)});
    for (const std::string& name : evidence.methods) {
      if (name == "sft") continue;
      const MethodInCell* method = cell->method(name);
      table.rows.back().push_back(
          method ? points_text(given_english ? method->gain_given_english : method->gain) : "n/a");
    }
  }
  return table;
}

TextTable comparison_table(const Evidence& evidence, const std::string& scope) {
  TextTable table{"Differences in points over " + scope_text(scope),
                  {"Method", "Minus", "Accuracy", "p", "p, Holm", "Known in English", "p, Holm",
                   "Cells", "above", "below"},
                  {},
                  2};
  for (const Comparison& one : evidence.comparisons) {
    if (one.scope != scope) continue;
    table.rows.push_back({method_in_words(one.method), method_in_words(one.against),
                          estimate_text(one.accuracy, 100, 2), p_text(one.accuracy.p),
                          p_text(one.accuracy.p_adjusted), estimate_text(one.given_english, 100, 2),
                          p_text(one.given_english.p_adjusted), cat(one.cells), cat(one.above),
                          cat(one.below)});
  }
  return table;
}

std::string list_of(const std::vector<std::string>& names) {
  std::string text;
  for (const std::string& name : names) text += (text.empty() ? "" : ", ") + name;
  return text;
}

std::string text_of(const Json& value) {
  return value.is_string() ? value.get<std::string>() : value.dump();
}

/// What the facts of a grid say of how it was made, as name and value.
std::vector<std::pair<std::string, std::string>> making_of(const GridResults& grid) {
  const Json& facts = grid.facts();
  const GridPlan& plan = grid.plan();
  std::vector<std::string> variants;
  for (const GridVariant& variant : plan.variants) variants.push_back(variant.name);
  std::vector<std::pair<std::string, std::string>> rows = {
      {"models", list_of(plan.models)},
      {"tasks", list_of(plan.tasks)},
      {"languages", list_of(plan.languages)},
      {"variants", list_of(variants)},
      {"seeds", cat(plan.first_seed, " to ", plan.last_seed())},
      {"keys", plan.keys.dump()},
      {"code", text_of(facts["code"])}};
  for (const char* key : {"build", "machine", "data", "bases"}) {
    const Json part = facts.value(key, Json::object());
    for (const auto& [name, value] : part.items())
      if (name != "revision") rows.push_back({cat(key, ", ", name), text_of(value)});
  }
  const Json cost = facts.value("cost", Json::object());
  const double seconds = cost.value("core_seconds", std::nan(""));
  rows.push_back({"runs", text_of(cost.value("runs", Json()))});
  rows.push_back({"cost", cat(fixed_number(seconds, 0), " core seconds, ",
                              fixed_number(seconds / 3600, 1), " core hours")});
  return rows;
}

std::string plan_of(const GridResults& grid) {
  return std::filesystem::path(grid.where()).stem().string();
}

}  // namespace

void add_cells(Manuscript& page, const ResultsInput& input, const LanguageNames& names) {
  const Evidence& evidence = input.evidence;
  page.heading("Every cell");
  page.paragraph(
      {"A star: p under 0.05 after Holm's adjustment over all cells of the method. Base: "
       "the model before fine-tuning; English: the same model on the English side. ci %: "
       "share of the training pairs that it answers in English only. Steering of the base "
       "model draws nothing, so it has one value and no interval."});
  for (std::size_t i = 0; i < evidence.models.size(); ++i) {
    const std::string& model = evidence.models[i];
    page.subheading(model);
    page.table(accuracy_table(evidence, model, names));
    page.fold("Gains of all methods, " + model);
    page.table(gain_table(evidence, model, names, false));
    page.table(gain_table(evidence, model, names, true));
    page.end_fold();
  }
}

void add_comparisons(Manuscript& page, const ResultsInput& input) {
  const Evidence& evidence = input.evidence;
  page.heading("Methods over many cells");
  for (const std::string& method : evidence.methods)
    if (const Comparison* one = evidence.comparison(method, "sft", "all"))
      page.item({strong(method_in_words(method) + " minus SFT"), ": ",
                 estimate_text(one->accuracy, 100, 2), " points over ",
                 range_text({double(one->cells)}, "cell", "cells"), ", which ",
                 judgement(one->accuracy), "."});
  page.table(comparison_table(evidence, "all"));
  page.paragraph(
      {"above, below: cells whose own interval excludes zero. Holm's adjustment is over "
       "the comparisons of one table, apart for all items and for those known in "
       "English."});
  page.fold("By model and task");
  for (const auto* scopes : {&evidence.models, &evidence.tasks})
    for (const std::string& scope : *scopes) page.table(comparison_table(evidence, scope));
  page.end_fold();
}

void add_ablations(Manuscript& page, const ResultsInput& input) {
  page.heading("Choices of the alignment loss");
  if (!input.ablations) {
    page.paragraph({"No ablations were collected: ", code("make grid PLAN=ablations"), " and ",
                    code("make docs-grid PLAN=ablations"), " make them."});
    return;
  }
  const Ablations& ablations = *input.ablations;
  page.paragraph({cat("Each row changes one choice; ", list_of(ablations.models), ", ",
                      list_of(ablations.tasks), ", ",
                      range_text({double(ablations.languages.size())}, "language", "languages"),
                      ", ", range_text({double(ablations.seeds)}, "seed", "seeds"),
                      ". What a default is chosen by is adapt_valid, never test.")});
  page.figure({"ablations",
               "Choices of the alignment loss against the default",
               ablations_figure(ablations),
               {"Right of zero a choice is better than the default. With this many rows some "
                "intervals miss zero by chance: see the adjusted p."}});
  TextTable table{"Points on test; change of divergence from English in the zone against SFT",
                  {"Choice", "Minus default", "p, Holm", "Minus SFT", "p, Holm",
                   "Minus default on adapt_valid", "Divergence in the zone"},
                  {}};
  int shown = 0, rows = 0;
  for (const Ablation& row : ablations.rows) {
    const bool is_default = row.variant == "ramoe";
    table.rows.push_back({is_default ? "default (RA-MoE)" : row.variant,
                          is_default ? "" : estimate_text(row.against_default, 100, 2),
                          is_default ? "" : p_text(row.against_default.p_adjusted),
                          estimate_text(row.against_sft, 100, 2),
                          p_text(row.against_sft.p_adjusted),
                          is_default ? "" : estimate_text(row.valid_against_default, 100, 2),
                          estimate_text(row.routing_zone, 1, 3)});
    rows += !is_default;
    shown += !is_default && row.against_default.p_adjusted < 0.05;
  }
  page.paragraph({cat("Of ", rows, rows == 1 ? " choice, " : " choices, ", shown,
                      shown == 1 ? " differs" : " differ",
                      " from the default with an adjusted p under 0.05.")});
  page.table(table);
  if (ablations.learning.empty()) return;
  page.heading("How many training pairs");
  page.figure({"learning",
               "Accuracy of SFT and RA-MoE by number of training pairs",
               learning_figure(ablations),
               {"Mean over cells and seeds; both methods draw the same pairs."}});
  TextTable curve{"Accuracy on test in %, difference in points",
                  {"Pairs", "SFT", "RA-MoE", "RA-MoE minus SFT", "p", "p, Holm"},
                  {}};
  for (const LearningPoint& point : ablations.learning)
    curve.rows.push_back({point.pairs == 0 ? "all" : cat(point.pairs), percent(point.sft),
                          percent(point.ramoe), estimate_text(point.difference, 100, 2),
                          p_text(point.difference.p), p_text(point.difference.p_adjusted)});
  page.table(curve);
}

void add_mixture(Manuscript& page, const ResultsInput& input, const LanguageNames& names) {
  page.heading("The language mixture");
  if (!input.mixture) {
    page.paragraph({"No grid over the exponent of the language mixture was collected."});
    return;
  }
  const Evidence& mixture = *input.mixture;
  page.paragraph(
      {"A language is seen in pre-training in proportion to (web share / English share) to "
       "the power of an exponent, our choice: 0 is all languages alike, 1 as on the web. "
       "There is one base model for each exponent, so what an exponent does is not told apart from "
       "what the base model's seed does."});
  page.figure({"mixture",
               "Base accuracy and gap by exponent and language",
               mixture_figure(mixture, names),
               {"Mean over tasks, base models on test."}});
  page.figure({"mixture-gain",
               "Gain of RA-MoE by exponent",
               mixture_gain_figure(mixture),
               {"RA-MoE minus SFT with 95 % intervals, over tasks, languages and seeds."}});
  TextTable table{
      "Base accuracy on test in % by language, mean gap and gain in points", {"Exponent"}, {}};
  for (const std::string& lang : mixture.languages)
    table.head.push_back(language_name(names, lang));
  table.head.insert(table.head.end(), {"Gap, mean", "RA-MoE minus SFT", "p", "p, Holm"});
  for (const std::string& model : mixture.models) {
    table.rows.push_back({short_number(mixture_exponent(model))});
    std::vector<std::string>& row = table.rows.back();
    std::vector<double> gaps;
    for (const std::string& lang : mixture.languages) {
      row.push_back(percent(mean_over_tasks(mixture, model, lang,
                                            [](const EvidenceCell& cell) { return cell.base; })));
      gaps.push_back(mean_over_tasks(mixture, model, lang,
                                     [](const EvidenceCell& cell) { return cell.gap(); }));
    }
    row.push_back(percent(mean(gaps)));
    const Comparison* gain = mixture.comparison("ramoe", "sft", model);
    const Estimate estimate = gain ? gain->accuracy : Estimate{};
    row.insert(row.end(),
               {estimate_text(estimate, 100, 2), p_text(estimate.p), p_text(estimate.p_adjusted)});
  }
  page.table(table);
}

void add_making(Manuscript& page, const ResultsInput& input) {
  page.heading("How it was made");
  const std::string name = plan_of(input.grid);
  page.paragraph(
      {code("make base-models"), " trains the base models, ", code("make grid PLAN=" + name),
       " does the runs, ", code("make docs-grid PLAN=" + name), " collects them and ",
       code("make results"),
       " makes this page and its figures from what was collected. docs/grid.md says what "
       "is searched, what is chosen and when test is looked at."});
  std::vector<const GridResults*> grids = {&input.grid};
  for (const auto* grid : {&input.ablations_grid, &input.mixture_grid})
    if (*grid) grids.push_back(&**grid);
  for (const GridResults* grid : grids) {
    TextTable table{"Plan " + plan_of(*grid), {"What", "Value"}, {}, 2};
    for (const auto& [key, value] : making_of(*grid)) table.rows.push_back({key, value});
    page.fold("Plan " + plan_of(*grid));
    page.table(table);
    TextTable chosen{
        "Learning rates chosen on adapt_valid", {"Model", "Task", "Method", "Rate"}, {}, 3};
    for (const Json& entry : grid->facts().value("chosen", Json::array()))
      chosen.rows.push_back({text_of(entry.at("model")), text_of(entry.at("task")),
                             method_label(text_of(entry.at("variant"))),
                             text_of(entry.at("learning_rate"))});
    page.table(chosen);
    page.end_fold();
  }
}

}  // namespace ramoe
