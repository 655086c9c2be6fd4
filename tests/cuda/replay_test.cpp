#include "ch01_tensor/replay.h"

#include <gtest/gtest.h>

#include "ch01_tensor/vector_ops.h"
#include "support/texts.h"

namespace ramoe {
namespace {

std::vector<float> fetched(const GpuVector<GpuFloat>& from) {
  std::vector<float> host(from.size());
  copy_out(host.data(), from.data(), host.size());
  return host;
}

TEST(GpuReplay, RecordsTheSecondTimeAndReplaysFromThenOn) {
  GpuVector<GpuFloat> x(3);
  Replay<GpuFloat> replay;
  int on_the_host = 0;
  for (int i = 0; i < 5; ++i)
    replay.run({7}, [&] {
      ++on_the_host;
      add_value(x.data(), 1.0, 3);
      axpy(x.data(), 1.0, x.data(), 3);
    });
  EXPECT_EQ(on_the_host, 2);
  EXPECT_EQ(replay.recordings(), 1u);
  EXPECT_EQ(fetched(x), std::vector<float>(3, 62));  // x -> 2 (x + 1), five times
  replay.run({8}, [&] { add_value(x.data(), 1.0, 3); });
  EXPECT_EQ(fetched(x)[0], 63);
}

TEST(GpuReplay, KeepsTheKeysUsedLast) {
  GpuVector<GpuFloat> x(1);
  Replay<GpuFloat> replay;
  const auto twice = [&](int key) {
    for (int i = 0; i < 2; ++i) replay.run({double(key)}, [&] { add_value(x.data(), 1.0, 1); });
  };
  for (int key = 0; key < 70; ++key) twice(key);
  EXPECT_EQ(replay.recordings(), 64u);
  EXPECT_EQ(fetched(x)[0], 140);
}

// What lies on the host is not part of a recording: a copy from there would be repeated blindly.
TEST(GpuReplay, ACopyFromTheHostIsAnError) {
  GpuVector<GpuFloat> x(1);
  Replay<GpuFloat> replay;
  const float one = 1;
  const auto work = [&] { copy_in(x.data(), &one, 1); };
  replay.run({1}, work);
  EXPECT_TRUE(mentions(error_of([&] { replay.run({1}, work); }), "can not be recorded"));
  replay.run({2}, [&] { add_value(x.data(), 1.0, 1); });  // nothing is still being recorded
  EXPECT_EQ(fetched(x)[0], 2);
}

}  // namespace
}  // namespace ramoe
