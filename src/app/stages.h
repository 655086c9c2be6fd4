// App - the stages as functions: each reads what earlier stages wrote, and fills one run folder
//
// The commands parse their keys and call these; `demo` calls them one after another.
#pragma once

#include <filesystem>
#include <functional>
#include <iostream>
#include <set>

#include "app/base_run.h"
#include "app/command.h"
#include "app/model_folder.h"
#include "ch06_languages/mixture.h"
#include "ch07_divergence/answers.h"
#include "ch07_divergence/headroom.h"
#include "ch08_taxonomy/taxonomy.h"
#include "ch09_task_experts/task_experts.h"
#include "ch11_baselines/method.h"
#include "formats/jsonl_data.h"

namespace ramoe {

struct PretrainOptions {
  RunOptions run{"runs/base"};
  std::uint64_t seed = 1;
  int tokenizer_documents = 20000;
  bool question_targets = false;
  CorpusConfig corpus;
  MixtureConfig mixture;
  ModelConfig model;
  TrainConfig train;

  PretrainOptions();
  void list(FieldList& fields);
};
void pretrain_stage(PretrainOptions options);

struct ImportOptions {
  RunOptions run{"runs/base"};
  std::string model, prompt = "{question}", answer_prefix = " ", stop;
  UseBos bos = UseBos::automatic;
  JsonlConfig data;

  void list(FieldList& fields);
};
/// How the imported model is prompted. Error: keys, tokenizer and config.json do not agree.
PromptFormat import_format(const ImportOptions& options, const Tokenizer& tokenizer,
                           const ModelConfig& config);

struct DivergenceOptions {
  ReadingOptions run{{"runs/divergence"}};
  std::string base = "runs/base";
  ZoneConfig zone;
  int names = 3;
  AnswerOptions answers;
  std::uint64_t seed = 1;

  void list(FieldList& fields);
};
void divergence_stage(const DivergenceOptions& options);

struct HeadroomOptions {
  ReadingOptions run{{"runs/headroom"}};
  std::string base = "runs/base";
  std::vector<std::string> tasks, languages;
  Split split = Split::adapt_train;
  HeadroomConfig headroom;
  ZoneConfig zone;
  int names = 3;
  bool switched = true;

  void list(FieldList& fields);
};
void headroom_stage(HeadroomOptions options);

struct TaxonomyOptions {
  ReadingOptions run{{"runs/taxonomy"}};
  std::string base = "runs/base";
  AnswerOptions answers;

  void list(FieldList& fields);
};
void taxonomy_stage(const TaxonomyOptions& options);

struct ExpertsOptions {
  ReadingOptions run{{"runs/experts"}};
  std::string base = "runs/base";
  ExpertConfig experts;
  int names = 3;
  AnswerOptions answers;

  void list(FieldList& fields);
};
void experts_stage(const ExpertsOptions& options);

struct FinetuneOptions {
  RunOptions run{"runs/finetune"};
  std::string base = "runs/base", divergence_run = "runs/divergence";
  std::string taxonomy_run = "runs/taxonomy", experts_run = "runs/experts";
  std::string language = "es";
  Method method = Method::ramoe;
  std::vector<std::string> train_tasks;
  int train_pairs = 0;
  std::uint64_t seed = 1;
  AnswerOptions answers;
  bool keep_model = true;
  SaveDtype save_dtype = SaveDtype::fp32;
  TrainConfig train;
  AlignmentConfig alignment;
  MethodConfig method_keys;

  FinetuneOptions();
  void list(FieldList& fields);
  /// Error: keys that make no sense together.
  void check_keys() const;
  MethodRun method_run() const { return {method, method_keys, alignment, train, seed, language}; }
};

/// What fine-tuning needs from the earlier stages, read once and shared by several runs.
struct FinetuneInputs {
  BaseRun base;
  std::vector<ClassifiedPair> taxonomy;
  Zone zone;
  std::vector<TaskExperts> experts;       // one per task
  std::set<std::string> english_correct;  // valid and test items that the base knows in English
  Json base_scores = {};                  // for `ramoe finetune`: of the base model, by split

  StageResults stages() const;
};
/// Error unless a run was made from this base model and this data.
void check_same_base(const BaseRun& base, const RunRecord& record);
/// What `ramoe divergence` and `ramoe experts` found. Error: it is missing, or of another model.
Zone read_zone(const std::string& divergence_run);
std::vector<TaskExperts> read_task_experts(const std::string& experts_run,
                                           const ModelConfig& config);
/// The tasks to train and test on. Error: the data lack one.
std::vector<std::string> tasks_of(const FinetuneOptions& options, const ParallelData& data);
/// Accuracies of a model on a split of the language. `quiet`: it shows no progress of its own, but
/// calls options.answers.watch.
template <class T>
Json scores_of(Model<T>& model, const FinetuneOptions& options, const FinetuneInputs& inputs,
               Split split, bool quiet);
FinetuneInputs load_finetune_inputs(const FinetuneOptions& options);

/// One fine-tuning run with its evaluation on test. Trains `model`, which holds the values of the
/// base model: the base model itself if nothing needs it afterwards, or a copy. `quiet`: it shows
/// no progress of its own. Stops early, with status interrupted, if `stop()` returns true. Returns
/// whether it finished.
bool finetune_stage(const FinetuneOptions& options, const FinetuneInputs& inputs,
                    Model<float>& model, bool quiet, const std::function<bool()>& stop);

/// Whether the folder holds a finished run of the command with the same configuration.
bool is_finished(const std::string& folder, const RunFacts& facts);

/// Calls stage(options), unless its folder holds the finished run; an unfinished run is resumed.
template <class Options, class Stage>
void run_or_keep(const std::string& command, Options options, std::uint64_t seed, const Json& data,
                 const Stage& stage) {
  RunOptions& run = options.run;
  if (!run.overwrite && is_finished(run.run, run_facts(command, fields_of(options), seed, data))) {
    std::cerr << run.run << ": finished before, kept\n";
    return;
  }
  run.resume = !run.overwrite && std::filesystem::exists(run.run + "/run.json");
  stage(options);
}

}  // namespace ramoe
