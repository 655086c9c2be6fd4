// Fast - one source, several machines: lanes, exp, and functions compiled per instruction set
//
// A kernel is written once, as an always-inlined body, and called as simd<body>(...). That compiles
// the body for AVX-512 (x86-64-v4), AVX2 (x86-64-v3) and the baseline, or for what another
// processor has, and calls the version for instruction_set(). Reductions use explicit lanes, so
// that their order is in the text and not left to a compiler flag.
#pragma once

#include <cmath>
#include <cstdint>
#include <cstring>

#include "support/instruction_set.h"

#define RAMOE_INLINE [[gnu::always_inline]] inline  // lambdas in a body need it, too
#if defined( \
    __clang__)  // before a loop whose turns do not depend on one another, wherever memory lies
#define RAMOE_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define RAMOE_INDEPENDENT _Pragma("GCC ivdep")
#endif
#define RAMOE_AVX512 __attribute__((target("arch=x86-64-v4")))
#define RAMOE_AVX2 __attribute__((target("arch=x86-64-v3")))

#if defined(__aarch64__) && !defined(__clang__)
#define RAMOE_FOUR_REGISTERS  // of NEON, for the lanes
#include "fast/lanes_neon.h"
#endif

namespace ramoe {

/// The versions of a body, one for each instruction set.
template <auto* body>
struct Clones;
template <class Result, class... Arguments, Result (*body)(Arguments...)>
struct Clones<body> {
#if defined(__x86_64__)
  RAMOE_AVX512 static Result avx512(Arguments... arguments) {
    return body(arguments...);
  }
  RAMOE_AVX2 static Result avx2(Arguments... arguments) {
    return body(arguments...);
  }
#endif
  static Result baseline(Arguments... arguments) {
    return body(arguments...);
  }

  static Result run(Arguments... arguments) {
#if defined(__x86_64__)
    if (instruction_set() == InstructionSet::avx512) return avx512(arguments...);
    if (instruction_set() == InstructionSet::avx2) return avx2(arguments...);
#endif
    return baseline(arguments...);
  }
};
template <auto* body>
constexpr auto simd = Clones<body>::run;

/// 64 bytes of T side by side: 16 floats or 8 doubles.
#ifndef RAMOE_FOUR_REGISTERS
template <class T>
struct Lanes;
template <>
struct Lanes<float> {
  static constexpr int count = 16;
  typedef float Vector __attribute__((vector_size(64)));
  typedef std::int32_t Numbers __attribute__((vector_size(64)));
  static constexpr Numbers number = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
};
template <>
struct Lanes<double> {
  static constexpr int count = 8;
  typedef double Vector __attribute__((vector_size(64)));
  typedef std::int64_t Numbers __attribute__((vector_size(64)));
  static constexpr Numbers number = {0, 1, 2, 3, 4, 5, 6, 7};
};

template <class T>
RAMOE_INLINE void load_lanes(typename Lanes<T>::Vector& v, const T* from) {
  std::memcpy(&v, from, sizeof v);
}

template <class T>
RAMOE_INLINE void store_lanes(T* to, const typename Lanes<T>::Vector& v) {
  std::memcpy(to, &v, sizeof v);
}
/// The same for `some` lanes, if there are not as many as a vector has; the others are 0.
template <class T>
RAMOE_INLINE void load_lanes(typename Lanes<T>::Vector& v, const T* from, int some) {
  if (some >= Lanes<T>::count) return load_lanes(v, from);
  v = typename Lanes<T>::Vector{};
  for (int l = 0; l < some; ++l) v[l] = from[l];
}
template <class T>
RAMOE_INLINE void store_lanes(T* to, const typename Lanes<T>::Vector& v, int some) {
  if (some >= Lanes<T>::count) return store_lanes(to, v);
  for (int l = 0; l < some; ++l) to[l] = v[l];
}
/// Lanes from `first` on become `value`.
template <class T>
RAMOE_INLINE void set_lanes_from(typename Lanes<T>::Vector& v, int first, T value) {
  v = Lanes<T>::number < first ? v : typename Lanes<T>::Vector{} + value;
}

/// Sum of the lanes: lane l and lane l + half, until one is left.
template <class T>
RAMOE_INLINE T sum_of_lanes(typename Lanes<T>::Vector v) {
  if constexpr (sizeof(T) == 4) {
    v += __builtin_shufflevector(v, v, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7);
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3, 12, 13, 14, 15, 8, 9, 10, 11);
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5, 10, 11, 8, 9, 14, 15, 12, 13);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6, 9, 8, 11, 10, 13, 12, 15, 14);
  } else {
    v += __builtin_shufflevector(v, v, 4, 5, 6, 7, 0, 1, 2, 3);
    v += __builtin_shufflevector(v, v, 2, 3, 0, 1, 6, 7, 4, 5);
    v += __builtin_shufflevector(v, v, 1, 0, 3, 2, 5, 4, 7, 6);
  }
  return v[0];
}

/// The larger of each lane's two; where x is NaN, that of y.
template <class T>
RAMOE_INLINE typename Lanes<T>::Vector larger_lanes(const typename Lanes<T>::Vector& x,
                                                    const typename Lanes<T>::Vector& y) {
  return x > y ? x : y;
}
#endif

/// The largest lane, in the same pairs; a lane that is NaN may be passed over.
template <class T>
RAMOE_INLINE T largest_lane(const typename Lanes<T>::Vector& v) {
  T lane[Lanes<T>::count];
  store_lanes(lane, v);
  for (int half = Lanes<T>::count / 2; half > 0; half /= 2)
    for (int l = 0; l < half; ++l) lane[l] = lane[l + half] > lane[l] ? lane[l + half] : lane[l];
  return lane[0];
}

/// Sum of a[i] * b[i]. Order: lane i mod count first, then the lanes in pairs, then the tail.
template <class T>
RAMOE_INLINE T dot(const T* a, const T* b, int n) {
  constexpr int W = Lanes<T>::count;
  typename Lanes<T>::Vector sum = {}, x, y;
  int i = 0;
  for (; i + W <= n; i += W) {
    load_lanes(x, a + i);
    load_lanes(y, b + i);
    sum += x * y;
  }
  T total = i > 0 ? sum_of_lanes<T>(sum) : T(0);
  for (; i < n; ++i) total += a[i] * b[i];
  return total;
}

/// softmax_gradient_row of chapter 1.6 for float, its sum in the order of dot.
RAMOE_INLINE void softmax_gradient_row(float* dz, const float* p, const float* g, int E,
                                       float scale = 1) {
  const float mean = dot(p, g, E);
  for (int j = 0; j < E; ++j) dz[j] += scale * p[j] * (g[j] - mean);
}

/// Sum of a[i], in the order of dot.
template <class T>
RAMOE_INLINE T sum(const T* a, int n) {
  constexpr int W = Lanes<T>::count;
  typename Lanes<T>::Vector lanes = {}, x;
  int i = 0;
  for (; i + W <= n; i += W) {
    load_lanes(x, a + i);
    lanes += x;
  }
  T total = i > 0 ? sum_of_lanes<T>(lanes) : T(0);
  for (; i < n; ++i) total += a[i];
  return total;
}

/// Largest a[i], n >= 1. NaN anywhere may be passed over; callers that care look at the sum after.
template <class T>
RAMOE_INLINE T largest(const T* a, int n) {
  T lane[16];
  int i = 0;
  T best = a[0];
  if (n >= 16) {
    for (int l = 0; l < 16; ++l) lane[l] = a[l];
    for (i = 16; i + 16 <= n; i += 16)
      for (int l = 0; l < 16; ++l) lane[l] = a[i + l] > lane[l] ? a[i + l] : lane[l];
    for (int l = 0; l < 16; ++l) best = lane[l] > best ? lane[l] : best;
  }
  for (; i < n; ++i) best = a[i] > best ? a[i] : best;
  return best;
}

/// e^x without branches, so that loops over it vectorise. Within 1.3 units in the last place of the
/// true value; 0 below -87.3, inf above 88.3 (where e^x is 2.2e38), NaN for NaN.
///
/// x = n ln2 + r with |r| <= ln2/2; e^r = 1 + r + r^2 q(r), then 2^n through the exponent bits. q
/// has degree 4 and equals (e^r - 1 - r) / r^2 at the five Chebyshev points of the interval:
/// relative error of e^r below 1.1e-8, a tenth of Taylor's polynomial of the same degree.
RAMOE_INLINE float exp_of(float x) {
  // Between these 2^n is an ordinary float, so that one multiplication scales.
  constexpr float kLeast = -87.3f, kMost = 88.3f;
  const float above = x < kLeast ? kLeast : x;
  const float clamped = above > kMost ? kMost : above;
  const float magic = 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  const float shifted = clamped * 1.44269504088896341f + magic;
  const float n = shifted - magic;
  const float r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  float p = 1.39262131e-3f;
  p = p * r + 8.36320315e-3f;
  p = p * r + 4.16665561e-2f;
  p = p * r + 0.166665763f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  // n stands in the last bits of `shifted`, whose other bits the shift pushes out.
  std::uint32_t bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + (127u << 23);
  float scale;
  std::memcpy(&scale, &bits, sizeof scale);
  float y = p * scale;  // NaN came through p
  y = x < kLeast ? 0.0f : y;
  return x > kMost ? __builtin_inff() : y;
}
RAMOE_INLINE double exp_of(double x) {
  return std::exp(x);
}

/// e^x of each lane.
template <class T>
RAMOE_INLINE void exp_lanes(typename Lanes<T>::Vector& v) {
  T lane[Lanes<T>::count];
  store_lanes(lane, v);
  for (T& x : lane) x = exp_of(x);
  load_lanes(v, lane);
}

/// log of the sum of e^z[i], n >= 1, in pieces that stay in registers.
template <class T>
RAMOE_INLINE T log_sum_exp(const T* z, int n) {
  constexpr int kPiece = 64;
  T piece[kPiece];
  const T top = largest(z, n);
  T total = 0;
  for (int i = 0; i < n; i += kPiece) {
    const int m = n - i < kPiece ? n - i : kPiece;
    for (int l = 0; l < m; ++l) piece[l] = exp_of(z[i + l] - top);
    total += sum(piece, m);
  }
  return top + std::log(total);
}

/// 1 / (1 + e^-x).
template <class T>
RAMOE_INLINE T sigmoid(T x) {
  return T(1) / (T(1) + exp_of(-x));
}

}  // namespace ramoe
