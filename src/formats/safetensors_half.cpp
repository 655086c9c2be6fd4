// From fp32 to the two half precisions. The other direction is exact: safetensors.h.
#include <algorithm>
#include <cmath>

#include "formats/safetensors.h"

namespace ramoe {

std::uint16_t f16_from_f32(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value), sign = bits >> 16 & 0x8000u;
  const float size = std::bit_cast<float>(bits & 0x7fffffffu);
  if (size != size) return static_cast<std::uint16_t>(sign | 0x7e00u);
  if (size >= 65520.0f) return static_cast<std::uint16_t>(sign | 0x7c00u);
  if (size < 0x1p-26f) return static_cast<std::uint16_t>(sign);
  // A half in [2^(e-1), 2^e) is a multiple of 2^(e-11), a subnormal one of 2^-24. If rounding gives
  // 2048 steps, the sum of the bits of exponent and steps carries into the exponent.
  int e = 0;
  std::frexp(size, &e);
  const int step = std::max(e - 11, -24);
  const auto steps = static_cast<std::uint32_t>(std::nearbyint(std::ldexp(size, -step)));
  return static_cast<std::uint16_t>(sign | ((static_cast<std::uint32_t>(step + 24) << 10) + steps));
}

std::uint16_t bf16_from_f32(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  if (value != value) return static_cast<std::uint16_t>(bits >> 16 | 0x0040u);
  return static_cast<std::uint16_t>((bits + 0x7fffu + (bits >> 16 & 1u)) >> 16);
}

}  // namespace ramoe
