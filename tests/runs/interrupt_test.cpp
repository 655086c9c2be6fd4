#include "runs/interrupt.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <thread>

#include "support/texts.h"

namespace ramoe {
namespace {

/// Runs `act` in a child whose signals do the usual and returns how it ended.
template <class Act>
int status_of_child(const Act& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGINT, SIG_DFL);
    ::signal(SIGTERM, SIG_DFL);
    ::signal(SIGHUP, SIG_DFL);
    ::_exit(act());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST(Interrupt, FirstSignalIsNotedSecondEnds) {
  for (const int first : {SIGINT, SIGTERM, SIGHUP})
    for (const int second : {SIGINT, SIGTERM}) {
      const int status = status_of_child([&] {
        const Interrupt interrupt;
        if (interrupt_requested()) return 1;
        ::raise(first);
        if (!interrupt_requested() || interrupt_exit_code() != 128 + first) return 2;
        ::raise(second);
        return 3;
      });
      ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
      EXPECT_EQ(WTERMSIG(status), second);
    }
}

TEST(Interrupt, HandlersAreRestoredAndTheNextStartsAfresh) {
  const int status = status_of_child([] {
    for (int time = 0; time < 2; ++time) {
      const Interrupt interrupt;
      if (interrupt_requested()) return 1;
      ::raise(SIGINT);
      if (!interrupt_requested()) return 2;
    }
    ::raise(SIGTERM);
    return 3;
  });
  ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(Interrupt, IgnoredStaysIgnored) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const int status = status_of_child([&] {
      ::signal(signal, SIG_IGN);  // as nohup does
      const Interrupt interrupt;
      ::raise(signal);
      ::raise(signal);
      return interrupt_requested() ? 1 : 0;
    });
    EXPECT_EQ(status, 0);
  }
}

// A shell passes on the SIGHUP that it gets, and the system sends another one as the shell ends.
TEST(Interrupt, ALostTerminalMaySaySoTwice) {
  for (const int first : {SIGHUP, SIGTERM}) {
    const int status = status_of_child([&] {
      const Interrupt interrupt;
      ::raise(first);
      ::raise(SIGHUP);
      return interrupt_requested() ? 0 : 1;
    });
    EXPECT_EQ(status, 0);
  }
}

/// The signal that ends a process which gets `before` from elsewhere, two signals from the leader
/// of its group and then `after` from elsewhere, 0 standing for none; 0 if it was asked to stop.
int ending_under_leader(int before, int after) {
  const int status = status_of_child([&] {
    ::setpgid(0, 0);
    int sent[2];
    if (::pipe(sent) != 0) return 1;
    const Interrupt interrupt;  // of the member, which inherits it
    const pid_t member = ::fork();
    if (member == 0) {
      char letter;
      if (before != 0) ::raise(before);
      if (::read(sent[0], &letter, 1) != 1) ::_exit(2);  // signals sent before it come first
      if (after != 0) ::raise(after);
      ::_exit(interrupt_requested() ? 0 : 3);
    }
    ::kill(member, SIGTERM);
    ::kill(member, SIGINT);  // another one, lest the system takes the two for one
    int status = 0;
    if (::write(sent[1], "s", 1) != 1) return 4;
    ::waitpid(member, &status, 0);
    return WIFSIGNALED(status) ? WTERMSIG(status) : 100 * WEXITSTATUS(status);
  });
  return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

// `timeout` signals its command and then the group, and passes on what it gets with the group.
TEST(Interrupt, WhatTheLeaderOfTheGroupSendsIsNoSecondSignal) {
  EXPECT_EQ(ending_under_leader(0, 0), 0);
  EXPECT_EQ(ending_under_leader(SIGINT, 0), 0);
  EXPECT_EQ(ending_under_leader(0, SIGINT), 0);
  EXPECT_EQ(ending_under_leader(SIGINT, SIGHUP), 0);
  EXPECT_EQ(ending_under_leader(SIGINT, SIGTERM), SIGTERM);
}

TEST(Interrupt, ABrokenPipeIsPassedOver) {
  const int status = status_of_child([] {
    const Interrupt interrupt;
    int pipe[2];
    if (::pipe(pipe) != 0) return 1;
    ::close(pipe[0]);
    return ::write(pipe[1], "x", 1) == -1 && !interrupt_requested() ? 0 : 2;
  });
  EXPECT_EQ(status, 0);
}

TEST(Interrupt, StopsLoopsOfThisThreadButNotWhatMustBeWhole) {
  const int status = status_of_child([] {
    const Interrupt interrupt;
    stop_point();
    ::raise(SIGINT);
    {
      const StopScope whole(nullptr);
      stop_point();
    }
    bool elsewhere = false;
    std::thread([&] {
      stop_point();  // a thread is asked only if it wants to be
      const StopScope scope(interrupt_flag());
      try {
        stop_point();
      } catch (const Interrupted&) {
        elsewhere = true;
      }
    }).join();
    if (!elsewhere) return 1;
    try {
      stop_point();
    } catch (const Interrupted&) {
      return interrupt_requested() ? 0 : 2;
    }
    return 3;
  });
  EXPECT_EQ(status, 0);
}

TEST(Interrupt, OnlyOne) {
  const Interrupt interrupt;
  expect_contains(error_of([] { Interrupt second; }), "two Interrupt objects");
}

}  // namespace
}  // namespace ramoe
