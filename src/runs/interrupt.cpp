#include "runs/interrupt.h"

#include <unistd.h>

#include <atomic>
#include <ctime>

#include "support/error.h"

namespace ramoe {
namespace {

// A signal handler gets no argument of ours, so this is the only place with global state.
std::atomic<bool> alive{false}, signalled{false};
std::atomic<int> first_signal{0}, first_sender{0};
std::atomic<std::int64_t> first_time{0};
static_assert(std::atomic<bool>::is_always_lock_free && std::atomic<int>::is_always_lock_free &&
                  std::atomic<std::int64_t>::is_always_lock_free,
              "a handler may only touch lock-free atomics");

// SIGQUIT (Ctrl-\) is not caught: it ends the process at once.
constexpr int kCaught[] = {SIGINT, SIGTERM, SIGHUP, SIGPIPE};

std::int64_t milliseconds_now() {
  timespec now{};
  ::clock_gettime(CLOCK_MONOTONIC, &now);
  return std::int64_t{now.tv_sec} * 1000 + now.tv_nsec / 1000000;
}

/// The process that sent a signal with kill(); 0 for a terminal.
int sender_of(const siginfo_t* info) {
  return info->si_code == SI_USER ? info->si_pid : 0;
}

void note_signal(int signal, siginfo_t* info, void*) {
  if (!signalled.exchange(true)) {
    first_signal.store(signal);
    first_sender.store(sender_of(info));
    first_time.store(milliseconds_now());
    return;
  }
  // `timeout` signals its command and then the whole group, so the command gets it twice.
  const bool same = sender_of(info) != 0 && sender_of(info) == first_sender.load() &&
                    milliseconds_now() - first_time.load() < 50;
  if (signal == SIGHUP || same) return;
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
