// Support - long work seen and stopped from outside: what it tells, and the flag that it checks.
#pragma once

#include <atomic>
#include <functional>
#include <stdexcept>

namespace ramoe {

/// Called with the number of texts answered or routed since the last call.
using Watch = std::function<void(double texts)>;

/// Thrown when work is stopped. It is not an Error, so code that catches Errors does not catch it.
/// The text says what was saved and how to resume; if it is empty, the command fills it in.
class Interrupted : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

/// The flag that stop_point() checks on this thread, if any.
inline constinit thread_local const std::atomic<bool>* stop_flag_of_this_thread = nullptr;

/// During its lifetime stop_point() on this thread throws once the flag is set. With nullptr it
/// never throws: for work that must not be left half done, and for saving after an interrupt.
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

/// Call this in loops that may take long; parallel loops (parallel.h) call it themselves.
inline void stop_point() {
  const std::atomic<bool>* flag = stop_flag_of_this_thread;
  if (flag != nullptr && flag->load(std::memory_order_relaxed)) [[unlikely]]
    throw Interrupted("");
}

}  // namespace ramoe
