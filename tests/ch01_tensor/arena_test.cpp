#include "ch01_tensor/arena.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

#include "ch01_tensor/tensor.h"
#include "support/compare.h"

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
    use(arena, scale);
    arena.reset();  // several blocks become one, once
    const int allocations = arena.allocations();
    const std::size_t reserved = arena.bytes_reserved();
    for (int step = 0; step < 3; ++step) {
      use(arena, scale);
      arena.reset();
    }
    EXPECT_EQ(arena.allocations(), allocations) << scale;
    EXPECT_EQ(arena.bytes_reserved(), reserved) << scale;
  }
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
            "x has shape (2,3); wanted (3,2).");
}

}  // namespace
}  // namespace ramoe
