// App - the checkpoint and metrics that `ramoe pretrain` and `ramoe finetune` keep
//
// A killed run is resumed from them with the same bits. Tests: tests/app/resume_test.cpp
#pragma once

#include "ch05_training/trainer.h"
#include "runs/metrics.h"
#include "runs/run_folder.h"

namespace ramoe {

template <class T>
class TrainingFiles {
 public:
  /// For a resumed run: loads its checkpoint, if there is one, into the trainer, and opens
  /// metrics.jsonl at that step. Problems are reported on stderr. Error: the checkpoint is damaged,
  /// or belongs to another run or another model.
  TrainingFiles(RunFolder& folder, Trainer<T>& trainer, const TrainConfig& config);

  /// After a step: writes a line of metrics every log_every steps and at the end, and a checkpoint
  /// every save_every steps.
  void after_step(const Json& line);
  void save() const;
  /// Says on stderr, of a GPU, how many steps were replayed and what their padding was.
  void say_replays() const;
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
