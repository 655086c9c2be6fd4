#include "ch12_experiments/evidence.h"

#include <algorithm>

#include "ch12_experiments/evidence_parts.h"
#include "support/error.h"

namespace ramoe {
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
