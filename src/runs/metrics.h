// Runs - metrics: what training measured, one JSON object per line
//
//   {"step":10,"loss":3.1, ...}\n
//   {"step":10,"missing":2}\n      a gap: two lines after step 10 were lost
//
// A line is handed to the system in one piece, so whoever watches the file sees whole lines and a
// killed process loses at most the line it was writing. What happens to the file later - cut,
// emptied, removed, edited - never stops a run: the gap is marked and reported.
// Tests: tests/runs/metrics_test.cpp
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/files.h"

namespace ramoe {

/// Where a file of metrics is continued.
struct MetricsFrom {
  std::int64_t step = -1;  // of the checkpoint; -1 starts a new file
  int lines = -1;          // that had been written by then; -1: not known
  int log_every = 1;       // steps between two lines, to find where lines are missing
};

/// Appends to a file of metrics. One object per file.
class MetricsFile {
 public:
  /// Opens the file and keeps its lines up to the checkpoint's step. A half-written last line is
  /// dropped. A line that is no JSON object with a whole number "step", and lines that the
  /// checkpoint knew of and that are gone, are replaced by a line that marks the gap. The old file
  /// is replaced in one go.
  explicit MetricsFile(const std::string& path, MetricsFrom from = {});
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  /// Lines of the run so far, those that were lost included.
  int lines() const { return lines_; }
  /// Lines that were found missing or broken when the file was opened.
  int lost() const { return lost_; }

  /// Writes one line. Numbers that are not finite become null, as JSON has none. Error: `line` has
  /// no whole number "step", or the disk is full; the file then ends with the line before.
  void append(const Json& line);

 private:
  std::string kept_text(const std::string& old, const MetricsFrom& from);
  std::string path_;
  int descriptor_ = -1, lines_ = 0, lost_ = 0;
};

/// All whole lines of a file of metrics. A broken line in between is read as a gap.
std::vector<Json> read_metrics(const std::string& path);

}  // namespace ramoe
