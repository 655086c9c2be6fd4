// Fast - sixteen floats side by side, in as many registers as they need
//
// Sums of long rows keep sixteen partial sums, on every machine and with every compiler, so that
// their order is in the text. A register has 8 floats here, 4 on ARM. A vector type of all 16 would
// be shorter; but GCC keeps one that is wider than a register in memory, and stores and loads a sum
// at every addition: a causal softmax took 8 times as long on AVX2.
// Tests: tests/fast/simd_test.cpp
#pragma once

#include <cstdint>
#include <cstring>

#define RAMOE_INLINE [[gnu::always_inline]] inline  // lambdas in a body need it, too

namespace ramoe {

#if defined(__aarch64__)
constexpr int kRegister = 4;
#else
constexpr int kRegister = 8;
#endif
typedef float Register __attribute__((vector_size(4 * kRegister)));
typedef std::int32_t RegisterBits __attribute__((vector_size(4 * kRegister)));

/// Two halves: registers, or pairs again. A float stands for as many of itself.
template <class Half>
struct Two {
  static constexpr int half = static_cast<int>(sizeof(Half) / sizeof(float));
  Half low, high;

  Two() = default;
  RAMOE_INLINE Two(const Half& l, const Half& h) : low(l), high(h) {}
  RAMOE_INLINE Two(float value) : low(value - Half{}), high(low) {}

  RAMOE_INLINE friend Two operator+(const Two& x, const Two& y) {
    return {x.low + y.low, x.high + y.high};
  }
  RAMOE_INLINE friend Two operator-(const Two& x, const Two& y) {
    return {x.low - y.low, x.high - y.high};
  }
  RAMOE_INLINE friend Two operator*(const Two& x, const Two& y) {
    return {x.low * y.low, x.high * y.high};
  }
  RAMOE_INLINE Two& operator+=(const Two& y) { return *this = *this + y; }
};

#if defined(__aarch64__)
using Lanes = Two<Two<Register>>;
#else
using Lanes = Two<Register>;
#endif
constexpr int kLanes = 16;
static_assert(sizeof(Lanes) == kLanes * sizeof(float));

// ---- What a register does, and then both halves -------------------------------------------------

RAMOE_INLINE void load_lanes(Register& v, const float* from) {
  std::memcpy(&v, from, sizeof v);
}
template <class Half>
RAMOE_INLINE void load_lanes(Two<Half>& v, const float* from) {
  load_lanes(v.low, from);
  load_lanes(v.high, from + v.half);
}

RAMOE_INLINE void store_lanes(float* to, const Register& v) {
  std::memcpy(to, &v, sizeof v);
}
template <class Half>
RAMOE_INLINE void store_lanes(float* to, const Two<Half>& v) {
  store_lanes(to, v.low);
  store_lanes(to + v.half, v.high);
}

/// Lanes from `first` on become `value`.
RAMOE_INLINE void set_lanes_from(Register& v, int first, float value) {
  RegisterBits number;
  for (int l = 0; l < kRegister; ++l) number[l] = l;
  v = number < first ? v : value - Register{};
}
template <class Half>
RAMOE_INLINE void set_lanes_from(Two<Half>& v, int first, float value) {
  set_lanes_from(v.low, first, value);
  set_lanes_from(v.high, first - v.half, value);
}

/// The larger of each lane's two; where x is NaN, that of y.
RAMOE_INLINE void take_larger(Register& y, const Register& x) {
  y = x > y ? x : y;
}
template <class Half>
RAMOE_INLINE void take_larger(Two<Half>& y, const Two<Half>& x) {
  take_larger(y.low, x.low);
  take_larger(y.high, x.high);
}

/// Sum of the lanes: lane l and lane l + half, until one is left.
RAMOE_INLINE float sum_of_lanes(Register v) {
#if defined(__aarch64__)
  v += __builtin_shufflevector(v, v, 2, 3, 0, 1);
#else
  v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
  v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
#endif
  return v[0] + v[1];
}
template <class Half>
RAMOE_INLINE float sum_of_lanes(const Two<Half>& v) {
  return sum_of_lanes(v.low + v.high);
}

/// The largest lane; one that is NaN may be passed over.
RAMOE_INLINE float largest_lane(const Register& v) {
  float largest = v[0];
  for (int l = 1; l < kRegister; ++l) largest = v[l] > largest ? v[l] : largest;
  return largest;
}
template <class Half>
RAMOE_INLINE float largest_lane(const Two<Half>& v) {
  Half larger = v.low;
  take_larger(larger, v.high);
  return largest_lane(larger);
}

// ---- Rows whose end is not at the end of a vector -----------------------------------------------

/// The first `some` lanes, if there are not as many as a vector has; the others are 0.
RAMOE_INLINE void load_lanes(Lanes& v, const float* from, int some) {
  if (some >= kLanes) return load_lanes(v, from);
  float lane[kLanes] = {};
  for (int l = 0; l < some; ++l) lane[l] = from[l];
  load_lanes(v, lane);
}
RAMOE_INLINE void store_lanes(float* to, const Lanes& v, int some) {
  if (some >= kLanes) return store_lanes(to, v);
  float lane[kLanes];
  store_lanes(lane, v);
  for (int l = 0; l < some; ++l) to[l] = lane[l];
}

}  // namespace ramoe
