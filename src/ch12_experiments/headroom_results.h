// Chapter 12.3 - headroom in numbers: one row for each task and language, with its interval
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
  /// The cell of a language and task; nullptr if it was not measured.
  const HeadroomCell* cell(const std::string& lang, const std::string& task) const;
};

/// Their keys in a file.
template <class Keys>
void list(Keys& keys, KeysOf<Keys, HeadroomCell>& c) {
  keys("lang", c.lang, "task", c.task, "n", c.n, "ci", c.ci, "english", c.english, "base", c.base,
       "own", c.own, "control", c.control, "headroom", c.headroom, "low", c.low, "high", c.high,
       "rescued_own", c.rescued_own, "rescued_control", c.rescued_control, "base_divergence",
       c.base_divergence, "own_divergence", c.own_divergence, "english_frame", c.english_frame,
       "target_frame", c.target_frame);
}

template <class Keys>
void list(Keys& keys, KeysOf<Keys, HeadroomResults>& r) {
  keys("model", r.model, "form", r.form, "layers", r.layers, "control", r.control, "split", r.split,
       "forced", r.forced, "cells", r.cells, "headroom", r.headroom, "low", r.low, "high", r.high,
       "farthest", r.farthest, "language_names", r.language_names, "words", r.words);
}

/// A mean headroom whose interval lies below this is called nothing.
inline constexpr double small_headroom = 0.01;

/// The accuracies, shares and interval of a cell's items, at least one.
HeadroomCell headroom_cell(const std::string& lang, const std::string& task,
                           const std::vector<OracleItem>& items);
/// Adds the mean over cells with its interval, and the words. items[c]: those of cells[c].
void weigh_headroom(HeadroomResults& results, const std::vector<std::vector<OracleItem>>& items);

/// Whether routing holds something back, from the interval alone: it lies above 0; it holds 0 and
/// ends below small_headroom, or own and control are right on the same items; or neither.
enum class HeldBack { something, nothing, undecided };
HeldBack held_back(const HeadroomResults& results);
/// Mean over the cells of own - base: what the English twin's routing itself wins. The rest of
/// headroom is harm that the control does.
double own_minus_base(const HeadroomResults& results);
/// Whether something is held back, in one sentence.
std::string headroom_sentence(const HeadroomResults& results);
/// For the terminal: a row for each cell.
std::string headroom_table_text(const HeadroomResults& results);
/// "OTHER" or "mean".
std::string control_label(const std::string& control);

/// Error, with the file and the key: something is malformed.
HeadroomResults headroom_from(const Json& json, const std::string& file);
Json to_json(const HeadroomResults& results);

}  // namespace ramoe
