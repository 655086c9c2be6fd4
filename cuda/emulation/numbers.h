// CUDA emulation - vector types, bf16 and single instructions
//
// expf and its like are those of this processor: the last bit may differ from a GPU's.
#pragma once

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "cuda/emulation/place.h"

// ---- Vectors: one load of 8 or 16 bytes ---------------------------------------------------------

struct alignas(8) float2 {
  float x, y;
};
struct float3 {
  float x, y, z;
};
struct alignas(16) float4 {
  float x, y, z, w;
};
struct alignas(8) int2 {
  int x, y;
};
struct int3 {
  int x, y, z;
};
struct alignas(16) int4 {
  int x, y, z, w;
};
struct alignas(8) uint2 {
  unsigned x, y;
};
struct alignas(16) uint4 {
  unsigned x, y, z, w;
};
struct alignas(16) double2 {
  double x, y;
};
struct alignas(4) uchar4 {
  unsigned char x, y, z, w;
};
inline float2 make_float2(float x, float y) {
  return {x, y};
}
inline float4 make_float4(float x, float y, float z, float w) {
  return {x, y, z, w};
}
inline int2 make_int2(int x, int y) {
  return {x, y};
}
inline int4 make_int4(int x, int y, int z, int w) {
  return {x, y, z, w};
}
inline uint2 make_uint2(unsigned x, unsigned y) {
  return {x, y};
}
inline uint4 make_uint4(unsigned x, unsigned y, unsigned z, unsigned w) {
  return {x, y, z, w};
}

// ---- The bits of a number -----------------------------------------------------------------------

namespace emulation {
template <class To, class From>
To same_bits(From value) {
  static_assert(sizeof(To) == sizeof(From));
  To out;
  std::memcpy(&out, &value, sizeof(To));
  return out;
}
}  // namespace emulation

inline float __int_as_float(int x) {
  return emulation::same_bits<float>(x);
}
inline int __float_as_int(float x) {
  return emulation::same_bits<int>(x);
}
inline float __uint_as_float(unsigned x) {
  return emulation::same_bits<float>(x);
}
inline unsigned __float_as_uint(float x) {
  return emulation::same_bits<unsigned>(x);
}
inline int __popc(unsigned x) {
  return __builtin_popcount(x);
}
inline int __popcll(unsigned long long x) {
  return __builtin_popcountll(x);
}
inline int __clz(int x) {
  return x ? __builtin_clz(unsigned(x)) : 32;
}
inline int __ffs(int x) {
  return __builtin_ffs(x);
}
inline unsigned __umulhi(unsigned a, unsigned b) {
  return unsigned(std::uint64_t{a} * b >> 32);
}

// ---- bf16 ---------------------------------------------------------------------------------------

struct __nv_bfloat16 {
  std::uint16_t bits;
  __nv_bfloat16() = default;
  __nv_bfloat16(float value);
  operator float() const { return __uint_as_float(std::uint32_t(bits) << 16); }
};
struct alignas(4) __nv_bfloat162 {
  __nv_bfloat16 x, y;
};

/// To nearest, ties to even.
inline __nv_bfloat16::__nv_bfloat16(float value) {
  const unsigned all = __float_as_uint(value);
  bits = std::uint16_t(value != value ? 0x7fff : (all + 0x7fff + (all >> 16 & 1)) >> 16);
}
inline float __bfloat162float(__nv_bfloat16 value) {
  return value;
}
inline __nv_bfloat16 __float2bfloat16(float value) {
  return value;
}
inline __nv_bfloat16 __float2bfloat16_rn(float value) {
  return value;
}
inline unsigned short __bfloat16_as_ushort(__nv_bfloat16 value) {
  return value.bits;
}
inline __nv_bfloat16 __ushort_as_bfloat16(unsigned short bits) {
  return emulation::same_bits<__nv_bfloat16>(bits);
}
inline __nv_bfloat162 __floats2bfloat162_rn(float x, float y) {
  return {x, y};
}
inline __nv_bfloat162 __float22bfloat162_rn(float2 pair) {
  return {pair.x, pair.y};
}
inline float2 __bfloat1622float2(__nv_bfloat162 pair) {
  return {pair.x, pair.y};
}
inline __nv_bfloat162 __halves2bfloat162(__nv_bfloat16 x, __nv_bfloat16 y) {
  return {x, y};
}
inline float __low2float(__nv_bfloat162 pair) {
  return pair.x;
}
inline float __high2float(__nv_bfloat162 pair) {
  return pair.y;
}

// ---- Loads, stores and arithmetic ---------------------------------------------------------------

template <class T>
EMULATION_INLINE T __ldg(const T* at) {
  return *at;
}
template <class T>
EMULATION_INLINE T __ldcg(const T* at) {
  return *at;
}
template <class T>
EMULATION_INLINE T __ldcs(const T* at) {
  return *at;
}
template <class T>
EMULATION_INLINE void __stcs(T* at, T value) {
  *at = value;
}
template <class T>
EMULATION_INLINE void __stcg(T* at, T value) {
  *at = value;
}

inline float rsqrtf(float x) {
  return 1 / std::sqrt(x);
}
inline double rsqrt(double x) {
  return 1 / std::sqrt(x);
}
inline float __frsqrt_rn(float x) {
  return float(1 / std::sqrt(double(x)));
}
inline float __expf(float x) {
  return std::exp(x);
}
inline float __logf(float x) {
  return std::log(x);
}
inline float __fdividef(float a, float b) {
  return a / b;
}
inline float __fadd_rn(float a, float b) {
  return a + b;
}
inline float __fmul_rn(float a, float b) {
  return a * b;
}
inline float __fdiv_rn(float a, float b) {
  return a / b;
}
inline float __fsqrt_rn(float x) {
  return std::sqrt(x);
}
inline float __fmaf_rn(float a, float b, float c) {
  return std::fma(a, b, c);
}
inline float __saturatef(float x) {
  return x > 0 ? std::min(x, 1.0f) : 0;
}
inline int __float2int_rn(float x) {
  return int(std::nearbyint(x));
}
inline float __int2float_rn(int x) {
  return float(x);
}
inline float __double2float_rn(double x) {
  return float(x);
}
/// Of pi x.
inline void sincospif(float x, float* sine, float* cosine) {
  const double angle = 3.14159265358979323846 * double(x);
  *sine = float(std::sin(angle)), *cosine = float(std::cos(angle));
}
using std::isfinite;
using std::isinf;
using std::isnan;
using std::max;
using std::min;
// As on the GPU: of a number and NaN the number.
inline float max(float a, float b) {
  return std::fmax(a, b);
}
inline float min(float a, float b) {
  return std::fmin(a, b);
}
inline double max(double a, double b) {
  return std::fmax(a, b);
}
inline double min(double a, double b) {
  return std::fmin(a, b);
}
