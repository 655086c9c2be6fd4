// Chapter 12.4 - comparing methods by seed                                        [paper fact 5]
//
// SFT and RA-MoE share base model, data, steps, learning rate and, for each seed, the order of
// examples, so the difference of a seed is a paired one. Each language and task has its mean
// difference with a Student-t interval over seeds. All cells together have a hierarchical bootstrap
// (cells, then seeds). What was not measured is NaN and left out. Tests: comparison_test.cpp
#pragma once

#include <vector>

#include "ch12_experiments/run_results.h"

namespace ramoe {

/// Adds accuracy, overall and words to `results`, which holds languages, tasks, seeds,
/// base_accuracy, divergence and taxonomy. `runs`: one for each language, method (sft, ramoe) and
/// seed. Error: a run, base accuracy or taxonomy is missing.
void compare_methods(RunResults& results, const std::vector<RunScores>& runs);

}  // namespace ramoe
