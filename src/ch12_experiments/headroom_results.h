// Chapter 12.10 - headroom in numbers: one row for each task and language, with its interval
//
// An item is right or wrong under own and under the control, so headroom is a mean of -1, 0 and +1,
// paired by item. Its interval is the bootstrap over items; over all cells it is hierarchical
// (cells, then items). Where all items differ alike there is none (statistics.h). Ours: below which
// headroom a model is said to have none (small_headroom).
// Tests: tests/ch12_experiments/headroom_results_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch07_divergence/headroom.h"
#include "ch12_experiments/statistics.h"
#include "support/json_keys.h"

namespace ramoe {

/// One task and language. Shares are 0..1, and NaN if they are of no item.
struct HeadroomCell {
  std::string lang, task;
  int n = 0, ci = 0;  // pairs; those right in English and wrong in the target
  double english = NAN, base = NAN, own = NAN, control = NAN;     // accuracies
  double headroom = NAN, low = NAN, high = NAN;                   // own - control
  double rescued_own = NAN, rescued_control = NAN;                // shares of ci that become right
  double base_divergence = NAN, own_divergence = NAN;             // D to English, forced layers
  double english_frame = NAN, target_frame = NAN;  // accuracies of switched questions (6.12)
  Interval interval() const { return {low, high}; }
};

/// results.json of `ramoe headroom`.
struct HeadroomResults {
  std::string model, form, layers, control, split;
  std::vector<int> forced;  // the MoE layers that were forced
  std::vector<HeadroomCell> cells;
  double headroom = NAN, low = NAN, high = NAN;  // mean over the cells
  double farthest = NAN;                         // form seq: largest distance left to a q
  Named<std::string> language_names;
  std::string words;
  Interval interval() const { return {low, high}; }
};

/// A mean headroom whose interval lies below this is called nothing.
inline constexpr double small_headroom = 0.01;

/// The accuracies, shares and interval of a cell's items, at least one.
HeadroomCell headroom_cell(const std::string& lang, const std::string& task,
                           const std::vector<OracleItem>& items);
/// Adds the mean over cells with its interval, and the words. items[c]: those of cells[c].
void weigh_headroom(HeadroomResults& results, const std::vector<std::vector<OracleItem>>& items);

/// Whether routing holds something back, in one sentence, from the interval alone.
std::string headroom_sentence(const HeadroomResults& results);
/// For the terminal: a row for each cell.
std::string headroom_table_text(const HeadroomResults& results);
/// "OTHER" or "mean".
std::string control_label(const std::string& control);

/// Error, with the file and the key: something is malformed.
HeadroomResults headroom_from(const Json& json, const std::string& file);
Json to_json(const HeadroomResults& results);

}  // namespace ramoe
