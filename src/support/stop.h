// Support - stopping long work from outside: loops look at a flag that a signal handler sets.
#pragma once

#include <atomic>
#include <stdexcept>

namespace ramoe {

/// Thrown where work was stopped. Not an Error: whoever explains or passes over those lets it by.
/// The text says what is kept and how to go on; empty: only the command knows.
class Interrupted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// What stop_point() looks at on this thread; none: nothing.
inline constinit thread_local const std::atomic<bool>* stop_flag_of_this_thread = nullptr;

/// While it lives, stop_point() on this thread throws once the flag is set. Without a flag it never
/// does: around what must not be left half done, and around saving after an interrupt.
class StopScope {
 public:
  explicit StopScope(const std::atomic<bool>* flag) : before_(stop_flag_of_this_thread) {
    stop_flag_of_this_thread = flag;
  }
  ~StopScope() { stop_flag_of_this_thread = before_; }
  StopScope(const StopScope&) = delete;
  StopScope& operator=(const StopScope&) = delete;

 private:
  const std::atomic<bool>* before_;
};

/// For loops that may take long; parallel loops (parallel.h) call it themselves.
inline void stop_point() {
  const std::atomic<bool>* flag = stop_flag_of_this_thread;
  if (flag != nullptr && flag->load(std::memory_order_relaxed)) [[unlikely]]
    throw Interrupted("");
}

}  // namespace ramoe
