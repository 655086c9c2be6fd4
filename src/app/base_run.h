// App - a base model as the later stages read it: model, tokenizer, prompts and data
#pragma once

#include <memory>
#include <string>

#include "app/device.h"
#include "ch06_languages/parallel_data.h"
#include "ch06_languages/prompts.h"
#include "runs/run_folder.h"

namespace ramoe {

struct BaseRun {
  RunRecord record;  // of `ramoe pretrain`, `ramoe import` or `ramoe lesion`
  std::unique_ptr<ParallelData> data;
  std::string model_folder;
  ModelConfig config;
  std::unique_ptr<Tokenizer> tokenizer;  // prompts point to it
  Prompts prompts;
  std::unique_ptr<Model<float>> model;  // null after open_base

  /// What -> checksum, for the run folder of a stage that builds on this run.
  Json facts() const;
};

/// Reads the run of `ramoe pretrain`, `ramoe import` or `ramoe lesion` that a path stands for
/// (find_base). `stop`, as typed, replaces the stop text of the run. Error: the run is missing or
/// not finished, or data or model files have changed.
BaseRun load_base(const std::string& path, const std::string& stop = "");
/// The same without the weights, and the weights where a device computes.
BaseRun open_base(const std::string& path, const std::string& stop = "");
inline DeviceModel load_weights(const BaseRun& base, Device device,
                                Precision weights = Precision::fp32) {
  return {device, base.model_folder, base.config, weights};
}

/// The run folder of a base model: the path itself, or the run that has this model folder or file.
/// Error: there is none. The message says what to do: import a bare model folder; for a run that
/// was built on a base model, it names that model.
std::string find_base(const std::string& path);
/// The base model that a fine-tuned model was made from, by its run.json; for a base run, the run
/// itself. Empty if the path does not tell.
std::string base_of_model(const std::string& path);

/// The tokenizer of a model folder. What it ignores in the files is reported on standard error.
/// Error: it has more tokens than the model.
Tokenizer load_base_tokenizer(const std::string& folder, const ModelConfig& config);

/// The folder with config.json: a model folder itself, or that of a run folder that has one
/// (pretrain, finetune) or names one (import). The path may also be a file in one of these. Error:
/// there is none, or one of its files differs from checksums.txt beside it.
std::string find_model_folder(const std::string& path);

/// The folder with tokenizer.json: the path itself or its model folder.
std::string find_tokenizer_folder(const std::string& path);

/// Reads the model at a path with its tokenizer, and how texts begin and answers end: by the run if
/// the path is a run of `ramoe import`, else by the files of the folder.
struct LoadedModel {
  DeviceModel model;
  Tokenizer tokenizer;
  PromptFormat format;  // its template is the question alone
};
LoadedModel load_any_model(const std::string& path, Device device,
                           Precision weights = Precision::fp32);

}  // namespace ramoe
