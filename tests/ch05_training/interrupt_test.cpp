#include "ch05_training/interrupt.h"

#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "support/scratch.h"

namespace ramoe {
namespace {

/// Runs `act` in a child whose signals do the usual and returns how it ended.
template <class Act>
int status_of_child(const Act& act) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGINT, SIG_DFL);
    ::signal(SIGTERM, SIG_DFL);
    ::_exit(act());
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

TEST(Interrupt, FirstSignalIsNotedSecondEnds) {
  for (const int first : {SIGINT, SIGTERM})
    for (const int second : {SIGINT, SIGTERM}) {
      const int status = status_of_child([&] {
        const Interrupt interrupt;
        if (interrupt.requested()) return 1;
        ::raise(first);
        if (!interrupt.requested()) return 2;
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
      if (interrupt.requested()) return 1;
      ::raise(SIGINT);
      if (!interrupt.requested()) return 2;
    }
    ::raise(SIGTERM);
    return 3;
  });
  ASSERT_TRUE(WIFSIGNALED(status)) << WEXITSTATUS(status);
  EXPECT_EQ(WTERMSIG(status), SIGTERM);
}

TEST(Interrupt, IgnoredStaysIgnored) {
  const int status = status_of_child([] {
    ::signal(SIGINT, SIG_IGN);
    const Interrupt interrupt;
    ::raise(SIGINT);
    ::raise(SIGINT);
    return interrupt.requested() ? 1 : 0;
  });
  EXPECT_EQ(status, 0);
}

TEST(Interrupt, OnlyOne) {
  const Interrupt interrupt;
  expect_contains(error_of([] { Interrupt second; }), "two Interrupt objects");
}

}  // namespace
}  // namespace ramoe
