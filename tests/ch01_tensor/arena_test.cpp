#include "ch01_tensor/arena.h"

#include <gtest/gtest.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <new>

#include "ch01_tensor/tensor.h"
#include "support/compare.h"
#include "support/platform.h"

namespace ramoe {
namespace {

/// Takes one step's worth of blocks of odd sizes and writes each to its ends.
void use(Arena& arena, std::size_t scale) {
  for (std::size_t i = 1; i <= 40; ++i) {
    const std::size_t bytes = i * scale + i % 7;
    char* memory = arena.take<char>(bytes);
    std::memset(memory, static_cast<int>(i), bytes);
  }
}

TEST(Arena, BlocksAreAlignedAndApart) {
  Arena arena;
  struct Piece {
    unsigned char* memory;
    std::size_t bytes;
  };
  std::vector<Piece> pieces;
  for (std::size_t i = 0; i < 300; ++i) {
    const std::size_t bytes = i % 50 == 0 ? 3000000 : i * i % 9000;
    pieces.push_back({arena.take<unsigned char>(bytes), bytes});
    ASSERT_EQ(reinterpret_cast<std::uintptr_t>(pieces.back().memory) % 64, 0u);
    if (bytes > 0) std::memset(pieces.back().memory, static_cast<int>(i % 251), bytes);
  }
  for (std::size_t i = 0; i < pieces.size(); ++i)  // nobody wrote over a neighbour
    for (std::size_t j = 0; j < pieces[i].bytes; ++j)
      ASSERT_EQ(pieces[i].memory[j], i % 251) << "piece " << i << " byte " << j;
}

TEST(Arena, NothingIsAllocatedAfterTheFirstStep) {
  for (const std::size_t scale : {1u, 1000u, 100000u, 1000000u}) {
    Arena arena;
    const char* const first = arena.take<char>(1);
    use(arena, scale);
    const int allocations = arena.allocations();
    const std::size_t granted = arena.bytes_granted(), most = arena.most_bytes();
    for (int step = 0; step < 3; ++step) {
      arena.reset();
      EXPECT_EQ(arena.take<char>(1), first) << scale;
      use(arena, scale);
    }
    EXPECT_EQ(arena.most_bytes(), most) << scale;
    // A step is not quite of the size of the first one: it may take a tenth more.
    arena.take<char>(most / 10);
    EXPECT_GT(arena.most_bytes(), most) << scale;
    EXPECT_EQ(arena.allocations(), allocations) << scale;
    EXPECT_EQ(arena.bytes_granted(), granted) << scale;
  }
}

TEST(Arena, GrowsInAnyStep) {
  Arena arena;
  use(arena, 1000);
  arena.reset();
  const int allocations = arena.allocations();
  use(arena, 1000000);
  EXPECT_GT(arena.allocations(), allocations);
  EXPECT_GE(arena.bytes_granted(), arena.most_bytes());
}

TEST(Arena, MoreThanThereIsIsRefused) {
  Arena arena;
  use(arena, 1000);
  EXPECT_THROW(arena.take<char>(std::size_t{1} << 50), std::bad_alloc);
  use(arena, 1000);  // what there is may still be used
}

// The sanitizer's own addresses are beyond any limit, and macOS keeps to none.
#if defined(__linux__) && !defined(RAMOE_ADDRESS_SANITIZER)
/// Whether a limit on addresses can be set. Under qemu it can not, though setrlimit says nothing.
bool limits_hold() {
  rlimit before{}, now{};
  ::getrlimit(RLIMIT_AS, &before);
  const rlimit some{std::min(rlim_t{1} << 60, before.rlim_max), before.rlim_max};
  ::setrlimit(RLIMIT_AS, &some);
  ::getrlimit(RLIMIT_AS, &now);
  ::setrlimit(RLIMIT_AS, &before);
  return now.rlim_cur == some.rlim_cur;
}

/// 0 if an arena works with the addresses that are left when the program may have 256 MB more.
int use_few_addresses() {
  std::size_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  const rlim_t most = pages * static_cast<rlim_t>(::sysconf(_SC_PAGESIZE)) + (rlim_t{256} << 20);
  const rlimit limit{most, most};
  if (::setrlimit(RLIMIT_AS, &limit) != 0) return 1;
  Arena arena;
  use(arena, 100000);  // 80 MB
  try {
    arena.take<char>(std::size_t{512} << 20);
    return 2;
  } catch (const std::bad_alloc&) {
    return arena.allocations() > 0 ? 0 : 3;
  }
}
TEST(Arena, IsContentWithFewAddresses) {
  if (!limits_hold()) GTEST_SKIP() << "the system keeps no limit on addresses";
  EXPECT_EXIT(std::exit(use_few_addresses()), testing::ExitedWithCode(0), "");
}
#endif

TEST(Arena, TheEnvironmentCapsWhatItReserves) {
  ::setenv("RAMOE_ARENA_GB", "0.125", 1);
  Arena arena;
  use(arena, 100000);  // 80 MB
  EXPECT_THROW(arena.take<char>(std::size_t{64} << 20), std::bad_alloc);
  EXPECT_LE(arena.bytes_granted(), std::size_t{128} << 20);
  ::setenv("RAMOE_ARENA_GB", "1e9", 1);  // more than the machine has is no cap
  Arena large;
  use(large, 1000);
  for (const char* text : {"0", "-1", "many"}) {
    ::setenv("RAMOE_ARENA_GB", text, 1);
    Arena none;
    EXPECT_THROW(use(none, 1000), Error) << text;
  }
  ::unsetenv("RAMOE_ARENA_GB");
}

TEST(Arena, ReleaseGivesBackWhatWasTakenSince) {
  Arena arena;
  const Arena::Mark empty = arena.mark();
  arena.release(empty);  // of an arena that has no block yet
  float* kept = arena.take<float>(10);
  kept[9] = 7;
  const Arena::Mark mark = arena.mark();
  for (int round = 0; round < 5; ++round) {
    use(arena, 100000);
    arena.release(mark);
  }
  const int allocations = arena.allocations();
  use(arena, 100000);
  EXPECT_EQ(arena.allocations(), allocations);
  EXPECT_EQ(kept[9], 7);
  arena.release(mark);
  EXPECT_LE(arena.take<float>(1) - kept, 16);  // the next one follows what was kept
}

TEST(Arena, NothingCanBeTaken) {
  Arena arena;
  EXPECT_NE(arena.take<float>(0), nullptr);  // of an empty arena too
  arena.take<float>(0);
  arena.reset();
  arena.reset();
}

TEST(Shape, CountsAndPrints) {
  EXPECT_EQ(Shape{}.count(), 1u);
  EXPECT_EQ((Shape{2, 3, 4}.count()), 24u);
  EXPECT_EQ((Shape{2, 0}.count()), 0u);
  EXPECT_EQ((Shape{65536, 65536}.count()), std::size_t{1} << 32);  // beyond an int
  EXPECT_EQ(cat(Shape{2, 3}), "(2,3)");
  EXPECT_EQ(cat(Shape{}), "()");
  EXPECT_NE((Shape{2, 3}), (Shape{2, 3, 1}));
  EXPECT_TRUE(mentions(error_of([] { Shape{2, -1}; }), "-1"));
  EXPECT_TRUE(mentions(error_of([] { Shape{1, 1, 1, 1, 1}; }), "at most 4"));
}

TEST(Tensor, ExpectShapeNamesBothShapes) {
  Tensor<float> tensor{nullptr, {2, 3}, -1};
  expect_shape(tensor, Shape{2, 3}, "x");
  EXPECT_EQ(error_of([&] {
              expect_shape(tensor, Shape{3, 2}, "x");
            }),
            "x has shape (2,3); expected (3,2).");
}

}  // namespace
}  // namespace ramoe
