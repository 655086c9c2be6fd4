
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "support/files.h"
#include "support/scratch.h"
#include "support/stop.h"
#include "support/texts.h"

namespace ramoe {
namespace {

TEST(FileLock, IsHeldByOneWhateverPathLeadsThere) {
  const ScratchFolder scratch;
  const std::string path = scratch.file("lock"), link = scratch.file("link");
  EXPECT_FALSE(is_locked(path));
  {
    FileLock one(path);
    std::filesystem::create_symlink(path, link);
    EXPECT_FALSE(is_locked(path));
    EXPECT_TRUE(one.try_lock());
    EXPECT_TRUE(is_locked(link));
    FileLock two(link);
    EXPECT_FALSE(two.try_lock());
    one.share();
    EXPECT_TRUE(FileLock(path).try_lock() == false) << "one still reads";
    two.share();
  }
  EXPECT_FALSE(is_locked(path));
  expect_contains(error_of([&] { FileLock lock(scratch.file("no/lock")); }), "no/lock");
}

TEST(FileLock, WaitsUntilTheOtherProcessIsGone) {
  const ScratchFolder scratch;
  const std::string path = scratch.file("lock");
  const pid_t child = ::fork();
  if (child == 0) {
    FileLock lock(path);
    if (!lock.try_lock()) ::_exit(1);
    write_file(scratch.file("held"), "");
    ::usleep(100000);
    write_file(scratch.file("done"), "");
    ::kill(::getpid(), SIGKILL);
  }
  while (!std::filesystem::exists(scratch.file("held"))) ::usleep(1000);
  FileLock lock(path);
  lock.lock();
  EXPECT_TRUE(std::filesystem::exists(scratch.file("done")));
  ::waitpid(child, nullptr, 0);
}

TEST(FileLock, WaitingCanBeInterrupted) {
  const ScratchFolder scratch;
  FileLock held(scratch.file("lock")), waiting(scratch.file("lock"));
  ASSERT_TRUE(held.try_lock());
  const std::atomic<bool> flag{true};
  const StopScope scope(&flag);
  EXPECT_THROW(waiting.lock(), Interrupted);
}

}  // namespace
}  // namespace ramoe
