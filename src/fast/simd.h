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

#include "fast/lanes.h"
#include "support/instruction_set.h"

// Before a loop whose turns do not depend on one another, wherever memory lies.
#if defined(__clang__)
#define RAMOE_INDEPENDENT _Pragma("clang loop vectorize(assume_safety)")
#else
#define RAMOE_INDEPENDENT _Pragma("GCC ivdep")
#endif
// Before a loop of short steps: four at a time, because counting and branching take a share of what
// a core can start; but one on ARM, where clang has no registers left for four times the addresses.
#if defined(__aarch64__)
#define RAMOE_SOME_STEPS _Pragma("GCC unroll 1")
#else
#define RAMOE_SOME_STEPS _Pragma("GCC unroll 4")
#endif
#define RAMOE_AVX512 __attribute__((target("arch=x86-64-v4")))
#define RAMOE_AVX2 __attribute__((target("arch=x86-64-v3")))

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

/// Sum of a[i] * b[i]. Order: lane i mod 16 first, then the lanes in pairs, then the tail.
RAMOE_INLINE float dot(const float* a, const float* b, int n) {
  Lanes sum = {}, x, y;
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    load_lanes(x, a + i);
    load_lanes(y, b + i);
    sum += x * y;
  }
  float total = i > 0 ? sum_of_lanes(sum) : 0;
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
RAMOE_INLINE float sum(const float* a, int n) {
  Lanes lanes = {}, x;
  int i = 0;
  for (; i + kLanes <= n; i += kLanes) {
    load_lanes(x, a + i);
    lanes += x;
  }
  float total = i > 0 ? sum_of_lanes(lanes) : 0;
  for (; i < n; ++i) total += a[i];
  return total;
}

/// Largest a[i], n >= 1. NaN anywhere may be passed over; callers that care look at the sum after.
RAMOE_INLINE float largest(const float* a, int n) {
  float best = a[0];
  int i = 0;
  if (n >= kLanes) {
    Lanes top, x;
    load_lanes(top, a);
    for (i = kLanes; i + kLanes <= n; i += kLanes) {
      load_lanes(x, a + i);
      take_larger(top, x);
    }
    best = largest_lane(top);
  }
  for (; i < n; ++i) best = a[i] > best ? a[i] : best;
  return best;
}

/// e^x without branches, of a float or of each lane of a register whose bits are X's as Bits.
/// Within 1.3 units in the last place of the true value; 0 below -87.3, inf above 88.3 (where e^x
/// is 2.2e38), NaN for NaN.
///
/// x = n ln2 + r with |r| <= ln2/2; e^r = 1 + r + r^2 q(r), then 2^n through the exponent bits. q
/// has degree 4 and equals (e^r - 1 - r) / r^2 at the five Chebyshev points of the interval:
/// relative error of e^r below 1.1e-8, a tenth of Taylor's polynomial of the same degree.
template <class X, class Bits>
RAMOE_INLINE X exp_of_each(X x) {
  // Between these 2^n is an ordinary float, so that one multiplication scales.
  const X least = X{} - 87.3f, most = X{} + 88.3f;
  const X above = x < least ? least : x;
  const X clamped = above > most ? most : above;
  const X magic = X{} + 12582912.0f;  // 1.5 * 2^23: adding it rounds to a whole number
  const X shifted = clamped * 1.44269504088896341f + magic;
  const X n = shifted - magic;
  const X r = (clamped - n * 0.693359375f) + n * 2.12194440e-4f;
  X p = X{} + 1.39262131e-3f;
  p = p * r + 8.36320315e-3f;
  p = p * r + 4.16665561e-2f;
  p = p * r + 0.166665763f;
  p = p * r + 0.5f;
  p = p * r + 1.0f;
  p = p * r + 1.0f;
  // n stands in the last bits of `shifted`, whose other bits the shift pushes out.
  Bits bits;
  std::memcpy(&bits, &shifted, sizeof bits);
  bits = (bits << 23) + (127u << 23);
  X scale;
  std::memcpy(&scale, &bits, sizeof scale);
  const X y = p * scale;  // NaN came through p
  const X not_small = x < least ? X{} : y;
  return x > most ? X{} + __builtin_inff() : not_small;
}
RAMOE_INLINE float exp_of(float x) {
  return exp_of_each<float, std::uint32_t>(x);
}

/// e^x of each lane.
RAMOE_INLINE void exp_lanes(Register& v) {
  typedef std::uint32_t Bits __attribute__((vector_size(sizeof(Register))));
  v = exp_of_each<Register, Bits>(v);
}
template <class Half>
RAMOE_INLINE void exp_lanes(Two<Half>& v) {
  exp_lanes(v.low);
  exp_lanes(v.high);
}

/// log of the sum of e^z[i], n >= 1, in pieces that stay in registers.
RAMOE_INLINE float log_sum_exp(const float* z, int n) {
  constexpr int kPiece = 64;
  float piece[kPiece];
  const float top = largest(z, n);
  float total = 0;
  for (int i = 0; i < n; i += kPiece) {
    const int m = n - i < kPiece ? n - i : kPiece;
    for (int l = 0; l < m; ++l) piece[l] = exp_of(z[i + l] - top);
    total += sum(piece, m);
  }
  return top + std::log(total);
}

/// 1 / (1 + e^-x).
RAMOE_INLINE float sigmoid(float x) {
  return 1.0f / (1.0f + exp_of(-x));
}

}  // namespace ramoe
