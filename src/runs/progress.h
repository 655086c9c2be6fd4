// Runs - progress: how far training is and how long it will still take
//
//   pretrain  [=====>      ] 1200/4000  loss 1.23  11,200 tok/s  1m20s left
//
// On a terminal one line is rewritten; elsewhere (a file, CI) plain lines are written at most every
// 10 s, and always the first and the last. Tests: tests/runs/progress_test.cpp
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <ostream>
#include <string>

#include "support/stop.h"

namespace ramoe {

/// Where progress is shown. Tests use their own stream and clock.
struct ProgressOutput {
  std::ostream* stream;           // must outlive the Progress
  bool terminal;                  // rewrite one line
  int width;                      // columns of the terminal
  std::function<double()> clock;  // seconds, never falling
};

/// stderr, the width of its terminal (80 if unknown), and the steady clock.
ProgressOutput progress_on_stderr();

class Progress {
 public:
  /// Steps first..total; first > 0 after a resume. tokens_per_step > 0 shows tokens per second.
  /// Error: not 0 <= first <= total.
  Progress(std::string title, std::int64_t total, std::int64_t first = 0,
           double tokens_per_step = 0, ProgressOutput output = progress_on_stderr());
  /// Ends the rewritten line, so that an error message starts on a new line.
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;

  /// `step` steps are done. `note` is a short ASCII text such as "loss 1.23".
  void update(std::int64_t step, const std::string& note = "");
  /// The last line: where it ended and how long it took. Later calls do nothing.
  void finish();

 private:
  void show(bool last);
  std::string text_after_bar(double now, bool last) const;

  std::string title_, note_;
  std::int64_t total_, first_, step_;
  double tokens_per_step_;
  ProgressOutput output_;
  double started_, shown_ = 0;
  bool any_shown_ = false, finished_ = false;
};

/// The progress of a stage over all its languages and tasks, in texts. An unfinished answer counts
/// as a fraction, so that the estimate does not wait for a batch of long answers. Work that is
/// usually short is shown only after `late` seconds.
class TextProgress {
 public:
  TextProgress(std::string title, std::size_t texts, double late = 0,
               const ProgressOutput& output = progress_on_stderr());
  /// For the code that works on the texts; must not outlive this object. One thread at a time may
  /// call it.
  Watch watch();
  void finish();

 private:
  std::string title_;
  std::int64_t texts_;
  double late_;
  ProgressOutput output_;
  double began_, done_ = 1e-6;  // so that a sum of fractions is not rounded down
  std::optional<Progress> progress_;
};

/// "45s", "1m20s", "2h05m", "3d04h".
std::string duration_text(double seconds);
/// 11200 -> "11,200".
std::string grouped(std::int64_t number);

}  // namespace ramoe
