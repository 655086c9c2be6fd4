#include "ch01_tensor/philox.h"

#include <cmath>
#include <numbers>

#include "support/error.h"

namespace ramoe {

std::array<std::uint32_t, 4> philox4x32(std::array<std::uint32_t, 4> counter,
                                        std::array<std::uint32_t, 2> key) {
  // Multipliers and key increments of the paper; the increments are the golden ratio and sqrt(3)-1.
  constexpr std::uint64_t kMultiply0 = 0xD2511F53, kMultiply1 = 0xCD9E8D57;
  constexpr std::uint32_t kBump0 = 0x9E3779B9, kBump1 = 0xBB67AE85;
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t p0 = kMultiply0 * counter[0], p1 = kMultiply1 * counter[2];
    counter = {
        static_cast<std::uint32_t>(p1 >> 32) ^ counter[1] ^ key[0], static_cast<std::uint32_t>(p1),
        static_cast<std::uint32_t>(p0 >> 32) ^ counter[3] ^ key[1], static_cast<std::uint32_t>(p0)};
    key[0] += kBump0;
    key[1] += kBump1;
  }
  return counter;
}

std::uint32_t Random::next_u32() {
  // Counter: the block's number in the low half, the stream in the high half. Key: the seed.
  const std::uint64_t block = position_ / 4;
  if (block != cached_block_) {
    cached_ =
        philox4x32({static_cast<std::uint32_t>(block), static_cast<std::uint32_t>(block >> 32),
                    static_cast<std::uint32_t>(stream_), static_cast<std::uint32_t>(stream_ >> 32)},
                   {static_cast<std::uint32_t>(seed_), static_cast<std::uint32_t>(seed_ >> 32)});
    cached_block_ = block;
  }
  return cached_[position_++ % 4];
}

double Random::uniform() {
  const std::uint64_t high = next_u32() >> 5, low = next_u32() >> 6;  // 27 and 26 bits
  return static_cast<double>(high << 26 | low) * 0x1p-53;
}

std::uint32_t Random::below(std::uint32_t n) {
  check(n >= 1, "below(0): there is no whole number in [0, 0); ask for n >= 1");
  // Lemire's method: the high word of n * draw is the answer. The few draws whose low word is below
  // 2^32 mod n would favour some answers, so they are drawn again.
  std::uint64_t product = std::uint64_t{n} * next_u32();
  if (static_cast<std::uint32_t>(product) < n) {
    const std::uint32_t reject = (0u - n) % n;
    while (static_cast<std::uint32_t>(product) < reject) product = std::uint64_t{n} * next_u32();
  }
  return static_cast<std::uint32_t>(product >> 32);
}

double Random::normal() {
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));  // 1 - u is never 0
  return radius * std::cos(2.0 * std::numbers::pi * uniform());
}

}  // namespace ramoe
