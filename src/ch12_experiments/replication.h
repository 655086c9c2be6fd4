// Chapter 12.13 - repeating a part of a grid with other seeds
//
// A slice is some models, tasks, languages and variants of a finished grid, at the learning rates
// that its search chose. Its gains over sft with fresh seeds are compared with those of the grid:
// two independent 95 % intervals of the same true value fail to overlap about once in 170 times.
// The seeds must be fresh, because the same seeds would give the same bits.
// Tests: tests/ch12_experiments/replication_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch12_experiments/evidence.h"

namespace ramoe {

struct Slice {
  std::vector<std::string> models, tasks, languages, variants;  // empty: all (variants: of main)
  int seeds = 10, first_seed = 101;
};

/// The plan that repeats the slice, with nothing to search. Error: a name that the grid lacks, no
/// sft among the variants, or seeds that the grid has already used.
Json replication_plan(const GridResults& results, const Slice& slice);

/// The grid's own records of the cells and variants of such a plan, with the grid's seeds.
GridResults part_of(const GridResults& results, const Json& plan);

/// A number of the grid, and the same number from fresh seeds.
struct Replicated {
  std::string what;
  Estimate committed, fresh;
  bool in_cell = false;  // else over all cells
  bool known() const { return committed.interval.known() && fresh.interval.known(); }
  bool agrees() const;  // the intervals overlap; false if one is not known
};
/// The gain of each method over all cells, then in each cell.
std::vector<Replicated> compare_gains(const Evidence& committed, const Evidence& fresh);

}  // namespace ramoe
