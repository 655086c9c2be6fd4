#include "ch01_tensor/replay.h"

#include <gtest/gtest.h>

namespace ramoe {
namespace {

TEST(Replay, TheHostDoesTheWorkEachTime) {
  Replay<float> replay;
  int done = 0;
  for (int i = 0; i < 3; ++i) replay.run({1, 2}, [&] { ++done; });
  EXPECT_EQ(done, 3);
  EXPECT_EQ(replay.recordings(), 0u);
}

}  // namespace
}  // namespace ramoe
