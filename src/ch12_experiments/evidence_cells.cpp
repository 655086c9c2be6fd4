// The evidence cell by cell, and the curves of the base models. Declared in evidence_parts.h.
#include <algorithm>

#include "ch12_experiments/evidence_parts.h"
#include "support/error.h"
#include "support/json_place.h"

namespace ramoe {
namespace {

/// Mean of the layers [begin, end) minus mean of the zone; NaN if there are none.
double minus_zone(const std::vector<double>& curve, int begin, int end, Zone zone) {
  return mean({curve.begin() + begin, curve.begin() + end}) - mean_inside(curve, zone);
}

/// minus_zone() over languages, each with its mean over tasks; count 0 if [begin, end) is empty.
Estimate arm_of_curves(const ModelCurves& curves, const std::vector<std::string>& languages,
                       int begin, int end) {
  if (begin >= end) return {};
  std::vector<double> by_language;
  for (const std::string& lang : languages) {
    std::vector<double> by_task;
    for (const auto& [task, by_lang] : curves.by_task)
      by_task.push_back(minus_zone(by_lang.at(lang), begin, end, curves.zone));
    by_language.push_back(mean(by_task));
  }
  Estimate e{.value = mean(by_language), .interval = bootstrap_interval(by_language)};
  e.count = static_cast<int>(by_language.size());
  return e;
}

using Place = JsonAt<Json>;

std::vector<double> numbers_from(const Place& at) {
  std::vector<double> numbers;
  for (const Place& number : at.elements()) numbers.push_back(number.number());
  return numbers;
}

std::vector<double> curve_from(const Place& at, std::size_t L) {
  if (at.list().size() != L) at.expected("a curve of ", L, " layers");
  return numbers_from(at);
}

ModelCurves read_curves(const Place& stage, const GridPlan& plan, const std::string& model) {
  ModelCurves curves;
  curves.model = model;
  curves.general = numbers_from(stage["mean"]);
  const std::size_t L = curves.general.size();
  const int last_layer = static_cast<int>(L) - 1,
            first = stage["zone"]["first"].whole(0, last_layer);
  curves.zone = {first, stage["zone"]["last"].whole(first, last_layer)};
  for (const auto& [lang, curve] : stage["by_language"].members())
    curves.general_by_language[lang] = curve_from(curve, L);
  std::vector<std::vector<double>> all;
  for (const std::string& task : plan.tasks)
    for (const std::string& lang : plan.languages) {
      all.push_back(curve_from(stage["by_task"][task][lang], L));
      curves.by_task[task][lang] = all.back();
    }
  curves.prompts = mean_by_layer(all);
  return curves;
}

/// Adds the share of each type among the training pairs of a cell.
void add_types(EvidenceCell& cell, const GridResults& results) {
  const auto broken = [&](const std::string& why) {
    fail(results.where(), ": the stage taxonomy of ", cell.model, " ", why, " of ", cell.task, " ",
         cell.lang, "; collect the grid again.");
  };
  for (const Json& row : results.stage(cell.model, "taxonomy")) {
    if (!row.is_object() || row.value("lang", Json()) != cell.lang ||
        row.value("task", Json()) != cell.task)
      continue;
    double total = 0;
    for (const char* type : {"cc", "ci", "ic", "ii"}) {
      if (!row.contains(type) || !row[type].is_number_integer() || row[type] < 0)
        broken(cat("has no count \"", type, "\""));
      total += row[type].get<double>();
    }
    if (total == 0) broken("counts no pair");
    cell.cc = row["cc"].get<double>() / total;
    cell.ci = row["ci"].get<double>() / total;
    cell.ic = row["ic"].get<double>() / total;
    cell.ii = row["ii"].get<double>() / total;
    return;
  }
  broken("lacks the pairs");
}

void add_base(EvidenceCell& cell, const GridResults& results, const GridRun& run, Zone zone,
              std::size_t L) {
  const Json& base = results.record(run.id());
  cell.n = base["test"]["n"].get<int>();
  cell.n_english = base["test"]["n_english"].get<int>();
  cell.english = base["english"]["accuracy"].get<double>();
  cell.base = values_of({&base}, "test", "accuracy")[0];
  cell.base_given_english = values_of({&base}, "test", "given_english")[0];
  cell.divergence = layers_of(base, "divergence", L);
  cell.divergence_zone = mean_inside(cell.divergence, zone);
  cell.divergence_outside = mean_outside(cell.divergence, zone);
}

/// By layer: a member of the records minus that of sft at the same seed, averaged over seeds.
std::vector<double> change_by_layer(const std::vector<const Json*>& records,
                                    const std::vector<const Json*>& sft, const char* key,
                                    std::size_t L) {
  std::vector<std::vector<double>> by_seed;
  for (std::size_t s = 0; s < records.size(); ++s) {
    by_seed.push_back(layers_of(*records[s], key, L));
    const std::vector<double> other = layers_of(*sft[s], key, L);
    for (std::size_t l = 0; l < L; ++l) by_seed.back()[l] -= other[l];
  }
  return mean_by_layer(by_seed);
}

MethodInCell method_in_cell(const std::string& name, const GridResults& results, const GridRun& run,
                            std::size_t L) {
  const std::vector<const Json*> records = results.by_seed(run.cell(), name),
                                 sft = results.by_seed(run.cell(), "sft");
  MethodInCell method;
  method.name = name;
  method.accuracy = values_of(records, "test", "accuracy");
  method.given_english = values_of(records, "test", "given_english");
  const Json& first = *records[0];
  for (const char* key : {"learning_rate", "strength"})
    if (first["part"] == (key[0] == 's' ? "steering" : "main") && first.contains(key))
      method.setting = first[key].get<double>();
  if (first["part"] == "main") {
    std::vector<std::vector<double>> divergence;
    for (const Json* record : records) divergence.push_back(layers_of(*record, "divergence", L));
    method.divergence = mean_by_layer(divergence);
  }
  if (name == "sft") return method;
  method.gain =
      estimate_over_seeds(paired_differences(method.accuracy, values_of(sft, "test", "accuracy")));
  method.gain_given_english = estimate_over_seeds(
      paired_differences(method.given_english, values_of(sft, "test", "given_english")));
  if (first["part"] != "main") return method;
  method.divergence_change = change_by_layer(records, sft, "divergence", L);
  method.mass_change = change_by_layer(records, sft, "mass", L);
  return method;
}

}  // namespace

ModelCurves curves_of_model(const GridResults& results, const std::string& model) {
  const Place stage{results.where(), "stages." + model + ".divergence",
                    results.stage(model, "divergence"), "; collect the grid again."};
  ModelCurves curves = read_curves(stage, results.plan(), model);
  const int L = static_cast<int>(curves.general.size());
  curves.early = arm_of_curves(curves, results.plan().languages, 0, curves.zone.first);
  curves.late = arm_of_curves(curves, results.plan().languages, curves.zone.last + 1, L);
  return curves;
}

std::vector<EvidenceCell> gather_cells(const GridResults& results, const Evidence& evidence) {
  std::vector<EvidenceCell> cells;
  for (const GridRun& run : cells_of(results.plan())) {
    const auto curves = std::find_if(evidence.curves.begin(), evidence.curves.end(),
                                     [&](const ModelCurves& c) { return c.model == run.model; });
    const std::size_t L = curves->general.size();
    EvidenceCell cell;
    cell.model = run.model;
    cell.task = run.task;
    cell.lang = run.lang;
    add_types(cell, results);
    add_base(cell, results, run, curves->zone, L);
    for (const std::string& name : evidence.methods)
      cell.methods.push_back(method_in_cell(name, results, run, L));
    cells.push_back(std::move(cell));
  }
  for (std::size_t m = 0; m < evidence.methods.size(); ++m) {
    std::vector<Estimate*> gains, given_english;
    for (EvidenceCell& cell : cells) {
      gains.push_back(&cell.methods[m].gain);
      given_english.push_back(&cell.methods[m].gain_given_english);
    }
    adjust_family(gains);
    adjust_family(given_english);
  }
  return cells;
}

}  // namespace ramoe
