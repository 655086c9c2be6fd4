// Chapter 5.8 - interruption: Ctrl-C asks training to save and stop
//
//   Interrupt interrupt;
//   while (step < steps && !interrupt.requested()) ...
//   if (interrupt.requested()) save a checkpoint
//
// Tests: tests/ch05_training/interrupt_test.cpp
#pragma once

#include <csignal>

namespace ramoe {

/// While it lives, the first SIGINT or SIGTERM is only noted; a second one ends the process at
/// once. Afterwards the signals do what they did before. Signals that the process was started to
/// ignore stay ignored. Signal handlers belong to the process, so only one may live at a time:
/// Error.
class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  /// Whether a signal has come; may be asked from any thread.
  bool requested() const;

 private:
  struct sigaction old_int_ {
  }, old_term_{};
};

}  // namespace ramoe
