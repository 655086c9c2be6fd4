// App - a base model as the later stages read it: model, tokenizer, prompts and data
#pragma once

#include <memory>
#include <string>

#include "ch06_languages/parallel_data.h"
#include "ch06_languages/prompts.h"
#include "formats/model_files.h"
#include "runs/run_folder.h"

namespace ramoe {

struct BaseRun {
  RunRecord record;  // of `ramoe pretrain` or `ramoe import`
  std::unique_ptr<ParallelData> data;
  std::string model_folder;
  std::unique_ptr<Tokenizer> tokenizer;  // prompts point to it
  Prompts prompts;
  std::unique_ptr<Model<float>> model;

  /// What -> checksum, for the run folder of a stage that builds on this run.
  Json facts() const;
};

/// Reads the run of `ramoe pretrain` or `ramoe import` that a path means (find_base). Error: a run
/// that is missing or not finished, data or model files that changed. `stop`, as typed, replaces
/// the run's own stop text.
BaseRun load_base(const std::string& path, const std::string& stop = "");

/// The run folder of a base model: the path itself, or the run whose model folder or whose file it
/// is. Error: none is there, and what to do - a bare model's folder is to be imported, of a run
/// that was built on a base model that one is named.
std::string find_base(const std::string& path);
/// The base model that a fine-tuned one was made from, by its run.json; a base run is its own.
/// Empty: the path does not say.
std::string base_of_model(const std::string& path);

/// The tokenizer of a model's folder. Error: one with more tokens than the model knows. What of the
/// files is passed over is said on standard error.
Tokenizer load_base_tokenizer(const std::string& folder, const ModelConfig& config);

/// The folder with config.json: a model folder itself, or that of a run folder that has one
/// (pretrain, finetune) or names one (import); a file in either is as good. Error: there is none,
/// or one of its files is not as checksums.txt beside it says.
std::string find_model_folder(const std::string& path);

/// The folder with tokenizer.json: the path itself or its model folder.
std::string find_tokenizer_folder(const std::string& path);

/// Reads the model there with its tokenizer, and how texts begin and answers end: as the import's
/// run says, if the path is one, or else as the folder's files say.
struct LoadedModel {
  std::unique_ptr<Model<float>> model;
  Tokenizer tokenizer;
  PromptFormat format;  // its template is the question alone
};
LoadedModel load_any_model(const std::string& path);

}  // namespace ramoe
