#include "ch12_experiments/grid_results.h"

#include <algorithm>
#include <set>

#include "support/error.h"
#include "support/json_place.h"

namespace ramoe {
namespace {

constexpr const char* collect_again =
    "; restore the file, or collect the grid again with `ramoe experiment PLAN --run=FOLDER "
    "--collect=FOLDER`.";

using Place = JsonAt<Json>;

/// Checks the facts that this file and the reports read.
void check_collected_facts(const Json& facts, const std::string& where) {
  const Place at{where, "", facts, collect_again};
  for (const char* key : {"plan", "build", "data", "bases", "stages", "cost"}) at[key].object();
  for (const char* key : {"chosen", "chosen_strengths"}) at[key].list();
  at["code"].text();
  at["finished"].flag();
}

/// The entries of "chosen": what rates_at_edge() and the reports read.
void check_chosen(const Json& facts, const GridPlan& plan, const std::string& where) {
  for (const Place& entry : Place{where, "", facts, collect_again}["chosen"].elements()) {
    for (const char* key : {"model", "task", "variant"}) entry[key].text();
    entry["learning_rate"].number();
    if (!entry.has("valid_by_rate")) continue;
    for (const double rate : plan.rates) entry["valid_by_rate"][number_text(rate)].number();
  }
}

void check_share(const Place& at) {
  if (!(at.number() >= 0 && at.number() <= 1)) at.expected("a share from 0 to 1");
}

/// Checks that the id agrees with the members.
void check_id(const Place& at) {
  const std::string start = at["model"].text() + "/" + at["task"].text() + "/" + at["lang"].text() +
                            "/" + at["variant"].text();
  const std::string id = at["id"].text(), seed = at.has("seed") ? "/" + at["seed"].shown() : "";
  const bool same =
      at["part"].text() == "search" ? id.starts_with(start + "/") : id == start + seed;
  check(same, at.name(), " is of ", start, seed, " by its members", collect_again);
}

/// Checks that a record has what docs/grid.md promises for its part of the grid.
void check_record(const Json& record, const std::string& where) {
  const std::string name =
      where + ": the record " +
      (record.is_object() && record.contains("id") ? excerpt(record["id"]) : excerpt(record));
  const Place at{name, "", record, collect_again};
  const std::string part = at["part"].text();
  if (part != "base" && part != "search" && part != "main" && part != "steering")
    at["part"].expected("base, search, main or steering");
  check_id(at);
  check_share(at["valid"]["accuracy"]);
  if (part == "search") return;
  check_share(at["test"]["accuracy"]);
  at["test"]["n"].whole(0);
  if (at["test"]["n_english"].whole(0) > 0) check_share(at["test"]["given_english"]);
  if (part == "main") {
    at["learning_rate"].number();
    at["examples"].whole(0);
    at["ci"].whole(0);
  }
  if (part == "base") check_share(at["english"]["accuracy"]);
  if (part == "steering") return;
  for (const char* key : {"divergence", "mass"}) {
    if (at[key].list().empty()) at[key].expected("a number for each layer");
    for (const Place& layer : at[key].elements()) layer.number();
  }
}

}  // namespace

GridResults::GridResults(Json facts, std::vector<Json> records, std::string where)
    : facts_(std::move(facts)), where_(std::move(where)) {
  check_collected_facts(facts_, where_);
  plan_ = grid_plan(facts_["plan"], where_ + ": plan");
  check_chosen(facts_, plan_, where_);
  for (Json& record : records) {
    check_record(record, where_);
    const std::string id = record["id"].get<std::string>();
    check(records_.emplace(id, std::move(record)).second, where_, ": the record ", id,
          " stands there a second time", collect_again);
  }
  if (!finished()) return;
  int missing = 0;
  std::string first;
  for (const std::string& id : all_record_ids(plan_))
    if (!records_.contains(id) && ++missing == 1) first = id;
  check(missing == 0, where_, ": the grid is said to be finished, but ", missing,
        " of its records are missing, the first of them ", first, collect_again);
}

bool GridResults::finished() const {
  return facts_["finished"].get<bool>();
}

const Json* GridResults::find(const std::string& id) const {
  const auto found = records_.find(id);
  return found == records_.end() ? nullptr : &found->second;
}

const Json& GridResults::record(const std::string& id) const {
  const Json* found = find(id);
  if (found) return *found;
  fail(where_, ": the record ", id, " is missing",
       finished() ? "; the plan has no such run."
                  : ": the grid is not finished. Run `ramoe experiment` with its plan and folder "
                    "to the end, and collect it again.");
}

std::vector<const Json*> GridResults::by_seed(const std::string& cell,
                                              const std::string& variant) const {
  if (const Json* alone = find(cell + "/" + variant)) return {alone};
  std::vector<const Json*> records;
  for (int seed = plan_.first_seed; seed <= plan_.last_seed(); ++seed)
    records.push_back(&record(cat(cell, "/", variant, "/", seed)));
  return records;
}

const Json& GridResults::stage(const std::string& model, const std::string& stage) const {
  const Json& stages = facts_["stages"];
  check(stages.contains(model) && stages[model].is_object() && stages[model].contains(stage),
        where_, ": the stage ", stage, " of ", model,
        " is missing from the facts; run `ramoe experiment` with its plan and folder, which makes "
        "the stages, and collect the grid again.");
  return stages[model][stage];
}

GridResults whole_seeds(const GridResults& results) {
  if (results.finished()) return results;
  const GridPlan& plan = results.plan();
  int first_missing = plan.last_seed() + 1;
  for (const GridRun& run : main_runs(plan))
    for (const std::string& id : record_ids(plan, run))
      if (!results.find(id)) first_missing = std::min(first_missing, run.seed);
  const int seeds = first_missing - plan.first_seed;
  check(seeds > 0, results.where(),
        ": the grid is not finished, and not even its first seed is there in every cell. Run "
        "`ramoe experiment` with its plan and folder on, and collect it again.");
  Json facts = results.facts();
  facts["plan"]["seeds"] = seeds;
  const GridPlan kept = grid_plan(facts["plan"], results.where());
  std::vector<Json> records;
  for (const std::string& id : all_record_ids(kept)) records.push_back(results.record(id));
  facts["finished"] = true;
  return {std::move(facts), std::move(records), results.where()};
}

std::vector<Json> read_record_lines(const std::string& path) {
  std::istringstream lines(read_file(path));
  std::vector<Json> records;
  std::set<std::string> seen;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = cat(path, ", line ", ++number);
    check_json_depth(line, where);
    check_json_bytes(line, path, number);
    Json record = json_or_discarded(line);
    check(record.is_object() && record.contains("id") && record["id"].is_string() &&
              record.contains("part") && record.value("seconds", Json(0)).is_number(),
          where, ": this is not the record of a run; restore the file or collect it again.");
    check(seen.insert(record["id"].get<std::string>()).second, where, ": ",
          record["id"].get<std::string>(), " stands there a second time.");
    records.push_back(std::move(record));
  }
  return records;
}

GridResults read_grid_results(const std::string& name) {
  return {read_json(name + ".json"), read_record_lines(name + ".jsonl"), name};
}

}  // namespace ramoe
