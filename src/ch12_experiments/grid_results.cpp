#include "ch12_experiments/grid_results.h"

#include <algorithm>
#include <set>

#include "support/error.h"
#include "support/json.h"

namespace ramoe {
namespace {

constexpr const char* collect_again =
    "; restore the file, or collect the grid again with `ramoe experiment PLAN --run=FOLDER "
    "--collect=FOLDER`.";

/// The facts that are read here and by those who show them.
void check_collected_facts(const Json& facts, const std::string& where) {
  for (const char* key : {"plan", "build", "data", "bases", "stages", "cost"})
    check(facts.is_object() && facts.contains(key) && facts[key].is_object(), where,
          ": the facts have no object \"", key, "\"", collect_again);
  for (const char* key : {"chosen", "chosen_strengths"})
    check(facts.contains(key) && facts[key].is_array(), where, ": the facts have no list \"", key,
          "\"", collect_again);
  check(facts.contains("code") && facts["code"].is_string(), where,
        ": the facts have no text \"code\"", collect_again);
  check(facts.contains("finished") && facts["finished"].is_boolean(), where,
        ": the facts do not say whether the grid is \"finished\"", collect_again);
}

/// One record, and what an error calls it.
class RecordShape {
 public:
  RecordShape(const Json& record, const std::string& where) : record_(record), where_(where) {
    where_ += ": the record " + (record.is_object() && record.contains("id") ? excerpt(record["id"])
                                                                             : excerpt(record));
    for (const char* key : {"id", "part", "model", "task", "lang", "variant"})
      wants(record.is_object() && record.contains(key) && record[key].is_string(), key, "a text");
  }

  /// What docs/grid.md promises of a record of its part.
  void check_all() const {
    const std::string part = text("part");
    check(part == "base" || part == "search" || part == "main" || part == "steering", where_,
          " is of the part \"", part, "\"; wanted base, search, main or steering", collect_again);
    check_id(part);
    share(record_, "valid", "accuracy");
    if (part == "search") return;
    share(record_, "test", "accuracy");
    count("test", "n");
    count("test", "n_english");
    if (record_["test"]["n_english"] > 0) share(record_, "test", "given_english");
    if (part == "main") {
      wants(number(record_, "learning_rate"), "learning_rate", "a number");
      wants(whole(record_, "examples") && whole(record_, "ci"), "examples and ci", "counts");
    }
    if (part == "base") share(record_, "english", "accuracy");
    if (part != "steering")
      for (const char* key : {"divergence", "mass"}) layers(key);
  }

 private:
  std::string text(const char* key) const { return record_[key].get<std::string>(); }
  void wants(bool valid, const std::string& key, const char* wanted) const {
    check(valid, where_, " lacks ", key, ", ", wanted, collect_again);
  }
  static bool number(const Json& object, const char* key) {
    return object.is_object() && object.contains(key) && object[key].is_number();
  }
  static bool whole(const Json& object, const char* key) {
    return number(object, key) && object[key].is_number_integer() && object[key] >= 0;
  }
  void share(const Json& record, const char* object, const char* key) const {
    wants(record.contains(object) && number(record[object], key) && record[object][key] >= 0 &&
              record[object][key] <= 1,
          cat(object, ".", key), "a share from 0 to 1");
  }
  void count(const char* object, const char* key) const {
    wants(whole(record_[object], key), cat(object, ".", key), "a count");
  }
  void layers(const char* key) const {
    wants(record_.contains(key) && record_[key].is_array() && !record_[key].empty() &&
              std::all_of(record_[key].begin(), record_[key].end(),
                          [](const Json& value) { return value.is_number(); }),
          key, "a number for each layer");
  }
  /// The id says the same as the members.
  void check_id(const std::string& part) const {
    const std::string start =
        text("model") + "/" + text("task") + "/" + text("lang") + "/" + text("variant");
    const std::string id = text("id");
    const std::string seed = record_.contains("seed") ? "/" + record_["seed"].dump() : "";
    const bool same = part == "search" ? id.starts_with(start + "/") : id == start + seed;
    check(same, where_, " is of ", start, seed, " by its members", collect_again);
  }

  const Json& record_;
  std::string where_;
};

}  // namespace

GridResults::GridResults(Json facts, std::vector<Json> records, std::string where)
    : facts_(std::move(facts)), where_(std::move(where)) {
  check_collected_facts(facts_, where_);
  plan_ = grid_plan(facts_["plan"], where_ + ": plan");
  for (Json& record : records) {
    RecordShape(record, where_).check_all();
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

std::vector<Json> read_record_lines(const std::string& path) {
  std::istringstream lines(read_file(path));
  std::vector<Json> records;
  std::set<std::string> seen;
  int number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = cat(path, ", line ", ++number);
    check_json_depth(line, where);
    check_json_bytes(line, path, number);
    Json record = Json::parse(line, nullptr, false);
    check(record.is_object() && record.contains("id") && record["id"].is_string() &&
              record.contains("part"),
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
