// Runs - run folders: what was run, with which settings, and how it ended
//
//   runs/base/run.json      command, resolved configuration, seed, build, checksums of the data,
//                           UTC times, status: running | finished | interrupted | failed, files
//   runs/base/results.json  what came out
//   runs/base/...           the command's own files
//
// If the status is still "running" although no process holds the folder, the run was killed.
// "files" lists what the run has written or is about to write: nothing else is ever removed.
// Tests: tests/runs/run_folder_test.cpp
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "support/files.h"
#include "support/json.h"

namespace ramoe {

/// What distinguishes one run from another.
struct RunFacts {
  std::string command;           // "pretrain"
  Json config = Json::object();  // resolved, one value per key
  std::uint64_t seed = 0;
  Json build = Json::object();         // build_facts()
  Json data = Json::object();          // path -> checksum
  std::vector<std::string> free_keys;  // keys of config that do not change the result
  bool trains = false;                 // an unfinished run is not restarted unless asked
};

/// What identifies a run: command, configuration without free keys, seed and data.
Json run_identity(const RunFacts& facts);
/// The differences of two identities: "seed: 1 there, 2 here"; empty if they are the same.
std::string identity_differences(const Json& there, const Json& here);

/// What to do with a folder that already holds a run.
enum class OnExisting {
  refuse,     // the same command with the same config may be repeated, anything else is an Error;
              // if it trains, a finished run is kept and an unfinished one is an Error
  resume,     // the same, and the run goes on: its files and its start time are kept
  overwrite,  // the files that a run of the same command wrote are removed, and nothing else
};

/// The folder of the current run. During its lifetime no other process can open the folder.
class RunFolder {
 public:
  /// Makes the folder and writes run.json. Error, without changing anything: the folder cannot be
  /// made or is in use, it is not empty and holds no run of this program, or it holds another run
  /// (names the keys that differ).
  RunFolder(const std::string& path, RunFacts facts, OnExisting existing = OnExisting::refuse);
  /// If the run was not closed, run.json gets the status "failed" or "interrupted".
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  /// The path of a file, or of the folder of a model, that this run is about to write.
  std::string file(const std::string& name);
  Json identity() const { return run_identity(facts_); }
  /// Whether the folder already held this run and it is resumed.
  bool resumed() const { return resumed_; }
  /// Whether the folder holds this run and it is finished: nothing to do, run.json is untouched.
  bool kept() const { return kept_; }

  /// Writes results.json.
  void write_results(const Json& results);
  /// Ends the run as "finished" or "interrupted".
  void close(const std::string& status = "finished");

 private:
  void take(OnExisting existing);

  std::string path_;
  RunFacts facts_;
  Json record_;
  std::unique_ptr<FileLock> lock_;
  bool resumed_ = false, kept_ = false, closed_ = false;
};

/// Error unless a run of the command may use the folder: it is missing, empty or holds a run of
/// that command, and no process works in it. Changes nothing; RunFolder checks again.
void check_run_place(const std::string& path, const std::string& command);

/// Error unless a run with these facts may begin or go on there, as RunFolder decides. Changes
/// nothing. Returns whether the folder holds this run and it is finished, so that it is kept.
bool check_run(const std::string& path, const RunFacts& facts, OnExisting existing);

/// Removes the run in a folder: the files that the run wrote, and the folder if nothing else is in
/// it. Otherwise run.json stays with the status "removed", and a run of the same command may use
/// the folder. Does nothing if there is no run. Error: a process works in it.
void remove_run(const std::string& path);

/// Notes in run.json that a command wrote a file into a folder that holds a run.
void note_run_file(const std::string& path, const std::string& name);

/// A run of an earlier stage, read from its run.json.
struct RunRecord {
  std::string path, command, status;
  Json config;
  std::uint64_t seed = 0;
  Json record;  // all of run.json
};

/// Reads the run of `command` that a later stage builds on. Error: no run there (names the command
/// that makes it), a run of another command, or a run.json that this program did not write.
RunRecord read_run(const std::string& path, const std::string& command);

/// The path of a file in a run folder. Error: it is missing; names the command that writes it, or
/// the state of the run in the folder and how to continue it.
std::string require_file(const std::string& folder, const std::string& name,
                         const std::string& command);

/// Compiler, build type and revision of this program; `isa` names the kernels chosen at run time.
Json build_facts(const std::string& isa);

/// The current time as "2026-01-31T23:59:59Z".
std::string utc_now();

}  // namespace ramoe
