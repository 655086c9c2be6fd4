// CUDA - tensor cores and asynchronous copies: an instruction on the GPU, a loop in emulation
//
// A warp multiplies small matrices whose elements lie spread over its lanes, a fragment in each
// (PTX ISA, "matrix fragments for mma.m16n8k16"). With g = lane / 4 and i = lane % 4, in bf16,
// where a register holds two neighbours of a row of A, or of a column of B:
//
//   A (16,16)  a[0] row g, columns 2i 2i+1         a[1] the same of row g+8
//              a[2] row g, columns 2i+8 2i+9       a[3] the same of row g+8
//   B (16,8)   b[0] rows 2i 2i+1, column g         b[1] rows 2i+8 2i+9
//   D (16,8)   d[0] d[1] row g, columns 2i 2i+1    d[2] d[3] row g+8
//
// In tf32, where a register holds one value:
//
//   A (16,8)   a[0] row g, column i    a[1] row g+8    a[2] row g, column i+4    a[3] row g+8
//   B (8,8)    b[0] row i, column g    b[1] row i+4
#pragma once

#include "cuda/support/launch.h"

namespace ramoe::cuda {

/// d += A B, bf16 in, fp32 sums.
__device__ inline void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]);
/// d += A B, tf32 in, fp32 sums.
__device__ inline void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]);
/// The bits of x rounded to tf32, to nearest, ties away from zero: 10 bits of mantissa.
__device__ inline unsigned to_tf32(float x);
/// Two values rounded as src/fast/gemm_bf16.h says, in one register: the first of them low.
__device__ inline unsigned pack_bf16(float low, float high);
/// Lane l brings the address of row l%8 of matrix l/8, 8 bf16 values, in shared memory; each lane
/// gets of every one of the four (8,8) matrices the elements (l/4, 2(l%4)) and the next of the row;
/// of the transposed matrices with `transposed`.
template <bool transposed = false>
__device__ void load_matrices(unsigned (&to)[4], const void* row);
/// Starts to copy 16 or 4 bytes, aligned, from global to shared memory (zeros if !there; `from` is
/// then not read); arrives by the wait.
template <int bytes = 16>
__device__ void copy_async(void* to, const void* from, bool there);
__device__ inline void commit_copies();
/// Waits until of this thread's committed groups of copies at most `left` are under way.
template <int left>
__device__ void wait_copies();

#ifdef __CUDACC__

__device__ inline void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ inline void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  asm volatile(
      "mma.sync.aligned.m16n8k8.row.col.f32.tf32.tf32.f32 "
      "{%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
      : "+f"(d[0]), "+f"(d[1]), "+f"(d[2]), "+f"(d[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b[0]), "r"(b[1]));
}
__device__ inline unsigned to_tf32(float x) {
  unsigned bits;
  asm("cvt.rna.tf32.f32 %0, %1;" : "=r"(bits) : "f"(x));
  return bits;
}
__device__ inline unsigned pack_bf16(float low, float high) {
  unsigned pair;  // .ftz: numbers below the smallest normal one become 0
  asm("{.reg .f32 low, high;\n"
      "mul.ftz.f32 low, %1, 0f3F800000; mul.ftz.f32 high, %2, 0f3F800000;\n"
      "cvt.rn.bf16x2.f32 %0, high, low;}"
      : "=r"(pair)
      : "f"(low), "f"(high));
  return pair;
}
template <bool transposed>
__device__ void load_matrices(unsigned (&to)[4], const void* row) {
  const unsigned at = unsigned(__cvta_generic_to_shared(row));
  if constexpr (transposed)
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(at)
                 : "memory");
  else
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
                 : "r"(at)
                 : "memory");
}
template <int bytes>
__device__ void copy_async(void* to, const void* from, bool there) {
  const unsigned at = unsigned(__cvta_generic_to_shared(to));
  if constexpr (bytes == 16)
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(at), "l"(from),
                 "r"(there ? 16 : 0)
                 : "memory");
  else
    asm volatile("cp.async.ca.shared.global [%0], [%1], 4, %2;" ::"r"(at), "l"(from),
                 "r"(there ? 4 : 0)
                 : "memory");
}
__device__ inline void commit_copies() {
  asm volatile("cp.async.commit_group;" ::: "memory");
}
template <int left>
__device__ void wait_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(left) : "memory");
}

#else

inline float low_bf16(unsigned pair) {
  return __int_as_float(int(pair << 16));
}
inline float high_bf16(unsigned pair) {
  return __int_as_float(int(pair & 0xffff0000u));
}

struct MmaInput {
  float d[4];
  unsigned a[4], b[2];
};
/// D += A B with A (16,K) and B (K,8), which `spread` reads out of the registers of one lane.
template <int K, void (*spread)(float (&A)[16][K], float (&B)[K][8], const MmaInput& x, int lane)>
void emulated_mma(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2],
                  const char* name) {
  struct Output {
    float d[4];
  };
  const MmaInput in{{d[0], d[1], d[2], d[3]}, {a[0], a[1], a[2], a[3]}, {b[0], b[1]}};
  const Output out = emulation::meet<Output>(
      0xffffffffu, in,
      [](const emulation::Lane* lanes, unsigned) {
        float A[16][K], B[K][8], D[16][8];
        for (int l = 0; l < 32; ++l) {
          const MmaInput& x = *static_cast<const MmaInput*>(lanes[l].give);
          spread(A, B, x, l);
          for (int r = 0; r < 4; ++r) D[l / 4 + r / 2 * 8][l % 4 * 2 + r % 2] = x.d[r];
        }
        for (int m = 0; m < 16; ++m)
          for (int k = 0; k < K; ++k)
            for (int n = 0; n < 8; ++n) D[m][n] += A[m][k] * B[k][n];
        for (int l = 0; l < 32; ++l)
          for (int r = 0; r < 4; ++r)
            static_cast<Output*>(lanes[l].take)->d[r] = D[l / 4 + r / 2 * 8][l % 4 * 2 + r % 2];
      },
      {name, 0});
  for (int r = 0; r < 4; ++r) d[r] = out.d[r];
}
inline void spread_bf16(float (&A)[16][16], float (&B)[16][8], const MmaInput& x, int lane) {
  const int g = lane / 4, i = lane % 4 * 2;
  for (int r = 0; r < 4; ++r) {
    A[g + r % 2 * 8][i + r / 2 * 8] = low_bf16(x.a[r]);
    A[g + r % 2 * 8][i + r / 2 * 8 + 1] = high_bf16(x.a[r]);
  }
  for (int r = 0; r < 2; ++r) {
    B[i + r * 8][g] = low_bf16(x.b[r]);
    B[i + r * 8 + 1][g] = high_bf16(x.b[r]);
  }
}
inline void spread_tf32(float (&A)[16][8], float (&B)[8][8], const MmaInput& x, int lane) {
  const int g = lane / 4, i = lane % 4;
  for (int r = 0; r < 4; ++r) A[g + r % 2 * 8][i + r / 2 * 4] = __int_as_float(int(x.a[r]));
  for (int r = 0; r < 2; ++r) B[i + r * 4][g] = __int_as_float(int(x.b[r]));
}
inline void mma_bf16(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  emulated_mma<16, spread_bf16>(d, a, b, "mma_bf16");
}
inline void mma_tf32(float (&d)[4], const unsigned (&a)[4], const unsigned (&b)[2]) {
  emulated_mma<8, spread_tf32>(d, a, b, "mma_tf32");
}
inline unsigned to_tf32(float x) {
  const unsigned bits = unsigned(__float_as_int(x));
  if ((bits & 0x7f800000u) == 0x7f800000u) return x != x ? 0x7fffffffu : bits;
  return (bits + 0x1000u) & 0xffffe000u;
}
inline unsigned pack_bf16(float low, float high) {
  const auto round = [](float x) -> unsigned {
    const unsigned bits = unsigned(__float_as_int(x));
    return (bits & 0x7f800000u) == 0 ? bits >> 16 & 0x8000u : __float2bfloat16(x).bits;
  };
  return round(low) | round(high) << 16;
}
template <bool transposed>
void load_matrices(unsigned (&to)[4], const void* row) {
  struct Output {
    unsigned to[4];
  };
  const Output out = emulation::meet<Output>(
      0xffffffffu, row,
      [](const emulation::Lane* lanes, unsigned) {
        for (int l = 0; l < 32; ++l)
          for (int matrix = 0; matrix < 4; ++matrix) {
            const auto element = [&](int r, int c) -> unsigned {
              const int place = transposed ? c : r, column = transposed ? r : c;
              const void* from = *static_cast<const void* const*>(lanes[matrix * 8 + place].give);
              return static_cast<const __nv_bfloat16*>(from)[column].bits;
            };
            static_cast<Output*>(lanes[l].take)->to[matrix] =
                element(l / 4, l % 4 * 2) | element(l / 4, l % 4 * 2 + 1) << 16;
          }
      },
      {"load_matrices", 0});
  for (int r = 0; r < 4; ++r) to[r] = out.to[r];
}
// A copy is done only when it is waited for: who reads before finds what was there before.
template <int bytes>
void copy_async(void* to, const void* from, bool there) {
  static_assert(bytes == 16 || bytes == 4);
  if ((std::uintptr_t(to) | (there ? std::uintptr_t(from) : 0)) % bytes != 0)
    emulation::complain({__FILE__, __LINE__}, "copies between addresses that are not aligned");
  emulation::copy_later(to, there ? from : nullptr, bytes);
}
inline void commit_copies() {
  emulation::commit_copies();
}
template <int left>
void wait_copies() {
  emulation::wait_copies(left);
}

#endif

}  // namespace ramoe::cuda
