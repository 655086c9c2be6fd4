#include "ch05_training/run_folder.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <ctime>
#include <filesystem>

#include "support/error.h"

namespace ramoe {
namespace {

constexpr const char *record_name = "run.json", *lock_name = "run.lock";

/// run.json with its members checked, so that nobody after this meets a missing or odd one.
Json read_record(const std::string& path) {
  const std::string file = path + "/" + record_name;
  Json record = read_json(file);
  const auto has = [&](const char* key, Json::value_t type) {
    check(record.is_object() && record.contains(key) && record[key].type() == type, file,
          " has no \"", key, "\" as runs write it; restore it or run with --overwrite=true.");
  };
  for (const char* key : {"command", "status", "started"}) has(key, Json::value_t::string);
  has("config", Json::value_t::object);
  has("seed", Json::value_t::number_unsigned);
  return record;
}

bool holds_run(const std::filesystem::path& folder) {
  return std::filesystem::exists(folder / record_name);
}

/// "steps: 100 there, 200 here" for each key with another value, or that only one side has.
std::string differences(const Json& there, const Json& here,
                        const std::vector<std::string>& free_keys) {
  std::vector<std::string> keys;
  for (const auto& [key, value] : here.items()) keys.push_back(key);
  for (const auto& [key, value] : there.items())
    if (!here.contains(key)) keys.push_back(key);
  std::string text;
  for (const std::string& key : keys) {
    if (std::find(free_keys.begin(), free_keys.end(), key) != free_keys.end()) continue;
    const std::string old_value = there.contains(key) ? there[key].dump() : "nothing";
    const std::string value = here.contains(key) ? here[key].dump() : "nothing";
    if (old_value == value) continue;
    text += (text.empty() ? "" : "; ") + key + ": " + old_value + " there, " + value + " here";
  }
  return text;
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

RunFolder::RunFolder(const std::string& path, RunFacts facts, OnExisting existing)
    : path_(path), facts_(std::move(facts)) {
  make_folder(path);
  const std::string lock = file(lock_name);
  lock_ = ::open(lock.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644);
  check(lock_ >= 0, lock, " cannot be made: ", std::strerror(errno),
        "; choose another folder with --run=FOLDER.");
  try {
    // The system drops the lock with the process, so a killed run does not leave the folder locked.
    check(::flock(lock_, LOCK_EX | LOCK_NB) == 0, path,
          " is in use by another process; wait for it or use another --run=FOLDER.");
    take(existing);
  } catch (...) {
    ::close(lock_);
    throw;
  }
}

void RunFolder::take(OnExisting existing) {
  const bool there = holds_run(path_);
  if (there && existing == OnExisting::overwrite) remove_old_files();
  record_ = Json{{"command", facts_.command}, {"status", "running"},     {"started", utc_now()},
                 {"finished", nullptr},       {"config", facts_.config}, {"seed", facts_.seed},
                 {"build", facts_.build},     {"data", facts_.data}};
  if (there && existing != OnExisting::overwrite) {
    const Json old = read_record(path_);
    compare_with(old);
    if (existing == OnExisting::resume) {
      resumed_ = true;
      record_["started"] = old["started"];
      record_["resumed"] = old.value("resumed", Json::array());
      record_["resumed"].push_back(utc_now());
    }
  }
  write_json(file(record_name), record_);
}

void RunFolder::compare_with(const Json& old) const {
  const std::string remedy = "; use another --run=FOLDER, or --overwrite=true to replace it.";
  const std::string command = old["command"].get<std::string>();
  check(command == facts_.command, path_, " holds a run of `ramoe ", command, "`, not of `ramoe ",
        facts_.command, "`", remedy);
  std::string different = differences(old["config"], facts_.config, facts_.free_keys);
  if (old["seed"] != facts_.seed && !facts_.config.contains("seed"))
    different += cat(different.empty() ? "" : "; ", "seed: ", old["seed"].dump(), " there, ",
                     facts_.seed, " here");
  if (different.empty())
    different = differences(old.value("data", Json::object()), facts_.data, {});
  check(different.empty(), path_, " holds a `ramoe ", command, "` run with other settings (",
        different, ")", remedy);
}

void RunFolder::remove_old_files() const {
  for (const auto& entry : std::filesystem::directory_iterator(path_)) {
    if (entry.path().filename() == lock_name) continue;
    if (entry.is_directory() && holds_run(entry.path())) continue;
    std::error_code error;
    std::filesystem::remove_all(entry.path(), error);
    check(!error, entry.path().string(), " cannot be removed: ", error.message(), ".");
  }
}

RunFolder::~RunFolder() {
  try {
    if (!closed_) close("failed");
  } catch (const std::exception&) {
    // An Error is on its way already, most likely for the same reason; run.json keeps "running".
  }
  ::close(lock_);
}

void RunFolder::write_results(const Json& results) const {
  write_json(file("results.json"), results);
}

void RunFolder::close(const std::string& status) {
  record_["status"] = status;
  record_["finished"] = utc_now();
  write_json(file(record_name), record_);
  closed_ = true;
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
  check(std::filesystem::exists(path), path, " is missing; `ramoe ", command, " --run=", folder,
        "` writes it.");
  return path;
}

Json build_facts(const std::string& isa) {
  Json facts = {{"compiler", cat("g++ ", __VERSION__)}, {"kernels", isa}};
#ifdef RAMOE_BUILD_TYPE
  facts["type"] = RAMOE_BUILD_TYPE;
#endif
#ifdef RAMOE_REVISION
  facts["revision"] = RAMOE_REVISION;
#endif
#ifdef __SANITIZE_ADDRESS__
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
