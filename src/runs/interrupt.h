// Runs - interruption: Ctrl-C, a batch system or a lost connection asks to save and stop
//
//   Interrupt interrupt;
//   try { while (step < steps) trainer.step(...) } catch (const Interrupted&) { save }
//
// Tests: tests/runs/interrupt_test.cpp
#pragma once

#include <csignal>

#include "support/stop.h"

namespace ramoe {

/// While it lives, the first SIGINT, SIGTERM or SIGHUP is noted, and stop_point() on this thread
/// throws from then on. A second one ends the process at once; but for SIGHUP, since a terminal
/// that goes away may send it twice, and but for one that `timeout` sends with the first. A pipe
/// that nobody reads any more is passed over like a lost terminal. Afterwards the signals do what
/// they did before. Signals that the process was started to ignore stay ignored (nohup). Signal
/// handlers belong to the process, so only one may live at a time: Error.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// Whether a signal has come; may be asked from any thread.
  bool requested() const;

 private:
  static constexpr int kSignals = 4;
  struct sigaction old_[kSignals];
  StopScope scope_;
};

/// The flag of the signal handler, for the StopScopes of other threads.
const std::atomic<bool>* interrupt_flag();
/// Whether a signal has come to the present Interrupt, or to the last one.
bool interrupt_requested();
/// The exit code of a process that a signal ended, as shells count: 130 after SIGINT.
int interrupt_exit_code();

}  // namespace ramoe
