// Runs - a training that goes on: weights, moments and step number in one file
//
// The file is safetensors with a checksum; float is its type, whatever the training computes in.
// Tests: tests/runs/checkpoint_test.cpp
#pragma once

#include <string>

#include "ch05_training/trainer.h"
#include "support/json.h"

namespace ramoe {

/// What a checkpoint says beside weights, moments and step.
struct CheckpointNotes {
  Json run;                // whose it is (run_identity), or null
  int metrics_lines = -1;  // of metrics.jsonl when it was saved; -1: not known
  bool checked = false;    // when read: whether it has a checksum; old ones have none
};

/// Writes the state of a training, with notes, so that a kill leaves a consistent one.
template <class T>
void save_checkpoint(const Trainer<T>& trainer, const std::string& path,
                     const CheckpointNotes& notes = {});

/// Error: the file is damaged, or belongs to another run than `run` (null: any; what differs is
/// named) or to another model (tensor and shapes are named). Nothing has changed then.
template <class T>
CheckpointNotes load_checkpoint(Trainer<T>& trainer, const std::string& path,
                                const Json& run = nullptr);

}  // namespace ramoe
