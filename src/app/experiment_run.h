// App - one run of an experiment: train one task, language and seed, evaluate, measure routing
//
// This file and what it includes compute all results of a grid. The checksum of these sources is
// kept with the results (cmake/code_checksum.cmake). Tests: tests/app/experiment_test.cpp
#pragma once

#include <mutex>

#include "app/stages.h"
#include "ch12_experiments/grid_results.h"
#include "ch12_experiments/run_results.h"

namespace ramoe {

/// What the runs of one cell share.
struct GridCell {
  std::once_flag made;
  std::vector<FinetuneExample> examples;  // all training pairs
  // Of the test pairs: the prompts of both sides, and the base model's routing of the English side.
  std::vector<std::vector<int>> english_prompts, target_prompts;
  std::vector<SequenceRouting> english_routing;
};

/// A base model with what its runs share, made on first use. Several threads may use it.
class GridModel {
 public:
  /// `options`: the paths of base model and stages; train_tasks are those of the plan.
  GridModel(const FinetuneOptions& options, const std::vector<std::string>& languages);

  const FinetuneInputs& inputs() const { return inputs_; }
  const StageResults& stages() const { return stages_; }
  /// A new model with the base model's weights.
  template <class T>
  std::unique_ptr<Model<T>> copy() const;
  /// `base` is such a copy, still untrained.
  template <class T>
  const GridCell& cell(const std::string& task, const std::string& lang, Model<T>& base);
  template <class T>
  const UsageByLanguage& usage(const std::string& task, Model<T>& base);
  const TaskExperts& experts(const std::string& task) const;

 private:
  struct TaskUsage {
    std::once_flag made;
    UsageByLanguage usage;
  };
  FinetuneInputs inputs_;
  StageResults stages_;
  std::map<std::pair<std::string, std::string>, GridCell> cells_;  // by task and language
  std::map<std::string, TaskUsage> usage_;                         // by task
};

/// What a run needs besides its name.
struct GridRunOptions {
  FinetuneOptions finetune;       // with keys, method, language, task, seed and rate of the run
  std::vector<double> strengths;  // search: strengths of soft steering to try; may be empty
  bool steer = false;             // main: also Routing Steering of the model
  double strength = 0;            // of its soft form
};

/// Trains and evaluates. Returns the records that record_ids() names, in its order, or none if
/// `stop()` returned true. Runs on the calling thread alone.
std::vector<Json> run_of_grid(GridModel& model, const GridRun& run, const GridRunOptions& options,
                              const std::function<bool()>& stop);

/// The plan with the keys device and gemm, unless they have their defaults. Error: no such device,
/// or cublas on another than a GPU.
Json plan_on(Device device, GemmEngine gemm, Json plan);

/// Runs `ramoe experiment` on a whole plan, and --collect into its folder "collected". The plan is
/// written to `path` once this process has the folder.
void run_plan(const Json& plan, const std::string& path, const std::string& run, int threads,
              bool overwrite);

/// ramoe experiment merge --into=FOLDER A B ...: the results of several folders or files, in one
/// folder. Writes nothing unless all sources may be mixed and agree.
int merge_experiments(const Arguments& arguments);

// ---- The routing of one pair of each task before and after RA-MoE, for the report of a grid -----
//
// A grid keeps no models and needs none: this model is trained again, in about a second and with
// the same bits (experiment_routing.cpp). Tests: tests/app/results_test.cpp

/// The options of the runs of a variant, without those that differ between runs.
FinetuneOptions variant_options(const GridPlan& plan, const GridVariant& variant,
                                const std::string& where);
/// Sets the paths of the base model and of its stages in the folder of a grid.
void set_model(FinetuneOptions& options, const GridPlan& plan, const std::string& model,
               const std::string& folder);
/// Plan, code, build, data and base models. Results may only be mixed if these facts agree.
Json experiment_facts(const GridPlan& plan, const Json& plan_json);

/// The routing for the plan's first model, first language and first seed; kept as routing.json in
/// the folder. Nothing, with the reason on standard error, if code, build, data or base models are
/// no longer those of the grid, or if its stages are missing. Error: the answers of the model that
/// was trained again differ from its record.
std::optional<GridRouting> grid_routing(const std::string& folder, const GridResults& grid);
/// The same routing, if the folder already has it.
std::optional<GridRouting> kept_routing(const std::string& folder, const Json& facts);

}  // namespace ramoe
