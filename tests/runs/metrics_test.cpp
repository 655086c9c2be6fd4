#include "runs/metrics.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <fstream>
#include <limits>

#include "support/json.h"
#include "support/scratch.h"
#include "support/texts.h"

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
    MetricsFile metrics(path_, {2});
    EXPECT_EQ(text(), kept);
    metrics.append({{"step", 3}});
    EXPECT_EQ(text(), kept + "{\"step\":3}\n");
  }
}

TEST_F(Metrics, ResumeWithoutAFileStartsOne) {
  MetricsFile metrics(path_, {5});
  metrics.append({{"step", 6}});
  EXPECT_EQ(read_metrics(path_).size(), 1u);
}

TEST_F(Metrics, ABrokenLineInTheMiddleIsAGap) {
  for (const char* line : {"{\"step\":", "[1]", "{}", "{\"step\":\"1\"}", "{\"step\":1.5}", "",
                           "\xff", "{\"step\":-1}", "{\"step\":18446744073709551615}"}) {
    put(std::string("{\"step\":1}\n") + line + "\n{\"step\":3}\n");
    const std::vector<Json> read = read_metrics(path_);
    ASSERT_EQ(read.size(), 3u) << line;
    EXPECT_EQ(read[1], Json({{"step", 1}, {"missing", 1}}));
    MetricsFile metrics(path_, {3, 3, 1});
    EXPECT_EQ(metrics.lost(), 1);
    EXPECT_EQ(text(), "{\"step\":1}\n{\"step\":1,\"missing\":1}\n{\"step\":3}\n");
  }
}

/// Ten lines, one every two steps, of which those with these steps are there.
std::string lines_of(const std::vector<int>& steps) {
  std::string text;
  for (const int step : steps) text += cat("{\"step\":", step, ",\"loss\":1.50}\n");
  return text;
}
std::string gap(int after, int count) {
  return cat("{\"step\":", after, ",\"missing\":", count, "}\n");
}

TEST_F(Metrics, LinesThatTheCheckpointKnewOfLeaveAMarkedGap) {
  struct Case {
    std::string found, marked;
    int lost;
  };
  const std::vector<Case> cases = {
      {lines_of({2, 4, 6, 8, 10}), lines_of({2, 4, 6, 8, 10}), 0},
      {"", gap(0, 5), 5},                                                       // emptied
      {lines_of({2, 4}), lines_of({2, 4}) + gap(4, 3), 3},                      // cut
      {lines_of({2, 4}) + "{\"step\":6,\"l", lines_of({2, 4}) + gap(4, 3), 3},  // within a line
      {lines_of({8, 10}), gap(0, 3) + lines_of({8, 10}), 3},                    // its begin is gone
      {lines_of({2, 8, 10}), lines_of({2}) + gap(2, 2) + lines_of({8, 10}), 2},
      {lines_of({4, 8, 10}), gap(0, 1) + lines_of({4}) + gap(4, 1) + lines_of({8, 10}), 2},
      {lines_of({2}) + "{\"step\":4,}\n" + lines_of({6, 8}),
       lines_of({2}) + gap(2, 1) + lines_of({6, 8}) + gap(8, 1), 2},
      {lines_of({2}) + "{\"step\":4,}{\"step\":6}\n" + lines_of({8, 10}),  // two lines in one
       lines_of({2}) + gap(2, 2) + lines_of({8, 10}), 2},
      {lines_of({2, 4, 6, 8, 10}) + "broken\n" + lines_of({14}), lines_of({2, 4, 6, 8, 10}), 0},
      {lines_of({2, 4, 6, 8, 910}), lines_of({2, 4, 6, 8}) + gap(8, 1), 1},  // an edited step
  };
  for (const Case& c : cases) {
    put(c.found);
    {
      MetricsFile metrics(path_, {10, 5, 2});
      EXPECT_EQ(text(), c.marked) << c.found;
      EXPECT_EQ(metrics.lost(), c.lost) << c.found;
      EXPECT_EQ(metrics.lines(), 5) << c.found;
    }
    // Killed before the next checkpoint and resumed again, it is not said a second time.
    MetricsFile again(path_, {10, 5, 2});
    EXPECT_EQ(again.lost(), 0) << c.found;
    EXPECT_EQ(text(), c.marked) << c.found;
    again.append({{"step", 12}});
    EXPECT_EQ(again.lines(), 6);
  }
  std::filesystem::remove(path_);
  EXPECT_EQ(MetricsFile(path_, {10, 5, 2}).lost(), 5);
  EXPECT_EQ(text(), gap(0, 5));
}

TEST_F(Metrics, WithoutACountOnlyBrokenLinesAreSeen) {  // checkpoints of older versions
  put(lines_of({2}) + "broken\n" + lines_of({6}));
  MetricsFile metrics(path_, {10, -1, 2});
  EXPECT_EQ(metrics.lost(), 1);
  EXPECT_EQ(text(), lines_of({2}) + gap(2, 1) + lines_of({6}));
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
  MetricsFile metrics(path_, {9});
  EXPECT_EQ(read_metrics(path_).size(), 10u);
}

}  // namespace
}  // namespace ramoe
