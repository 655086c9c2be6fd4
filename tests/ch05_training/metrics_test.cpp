#include "ch05_training/metrics.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <limits>

#include "support/scratch.h"

namespace ramoe {
namespace {

class Metrics : public testing::Test {
 protected:
  void put(const std::string& text) { std::ofstream(path_, std::ios::binary) << text; }
  std::string text() { return read_file(path_); }

  ScratchFolder scratch_;
  std::string path_ = scratch_.file("metrics.jsonl");
};

TEST_F(Metrics, OneLineEachAtOnce) {
  MetricsFile metrics(path_);
  metrics.append({{"step", 0}, {"loss", 1.5}});
  EXPECT_EQ(text(), "{\"step\":0,\"loss\":1.5}\n");  // before the object is gone
  metrics.append(
      {{"step", 1}, {"loss", std::numeric_limits<double>::quiet_NaN()}, {"note", "a\nb\xff"}});
  EXPECT_EQ(
      text(),
      "{\"step\":0,\"loss\":1.5}\n{\"step\":1,\"loss\":null,\"note\":\"a\\nb\xef\xbf\xbd\"}\n");
  EXPECT_EQ(read_metrics(path_).size(), 2u);
}

TEST_F(Metrics, NewRunStartsANewFile) {
  put("not even JSON\n");
  MetricsFile metrics(path_);
  EXPECT_EQ(text(), "");
}

TEST_F(Metrics, ResumeDropsLaterLinesAndAHalfOne) {
  const std::string kept = "{\"step\":1,\"loss\":3.10}\n{\"step\":2}\n{\"step\":2,\"x\":1}\n";
  for (const char* half : {"", "{\"step\":9,\"lo", "{\"step\":1}", "\xff", "{"}) {
    put(kept + "{\"step\":3}\n{\"step\":4}\n" + half);
    MetricsFile metrics(path_, 2);
    EXPECT_EQ(text(), kept);
    metrics.append({{"step", 3}});
    EXPECT_EQ(text(), kept + "{\"step\":3}\n");
  }
}

TEST_F(Metrics, ResumeWithoutAFileStartsOne) {
  MetricsFile metrics(path_, 5);
  metrics.append({{"step", 6}});
  EXPECT_EQ(read_metrics(path_).size(), 1u);
}

TEST_F(Metrics, DamageInTheMiddleIsAnError) {
  for (const char* line : {"{\"step\":", "[1]", "{}", "{\"step\":\"1\"}", "{\"step\":1.5}", ""}) {
    put(std::string("{\"step\":1}\n") + line + "\n{\"step\":2}\n");
    const std::string before = text();
    expect_contains(error_of([&] { MetricsFile metrics(path_, 2); }), path_ + ", line 2");
    EXPECT_EQ(text(), before);
  }
}

TEST_F(Metrics, LineNeedsAStep) {
  MetricsFile metrics(path_);
  expect_contains(error_of([&] { metrics.append({{"loss", 1}}); }), "\"step\"");
  expect_contains(error_of([&] { metrics.append(Json::array({1})); }), "\"step\"");
  EXPECT_EQ(text(), "");
}

TEST_F(Metrics, FolderThatIsNotThere) {
  expect_contains(error_of([&] { MetricsFile m(scratch_.file("no/m.jsonl")); }), "no/m.jsonl");
}

// A limit on the size of files acts like a disk that is full; set in a child, which it ends with.
TEST_F(Metrics, FullDiskLeavesWholeLines) {
  const pid_t child = ::fork();
  if (child == 0) {
    ::signal(SIGXFSZ, SIG_IGN);
    const rlimit limit{30, 30};
    ::setrlimit(RLIMIT_FSIZE, &limit);
    MetricsFile metrics(path_);
    metrics.append({{"step", 1}, {"a", 1}});
    try {
      metrics.append({{"step", 2}, {"a", 1234567890}});
    } catch (const Error&) {
      ::_exit(7);
    }
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  EXPECT_EQ(WEXITSTATUS(status), 7);
  EXPECT_EQ(text(), "{\"step\":1,\"a\":1}\n");
}

TEST_F(Metrics, KilledProcessLeavesWholeLines) {
  const pid_t child = ::fork();
  if (child == 0) {
    MetricsFile metrics(path_);
    for (int step = 0;; ++step) metrics.append({{"step", step}});
  }
  while (!std::filesystem::exists(path_) || std::filesystem::file_size(path_) < 500) ::usleep(1000);
  ::kill(child, SIGKILL);
  ::waitpid(child, nullptr, 0);
  const std::size_t lines = read_metrics(path_).size();
  EXPECT_GT(lines, 20u);
  MetricsFile metrics(path_, 9);
  EXPECT_EQ(read_metrics(path_).size(), 10u);
}

}  // namespace
}  // namespace ramoe
