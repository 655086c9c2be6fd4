// Chapter 12.8 - reading the collected results of a grid
//
// <plan>.json holds the facts (plan, code, build, data, choices, stages), and <plan>.jsonl holds
// one record per line (docs/grid.md). Nothing is computed here.
// Tests: tests/ch12_experiments/grid_results_test.cpp
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ch12_experiments/grid.h"

namespace ramoe {

class GridResults {
 public:
  /// `where` names the results in errors. Error: facts or a record lack what docs/grid.md promises,
  /// a record occurs twice, or the grid is marked as finished but records are missing.
  GridResults(Json facts, std::vector<Json> records, std::string where);

  const GridPlan& plan() const { return plan_; }
  const Json& facts() const { return facts_; }
  const std::string& where() const { return where_; }
  bool finished() const;

  /// The record of an id. Error: it is missing (the message says what to do).
  const Json& record(const std::string& id) const;
  const Json* find(const std::string& id) const;
  /// The records of a variant in a cell ("olmoe/facts/es"), ordered by seed; a variant without
  /// seeds (the base model, and steering of it) has one record. Records of the search are left out.
  /// Error: one of the plan's seeds is missing.
  std::vector<const Json*> by_seed(const std::string& cell, const std::string& variant) const;
  /// What a stage found: stage "divergence", "taxonomy" or "experts". Error: missing.
  const Json& stage(const std::string& model, const std::string& stage) const;

 private:
  Json facts_;
  std::string where_;
  GridPlan plan_;
  std::map<std::string, Json> records_;
};

/// Of a grid that is not finished: the results with those first seeds alone that every variant has
/// in every cell. Of a finished one: the same results. Error: not even the first seed is whole.
GridResults whole_seeds(const GridResults& results);

/// The records of a .jsonl file in the order of its lines. Error, with file and line: a line is not
/// a record, or its id occurred before.
std::vector<Json> read_record_lines(const std::string& path);

/// Reads both files of a collected grid; `name` has no extension: "docs/results/main". Error, with
/// the file and the line: missing, truncated, or not JSON.
GridResults read_grid_results(const std::string& name);

}  // namespace ramoe
