// The folder of an experiment: its facts and one small file for each record.
//
//   experiment.json          plan, code, build, data, base models; what was chosen, cost, finished
//   results/<id>.json        one record
//   stages/<model>/<stage>   run folders of divergence, taxonomy and experts
//   routing.json             one pair before and after RA-MoE, once a report was made
//   locks/                   one file for each shard that was at work here
//
// Records of different code, data or plans never meet in one folder. Several processes may work in
// one folder at a time, each on a shard of its own. Tests: tests/app/experiment_test.cpp
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ch12_experiments/grid.h"

namespace ramoe {

/// Made by cmake/code_checksum.cmake: of the sources that can change a result.
extern const char* const code_checksum;

inline constexpr const char* stage_names[] = {"divergence", "taxonomy", "experts"};

inline std::string stage_folder(const std::string& folder, const std::string& model,
                                const std::string& name) {
  return folder + "/stages/" + model + "/" + name;
}

/// A lock on a file that the system drops with the process.
class FileLock {
 public:
  /// Waits for the lock, or gives up at once: see held().
  FileLock(const std::string& path, bool wait);
  ~FileLock();
  FileLock(const FileLock&) = delete;
  FileLock& operator=(const FileLock&) = delete;
  bool held() const { return held_; }

 private:
  int descriptor_ = -1;
  bool held_ = false;
};

/// The facts of an experiment, and how messages call it.
struct NamedFacts {
  const Json& facts;
  std::string name;  // "there", "in runs/main"
};
/// "code: X there, Y here; plan, steps: ...": in what two experiments differ so that their records
/// must not be mixed; empty if they may be. Where the base models' folders are does not matter, nor
/// does the revision that a build names; `more_seeds`: nor that b has more seeds than a.
std::string facts_differences(const NamedFacts& a, const NamedFacts& b, bool more_seeds);

/// The facts that experiment.json of a folder holds. Error: none there, or broken.
Json read_facts(const std::string& folder);
/// Error, naming the file: a member of the facts is missing.
void check_facts(const Json& facts, const std::string& file);
/// What the stages found, by model and stage: the folder's files say it (there is none if it is
/// ""); otherwise the facts, where they were collected or merged.
Json stages_of(const std::string& folder, const Json& facts);

class ExperimentFolder {
 public:
  /// Makes the folder, or takes one with the same facts (a plan may have got more seeds). Error:
  /// it holds records of other code, data, base models, build or plan (all are named).
  ExperimentFolder(const std::string& path, const Json& facts, bool overwrite);

  const std::string& path() const { return path_; }
  std::string stage(const std::string& model, const std::string& name) const {
    return stage_folder(path_, model, name);
  }
  bool has(const std::string& id) const;
  void write(const Json& record) const;
  /// Writes summary_of() to experiment.json.
  Json write_summary(const GridPlan& plan) const;

 private:
  std::string path_;
  Json facts_;
};

/// How many of the runs are done in a folder.
int runs_done(const std::string& folder, const std::vector<GridRun>& runs);
/// The records of those ids that are there. Error: a broken one, with its path.
std::map<std::string, Json> read_records(const std::string& folder,
                                         const std::vector<std::string>& ids);
/// The facts with what a folder holds by now: choices, stages, cost, whether all is finished.
Json summary_of(const std::string& folder, const Json& facts, const GridPlan& plan);

/// The locks of a shard that is at work in a folder. Error: the same shard is at work there
/// already, or one of another division, which could have the same runs.
class ShardLock {
 public:
  ShardLock(const std::string& folder, Shard shard);

 private:
  FileLock own_;
};

/// The path of a record's file below the folder.
std::string record_path(const std::string& folder, const std::string& id);
/// One record. Error: broken, or not the one of that id.
Json read_record(const std::string& folder, const std::string& id);

}  // namespace ramoe
