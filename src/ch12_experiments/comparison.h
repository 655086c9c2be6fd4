// Chapter 12.5 - comparing methods by seed                                        [paper fact 5]
//
// All methods share base model, data, steps, learning rate and, for each seed, the order of
// examples, so the difference of a seed from SFT is a paired one. Each language and task has its
// mean difference with a Student-t interval over seeds. All cells together have a hierarchical
// bootstrap (cells, then seeds), and the gain of a cell is held against its share of ci and, ours,
// against its headroom (12.3). What was not measured is NaN and left out.
// Tests: comparison_test.cpp
#pragma once

#include <vector>

#include "ch12_experiments/run_results.h"

namespace ramoe {

/// Adds accuracy, overall and words to `results`, which holds languages, tasks, seeds,
/// base_accuracy, divergence, taxonomy and, if it was measured, headroom. `runs`: one for each
/// language, method and seed; one of the methods is sft. Error: a run, base accuracy or taxonomy is
/// missing.
void compare_methods(RunResults& results, const std::vector<RunScores>& runs);

}  // namespace ramoe
