// App - the folder of an experiment: its facts and one small file for each record.
//
//   experiment.json          plan, code, build, data, base models; what was chosen, cost, finished
//   results/<id>.json        one record
//   stages/<model>/<stage>   run folders of divergence, taxonomy and experts
//   routing.json             one pair before and after RA-MoE, once a report was made
//   locks/                   one file for each shard that has worked here; and facts, which is held
//                            while the facts are compared or changed, or the whole folder is read
//
// Records of different code, data or plans never mix in one folder. Several processes may work in
// one folder at the same time, each on its own shard. Starting over needs that no other process is
// at work, and removes only the files above. Tests: tests/app/experiment_test.cpp
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ch12_experiments/grid.h"
#include "support/files.h"

namespace ramoe {

/// Checksum of the sources that can change a result, made by cmake/code_checksum.cmake.
extern const char* const code_checksum;

inline constexpr const char* stage_names[] = {"divergence", "taxonomy", "experts"};

inline std::string stage_folder(const std::string& folder, const std::string& model,
                                const std::string& name) {
  return folder + "/stages/" + model + "/" + name;
}

/// The facts of an experiment, and its name in messages.
struct NamedFacts {
  const Json& facts;
  std::string name;  // "there", "in runs/main"
};
/// How two experiments differ so that their records must not be mixed, as "code: X there, Y here;
/// plan, steps: ..."; empty if they may be mixed. The places of the base models and the revision
/// that a build names do not matter. With `more_seeds`, b may have more seeds than a.
std::string facts_differences(const NamedFacts& a, const NamedFacts& b, bool more_seeds);

/// The facts in experiment.json of a folder. Error: missing or malformed.
Json read_facts(const std::string& folder);
/// Error, naming the file: a member of the facts is missing.
void check_facts(const Json& facts, const std::string& file);
/// What the stages found, by model and stage: from the files of the folder ("": there is none), or
/// else from the facts, if these were collected or merged.
Json stages_of(const std::string& folder, const Json& facts);

/// A lock that keeps others from changing the facts, or from starting over, while a whole folder is
/// read; null if no process has ever worked there.
std::unique_ptr<FileLock> hold_still(const std::string& folder);

/// Error unless the folder is missing, empty or holds an experiment. Changes nothing.
void check_experiment_place(const std::string& path);

/// Who works in a folder: a shard (its division is the number of shards), or a merge.
struct Worker {
  std::string lock, division, name;
};
Worker shard_worker(Shard shard);

class ExperimentFolder {
 public:
  /// Takes the lock of the worker, then makes the folder or opens one with the same facts (the plan
  /// may have more seeds now). Error, and nothing is changed: the folder holds something else, or
  /// records of other code, data, base models, build or plan (the message names all of these); the
  /// same worker is already at work there, or a shard of another division, which could have the
  /// same runs; with overwrite, any other worker is at work.
  ExperimentFolder(const std::string& path, const Json& facts, bool overwrite,
                   const Worker& worker);

  const std::string& path() const { return path_; }
  std::string stage(const std::string& model, const std::string& name) const {
    return stage_folder(path_, model, name);
  }
  bool has(const std::string& id) const;
  void write(const Json& record) const;
  /// Writes summary_of() to experiment.json.
  Json write_summary(const GridPlan& plan) const;

 private:
  void check_others(const Worker& worker, bool overwrite) const;
  void remove_old() const;

  std::string path_;
  Json facts_;
  std::unique_ptr<FileLock> own_;
};

/// How many of the runs are done in a folder.
int runs_done(const std::string& folder, const std::vector<GridRun>& runs);
/// The records of these ids that exist. Error, with its path: a record is malformed.
std::map<std::string, Json> read_records(const std::string& folder,
                                         const std::vector<std::string>& ids);
/// The facts, with what the records of a folder add: choices, stages, cost, whether all is done.
Json summary_of(const std::string& folder, const Json& facts, const GridPlan& plan,
                const std::map<std::string, Json>& records);

/// The path of a record's file below the folder.
std::string record_path(const std::string& folder, const std::string& id);
/// One record. Error: it is malformed, or has another id.
Json read_record(const std::string& folder, const std::string& id);

}  // namespace ramoe
