// Fast - the matrix product in bf16: inputs rounded to 8 bits of mantissa, sums in fp32
//
//   C (M,N) += r(A) r(B)      r(x) = x rounded to bf16, to nearest, ties to even
//
// bf16 is the upper half of an fp32: the same exponent, 8 bits of mantissa instead of 24. A product
// of two such numbers has at most 16 bits and is exact in fp32, so rounding happens in two places
// only: at the inputs, and at each addition of the fp32 sum. Matrices stay fp32 in memory; they are
// rounded while they are packed.
//
// AVX512-BF16 multiplies pairs of k: vdpbf16ps adds to a lane the product of its upper halves and
// then that of its lower ones, each sum rounded. With the even k in the upper half this is the
// chain of the fp32 product, k by k. So all versions give the same bits, on any processor, as long
// as no sum is tinier than the smallest normal number (1.2e-38), which AVX512-BF16 takes for 0.
//
// Gained over fp32 on one thread of a Zen 5 core (`ramoe bench --only=bf16`, docs/speed.md): 2.0
// times the multiply-adds in registers, 1.7 times the products (packing rounds, which costs), 1.3
// times the training step (attention, norms and AdamW stay as they are).
// Tests: tests/fast/gemm_bf16_test.cpp
#pragma once

#include <cstdint>
#include <cstring>

#include "ch01_tensor/gemm.h"

namespace ramoe {

/// r(x), as fp32. NaN stays NaN, infinity stays infinity, what is nearer to 2^128 than to the
/// largest bf16 becomes infinity, and numbers below the smallest normal one become 0.
inline float round_to_bf16(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  const std::uint32_t exponent = bits & 0x7f800000u;
  if (x != x)
    bits = (bits & 0xffff0000u) | 0x00400000u;  // quiet, whatever payload is cut off
  else if (exponent == 0)
    bits &= 0x80000000u;
  else
    bits = (bits + 0x7fffu + ((bits >> 16) & 1u)) & 0xffff0000u;
  std::memcpy(&x, &bits, sizeof bits);
  return x;
}

constexpr int kBf16BlockK = 256;  // K is summed in blocks of this many; part of the result's bits

/// The definition: per element one chain of additions for each block of K, from 0 and in the order
/// of k; the blocks are added to C in turn. Rounds each input again whenever it is read.
void gemm_bf16_plain(const Gemm<float>& g);

/// The same for processors without AVX512-BF16: rounds blocks of A and B, then uses the fp32
/// kernels.
void gemm_bf16_portable(const Gemm<float>& g);

/// The fast version, on this thread, for sizes that are checked. With AVX512-BF16, or portable.
void gemm_bf16(const Gemm<float>& g);

/// What gemm_bf16 runs as on this machine: "avx512bf16", or "fp32" for the portable version.
const char* gemm_bf16_isa();

/// The version with AVX512-BF16. Error: the processor does not have it.
void gemm_bf16_avx512(const Gemm<float>& g);

}  // namespace ramoe
