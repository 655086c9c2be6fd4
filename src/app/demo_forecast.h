// App - what `ramoe demo` will take, said before it begins: minutes, memory, disk
//
// The time is that of a training step on this machine, measured for a second at most, times the
// work that is planned. Tests: tests/app/demo_test.cpp
#pragma once

#include <string>

#include "app/device.h"
#include "ch05_training/trainer.h"

namespace ramoe {

/// The work, in rows: texts of a training step or, where a model answers, what takes as long.
struct DemoWork {
  ModelConfig model;
  TrainConfig train;
  std::string folder;
  double rows = 0;         // of all threads together: pre-training and the stages on the base model
  double rows_of_run = 0;  // of one fine-tuning run, on one thread
  int runs = 0, kept_models = 0;
  bool again = false;  // the folder holds the demo, and perhaps finished stages
};

/// One line. On a GPU it has no time. Error: the disk has less room than will be written.
std::string forecast(const DemoWork& work, Device device, int threads);

}  // namespace ramoe
