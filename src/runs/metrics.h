// Runs - metrics: what training measured, one JSON object per line
//
//   {"step":10,"loss":3.1, ...}\n
//   {"step":10,"missing":2}\n      a gap: two lines after step 10 were lost
//
// A line is written in one call, so readers of the file see whole lines, and a killed process loses
// at most the line that it was writing. If the file is later cut, emptied, removed or edited, a run
// still goes on: the gap is marked and reported.
// Tests: tests/runs/metrics_test.cpp
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/files.h"

namespace ramoe {

/// Where to continue a file of metrics.
struct MetricsFrom {
  std::int64_t step = -1;  // of the checkpoint; -1 starts a new file
  int lines = -1;          // written up to the checkpoint; -1: unknown
  int log_every = 1;       // steps between two lines; tells where lines are missing
};

/// Appends to a file of metrics. One object per file.
class MetricsFile {
 public:
  /// Opens the file and keeps its lines up to the checkpoint's step. A half-written last line is
  /// dropped. A line that is not a JSON object with a whole number "step" is replaced by a line
  /// that marks the gap, as are lines that the checkpoint counted and that are missing now. The old
  /// file is replaced in one step.
  explicit MetricsFile(const std::string& path, MetricsFrom from = {});
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  /// Lines of the run so far, with those that were lost.
  int lines() const { return lines_; }
  /// Lines that were found missing or broken when the file was opened.
  int lost() const { return lost_; }

  /// Writes one line. NaN and infinity become null, since JSON has neither. Error: `line` has no
  /// whole number "step", or the disk is full; the file then ends with the previous line.
  void append(const Json& line);

 private:
  std::string kept_text(const std::string& old, const MetricsFrom& from);
  std::string path_;
  int descriptor_ = -1, lines_ = 0, lost_ = 0;
};

/// All complete lines of a file of metrics. A broken line between them is read as a gap.
std::vector<Json> read_metrics(const std::string& path);

}  // namespace ramoe
