#include "ch05_training/interrupt.h"

#include <atomic>

#include "support/error.h"

namespace ramoe {
namespace {

// A signal handler has no argument of its own, so this is the one place where state is global.
std::atomic<bool> alive{false}, signalled{false};
static_assert(std::atomic<bool>::is_always_lock_free, "a handler may only touch lock-free atomics");

void note_signal(int) {
  signalled.store(true);
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(SIGINT, &standard, nullptr);
  ::sigaction(SIGTERM, &standard, nullptr);
}

void catch_signal(int signal, struct sigaction* old) {
  ::sigaction(signal, nullptr, old);
  if (old->sa_handler == SIG_IGN) return;
  struct sigaction noting {};
  noting.sa_handler = note_signal;
  noting.sa_flags = SA_RESTART;
  ::sigaction(signal, &noting, nullptr);
}

}  // namespace

Interrupt::Interrupt() {
  check(!alive.exchange(true),
        "two Interrupt objects at a time; signals can have one handler only.");
  signalled.store(false);
  catch_signal(SIGINT, &old_int_);
  catch_signal(SIGTERM, &old_term_);
}

Interrupt::~Interrupt() {
  ::sigaction(SIGINT, &old_int_, nullptr);
  ::sigaction(SIGTERM, &old_term_, nullptr);
  alive.store(false);
}

bool Interrupt::requested() const {
  return signalled.load();
}

}  // namespace ramoe
