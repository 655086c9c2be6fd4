// Every guard of graded processes by itself: with all others switched off it must hold, and without
// it the same attack must succeed, or the test would say nothing.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>

#include "support/error.h"
#include "support/files.h"
#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"

namespace ramoe {
namespace {

namespace fs = std::filesystem;

const std::vector<std::string> all_guards = {"process tree",  "no network",      "view of files",
                                             "landlock",      "no rights",       "memory limit",
                                             "memory watch",  "processor limit", "file size limit",
                                             "process limit", "system calls"};

/// All guards but one.
std::string all_but(const std::string& kept) {
  std::string names;
  for (const std::string& name : all_guards)
    if (name != kept) names += (names.empty() ? "" : ",") + name;
  return names;
}

class GuardTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    fs::permissions(scratch_.path(), fs::perms(0755));
    for (const char* name : {"guard", "attack"})
      built_ = built_ &&
               std::system(cat(RAMOE_CXX " -std=gnu++20 -O0 " RAMOE_SOURCE_DIR "/tests/labs/guard/",
                               name, ".cpp -o ", scratch_.file(name))
                               .c_str()) == 0;
    fs::create_directories(scratch_.file("open"));
    fs::permissions(scratch_.file("open"), fs::perms(0777));  // for nobody too
  }
  void SetUp() override {
#ifndef __linux__
    GTEST_SKIP() << "the guards are Linux's";
#endif
    ASSERT_TRUE(built_);
  }
  /// What the guard says of an attack; its output goes to said().
  static Json run(const std::string& without, const std::string& what,
                  const std::string& argument = "-", double seconds = 20,
                  const std::string& more = "") {
    const std::string own = scratch_.file("own");
    fs::remove_all(own);
    fs::create_directories(own);
    const std::string command =
        cat(scratch_.file("guard"), " --seconds=", seconds, " --memory=256 --scratch=", own,
            " '--without=", without, "' ", more, " -- ", scratch_.file("attack"), " ", what, " '",
            argument, "' </dev/null >", scratch_.file("said"), " 2>&1 3>/dev/null 4>",
            scratch_.file("facts"));
    EXPECT_EQ(std::system(command.c_str()), 0) << command;
    return read_json(scratch_.file("facts"));
  }
  static bool done() {
    return mentions(read_file(scratch_.file("said")), "done");
  }
  /// The guard alone stops the attack; without it, and the `others` that stop it too, it succeeds.
  static void expect_stopped(const std::string& guard, const std::string& what,
                             const std::string& argument = "-") {
    run(all_but(""), what, argument);
    EXPECT_TRUE(done()) << what << " fails without any guard: nothing can be learnt from it";
    const Json facts = run(all_but(guard), what, argument);
    if (facts.at("guards").at(guard) != "on")
      GTEST_SKIP() << guard << ": " << facts.at("guards").at(guard);
    EXPECT_FALSE(done()) << guard << " does not stop: " << what;
  }
  static inline ScratchFolder scratch_{fs::temp_directory_path()};
  static inline bool built_ = true;
};

TEST_F(GuardTest, WhatEndsByItselfIsLeftAlone) {
  const Json facts = run("", "nothing");
  EXPECT_TRUE(done());
  EXPECT_EQ(facts.at("code"), 0);
  EXPECT_EQ(facts.at("late"), false);
  EXPECT_EQ(run("", "crash").at("signal"), SIGSEGV);
  EXPECT_EQ(run("", "abort").at("signal"), SIGABRT);
}

TEST_F(GuardTest, TheClockStopsLoopsAndSleepers) {
  for (const std::string& without : {std::string(), all_but("")})
    for (const char* what : {"spin", "sleep"})
      EXPECT_EQ(run(without, what, "-", 0.5).at("late"), true) << what;
}

TEST_F(GuardTest, TheProcessorLimitStopsALoopByItself) {
  const Json facts = run(all_but("processor limit"), "spin", "-", 1);
  EXPECT_TRUE(facts.at("late") == true || facts.at("signal") == SIGXCPU ||
              facts.at("signal") == SIGKILL);
}

TEST_F(GuardTest, ProcessesAreRefusedBySystemCalls) {
  expect_stopped("system calls", "fork");
}
TEST_F(GuardTest, BombsAreStoppedByTheProcessLimit) {
  if (geteuid() == 0) {  // the limit needs a user of its own
    const Json facts = run("process tree,no network,view of files,landlock,system calls", "bomb");
    if (facts.at("guards").at("process limit") == "on") {
      EXPECT_FALSE(done());
    }
    return;
  }
  run("no network,view of files,landlock,system calls", "bomb");
  EXPECT_FALSE(done());
}
TEST_F(GuardTest, NothingOutlivesTheGuard) {
  const std::string file = scratch_.file("open/left");
  for (const std::string& without : {all_but("process tree"), all_but("")}) {
    run(without, "leave", file);
    EXPECT_TRUE(done());
  }
  sleep(2);
  EXPECT_FALSE(fs::exists(file));
}

TEST_F(GuardTest, WritesAreStoppedByTheView) {
  expect_stopped("view of files", "write", scratch_.file("open/a"));
}
TEST_F(GuardTest, WritesAreStoppedByLandlock) {
  expect_stopped("landlock", "write", scratch_.file("open/b"));
}
TEST_F(GuardTest, ReadsAreStoppedByTheView) {
  expect_stopped("view of files", "read", RAMOE_SOURCE_DIR "/src/ch04_moe/router.cpp");
}
TEST_F(GuardTest, ReadsAreStoppedByLandlock) {
  expect_stopped("landlock", "read", RAMOE_SOURCE_DIR "/src/ch04_moe/router.cpp");
}
TEST_F(GuardTest, RootsFilesAreClosedWithoutRights) {
  if (geteuid() != 0) GTEST_SKIP() << "only root has rights to lose";
  write_file(scratch_.file("roots"), "");
  expect_stopped("no rights", "write", scratch_.file("roots"));
  expect_stopped("no rights", "root");
}
TEST_F(GuardTest, ItsOwnFolderMayBeWritten) {
  run("", "write", "own_file");
  EXPECT_TRUE(done());
  run("view of files", "write", "own_file");
  EXPECT_TRUE(done());
}

TEST_F(GuardTest, TheNetworkIsClosedByEachOfThree) {
  const int listening = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  ASSERT_EQ(bind(listening, reinterpret_cast<sockaddr*>(&address), size), 0);
  ASSERT_EQ(listen(listening, 16), 0);
  ASSERT_EQ(getsockname(listening, reinterpret_cast<sockaddr*>(&address), &size), 0);
  const std::string port = std::to_string(ntohs(address.sin_port));
  for (const char* guard : {"no network", "system calls"}) expect_stopped(guard, "connect", port);
  close(listening);
}

TEST_F(GuardTest, MemoryIsLimited) {
  expect_stopped("memory limit", "memory");
}
TEST_F(GuardTest, MemoryIsWatchedWhereAddressesAreNotLimited) {
  expect_stopped("memory watch", "memory");
  EXPECT_EQ(run("", "memory").at("swollen"), false) << "the limit of addresses comes first";
  EXPECT_EQ(run("", "memory", "-", 20, "--reserves").at("swollen"), true);
  const Json facts = run("system calls", "memory_of_children");
  EXPECT_EQ(facts.at("swollen"), true) << "each has 100 MiB, four have too much";
}
TEST_F(GuardTest, FilesAreShort) {
  expect_stopped("file size limit", "fill");
}
TEST_F(GuardTest, OthersGetNoSignals) {
  const std::string test = std::to_string(getpid());
  expect_stopped("system calls", "kill_all", test);
  expect_stopped("process tree", "kill_all", test);
  expect_stopped("system calls", "ptrace");
}

}  // namespace
}  // namespace ramoe
