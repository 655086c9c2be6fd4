#include "ch12_experiments/evidence.h"

#include <algorithm>
#include <cmath>

#include "ch12_experiments/evidence_parts.h"
#include "support/error.h"

namespace ramoe {
namespace {

bool all_finite(const std::vector<double>& values) {
  return std::all_of(values.begin(), values.end(), [](double v) { return std::isfinite(v); });
}

double mean_of_side(const std::vector<double>& by_layer, Zone zone, bool inside) {
  std::vector<double> side;
  for (std::size_t l = 0; l < by_layer.size(); ++l)
    if (zone.contains(static_cast<int>(l)) == inside) side.push_back(by_layer[l]);
  return mean(side);
}

}  // namespace

std::vector<double> paired_differences(const std::vector<double>& a, const std::vector<double>& b) {
  check(!a.empty() && !b.empty() && (a.size() == b.size() || a.size() == 1 || b.size() == 1),
        "the differences of ", a.size(), " and ", b.size(),
        " values; expected one of each for every seed.");
  if (a.size() == 1) return {a[0] - mean(b)};
  std::vector<double> differences(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - (b.size() == 1 ? b[0] : b[i]);
  return differences;
}

Estimate estimate_over_seeds(const std::vector<double>& differences) {
  Estimate e;
  if (!all_finite(differences)) return e;
  e.value = mean(differences);
  e.count = static_cast<int>(differences.size());
  if (e.count < 2) return e;
  e.interval = bootstrap_interval(differences);
  e.p = sign_flip_p_value(differences);
  return e;
}

Estimate estimate_over_cells(std::vector<std::vector<double>> cells) {
  std::erase_if(cells, [](const std::vector<double>& cell) { return !all_finite(cell); });
  const GrandMean grand = grand_mean(cells);
  Estimate e{.value = grand.mean, .interval = grand.interval};
  e.count = static_cast<int>(cells.size());
  if (e.count < 2) return e;
  std::vector<double> means;
  for (const std::vector<double>& cell : cells) means.push_back(mean(cell));
  e.p = sign_flip_p_value(means);
  return e;
}

void adjust_family(const std::vector<Estimate*>& family) {
  std::vector<double> p;
  for (const Estimate* e : family)
    if (std::isfinite(e->p)) p.push_back(e->p);
  const std::vector<double> adjusted = holm_adjusted(p);
  std::size_t next = 0;
  for (Estimate* e : family)
    if (std::isfinite(e->p)) e->p_adjusted = adjusted[next++];
}

std::vector<GridRun> cells_of(const GridPlan& plan) {
  std::vector<GridRun> cells;
  for (GridRun& run : main_runs(plan))
    if (run.part == "base") cells.push_back(std::move(run));
  return cells;
}

void check_sft_and_ramoe(const GridResults& results) {
  for (const char* name : {"sft", "ramoe"}) {
    const std::vector<GridVariant>& all = results.plan().variants;
    check(std::any_of(all.begin(), all.end(),
                      [&](const GridVariant& v) { return v.name == name && v.is_main(); }),
          results.where(), ": the plan has no variant \"", name,
          "\" in the group main, and everything is compared with it; add it to the plan.");
  }
}

std::vector<double> values_of(const std::vector<const Json*>& records, const char* split,
                              const char* key) {
  std::vector<double> values;
  for (const Json* record : records) {
    const Json& score = record->at(split);
    const bool unknown = std::string(key) == "given_english" && score.at("n_english") == 0;
    values.push_back(unknown ? std::nan("") : score.at(key).get<double>());
  }
  return values;
}

std::vector<double> layers_of(const Json& record, const char* key, std::size_t L) {
  auto values = record.at(key).get<std::vector<double>>();
  check(values.size() == L, "the record ", excerpt(record.at("id")), " has ", values.size(),
        " layers in ", key, ", and the stages of its model have ", L,
        "; records and stages are of different base models. Collect the grid again.");
  return values;
}

std::vector<double> mean_by_layer(const std::vector<std::vector<double>>& curves) {
  if (curves.empty()) return {};
  std::vector<double> sum(curves[0].size(), 0.0);
  for (const std::vector<double>& curve : curves)
    for (std::size_t l = 0; l < sum.size(); ++l) sum[l] += curve.at(l);
  for (double& value : sum) value /= static_cast<double>(curves.size());
  return sum;
}

double mean_inside(const std::vector<double>& by_layer, Zone zone) {
  return mean_of_side(by_layer, zone, true);
}
double mean_outside(const std::vector<double>& by_layer, Zone zone) {
  return mean_of_side(by_layer, zone, false);
}

bool in_scope(const EvidenceCell& cell, const std::string& scope) {
  return scope == "all" || cell.model == scope || cell.task == scope;
}

std::vector<std::string> scopes_of(const Evidence& evidence) {
  std::vector<std::string> scopes = {"all"};
  for (const auto* names : {&evidence.models, &evidence.tasks})
    scopes.insert(scopes.end(), names->begin(), names->end());
  return scopes;
}

namespace {

/// The variants of the group main, then steering of the base model and of sft's models, with the
/// names that the records of the first cell have.
std::vector<std::string> methods_of(const GridPlan& plan) {
  std::vector<std::string> methods, steered;
  const GridRun base = cells_of(plan).at(0);
  const std::size_t start = base.cell().size() + 1;
  std::vector<std::string> ids = record_ids(plan, base);
  ids.pop_back();
  for (const std::string& id : ids) steered.push_back(id.substr(start));
  for (const GridVariant& variant : plan.variants) {
    if (!variant.is_main()) continue;
    methods.push_back(variant.name);
    GridRun run = base;
    run.part = "main";
    run.variant = variant.name;
    run.seed = plan.first_seed;
    ids = record_ids(plan, run);
    ids.pop_back();
    for (const std::string& id : ids) steered.push_back(id.substr(start, id.rfind('/') - start));
  }
  methods.insert(methods.end(), steered.begin(), steered.end());
  return methods;
}

/// A scope is identified by its name alone, so no name may occur twice.
void check_scopes(const GridResults& results, const Evidence& evidence) {
  std::vector<std::string> names = scopes_of(evidence);
  std::sort(names.begin(), names.end());
  const auto twice = std::adjacent_find(names.begin(), names.end());
  if (twice == names.end()) return;
  fail(results.where(), ": \"", *twice,
       "\" names two of: all cells, a model, a task; give the model another name in the plan.");
}

}  // namespace

const MethodInCell* EvidenceCell::method(const std::string& name) const {
  for (const MethodInCell& m : methods)
    if (m.name == name) return &m;
  return nullptr;
}

const Comparison* Evidence::comparison(const std::string& method, const std::string& against,
                                       const std::string& scope) const {
  for (const Comparison& c : comparisons)
    if (c.method == method && c.against == against && c.scope == scope) return &c;
  return nullptr;
}

Evidence gather_evidence(const GridResults& results) {
  check_sft_and_ramoe(results);
  Evidence evidence;
  const GridPlan& plan = results.plan();
  evidence.models = plan.models;
  evidence.tasks = plan.tasks;
  evidence.languages = plan.languages;
  evidence.methods = methods_of(plan);
  evidence.seeds = plan.seeds;
  check_scopes(results, evidence);
  for (const std::string& model : plan.models)
    evidence.curves.push_back(curves_of_model(results, model));
  evidence.cells = gather_cells(results, evidence);
  evidence.comparisons = gather_comparisons(evidence);
  evidence.gap = gather_gap(evidence);
  evidence.ci_gain = gather_ci_gain(evidence);
  evidence.routing = gather_routing(results, evidence);
  return evidence;
}

}  // namespace ramoe
