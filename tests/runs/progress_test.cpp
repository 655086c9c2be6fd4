#include "runs/progress.h"

#include <gtest/gtest.h>

#include <sstream>

#include "support/texts.h"

namespace ramoe {
namespace {

class ProgressTest : public testing::Test {
 protected:
  ProgressOutput plain() {
    return {&stream_, false, 80, [this] { return now_; }};
  }
  ProgressOutput terminal(int width) {
    return {&stream_, true, width, [this] { return now_; }};
  }
  std::string taken() {
    std::string text = stream_.str();
    stream_.str("");
    return text;
  }

  std::ostringstream stream_;
  double now_ = 1000;
};

TEST_F(ProgressTest, PlainLinesFirstEveryTenSecondsAndLast) {
  Progress progress("pretrain", 100, 0, 50, plain());
  progress.update(0, "loss 9");
  EXPECT_EQ(taken(), "pretrain  0/100  loss 9\n");
  now_ += 9.9;
  progress.update(5, "loss 8");
  EXPECT_EQ(taken(), "");
  now_ += 0.1;
  progress.update(10, "loss 7");
  EXPECT_EQ(taken(), "pretrain  10/100  loss 7  50 tok/s  1m30s left\n");
  now_ += 5;
  progress.update(100, "loss 1");
  EXPECT_EQ(taken(), "");
  progress.finish();
  EXPECT_EQ(taken(), "pretrain  100/100  loss 1  333 tok/s  took 15s\n");
  progress.finish();
  progress.update(100);
  EXPECT_EQ(taken(), "");
}

TEST_F(ProgressTest, ResumedStartCountsOnlyWhatItDid) {
  Progress progress("sft", 100, 80, 0, plain());
  now_ += 10;
  progress.update(90);
  EXPECT_EQ(taken(), "sft  90/100  10s left\n");
}

TEST_F(ProgressTest, TerminalRewritesOneLine) {
  Progress progress("sft", 4, 0, 0, terminal(40));
  progress.update(0);
  // 39 columns: "sft  " and "0/4" leave 31, of which brackets and a space take 3.
  EXPECT_EQ(taken(), "\rsft  [>" + std::string(27, ' ') + "] 0/4\x1b[K");
  now_ += 0.05;
  progress.update(1);
  EXPECT_EQ(taken(), "");
  now_ += 0.95;
  progress.update(1, "loss 2");
  EXPECT_EQ(taken(), "\rsft  [==>        ] 1/4  loss 2  3s left\x1b[K");
  progress.update(4);
  progress.finish();
  EXPECT_EQ(taken(), "\rsft  [===================] 4/4  took 1s\x1b[K\n");
}

TEST_F(ProgressTest, NarrowTerminalsNeverOverflow) {
  for (int width = 0; width < 60; ++width) {
    Progress progress("sft", 1000, 0, 10, terminal(width));
    now_ += 1;
    progress.update(10, "loss 2.125");
    const std::string line = taken();
    EXPECT_LE(line.size() - 4, static_cast<std::size_t>(std::max(width - 1, 0))) << line;
    EXPECT_EQ(line.find('['), width < 56 ? line.size() - 2 : 6) << width << line;
    progress.finish();
    taken();
  }
}

TEST_F(ProgressTest, UnfinishedTerminalLineIsLeft) {
  { Progress never_shown("sft", 4, 0, 0, terminal(40)); }
  EXPECT_EQ(taken(), "");
  {
    Progress progress("sft", 4, 0, 0, terminal(40));
    progress.update(1);
    taken();
  }
  EXPECT_EQ(taken(), "\n");
}

TEST_F(ProgressTest, NoStepsAtAll) {
  Progress progress("sft", 0, 0, 10, plain());
  progress.update(0);
  progress.finish();
  EXPECT_EQ(taken(), "sft  0/0\nsft  0/0  took 0s\n");
  Progress shown("sft", 0, 0, 10, terminal(80));
  shown.finish();
  EXPECT_EQ(taken(), "\rsft  [" + std::string(30, '=') + "] 0/0  took 0s\x1b[K\n");
}

TEST_F(ProgressTest, SaysWhatIsWrong) {
  expect_contains(error_of([&] { Progress p("sft", 4, 5, 0, plain()); }), "from step 5 to 4");
  expect_contains(error_of([&] { Progress p("sft", 4, -1, 0, plain()); }), "from step -1");
}

TEST(ProgressText, Durations) {
  EXPECT_EQ(duration_text(0), "0s");
  EXPECT_EQ(duration_text(0.2), "1s");
  EXPECT_EQ(duration_text(59), "59s");
  EXPECT_EQ(duration_text(60), "1m00s");
  EXPECT_EQ(duration_text(3599.5), "1h00m");
  EXPECT_EQ(duration_text(7500), "2h05m");
  EXPECT_EQ(duration_text(3 * 86400 + 4 * 3600), "3d04h");
  EXPECT_EQ(duration_text(-5), "0s");
  EXPECT_EQ(duration_text(1e300), "11574d01h");
}

TEST(ProgressText, Groups) {
  EXPECT_EQ(grouped(0), "0");
  EXPECT_EQ(grouped(999), "999");
  EXPECT_EQ(grouped(1000), "1,000");
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(grouped(-100), "-100");
  EXPECT_EQ(grouped(-1000), "-1,000");
}

TEST_F(ProgressTest, AppearsOnlyAfterSecondsIfToldSo) {
  TextProgress quick("test", 4, 5, plain()), slow("test", 4, 5, plain());
  const Watch watch_quick = quick.watch(), watch = slow.watch();
  now_ += 4;
  watch_quick(4);
  quick.finish();
  watch(1.5);
  EXPECT_EQ(taken(), "");
  now_ += 2;
  watch(0.5);
  EXPECT_EQ(taken(), "test  2/4\n");
  watch(2);
  slow.finish();
  EXPECT_TRUE(taken().starts_with("test  4/4"));
}

}  // namespace
}  // namespace ramoe
