#include "runs/interrupt.h"

#include <unistd.h>

#include <atomic>

#include "support/error.h"

namespace ramoe {
namespace {

// A signal handler gets no argument of ours, so this is the only place with global state.
std::atomic<bool> alive{false}, signalled{false};
std::atomic<int> first_signal{0}, counted{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free,
              "a handler may only touch lock-free atomics");

// SIGQUIT (Ctrl-\) is not caught: it ends the process at once.
constexpr int kCaught[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

/// Whether the leader of our process group sent it with kill(), and is not ourselves.
bool from_group_leader(const siginfo_t* info) {
  return info->si_code == SI_USER && info->si_pid > 0 && info->si_pid == ::getpgrp() &&
         info->si_pid != ::getpid();
}

// Any thread may run this, several at a time. The flag comes last: who sees it finds the number.
void note_signal(int signal, siginfo_t* info, void*) {
  int none = 0;
  first_signal.compare_exchange_strong(none, signal);
  signalled.store(true);
  if (from_group_leader(info) || counted.fetch_add(1) == 0 || signal == SIGHUP) return;
  struct sigaction standard {};
  standard.sa_handler = SIG_DFL;
  ::sigaction(signal, &standard, nullptr);
  ::raise(signal);
}

}  // namespace

Interrupt::Interrupt() : scope_(&signalled) {
  check(!alive.exchange(true),
        "two Interrupt objects at a time; signals can have one handler only.");
  signalled.store(false);
  first_signal.store(0);
  counted.store(0);
  for (int i = 0; i < kSignals; ++i) {
    ::sigaction(kCaught[i], nullptr, &old_[i]);
    if (old_[i].sa_handler == SIG_IGN) continue;
    struct sigaction action {};
    if (kCaught[i] == SIGPIPE) {
      action.sa_handler = SIG_IGN;
    } else {
      action.sa_sigaction = note_signal;
      action.sa_flags = SA_RESTART | SA_SIGINFO;
    }
    ::sigaction(kCaught[i], &action, nullptr);
  }
}

Interrupt::~Interrupt() {
  for (int i = 0; i < kSignals; ++i) ::sigaction(kCaught[i], &old_[i], nullptr);
  alive.store(false);
}

const std::atomic<bool>* interrupt_flag() {
  return &signalled;
}

bool interrupt_requested() {
  return signalled.load();
}

int interrupt_exit_code() {
  return 128 + first_signal.load();
}

}  // namespace ramoe
