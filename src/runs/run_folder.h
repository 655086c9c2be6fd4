// Runs - run folders: what was run, with what, and how it ended
//
//   runs/base/run.json      command, resolved configuration, seed, build, checksums of the data,
//                           UTC times, status: running | finished | interrupted | failed, files
//   runs/base/results.json  what came out
//   runs/base/...           the command's own files
//
// A status that still says running although nobody holds the folder is a run that was killed.
// "files" names what the run has written or is about to write there: nothing else is ever removed.
// Tests: tests/runs/run_folder_test.cpp
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "support/file_lock.h"
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
  bool trains = false;                 // an unfinished run of it is not begun anew unasked
};

/// What makes a run the one that it is: command, configuration without free keys, seed and data.
Json run_identity(const RunFacts& facts);
/// In what two identities differ: "seed: 1 there, 2 here"; empty if they are the same.
std::string identity_differences(const Json& there, const Json& here);

/// What to do with a folder that already holds a run.
enum class OnExisting {
  refuse,     // the same command with the same config may be repeated; else an Error. One that
              // trains: a finished run is kept, an unfinished one is an Error
  resume,     // the same, and the run goes on: its files and the time of its start are kept
  overwrite,  // a run of the same command is removed: what it wrote, and nothing else
};

/// The folder of the run that is going on. While the object lives, no other process can open it.
class RunFolder {
 public:
  /// Makes the folder and writes run.json. Error, and nothing is changed: the folder cannot be made
  /// or is in use, it is not empty and holds no run of this program, or it holds another run (the
  /// keys that differ are named).
  RunFolder(const std::string& path, RunFacts facts, OnExisting existing = OnExisting::refuse);
  /// A run that was not closed has failed or was interrupted; run.json says so.
  ~RunFolder();
  RunFolder(const RunFolder&) = delete;
  RunFolder& operator=(const RunFolder&) = delete;

  const std::string& path() const { return path_; }
  /// The path of a file in the folder that this run is about to write, or of the folder of a model.
  std::string file(const std::string& name);
  Json identity() const { return run_identity(facts_); }
  /// Whether the folder already held this run and resume was asked for.
  bool resumed() const { return resumed_; }
  /// Whether it holds this run finished, so that there is nothing to do; run.json is untouched.
  bool kept() const { return kept_; }

  /// Writes results.json.
  void write_results(const Json& results);
  /// Ends the run as "finished" or "interrupted".
  void close(const std::string& status = "finished");

 private:
  void take(OnExisting existing);
  void compare_with(const Json& old) const;

  std::string path_;
  RunFacts facts_;
  Json record_;
  std::unique_ptr<FileLock> lock_;
  bool resumed_ = false, kept_ = false, closed_ = false;
};

/// Error unless a run of the command may be put there: the folder is missing, empty or holds a run
/// of that command, and nobody is at work in it. Changes nothing; RunFolder asks again.
void check_run_place(const std::string& path, const std::string& command);

/// Removes the run that a folder holds: what the run wrote, and the folder if nothing else is in
/// it. Else run.json stays with the status "removed", and a run of the same command may be put
/// there. No run there: nothing. Error: somebody is at work in it.
void remove_run(const std::string& path);

/// Notes in run.json that a command wrote a file into a folder that holds a run.
void note_run_file(const std::string& path, const std::string& name);

/// A run of an earlier stage, as its run.json tells it.
struct RunRecord {
  std::string path, command, status;
  Json config;
  std::uint64_t seed = 0;
  Json record;  // all of run.json
};

/// Reads the run of `command` that a later stage builds on. Error: no run there (the command that
/// makes it is named), a run of another command, or run.json is none of this program's.
RunRecord read_run(const std::string& path, const std::string& command);

/// The path of a file in a run folder. Error, if it is missing: the command that writes it, or in
/// which state the folder's run is and how it goes on.
std::string require_file(const std::string& folder, const std::string& name,
                         const std::string& command);

/// Compiler, flags and revision of this program; `isa` names the kernels chosen at run time.
Json build_facts(const std::string& isa);

/// The present time as "2026-01-31T23:59:59Z".
std::string utc_now();

}  // namespace ramoe
