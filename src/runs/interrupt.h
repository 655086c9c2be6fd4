// Runs - interruption: Ctrl-C, a batch system or a lost connection makes a run save and stop
//
//   Interrupt interrupt;
//   try { while (step < steps) trainer.step(...) } catch (const Interrupted&) { save }
//
// Tests: tests/runs/interrupt_test.cpp
#pragma once

#include <csignal>

#include "support/stop.h"

namespace ramoe {

/// During its lifetime the first SIGINT, SIGTERM or SIGHUP is noted, and stop_point() on this
/// thread throws from then on. A second signal ends the process at once, with two exceptions:
/// SIGHUP, since a closing terminal may send it twice, and what the leader of our process group
/// sends: `timeout` signals its command and then the whole group, and passes on a Ctrl-C that the
/// terminal has sent to both; it counts as none. SIGPIPE, a pipe without a reader, is ignored. The
/// destructor restores the old handlers. Signals that were ignored at the start of the process stay
/// ignored (nohup). Signal handlers belong to the process, so a second object at the same time is
/// an Error.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

 private:
  static constexpr int kSignals = 4;
  struct sigaction old_[kSignals];
  StopScope scope_;
};

/// The flag of the signal handler, for the StopScopes of other threads.
const std::atomic<bool>* interrupt_flag();
/// Whether a signal has arrived during the current Interrupt, or the last one.
bool interrupt_requested();
/// The exit code after a signal by the convention of shells: 130 after SIGINT.
int interrupt_exit_code();

}  // namespace ramoe
