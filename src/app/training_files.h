// App - the checkpoint and metrics that `ramoe pretrain` and `ramoe finetune` keep
//
// A killed run is resumed from them with the same bits. Tests: tests/app/resume_test.cpp
#pragma once

#include <string>

#include "ch05_training/trainer.h"
#include "runs/metrics.h"
#include "runs/run_folder.h"

namespace ramoe {

template <class T>
class TrainingFiles {
 public:
  /// Loads the checkpoint of a run that is resumed, if there is one, into the trainer, and opens
  /// metrics.jsonl behind it. Says on stderr what is not as it should be. Error: the checkpoint is
  /// damaged, of another run or of another model.
  TrainingFiles(RunFolder& folder, Trainer<T>& trainer, const TrainConfig& config);

  /// After a step: a line of metrics every log_every steps and at the end, a checkpoint every
  /// save_every steps.
  void after_step(const Json& line);
  void save() const;
  /// Removes the checkpoint of a run that has finished and keeps no weights.
  void remove() const;

 private:
  static MetricsFrom go_on(RunFolder& folder, Trainer<T>& trainer, const TrainConfig& config);

  RunFolder& folder_;
  Trainer<T>& trainer_;
  const TrainConfig& config_;
  MetricsFile metrics_;
};

}  // namespace ramoe
