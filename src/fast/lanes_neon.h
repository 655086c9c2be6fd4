// Fast - the lanes of simd.h for GCC on ARM: 64 bytes in four registers of NEON
//
// clang splits a vector of 64 bytes into the registers that there are. GCC keeps one that is wider
// than a register in memory and would store and load a sum at every addition. So here the lanes are
// four vectors of 16 bytes; the order of sums is the same.
// Tests: tests/fast/simd_test.cpp
#pragma once

#include <cstdint>
#include <cstring>
#include <type_traits>

namespace ramoe {

#define RAMOE_MEMBER __attribute__((always_inline))  // RAMOE_INLINE inside a class

/// Lanes a, then b, c, d.
template <class T>
struct FourRegisters {
  typedef T Part __attribute__((vector_size(16)));
  typedef std::conditional_t<sizeof(T) == 4, std::int32_t, std::int64_t> Number;
  typedef Number Numbers __attribute__((vector_size(16)));
  static constexpr int each = 16 / int(sizeof(T));
  Part a, b, c, d;

  FourRegisters() = default;
  RAMOE_MEMBER FourRegisters(Part a_, Part b_, Part c_, Part d_) : a(a_), b(b_), c(c_), d(d_) {}
  RAMOE_MEMBER FourRegisters(T value) : a(value - Part{}), b(a), c(a), d(a) {}

  RAMOE_MEMBER friend FourRegisters operator+(const FourRegisters& x, const FourRegisters& y) {
    return {x.a + y.a, x.b + y.b, x.c + y.c, x.d + y.d};
  }
  RAMOE_MEMBER friend FourRegisters operator-(const FourRegisters& x, const FourRegisters& y) {
    return {x.a - y.a, x.b - y.b, x.c - y.c, x.d - y.d};
  }
  RAMOE_MEMBER friend FourRegisters operator*(const FourRegisters& x, const FourRegisters& y) {
    return {x.a * y.a, x.b * y.b, x.c * y.c, x.d * y.d};
  }
  RAMOE_MEMBER FourRegisters& operator+=(const FourRegisters& y) { return *this = *this + y; }

  /// Lanes of this where the lane's number in its register is below `first`, otherwise of `other`.
  RAMOE_MEMBER static Part below(Part x, int first, Part other) {
    Numbers number;
    for (int l = 0; l < each; ++l) number[l] = l;
    return number < first ? x : other;
  }
};
#undef RAMOE_MEMBER

template <class T>
struct Lanes {
  static constexpr int count = 64 / int(sizeof(T));
  using Vector = FourRegisters<T>;
};

template <class T>
RAMOE_INLINE void load_lanes(FourRegisters<T>& v, const T* from) {
  std::memcpy(&v.a, from, 16);
  std::memcpy(&v.b, from + v.each, 16);
  std::memcpy(&v.c, from + 2 * v.each, 16);
  std::memcpy(&v.d, from + 3 * v.each, 16);
}
template <class T>
RAMOE_INLINE void store_lanes(T* to, const FourRegisters<T>& v) {
  std::memcpy(to, &v.a, 16);
  std::memcpy(to + v.each, &v.b, 16);
  std::memcpy(to + 2 * v.each, &v.c, 16);
  std::memcpy(to + 3 * v.each, &v.d, 16);
}
template <class T>
RAMOE_INLINE void load_lanes(FourRegisters<T>& v, const T* from, int some) {
  if (some >= Lanes<T>::count) return load_lanes(v, from);
  T lane[Lanes<T>::count] = {};
  for (int l = 0; l < some; ++l) lane[l] = from[l];
  load_lanes(v, lane);
}
template <class T>
RAMOE_INLINE void store_lanes(T* to, const FourRegisters<T>& v, int some) {
  if (some >= Lanes<T>::count) return store_lanes(to, v);
  T lane[Lanes<T>::count];
  store_lanes(lane, v);
  for (int l = 0; l < some; ++l) to[l] = lane[l];
}

template <class T>
RAMOE_INLINE void set_lanes_from(FourRegisters<T>& v, int first, T value) {
  const typename FourRegisters<T>::Part other = value - typename FourRegisters<T>::Part{};
  v = {v.below(v.a, first, other), v.below(v.b, first - v.each, other),
       v.below(v.c, first - 2 * v.each, other), v.below(v.d, first - 3 * v.each, other)};
}

template <class T>
RAMOE_INLINE FourRegisters<T> larger_lanes(const FourRegisters<T>& x, const FourRegisters<T>& y) {
  return {x.a > y.a ? x.a : y.a, x.b > y.b ? x.b : y.b, x.c > y.c ? x.c : y.c,
          x.d > y.d ? x.d : y.d};
}

template <class T>
RAMOE_INLINE T sum_of_lanes(const FourRegisters<T>& v) {
  auto sum = (v.a + v.c) + (v.b + v.d);
  if constexpr (sizeof(T) == 4) sum += __builtin_shufflevector(sum, sum, 2, 3, 0, 1);
  return sum[0] + sum[1];
}

}  // namespace ramoe
