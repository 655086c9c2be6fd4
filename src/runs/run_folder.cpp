#include "runs/run_folder.h"

#include <algorithm>
#include <ctime>
#include <filesystem>

#include "runs/interrupt.h"
#include "support/error.h"
#include "support/names.h"
#include "support/platform.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

constexpr const char *record_name = "run.json", *lock_name = "run.lock";
constexpr const char* model_name = "model";
// The files that this program may have written into the folder of a model.
constexpr const char* model_files[] = {
    "config.json",           "generation_config.json",  "model.safetensors",  "tokenizer.json",
    "tokenizer_config.json", "special_tokens_map.json", "chat_template.jinja"};
/// The files of an older run, whose run.json has no list "files".
std::vector<std::string> older_files(const std::string& command) {
  if (command == "pretrain")
    return {"results.json", "metrics.jsonl", "training.safetensors", model_name};
  if (command == "finetune")
    return {"results.json", "report.html", "metrics.jsonl", "training.safetensors", model_name};
  if (command == "taxonomy") return {"results.json", "taxonomy.jsonl"};
  if (command == "experts") return {"results.json", "experts.json"};
  if (command == "evaluate") return {"results.json", "answers.jsonl"};
  if (command == "demo") return {"results.json", "report.html"};
  return {"results.json"};
}

/// Whether RunFolder wrote this run.json; other programs use that name too.
bool is_record(const Json& record) {
  const auto has = [&](const Json& object, const char* key, Json::value_t type) {
    return object.contains(key) && object[key].type() == type;
  };
  if (!record.is_object()) return false;
  for (const char* key : {"command", "status", "started"})
    if (!has(record, key, Json::value_t::string)) return false;
  for (const char* key : {"config", "build", "data"})
    if (!has(record, key, Json::value_t::object)) return false;
  if (record.contains("resumed") && !record["resumed"].is_array()) return false;
  const std::string status = record["status"].get<std::string>();
  return has(record, "seed", Json::value_t::number_unsigned) &&
         has(record["build"], "compiler", Json::value_t::string) &&
         has(record["build"], "kernels", Json::value_t::string) &&
         (status == "running" || status == "finished" || status == "interrupted" ||
          status == "failed" || status == "removed");
}

/// run.json with checked members: later code need not expect missing or wrong ones.
Json read_record(const std::string& path) {
  const std::string file = path + "/" + record_name;
  Json record = read_json(file);
  check(is_record(record), file,
        " is not as this program writes it: the folder belongs to something else, or the file was "
        "changed. Restore it, or use another folder.");
  return record;
}

bool holds_run(const std::string& path) {
  std::error_code unreadable;  // ignored here: later code meets the error again and reports it
  return fs::exists(path + "/" + record_name, unreadable);
}

/// How a run ended that no process works on; empty if it is finished.
std::string unfinished_state(const Json& record) {
  const std::string status = record["status"].get<std::string>();
  if (status == "running") return "was killed";
  return status == "finished" ? "" : status == "failed" ? "failed" : "was " + status;
}

/// The first few names in a folder, without the lock and the temporary run.json of a killed
/// process.
std::vector<std::string> strange_names(const std::string& path) {
  std::vector<std::string> names;
  std::error_code error;
  for (fs::directory_iterator entry(path, error), end; !error && entry != end;
       entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name == lock_name || name == cat(record_name, temporary_suffix)) continue;
    if (names.size() == 3) return names.back() = "...", names;
    names.push_back(name);
  }
  return names;
}

/// Error unless the folder is missing, empty or holds a run of this program.
void check_owner(const std::string& path) {
  check(!path.empty(), "--run= names no folder; give one such as --run=runs/mine.");
  if (holds_run(path)) {
    read_record(path);
    return;
  }
  const std::string names = joined(strange_names(path));
  check(names.empty(), path, " is not empty and holds no run of this program (", names,
        "); use another --run=FOLDER, one that is new or empty.");
}

void check_command(const std::string& path, const Json& old, const std::string& command) {
  const std::string other = old["command"].get<std::string>();
  check(other == command, path, " holds a run of `ramoe ", other, "`, not of `ramoe ", command,
        "`; use another --run=FOLDER.");
}

/// The files that the run wrote, from its own list. The list may have been edited, so only names in
/// the folder or its model folder are accepted.
std::vector<std::string> files_of(const Json& record) {
  if (!record.contains("files")) return older_files(record["command"].get<std::string>());
  std::vector<std::string> names;
  for (const Json& entry : record["files"]) {
    if (!entry.is_string()) continue;
    const std::string name = entry.get<std::string>();
    const std::size_t slash = name.find('/');
    const std::string last = name.substr(slash + 1);  // npos + 1 is 0
    if (slash != std::string::npos && name.substr(0, slash) != model_name) continue;
    if (!last.starts_with(".") && last.find('/') == std::string::npos) names.push_back(name);
  }
  return names;
}

/// Removes what the run wrote except run.json, so that the folder counts as a run until the end.
void remove_files(const std::string& path, Json record) {
  record["status"] = "running";  // so that a kill does not leave a run that looks finished
  write_json(path + "/" + record_name, record);
  std::vector<std::string> names = files_of(record);
  std::reverse(names.begin(), names.end());  // files in the model's folder before the folder
  for (const std::string& name : names) {
    const std::string file = path + "/" + name;
    remove_written(file);
    if (name != model_name) continue;
    for (const char* inner : model_files) remove_written(file + "/" + inner);
    remove_empty(file);
  }
}

/// "steps: 100 there, 200 here" for each key whose value differs or that only one side has.
std::string differences(const Json& there, const Json& here,
                        const std::vector<std::string>& free_keys) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : here.items()) keys.push_back(key);
  for (const auto& [key, value] : there.items())
    if (!here.contains(key)) keys.push_back(key);
  std::string text;
  for (const std::string& key : keys) {
    if (contains(free_keys, key)) continue;
    const std::string old_value = there.contains(key) ? there[key].dump() : "nothing";
    const std::string value = here.contains(key) ? here[key].dump() : "nothing";
    if (old_value == value) continue;
    text += (text.empty() ? "" : "; ") + key + ": " + old_value + " there, " + value + " here";
  }
  return text;
}

/// What to do if a file of a command's run is missing.
std::string way_to_file(const std::string& folder, const std::string& command) {
  if (!holds_run(folder)) {
    if (strange_names(folder).empty())
      return cat("`ramoe ", command, " --run=", folder, "` writes it.");
    return cat("the folder holds no run; give that of a `ramoe ", command,
               "`, or make one with another --run=FOLDER.");
  }
  const Json record = read_record(folder);
  const std::string made_by = record["command"].get<std::string>();
  if (made_by != command.substr(0, command.find(' ')))
    return cat("the folder holds a run of `ramoe ", made_by, "`, but one of `ramoe ", command,
               "` is needed; give the folder of such a run.");
  if (is_locked(folder + "/" + lock_name))
    return cat("the run of `ramoe ", made_by, "` there is still at work; wait for it.");
  const std::string state = unfinished_state(record);
  if (state.empty())
    return cat("the run there is finished without it; `ramoe ", command,
               "` with another --run=FOLDER makes one that has it.");
  return cat("the run of `ramoe ", made_by, "` there ", state,
             "; its command with --resume=true goes on with it.");
}

}  // namespace

Json run_identity(const RunFacts& facts) {
  Json config = facts.config;
  for (const std::string& key : facts.free_keys) config.erase(key);
  return {
      {"command", facts.command}, {"config", config}, {"seed", facts.seed}, {"data", facts.data}};
}

std::string identity_differences(const Json& there, const Json& here) {
  std::string text = differences(there.value("config", Json::object()), here["config"], {});
  // Most commands have the seed in their configuration too.
  for (const char* key : {"command", "seed", "data"})
    if (text.empty()) text = differences({{key, there.value(key, Json())}}, {{key, here[key]}}, {});
  return text;
}

namespace {

/// Error if the run in the folder has other settings or other data.
void compare(const std::string& path, const Json& old, const RunFacts& facts) {
  std::string different = differences(old["config"], facts.config, facts.free_keys);
  if (old["seed"] != facts.seed && !facts.config.contains("seed"))
    different += cat(different.empty() ? "" : "; ", "seed: ", old["seed"].dump(), " there, ",
                     facts.seed, " here");
  if (different.empty()) different = differences(old["data"], facts.data, {});
  check(different.empty(), path, " holds a `ramoe ", facts.command, "` run with other settings (",
        different, "); use another --run=FOLDER, or --overwrite=true to replace it.");
}

}  // namespace

bool check_run(const std::string& path, const RunFacts& facts, OnExisting existing) {
  check_owner(path);
  if (!holds_run(path)) return false;
  const Json old = read_record(path);
  check_command(path, old, facts.command);
  if (existing == OnExisting::overwrite || old["status"] == "removed") return false;
  compare(path, old, facts);
  if (existing == OnExisting::resume || !facts.trains) return false;
  if (old["status"] == "finished" && fs::exists(path + "/results.json")) return true;
  const std::string state = unfinished_state(old);
  fail(path, " holds this run, which ", state.empty() ? "has lost its results" : state,
       "; --resume=true goes on with it, --overwrite=true begins anew.");
}

RunFolder::RunFolder(const std::string& path, RunFacts facts, OnExisting existing)
    : path_(path), facts_(std::move(facts)) {
  check_owner(path);
  make_folder(path);
  lock_ = std::make_unique<FileLock>(path_ + "/" + lock_name);
  check(lock_->try_lock(), path,
        " is in use by another process; wait for it or use another --run=FOLDER.");
  take(existing);
}

void RunFolder::take(OnExisting existing) {
  check_owner(path_);  // again: from now on no other process can put a run there
  record_ = Json{{"command", facts_.command}, {"status", "running"},     {"started", utc_now()},
                 {"finished", nullptr},       {"config", facts_.config}, {"seed", facts_.seed},
                 {"build", facts_.build},     {"data", facts_.data},     {"files", Json::array()}};
  if (holds_run(path_)) {
    kept_ = closed_ = check_run(path_, facts_, existing);
    if (kept_) return;
    const Json old = read_record(path_);
    const bool removed = old["status"] == "removed";
    if (existing == OnExisting::overwrite)
      remove_files(path_, old);
    else if (!removed)
      record_["files"] = files_of(old);
    if (existing == OnExisting::resume && !removed) {
      resumed_ = true;
      record_["started"] = old["started"];
      record_["resumed"] = old.value("resumed", Json::array());
      record_["resumed"].push_back(utc_now());
    }
  }
  write_json(path_ + "/" + record_name, record_);
}

RunFolder::~RunFolder() {
  try {
    if (!closed_) close(interrupt_requested() ? "interrupted" : "failed");
  } catch (const std::exception&) {
    // Another Error is already being thrown, most likely with the same cause; run.json keeps
    // "running".
  }
}

std::string RunFolder::file(const std::string& name) {
  Json& files = record_["files"];
  if (!contains(files, Json(name))) {
    files.push_back(name);
    write_json(path_ + "/" + record_name, record_);
  }
  return path_ + "/" + name;
}

void RunFolder::write_results(const Json& results) {
  write_json(file("results.json"), results);
}

void RunFolder::close(const std::string& status) {
  record_["status"] = status;
  record_["finished"] = utc_now();
  write_json(path_ + "/" + record_name, record_);
  closed_ = true;
}

void check_run_place(const std::string& path, const std::string& command) {
  check_owner(path);
  check(!is_locked(path + "/" + lock_name), path,
        " is in use by another process; wait for it or use another --run=FOLDER.");
  if (holds_run(path)) check_command(path, read_record(path), command);
}

void remove_run(const std::string& path) {
  if (!holds_run(path)) return;
  Json record = read_record(path);
  FileLock lock(path + "/" + lock_name);
  check(lock.try_lock(), path, " is in use by another process; wait for it.");
  remove_files(path, record);
  if (strange_names(path) == std::vector<std::string>{record_name}) {
    remove_written(path + "/" + record_name);
    remove_written(path + "/" + lock_name);
    remove_empty(path);
    return;
  }
  record["status"] = "removed";  // other files are in the folder; it can still take a run
  record["files"] = Json::array();
  write_json(path + "/" + record_name, record);
}

void note_run_file(const std::string& path, const std::string& name) {
  if (!holds_run(path)) return;
  FileLock lock(path + "/" + lock_name);
  check(lock.try_lock(), path, " is in use by another process; wait for it.");
  Json record = read_record(path), files = files_of(record);
  if (!contains(files, Json(name))) files.push_back(name);
  record["files"] = files;
  write_json(path + "/" + record_name, record);
}

RunRecord read_run(const std::string& path, const std::string& command) {
  require_file(path, record_name, command);
  const Json record = read_record(path);
  RunRecord run{.path = path,
                .command = record["command"].get<std::string>(),
                .status = record["status"].get<std::string>(),
                .config = record["config"],
                .seed = record["seed"].get<std::uint64_t>(),
                .record = record};
  check(run.command == command, path, " holds a run of `ramoe ", run.command,
        "`, but one of `ramoe ", command, "` is needed; give the folder of such a run.");
  return run;
}

std::string require_file(const std::string& folder, const std::string& name,
                         const std::string& command) {
  const std::string path = folder + "/" + name;
  if (!fs::exists(path)) fail(path, " is missing; ", way_to_file(folder, command));
  return path;
}

Json build_facts(const std::string& isa) {
  Json facts = {{"compiler", compiler_name()}, {"kernels", isa}};
#ifdef RAMOE_BUILD_TYPE
  facts["type"] = RAMOE_BUILD_TYPE;
#endif
#ifdef RAMOE_REVISION
  facts["revision"] = RAMOE_REVISION;
#endif
#ifdef RAMOE_ADDRESS_SANITIZER
  facts["sanitizers"] = true;
#endif
  return facts;
}

std::string utc_now() {
  const std::time_t now = std::time(nullptr);
  std::tm utc{};
  ::gmtime_r(&now, &utc);
  char text[32];
  const std::size_t length = std::strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
  return std::string(text, length);
}

}  // namespace ramoe
