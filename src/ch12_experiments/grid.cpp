#include "ch12_experiments/grid.h"

#include <algorithm>
#include <cstdio>

#include "ch01_tensor/philox.h"
#include "ch12_experiments/statistics.h"
#include "support/error.h"
#include "support/json_place.h"

namespace ramoe {
namespace {

/// Calls visit(run) for each cell, with model, task and lang set.
template <class Visit>
void for_each_cell(const GridPlan& plan, const Visit& visit) {
  for (const std::string& model : plan.models)
    for (const std::string& task : plan.tasks)
      for (const std::string& lang : plan.languages)
        visit(GridRun{.model = model, .task = task, .lang = lang});
}

/// The rate that the plan fixes for a variant in a cell, or null.
Json fixed_rate(const GridVariant& variant, const GridRun& run) {
  if (!variant.learning_rate.is_object()) return variant.learning_rate;
  return variant.learning_rate.value(run.model + "/" + run.task, Json());
}

/// Routing Steering is tried on the models of the main variant sft.
bool is_steered(const GridPlan& plan, const GridVariant& variant) {
  return !plan.strengths.empty() && variant.is_main() && variant.method == Method::sft;
}

/// The rates at which the search trains a variant; none if there is nothing to choose.
std::vector<double> searched_rates(const GridPlan& plan, const GridVariant& variant,
                                   const GridRun& run) {
  if (!variant.is_main()) return {};
  const Json fixed = fixed_rate(variant, run);
  if (fixed.is_null()) return plan.rates;
  if (is_steered(plan, variant)) return {fixed.get<double>()};
  return {};
}

constexpr double equal_values = 1e-9;  // means closer than this differ by rounding alone

/// Values by rate or strength, and their means.
using Valid = std::map<double, std::vector<double>>;
std::map<double, double> means_of(const Valid& valid) {
  std::map<double, double> means;
  for (const auto& [key, values] : valid) means[key] = mean(values);
  return means;
}

Json by_text(const std::map<double, double>& values) {
  Json json = Json::object();
  for (const auto& [key, value] : values) json[number_text(key)] = value;
  return json;
}

/// "lowest" or "highest" if the rate of an entry of "chosen" lies at the edge of the search and no
/// rate between does as well; otherwise nullptr.
const char* edge_of(const GridPlan& plan, const Json& entry) {
  if (plan.rates.size() < 2 || !entry.contains("valid_by_rate")) return nullptr;
  const double rate = entry.at("learning_rate").get<double>();
  const auto valid = [&](double of) {
    return entry.at("valid_by_rate").at(number_text(of)).get<double>();
  };
  for (std::size_t i = 1; i + 1 < plan.rates.size(); ++i)
    if (valid(plan.rates[i]) >= valid(rate) - equal_values) return nullptr;
  return rate == plan.rates.front() ? "lowest" : rate == plan.rates.back() ? "highest" : nullptr;
}

/// A number of a record of the search.
double number_in(const std::map<std::string, Json>& records, const std::string& id,
                 const std::string& key, const std::string& inner) {
  const auto found = records.find(id);
  check(found != records.end(), "the record ", id, " of the search is missing.");
  const std::string where = "the record " + id;
  return JsonAt<Json>{where, "", found->second,
                      "; remove it and its run is done again."}[key][inner]
      .number();
}

}  // namespace

std::string number_text(double value) {
  return Json(value).dump();
}

const GridVariant& GridPlan::variant(const std::string& name) const {
  for (const GridVariant& v : variants)
    if (v.name == name) return v;
  fail("the plan has no variant \"", name, "\".");
}

std::string GridRun::id() const {
  if (part == "base") return cell() + "/base";
  if (part == "search" && variant == "base") return cell() + "/base/strengths";
  const std::string end = variant + "/" + (part == "search" ? number_text(rate) + "/" : "");
  return cell() + "/" + end + std::to_string(seed);
}

bool steers(const GridPlan& plan, const GridRun& run) {
  return run.part != "base" && run.variant != "base" && is_steered(plan, plan.variant(run.variant));
}

std::vector<GridRun> search_runs(const GridPlan& plan) {
  std::vector<GridRun> runs;
  for_each_cell(plan, [&](GridRun run) {
    run.part = "search";
    if (!plan.strengths.empty()) runs.push_back(run);
    for (const GridVariant& variant : plan.variants)
      for (const double rate : searched_rates(plan, variant, run))
        for (int s = 0; s < plan.search_seeds; ++s) {
          run.variant = variant.name;
          run.rate = rate;
          run.seed = kSearchSeed + s;
          runs.push_back(run);
        }
  });
  return runs;
}

std::vector<GridRun> main_runs(const GridPlan& plan) {
  std::vector<GridRun> runs;
  for_each_cell(plan, [&](GridRun run) {
    run.part = "base";
    runs.push_back(run);
    run.part = "main";
    for (const GridVariant& variant : plan.variants)
      for (int seed = plan.first_seed; seed <= plan.last_seed(); ++seed) {
        run.variant = variant.name;
        run.seed = seed;
        runs.push_back(run);
      }
  });
  return runs;
}

std::vector<std::string> record_ids(const GridPlan& plan, const GridRun& run) {
  std::vector<std::string> ids;
  if (run.part == "base" && !plan.strengths.empty())
    for (const char* form : {"soft", "hard"})
      ids.push_back(cat(run.cell(), "/steer-", form, "-base"));
  if (run.part == "main" && steers(plan, run))
    for (const char* form : {"soft", "hard"})
      ids.push_back(cat(run.cell(), "/steer-", form, "-", run.variant, "/", run.seed));
  ids.push_back(run.id());
  return ids;
}

std::vector<std::string> all_record_ids(const GridPlan& plan) {
  std::vector<std::string> ids;
  for (const auto& runs : {search_runs(plan), main_runs(plan)})
    for (const GridRun& run : runs)
      for (std::string& id : record_ids(plan, run)) ids.push_back(std::move(id));
  return ids;
}

Shard parse_shard(const std::string& text) {
  Shard shard;
  char rest = 0;
  const int read = std::sscanf(text.c_str(), "%d/%d%c", &shard.index, &shard.count, &rest);
  check(read == 2 && shard.index >= 1 && shard.index <= shard.count, "--shard=", text,
        ": expected i/n with 1 <= i <= n, such as 2/4 for the second of four.");
  return shard;
}

std::vector<GridRun> shard_of(std::vector<GridRun> runs, Shard shard) {
  Random(1, 12000).shuffle(runs);
  std::stable_sort(runs.begin(), runs.end(),
                   [](const GridRun& a, const GridRun& b) { return a.seed < b.seed; });
  std::vector<GridRun> mine;
  for (std::size_t i = std::size_t(shard.index - 1); i < runs.size(); i += std::size_t(shard.count))
    mine.push_back(std::move(runs[i]));
  return mine;
}

double best_of(const std::map<double, double>& value_by_key) {
  check(!value_by_key.empty(), "the best of no value at all was asked for.");
  auto best = value_by_key.begin();
  for (auto it = best; it != value_by_key.end(); ++it)
    if (it->second > best->second + equal_values) best = it;
  return best->first;
}

std::string EdgeRate::text() const {
  return cat(model, "/", task, "/", variant, ": ", number_text(rate), ", the ",
             lowest ? "lowest" : "highest", " rate of the search");
}

std::vector<EdgeRate> rates_at_edge(const GridPlan& plan, const Json& chosen) {
  std::vector<EdgeRate> edges;
  for (const Json& entry : chosen) {
    if (const char* edge = edge_of(plan, entry))
      edges.push_back({entry.at("model").get<std::string>(), entry.at("task").get<std::string>(),
                       entry.at("variant").get<std::string>(),
                       entry.at("learning_rate").get<double>(), std::string(edge) == "lowest"});
  }
  return edges;
}

std::string edge_warning(const GridPlan& plan, const Json& chosen) {
  const std::vector<EdgeRate> edges = rates_at_edge(plan, chosen);
  if (edges.empty()) return "";
  const auto searched = std::count_if(chosen.begin(), chosen.end(), [](const Json& entry) {
    return entry.contains("valid_by_rate");
  });
  const auto lowest =
      std::count_if(edges.begin(), edges.end(), [](const EdgeRate& edge) { return edge.lowest; });
  return cat(edges.size(), " of ", searched,
             " chosen learning rates lie at the edge of the search (", lowest, " are its lowest, ",
             std::ptrdiff_t(edges.size()) - lowest,
             " its highest rate): a better rate may lie beyond it, and what is compared there "
             "decides nothing.");
}

void check_edges(const GridPlan& plan, const Json& chosen, const std::string& where) {
  if (plan.edges != SearchEdges::refuse) return;
  std::string list;
  bool lower = false, higher = false;
  for (const EdgeRate& edge : rates_at_edge(plan, chosen)) {
    list += cat(list.empty() ? "" : "; ", edge.text());
    (edge.lowest ? lower : higher) = true;
  }
  check(list.empty(), where,
        ": \"edges\" is \"refuse\", and the best rate on adapt_valid lies at the edge: ", list,
        ". Add a rate ", lower ? "below " + number_text(plan.rates.front()) : "",
        lower && higher ? " and one " : "", higher ? "above " + number_text(plan.rates.back()) : "",
        " to \"learning_rates\" and search again, in another folder or with --overwrite=true; or "
        "give the variant its \"learning_rate\".");
}

GridChoices choose(const GridPlan& plan, const std::map<std::string, Json>& records) {
  GridChoices choices;
  // Values over languages and seeds in the canonical order, by "model/task/variant".
  std::map<std::string, Valid> valid;
  for (const GridRun& run : search_runs(plan))
    if (run.variant != "base")
      valid[run.model + "/" + run.task + "/" + run.variant][run.rate].push_back(
          number_in(records, run.id(), "valid", "accuracy"));
  for (const std::string& model : plan.models)
    for (const std::string& task : plan.tasks)
      for (const GridVariant& variant : plan.variants) {
        const GridRun cell{.model = model, .task = task, .lang = {}};
        const std::string key = model + "/" + task + "/" + variant.name;
        Json entry = {{"model", model}, {"task", task}, {"variant", variant.name}};
        const Json fixed = fixed_rate(variant, cell);
        if (!fixed.is_null()) {
          choices.rates[key] = entry["learning_rate"] = fixed.get<double>();
          entry["fixed"] = true;
        } else if (variant.is_main()) {
          const std::map<double, double> means = means_of(valid[key]);
          choices.rates[key] = best_of(means);
          entry["learning_rate"] = choices.rates[key];
          entry["valid_by_rate"] = by_text(means);
          if (const char* edge = edge_of(plan, entry)) entry["edge"] = edge;
        } else {
          continue;
        }
        choices.rates_json.push_back(entry);
      }
  for (const std::string& model : plan.models)
    for (const std::string& task : plan.tasks)
      for (const GridVariant& variant : plan.variants)
        if (const std::string cell = model + "/" + task + "/";
            !choices.rates.contains(cell + variant.name))
          choices.rates[cell + variant.name] = choices.rates.at(cell + variant.like);
  // Strengths: for the base model, and for sft's models of the search at the chosen rate.
  std::map<std::string, Valid> steered;
  for (const GridRun& run : search_runs(plan)) {
    const std::string key = run.model + "/" + run.task + "/" + run.variant;
    if (run.variant != "base" && (!steers(plan, run) || run.rate != choices.rates.at(key)))
      continue;
    for (const double strength : plan.strengths)
      steered[key][strength].push_back(
          number_in(records, run.id(), "valid_by_strength", number_text(strength)));
  }
  for (const auto& [key, values] : steered) {
    const std::map<double, double> means = means_of(values);
    choices.strengths[key] = best_of(means);
    const std::size_t first = key.find('/'), last = key.rfind('/');
    choices.strengths_json.push_back({{"model", key.substr(0, first)},
                                      {"task", key.substr(first + 1, last - first - 1)},
                                      {"variant", "steer-soft-" + key.substr(last + 1)},
                                      {"strength", choices.strengths[key]},
                                      {"valid_by_strength", by_text(means)}});
  }
  return choices;
}

}  // namespace ramoe
