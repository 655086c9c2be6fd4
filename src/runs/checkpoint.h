// Runs - checkpoints of a training: weights, moments and step number in one file
//
// The file is safetensors with a checksum; its type is float, whatever type the training uses.
// Tests: tests/runs/checkpoint_test.cpp
#pragma once

#include <string>

#include "ch05_training/trainer.h"
#include "support/json.h"

namespace ramoe {

/// What a checkpoint holds besides weights, moments and step.
struct CheckpointNotes {
  Json run;                // the run that it belongs to (run_identity), or null
  int metrics_lines = -1;  // lines of metrics.jsonl at that time; -1: unknown
  bool checked = false;    // after reading: it has a checksum (old ones have none)
};

/// Writes the state of a training, with notes. If the process is killed, the file is the old or the
/// new one, never a mixture.
template <class T>
void save_checkpoint(const Trainer<T>& trainer, const std::string& path,
                     const CheckpointNotes& notes = {});

/// Error: the file is damaged, belongs to a run other than `run` (names the differences; null: any
/// run) or to another model (names tensor and shapes). The trainer is then unchanged.
template <class T>
CheckpointNotes load_checkpoint(Trainer<T>& trainer, const std::string& path,
                                const Json& run = nullptr);

}  // namespace ramoe
