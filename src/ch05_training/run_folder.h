// Chapter 5.9 - run folders: what was run, with what, and how it ended
//
//   runs/base/run.json      command, resolved configuration, seed, build, checksums of the data,
//                           UTC times, status: running | finished | interrupted | failed
//   runs/base/results.json  what came out
//   runs/base/...           the command's own files
//
// A status that still says running although nobody holds the folder is a run that was killed.
// Tests: tests/ch05_training/run_folder_test.cpp
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/files.h"

namespace ramoe {

/// What distinguishes one run from another.
struct RunFacts {
  std::string command;           // "pretrain"
  Json config = Json::object();  // resolved, one value per key
  std::uint64_t seed = 0;
  Json build = Json::object();         // build_facts()
  Json data = Json::object();          // path -> checksum
  std::vector<std::string> free_keys;  // of config, that may differ: they change no result
};

/// What makes a run the one that it is: command, configuration without free keys, seed and data.
Json run_identity(const RunFacts& facts);
/// In what two identities differ: "seed: 1 there, 2 here"; empty if they are the same.
std::string identity_differences(const Json& there, const Json& here);

/// What to do with a folder that already holds a run.
enum class OnExisting {
  refuse,     // the same command with the same config may be repeated; else an Error
  resume,     // the same, and the run goes on: its files and the time of its start are kept
  overwrite,  // its files are removed; folders in it that hold runs of their own stay
};

/// The folder of the run that is going on. While the object lives, no other process can open it.
class RunFolder {
 public:
  /// Makes the folder and writes run.json. Error: the folder cannot be made or is in use, or it
  /// holds another run (the keys that differ are named).
  RunFolder(const std::string& path, RunFacts facts, OnExisting existing = OnExisting::refuse);
  /// A run that was not closed has failed; run.json says so.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  /// The path of a file in the folder.
  std::string file(const std::string& name) const { return path_ + "/" + name; }
  Json identity() const { return run_identity(facts_); }
  /// Whether the folder already held this run and resume was asked for.
  bool resumed() const { return resumed_; }

  /// Writes results.json.
  void write_results(const Json& results) const;
  /// Ends the run as "finished" or "interrupted".
  void close(const std::string& status = "finished");

 private:
  void take(OnExisting existing);
  void compare_with(const Json& old) const;
  void remove_old_files() const;

  std::string path_;
  RunFacts facts_;
  Json record_;
  int lock_ = -1;
  bool resumed_ = false, closed_ = false;
};

/// A run of an earlier stage, as its run.json tells it.
struct RunRecord {
  std::string path, command, status;
  Json config;
  std::uint64_t seed = 0;
  Json record;  // all of run.json
};

/// Reads the run of `command` that a later stage builds on. Error: no run there (the command that
/// makes it is named), a run of another command, or run.json is broken.
RunRecord read_run(const std::string& path, const std::string& command);

/// The path of a file in a run folder. Error, if it is missing: the command that writes it.
std::string require_file(const std::string& folder, const std::string& name,
                         const std::string& command);

/// Compiler, flags and revision of this program; `isa` names the kernels chosen at run time.
Json build_facts(const std::string& isa);

/// The present time as "2026-01-31T23:59:59Z".
std::string utc_now();

}  // namespace ramoe
