// Chapter 1.4 - random numbers by counter: Philox 4x32-10
//
// A draw is a pure function of (seed, stream, position): nothing is stored, any draw can be made
// again, and threads need no order. Source: Salmon et al., "Parallel random numbers: as easy as
// 1, 2, 3" (SC 2011). Tests: tests/ch01_tensor/philox_test.cpp (known answers of the authors).
#pragma once

#include <array>
#include <cstdint>
#include <vector>

namespace ramoe {

/// Four random words for a 128-bit counter under a 64-bit key.
std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key);

/// A sequence of draws: the words of philox4x32 for counters 0, 1, ... of one (seed, stream).
class Random {
 public:
  explicit Random(std::uint64_t seed, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}

  std::uint32_t next_u32();
  /// Uniform in [0, 1) with 53 random bits.
  double uniform();
  /// Uniform whole number in [0, n), n >= 1, without modulo bias.
  std::uint32_t below(std::uint32_t n);
  /// Normal with mean 0 and deviation 1 (Box-Muller, one of the two values).
  double normal();
  /// Fisher-Yates shuffle in place.
  template <class Value>
  void shuffle(std::vector<Value>& values) {
    for (std::size_t i = values.size(); i > 1; --i)
      std::swap(values[i - 1], values[below(static_cast<std::uint32_t>(i))]);
  }

  /// The position in the sequence: words drawn so far. After setting it, draws continue from there.
  std::uint64_t position() const { return position_; }
  void set_position(std::uint64_t words) { position_ = words; }

 private:
  std::uint64_t seed_, stream_, position_ = 0;
  std::uint64_t cached_block_ = ~std::uint64_t{0};
  std::array<std::uint32_t, 4> cached_{};
};

}  // namespace ramoe
