// Chapter 5.6 - metrics: what training measured, one JSON object per line
//
//   {"step":10,"loss":3.1, ...}\n
//
// A line is handed to the system in one piece, so whoever watches the file sees whole lines and a
// killed process loses at most the line it was writing.
// Tests: tests/ch05_training/metrics_test.cpp
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "support/files.h"

namespace ramoe {

/// Appends to a file of metrics. One object per file.
class MetricsFile {
 public:
  /// Opens the file and keeps its lines with step <= last_step: -1 starts a new file, the step of a
  /// checkpoint continues from there. A half-written last line is dropped. The old file is replaced
  /// in one go. Error: another line that is no JSON object with a whole number "step".
  explicit MetricsFile(const std::string& path, std::int64_t last_step = -1);
  ~MetricsFile();
  MetricsFile(const MetricsFile&) = delete;
  MetricsFile& operator=(const MetricsFile&) = delete;

  /// Writes one line. Numbers that are not finite become null, as JSON has none. Error: `line` has
  /// no whole number "step", or the disk is full; the file then ends with the line before.
  void append(const Json& line);

 private:
  std::string path_;
  int descriptor_ = -1;
};

/// All whole lines of a file of metrics. Errors as MetricsFile.
std::vector<Json> read_metrics(const std::string& path);

}  // namespace ramoe
