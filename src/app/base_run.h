// A pre-training run as the later stages read it: model, tokenizer and the corpus it was made from.
#pragma once

#include <memory>
#include <string>

#include "ch05_training/model_files.h"
#include "ch05_training/run_folder.h"
#include "ch06_languages/bpe.h"
#include "ch06_languages/corpus.h"

namespace ramoe {

struct BaseRun {
  RunRecord record;
  Corpus corpus;
  Tokenizer tokenizer;
  std::unique_ptr<Model<float>> model;

  /// path -> checksum, for the run folder of a stage that builds on this run.
  Json facts() const;
};

/// Reads the run folder of `ramoe pretrain`. Error: missing or unfinished run, data that changed.
BaseRun load_base(const std::string& path);

/// Reads a model folder or a run folder that has one (pretrain, finetune), with its tokenizer.
struct LoadedModel {
  std::unique_ptr<Model<float>> model;
  Tokenizer tokenizer;
};
LoadedModel load_any_model(const std::string& path);

/// The languages a command works on: those asked for, or all targets. Error: not in the corpus.
std::vector<std::string> choose_targets(const Corpus& corpus,
                                        const std::vector<std::string>& asked);

}  // namespace ramoe
