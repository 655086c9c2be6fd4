// App - the folder of an experiment: its facts and one small file for each record.
//
//   experiment.json          plan, code, build, data, base models; what was chosen, cost, finished
//   results/<id>.json        one record
//   stages/<model>/<stage>   run folders of divergence, taxonomy and experts
//   routing.json             one pair before and after RA-MoE, once a report was made
//   locks/                   one file for each shard that was at work here; facts: held while they
//                            are compared or changed, and while all is read
//
// Records of different code, data or plans never meet in one folder. Several processes may work in
// one folder at a time, each on a shard of its own. To begin anew, nobody else may be at work, and
// only what these files are is removed. Tests: tests/app/experiment_test.cpp
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "ch12_experiments/grid.h"
#include "support/file_lock.h"

namespace ramoe {

/// Made by cmake/code_checksum.cmake: of the sources that can change a result.
extern const char* const code_checksum;

inline constexpr const char* stage_names[] = {"divergence", "taxonomy", "experts"};

inline std::string stage_folder(const std::string& folder, const std::string& model,
                                const std::string& name) {
  return folder + "/stages/" + model + "/" + name;
}

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

/// Keeps others from changing the facts, or beginning anew, while all of a folder is read; null if
/// nobody has ever worked there.
std::unique_ptr<FileLock> hold_still(const std::string& folder);

/// Error unless the folder is missing, empty or holds an experiment. Changes nothing.
void check_experiment_place(const std::string& path);

/// Who works in a folder: a shard, whose locks are those of one division, or a merge.
struct Worker {
  std::string lock, division, name;
};
Worker shard_worker(Shard shard);

class ExperimentFolder {
 public:
  /// Takes the worker's lock, and then makes the folder or takes one with the same facts (a plan
  /// may have got more seeds). Error, and nothing is changed: the folder holds something else, or
  /// records of other code, data, base models, build or plan (all are named); the same worker is
  /// at work there already, or a shard of another division, which could have the same runs; with
  /// overwrite: anybody else.
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
/// The records of those ids that are there. Error: a broken one, with its path.
std::map<std::string, Json> read_records(const std::string& folder,
                                         const std::vector<std::string>& ids);
/// The facts with what a folder's records say: choices, stages, cost, whether all is finished.
Json summary_of(const std::string& folder, const Json& facts, const GridPlan& plan,
                const std::map<std::string, Json>& records);

/// The path of a record's file below the folder.
std::string record_path(const std::string& folder, const std::string& id);
/// One record. Error: broken, or not the one of that id.
Json read_record(const std::string& folder, const std::string& id);

}  // namespace ramoe
