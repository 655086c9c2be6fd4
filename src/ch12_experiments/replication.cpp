#include "ch12_experiments/replication.h"

#include <algorithm>

#include "support/error.h"
#include "support/names.h"

namespace ramoe {
namespace {

/// The wanted names, or all; each must be known.
std::vector<std::string> chosen_names(const std::vector<std::string>& wanted,
                                      const std::vector<std::string>& known, const char* what,
                                      const std::string& where) {
  for (const std::string& name : wanted)
    check(contains(known, name), where, " has no ", what, " \"", name, "\"; it has ", joined(known),
          ".");
  return wanted.empty() ? known : wanted;
}

/// The rate that the grid's search chose, by "model/task".
Json chosen_rates(const GridResults& results, const std::string& variant) {
  Json rates = Json::object();
  for (const Json& entry : results.facts().value("chosen", Json::array()))
    if (entry.value("variant", "") == variant)
      rates[entry.at("model").get<std::string>() + "/" + entry.at("task").get<std::string>()] =
          entry.at("learning_rate");
  return rates;
}

}  // namespace

Json replication_plan(const GridResults& results, const Slice& slice) {
  const GridPlan& plan = results.plan();
  const std::string& where = results.where();
  check(results.finished(), where,
        " is not finished, so there is nothing to hold a slice against.");
  std::vector<std::string> main_variants;
  for (const GridVariant& variant : plan.variants)
    if (variant.is_main()) main_variants.push_back(variant.name);
  const auto variants = chosen_names(slice.variants, main_variants, "main variant", where);
  check(contains(variants, "sft"), "variants: sft is missing; gains are over it.");
  const int last = slice.first_seed + slice.seeds - 1;
  check(slice.first_seed > plan.last_seed() || last < plan.first_seed, "the seeds ",
        slice.first_seed, " to ", last, " meet those of ", where, ", ", plan.first_seed, " to ",
        plan.last_seed(), "; fresh ones are expected.");
  Json models = Json::object();
  for (const std::string& model : chosen_names(slice.models, plan.models, "model", where))
    models[model] = plan.model_runs.at(model);
  Json json = {{"models", models},
               {"tasks", chosen_names(slice.tasks, plan.tasks, "task", where)},
               {"languages", chosen_names(slice.languages, plan.languages, "language", where)},
               {"seeds", slice.seeds},
               {"first_seed", slice.first_seed},
               {"keys", plan.keys},
               {"variants", Json::array()}};
  for (const std::string& name : variants) {
    const GridVariant& variant = plan.variant(name);
    Json entry = {{"name", name}, {"method", name_of(variant.method)}, {"keys", variant.keys}};
    entry["learning_rate"] = chosen_rates(results, name);
    json["variants"].push_back(entry);
  }
  return json;
}

GridResults part_of(const GridResults& results, const Json& plan) {
  Json facts = results.facts();
  facts["plan"] = plan;
  facts["plan"]["seeds"] = results.plan().seeds;
  facts["plan"]["first_seed"] = results.plan().first_seed;
  std::vector<Json> records;
  const GridPlan part = grid_plan(facts["plan"], results.where());
  for (const GridRun& run : main_runs(part))
    for (const std::string& id : record_ids(part, run)) records.push_back(results.record(id));
  return GridResults(facts, records, results.where());
}

bool Replicated::agrees() const {
  return committed.interval.low <= fresh.interval.high &&
         fresh.interval.low <= committed.interval.high;
}

std::vector<Replicated> compare_gains(const Evidence& committed, const Evidence& fresh) {
  std::vector<Replicated> rows;
  for (const Comparison& old : committed.comparisons)
    if (const Comparison* now = fresh.comparison(old.method, old.against, old.scope);
        now && old.scope == "all" && old.against == "sft")
      rows.push_back({old.method, old.accuracy, now->accuracy});
  for (const EvidenceCell& old : committed.cells)
    for (const EvidenceCell& now : fresh.cells) {
      if (old.model != now.model || old.task != now.task || old.lang != now.lang) continue;
      for (const MethodInCell& method : old.methods)
        if (const MethodInCell* again = now.method(method.name); again && method.name != "sft")
          rows.push_back({cat(method.name, " ", old.model, "/", old.task, "/", old.lang),
                          method.gain, again->gain, true});
    }
  return rows;
}

}  // namespace ramoe
