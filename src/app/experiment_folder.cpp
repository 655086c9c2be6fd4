#include "app/experiment_folder.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "app/reports.h"
#include "runs/run_folder.h"
#include "support/error.h"
#include "support/json_place.h"

namespace ramoe {

namespace fs = std::filesystem;

namespace {

constexpr const char* facts_name = "/experiment.json";

Json names_of(const Json& object) {
  Json names = Json::array();
  for (const auto& [key, value] : object.items()) names.push_back(key);
  return names;
}

/// Adds the members that differ, except those listed, as "what + key: a there, b here".
void add_differences(std::string& text, const std::array<Json, 2>& values,
                     const std::array<std::string, 2>& names, const std::string& what,
                     const std::vector<std::string>& free_keys = {}) {
  std::vector<std::string> keys = names_of(values[1]).get<std::vector<std::string>>();
  for (const auto& [key, value] : values[0].items())
    if (!values[1].contains(key)) keys.push_back(key);
  for (const std::string& key : keys) {
    if (contains(free_keys, key)) continue;
    const Json a = values[0].value(key, Json()), b = values[1].value(key, Json());
    if (nlohmann::json(a) != nlohmann::json(b))  // the order of members does not matter
      text += cat(text.empty() ? "" : "; ", what, key, ": ", excerpt(a), " ", names[0], ", ",
                  excerpt(b), " ", names[1]);
  }
}

}  // namespace

std::string facts_differences(const NamedFacts& a, const NamedFacts& b, bool more_seeds) {
  std::string text;
  const std::array<std::string, 2> names = {a.name, b.name};
  const auto both = [&](const char* key) {
    return std::array<Json, 2>{a.facts.value(key, Json::object()),
                               b.facts.value(key, Json::object())};
  };
  add_differences(text, {Json{{"code", a.facts["code"]}}, Json{{"code", b.facts["code"]}}}, names,
                  "");
  add_differences(text, both("build"), names, "build, ", {"revision"});
  add_differences(text, both("data"), names, "data of ");
  add_differences(text, both("bases"), names, "base model ");
  std::array<Json, 2> plans = both("plan");
  for (Json& plan : plans)
    if (plan.contains("models")) plan["models"] = names_of(plan["models"]);
  std::vector<std::string> free_keys;
  if (more_seeds && plans[0].value("seeds", 0) <= plans[1].value("seeds", 0))
    free_keys.push_back("seeds");
  add_differences(text, plans, names, "plan, ", free_keys);
  return text;
}

Json read_facts(const std::string& folder) {
  const std::string path = folder + facts_name;
  check(fs::exists(path), path, " is missing: ", folder,
        " holds no experiment; `ramoe experiment PLAN --run=", folder, "` makes one.");
  const Json facts = read_json(path);
  check_facts(facts, path);
  return facts;
}

void check_facts(const Json& facts, const std::string& file) {
  for (const char* key : {"plan", "code", "build", "data", "bases"})
    check(facts.is_object() && facts.contains(key) &&
              (key == std::string("code") ? facts[key].is_string() : facts[key].is_object()),
          file, " has no \"", key,
          "\" as experiments write it; restore the file, or use another folder.");
  const JsonAt<Json> at{file, "", facts, "; restore the file, or use another folder."};
  if (at["plan"].has("seeds")) at["plan"]["seeds"].whole(0);
  if (at.has("stages"))
    for (const auto& [model, stages] : at["stages"].members()) stages.object();
}

Json stages_of(const std::string& folder, const Json& facts) {
  Json stages = facts.value("stages", Json::object());
  if (folder.empty()) return stages;
  const Json models = facts["plan"].value("models", Json::object());
  for (const auto& [model, path] : models.items())
    for (const char* name : stage_names)
      if (const std::string file = stage_folder(folder, model, name) + "/results.json";
          fs::exists(file))
        stages[model][name] = read_json(file);
  return stages;
}

std::string record_path(const std::string& folder, const std::string& id) {
  return folder + "/results/" + id + ".json";
}

Json read_record(const std::string& folder, const std::string& id) {
  const std::string path = record_path(folder, id);
  Json record;
  try {
    record = read_json(path);
  } catch (const Error& error) {
    fail(error.what(), " Remove ", path, " and its run is done again.");
  }
  check(record.is_object() && record.value("id", Json()) == id && record.contains("part") &&
            record.value("seconds", Json(0)).is_number(),
        path, " is not the record of ", id, "; remove it and its run is done again.");
  return record;
}

std::unique_ptr<FileLock> hold_still(const std::string& folder) {
  const std::string path = folder + "/locks/facts";
  if (!fs::exists(path)) return nullptr;
  auto lock = std::make_unique<FileLock>(path);
  lock->lock();
  return lock;
}

void check_experiment_place(const std::string& path) {
  if (fs::exists(path + facts_name)) {
    read_facts(path);
    return;
  }
  std::error_code error;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    check(name == "locks" || "/" + name == cat(facts_name, temporary_suffix), path,
          " is not empty and holds no experiment (", name,
          "); use another --run=FOLDER, one that is new or empty.");
  }
}

Worker shard_worker(Shard shard) {
  return {cat("shard-", shard.index, "-of-", shard.count), cat("-of-", shard.count),
          cat("shard ", shard.index, "/", shard.count)};
}

ExperimentFolder::ExperimentFolder(const std::string& path, const Json& facts, bool overwrite,
                                   const Worker& worker)
    : path_(path), facts_(facts) {
  check_experiment_place(path);
  make_folder(path + "/locks");
  FileLock lock(path + "/locks/facts");
  lock.lock();
  check_others(worker, overwrite);
  own_ = std::make_unique<FileLock>(path + "/locks/" + worker.lock);
  check(own_->try_lock(), path, ": another process is at work there as ", worker.name,
        "; wait for it", worker.division.empty() ? "." : ", or give this one another --shard.");
  const std::string file = path + facts_name;
  if (fs::exists(file) && overwrite) remove_old();
  if (fs::exists(file) && !overwrite) {
    const Json old = read_facts(path);
    const std::string different = facts_differences({old, "there"}, {facts_, "here"}, true);
    check(different.empty(), path, " holds results that must not be mixed with new ones (",
          different, "). Use another --run=FOLDER, or --overwrite=true to begin anew here.");
    if (!facts_.contains("stages") && old.contains("stages")) facts_["stages"] = old["stages"];
    if (nlohmann::json(old["plan"]) == nlohmann::json(facts_["plan"])) return;
  }
  Json record = facts_;
  record["finished"] = false;
  write_json(file, record);
}

/// Error if another worker must not be at work. Shards of one division are disjoint, but shards of
/// different divisions are not.
void ExperimentFolder::check_others(const Worker& worker, bool overwrite) const {
  for (const auto& entry : fs::directory_iterator(path_ + "/locks")) {
    const std::string name = entry.path().filename().string();
    const bool apart =
        name == "merge" || worker.division.empty() || name.ends_with(worker.division);
    if (name == "facts" || name == worker.lock || (apart && !overwrite)) continue;
    check(!is_locked(entry.path().string()), path_, ": another process is at work there (", name,
          ") ",
          overwrite ? cat("whose results --overwrite=true would remove; wait for it.")
                    : cat("that could have the same runs as ", worker.name,
                          "; wait for it, or divide in the same number."));
  }
}

/// Removes the records of the plan that the folder was made for, what its stages found, and the
/// report of both. The facts are removed last: if the process is killed, the folder is still an
/// experiment.
void ExperimentFolder::remove_old() const {
  const Json old = read_facts(path_);
  const GridPlan plan = grid_plan(old["plan"], path_ + facts_name);
  const std::string routing_run = path_ + "/routing-run";
  check_run_place(routing_run, "finetune");  // of a report that is in progress
  for (const std::string& model : plan.models)
    for (const char* name : stage_names) check_run_place(stage_folder(path_, model, name), name);
  for (const std::string& id : all_record_ids(plan)) {
    fs::path file = record_path(path_, id);
    remove_written(file.string());
    do file = file.parent_path();
    while (remove_empty(file.string()));  // stops at the folder, which still has the facts
  }
  for (const std::string& model : plan.models) {
    const std::string stages = path_ + "/stages/" + model;
    for (const char* name : stage_names) remove_run(stage_folder(path_, model, name));
    remove_written(stages + "/lock");
    remove_empty(stages);
  }
  remove_empty(path_ + "/stages");
  remove_run(routing_run);
  remove_written(path_ + "/routing.json");
  for (const auto& [name, mark] :
       {std::pair{"/report.html", page_mark}, {"/evidence.json", evidence_mark}})
    if (fs::exists(path_ + name) && has_mark(path_ + name, mark)) remove_written(path_ + name);
}

bool ExperimentFolder::has(const std::string& id) const {
  return fs::exists(record_path(path_, id));
}

void ExperimentFolder::write(const Json& record) const {
  const std::string path = record_path(path_, record.at("id").get<std::string>());
  make_folder(fs::path(path).parent_path().string());
  write_file(path, record.dump() + "\n");
}

Json ExperimentFolder::write_summary(const GridPlan& plan) const {
  const auto still = hold_still(path_);
  Json written = summary_of(path_, facts_, plan, read_records(path_, all_record_ids(plan)));
  write_json(path_ + facts_name, written);
  return written;
}

int runs_done(const std::string& folder, const std::vector<GridRun>& runs) {
  int count = 0;
  for (const GridRun& run : runs) count += fs::exists(record_path(folder, run.id()));
  return count;
}

std::map<std::string, Json> read_records(const std::string& folder,
                                         const std::vector<std::string>& ids) {
  std::map<std::string, Json> records;
  for (const std::string& id : ids)
    if (fs::exists(record_path(folder, id))) records[id] = read_record(folder, id);
  return records;
}

Json summary_of(const std::string& folder, const Json& facts, const GridPlan& plan,
                const std::map<std::string, Json>& records) {
  Json summary = Json::object();
  for (const char* key : {"plan", "code", "build", "data", "bases", "machine"})
    if (facts.contains(key)) summary[key] = facts[key];
  const auto done = [&](const std::vector<GridRun>& runs) {
    return std::count_if(runs.begin(), runs.end(),
                         [&](const GridRun& run) { return records.contains(run.id()); });
  };
  const std::vector<GridRun> search = search_runs(plan);
  summary["chosen"] = Json::array();
  summary["chosen_strengths"] = Json::array();
  if (done(search) == std::ssize(search)) {
    const GridChoices choices = choose(plan, records);
    summary["chosen"] = choices.rates_json;
    const std::string warning = edge_warning(plan, choices.rates_json);
    if (!warning.empty()) summary["warning"] = warning;
    summary["chosen_strengths"] = choices.strengths_json;
  }
  summary["stages"] = stages_of(folder, facts);
  double seconds = 0;
  for (const auto& [id, record] : records) seconds += record.value("seconds", 0.0);
  summary["cost"] = {{"runs", done(search) + done(main_runs(plan))}, {"core_seconds", seconds}};
  summary["finished"] = records.size() == all_record_ids(plan).size();
  return summary;
}

}  // namespace ramoe
