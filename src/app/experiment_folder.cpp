#include "app/experiment_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <iostream>

#include "support/error.h"

namespace ramoe {

FileLock::FileLock(const std::string& path, bool wait) {
  descriptor_ = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  check(descriptor_ >= 0, path, " cannot be made: ", std::strerror(errno),
        "; choose another folder with --run=FOLDER.");
  int result;
  while ((result = ::flock(descriptor_, LOCK_EX | (wait ? 0 : LOCK_NB))) != 0 && errno == EINTR) {
  }
  held_ = result == 0;
}

FileLock::~FileLock() {
  ::close(descriptor_);
}

namespace {

constexpr const char* facts_name = "/experiment.json";

Json names_of(const Json& object) {
  Json names = Json::array();
  for (const auto& [key, value] : object.items()) names.push_back(key);
  return names;
}

/// Says which members differ, but for those listed, as "what + key: a there, b here".
void add_differences(std::string& text, const std::array<Json, 2>& values,
                     const std::array<std::string, 2>& names, const std::string& what,
                     const std::vector<std::string>& free_keys = {}) {
  std::vector<std::string> keys = names_of(values[1]).get<std::vector<std::string>>();
  for (const auto& [key, value] : values[0].items())
    if (!values[1].contains(key)) keys.push_back(key);
  for (const std::string& key : keys) {
    if (std::find(free_keys.begin(), free_keys.end(), key) != free_keys.end()) continue;
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
  check(std::filesystem::exists(path), path, " is missing: ", folder,
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
          "\" as experiments write it; restore it, or run with --overwrite=true.");
}

Json stages_of(const std::string& folder, const Json& facts) {
  Json stages = facts.value("stages", Json::object());
  if (folder.empty()) return stages;
  const Json models = facts["plan"].value("models", Json::object());
  for (const auto& [model, path] : models.items())
    for (const char* name : stage_names)
      if (const std::string file = stage_folder(folder, model, name) + "/results.json";
          std::filesystem::exists(file))
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
  check(record.is_object() && record.value("id", Json()) == id && record.contains("part"), path,
        " is not the record of ", id, "; remove it and its run is done again.");
  return record;
}

ExperimentFolder::ExperimentFolder(const std::string& path, const Json& facts, bool overwrite)
    : path_(path), facts_(facts) {
  make_folder(path + "/results");
  make_folder(path + "/locks");
  const FileLock lock(path + "/locks/facts", true);
  const std::string file = path + facts_name;
  if (overwrite)
    for (const char* part : {"/results", "/stages", "/routing.json", facts_name}) {
      std::error_code error;
      std::filesystem::remove_all(path + part, error);
      check(!error, path, part, " cannot be removed: ", error.message(), ".");
      if (part == std::string("/results")) make_folder(path + part);
    }
  if (std::filesystem::exists(file)) {
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

bool ExperimentFolder::has(const std::string& id) const {
  return std::filesystem::exists(record_path(path_, id));
}

void ExperimentFolder::write(const Json& record) const {
  const std::string path = record_path(path_, record.at("id").get<std::string>());
  make_folder(std::filesystem::path(path).parent_path().string());
  write_file(path, record.dump() + "\n");
}

Json ExperimentFolder::write_summary(const GridPlan& plan) const {
  const FileLock lock(path_ + "/locks/facts", true);
  Json written = summary_of(path_, facts_, plan);
  write_json(path_ + facts_name, written);
  return written;
}

int runs_done(const std::string& folder, const std::vector<GridRun>& runs) {
  int count = 0;
  for (const GridRun& run : runs) count += std::filesystem::exists(record_path(folder, run.id()));
  return count;
}

std::map<std::string, Json> read_records(const std::string& folder,
                                         const std::vector<std::string>& ids) {
  std::map<std::string, Json> records;
  for (const std::string& id : ids)
    if (std::filesystem::exists(record_path(folder, id))) records[id] = read_record(folder, id);
  return records;
}

Json summary_of(const std::string& folder, const Json& facts, const GridPlan& plan) {
  const std::vector<std::string> ids = all_record_ids(plan);
  const std::map<std::string, Json> records = read_records(folder, ids);
  Json summary = Json::object();
  for (const char* key : {"plan", "code", "build", "data", "bases", "machine"})
    if (facts.contains(key)) summary[key] = facts[key];
  const std::vector<GridRun> search = search_runs(plan);
  summary["chosen"] = Json::array();
  summary["chosen_strengths"] = Json::array();
  if (runs_done(folder, search) == static_cast<int>(search.size())) {
    const GridChoices choices = choose(plan, records);
    summary["chosen"] = choices.rates_json;
    summary["chosen_strengths"] = choices.strengths_json;
  }
  summary["stages"] = stages_of(folder, facts);
  double seconds = 0;
  for (const auto& [id, record] : records) seconds += record.value("seconds", 0.0);
  summary["cost"] = {{"runs", runs_done(folder, search) + runs_done(folder, main_runs(plan))},
                     {"core_seconds", seconds}};
  summary["finished"] = records.size() == ids.size();
  return summary;
}

ShardLock::ShardLock(const std::string& folder, Shard shard)
    : own_(cat(folder, "/locks/shard-", shard.index, "-of-", shard.count), false) {
  check(own_.held(), folder, ": shard ", shard.index, "/", shard.count,
        " is being worked on by another process; wait for it, or give this one another --shard.");
  // Shards of one division are disjoint; those of different divisions are not.
  const std::string same = cat("-of-", shard.count);
  for (const auto& entry : std::filesystem::directory_iterator(folder + "/locks")) {
    const std::string name = entry.path().filename().string();
    if (!name.starts_with("shard-") || name.ends_with(same)) continue;
    const FileLock other(entry.path().string(), false);
    check(other.held(), folder, ": ", name,
          " is being worked on by another process, and could have the same runs as shard ",
          shard.index, "/", shard.count, "; wait for it, or divide in the same number.");
  }
}

}  // namespace ramoe
