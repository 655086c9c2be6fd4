// Fast - the bf16 product of gemm_bf16.h with the instructions of AVX512-BF16.
//
//   A, B (fp32) --round, pair--> packed words --tile--> C (fp32)
//
// A word is a pair of k: the even k in its upper half, the odd one (0 behind an odd K) in the lower
// half, so that vdpbf16ps adds in the order of k. The structure is that of gemm.cpp: blocks of K,
// groups of columns, rows, panels, register tiles.
#include "fast/gemm_bf16.h"
#include "support/error.h"

#if defined(__x86_64__)

#if !defined(__clang__)  // GCC 12 warns of its own "undefined" vectors in this header
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wmaybe-uninitialized"
#include <immintrin.h>
#pragma GCC diagnostic pop
#else
#include <immintrin.h>
#endif

#include <algorithm>
#include <array>
#include <memory>

namespace ramoe {
namespace {

#define RAMOE_BF16 \
  __attribute__((target("avx512f,avx512bw,avx512dq,avx512vl,avx512bf16,avx2,fma,bmi,bmi2")))
#define RAMOE_BF16_INLINE inline RAMOE_BF16 __attribute__((always_inline))

using Stride = std::ptrdiff_t;
using Word = std::uint32_t;

constexpr int kLanes = 16;
constexpr int kPairs = kBf16BlockK / 2;  // words of a column of a block
constexpr int kGroup = 512;              // columns of B packed together: 256 KB, for the L2 cache
constexpr int kRows = 96;                // rows of A packed together: 48 KB
constexpr int kMaxVectors = 4;
constexpr int kMaxRows = 12;
constexpr int kTallest[kMaxVectors + 1] = {0, 12, 12, 8, 6};  // accumulators + row of B + 1 <= 29

/// Packed operands of the product that a thread is at.
struct Scratch {
  alignas(64) Word b[kPairs * kGroup];
  alignas(64) Word a[kPairs * kRows];
};
Scratch& scratch() {
  thread_local const std::unique_ptr<Scratch> mine(new Scratch);
  return *mine;
}

int divide_up(int n, int by) {
  return (n + by - 1) / by;
}

/// The first `count` (0 to 16) lanes.
__mmask16 lanes_of(int count) {
  return static_cast<__mmask16>((1u << std::clamp(count, 0, kLanes)) - 1u);
}

// ---- Packing ------------------------------------------------------------------------------------

/// 16 words from 32 values that are neighbours in k.
RAMOE_BF16_INLINE __m512i words_along_k(const float* from, int left) {
  const __m512 first = _mm512_maskz_loadu_ps(lanes_of(left), from);
  const __m512 second = _mm512_maskz_loadu_ps(lanes_of(left - kLanes), from + kLanes);
  return _mm512_rol_epi32((__m512i)_mm512_cvtne2ps_pbh(second, first), 16);
}

/// Rows that run across k: to[p * to_row + j] from `from` (k, cols), zeros to the next vector.
RAMOE_BF16 void pack_across(Word* to, int to_row, const float* from, Stride from_row, int k,
                            int cols) {
  alignas(64) static constexpr auto kWeave = [] {  // lanes k+1 | k to words
    std::array<std::uint16_t, 2 * kLanes> at{};
    for (std::size_t j = 0; j < kLanes; ++j)
      at[2 * j] = static_cast<std::uint16_t>(j), at[2 * j + 1] = static_cast<std::uint16_t>(16 + j);
    return at;
  }();
  const __m512i weave = _mm512_load_si512(kWeave.data());
  for (int k0 = 0; k0 < k; k0 += 2, to += to_row, from += 2 * from_row) {
    for (int j = 0; j < cols; j += kLanes) {
      const __mmask16 mask = lanes_of(cols - j);
      const __m512 even = _mm512_maskz_loadu_ps(mask, from + j);
      const __m512 odd =
          _mm512_maskz_loadu_ps(k0 + 1 < k ? mask : __mmask16{0}, from + from_row + j);
      const __m512i halves = (__m512i)_mm512_cvtne2ps_pbh(even, odd);
      _mm512_store_si512(to + j, _mm512_permutexvar_epi16(weave, halves));
    }
  }
}

/// x[i] lane l  <->  x[l] lane i.
RAMOE_BF16_INLINE void transpose(__m512i (&x)[kLanes]) {
  __m512i y[kLanes];
  for (int i = 0; i < kLanes; i += 2) {
    y[i] = _mm512_unpacklo_epi32(x[i], x[i + 1]);
    y[i + 1] = _mm512_unpackhi_epi32(x[i], x[i + 1]);
  }
  for (int i = 0; i < kLanes; i += 4) {  // x[i + c] holds column c of each 128-bit block
    x[i] = _mm512_unpacklo_epi64(y[i], y[i + 2]);
    x[i + 1] = _mm512_unpackhi_epi64(y[i], y[i + 2]);
    x[i + 2] = _mm512_unpacklo_epi64(y[i + 1], y[i + 3]);
    x[i + 3] = _mm512_unpackhi_epi64(y[i + 1], y[i + 3]);
  }
  for (int c = 0; c < 4; ++c) {  // then the 4 x 4 of blocks
    const __m512i a = _mm512_shuffle_i32x4(x[c], x[c + 4], 0x88);
    const __m512i b = _mm512_shuffle_i32x4(x[c], x[c + 4], 0xdd);
    const __m512i d = _mm512_shuffle_i32x4(x[c + 8], x[c + 12], 0x88);
    const __m512i e = _mm512_shuffle_i32x4(x[c + 8], x[c + 12], 0xdd);
    y[c] = _mm512_shuffle_i32x4(a, d, 0x88);
    y[c + 8] = _mm512_shuffle_i32x4(a, d, 0xdd);
    y[c + 4] = _mm512_shuffle_i32x4(b, e, 0x88);
    y[c + 12] = _mm512_shuffle_i32x4(b, e, 0xdd);
  }
  for (int i = 0; i < kLanes; ++i) x[i] = y[i];
}

/// Rows that run along k, turned: to[p * to_row + j] from `from` (cols, k), zeros likewise.
RAMOE_BF16 void pack_turned(Word* to, int to_row, const float* from, Stride from_row, int k,
                            int cols) {
  for (int j = 0; j < cols; j += kLanes) {
    for (int k0 = 0; k0 < k; k0 += 2 * kLanes) {
      __m512i x[kLanes];
      for (int i = 0; i < kLanes; ++i)
        x[i] = j + i < cols ? words_along_k(from + (j + i) * from_row + k0, k - k0)
                            : _mm512_setzero_si512();
      transpose(x);
      const int pairs = std::min(kLanes, divide_up(k - k0, 2));
      Word* const to_k = to + (k0 / 2) * to_row + j;
      for (int p = 0; p < pairs; ++p) _mm512_store_si512(to_k + p * to_row, x[p]);
    }
  }
}

// ---- The register tile --------------------------------------------------------------------------

/// C (R, V * 16) += or = A (R, pairs) B (pairs, V * 16), each element one chain from 0.
struct Tile {
  const Word* a;  // A(i,p) = a[p * kRows + i]
  const Word* b;  // B(p,j) = b[p * V * 16 + j]
  float* c;
  Stride ldc;
  int pairs;
  __mmask16 last;  // lanes of the last vector that are written
  bool add;
};

template <int V, int R>
RAMOE_BF16 void tile(const Tile& t) {
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) __builtin_prefetch(t.c + r * t.ldc + v * kLanes, 1);
  __m512 acc[R][V];
  for (int r = 0; r < R; ++r)
    for (int v = 0; v < V; ++v) acc[r][v] = _mm512_setzero_ps();
  const Word *a = t.a, *b = t.b;
  for (int p = t.pairs; p > 0; --p, a += kRows, b += V * kLanes) {
    __m512i b_v[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) b_v[v] = _mm512_load_si512(b + v * kLanes);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      __m512i a_r = _mm512_set1_epi32(static_cast<int>(a[r]));
#if defined(__clang__) && __clang_major__ == 16  // crashes on a bf16 vector of equal words
      asm("" : "+v"(a_r));
#endif
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v)
        acc[r][v] = _mm512_dpbf16_ps(acc[r][v], (__m512bh)a_r, (__m512bh)b_v[v]);
    }
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
    float* const c = t.c + r * t.ldc;
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      const __mmask16 mask = v + 1 < V ? __mmask16{0xffff} : t.last;
      __m512 x = acc[r][v];
      if (t.add) x = _mm512_add_ps(_mm512_maskz_loadu_ps(mask, c + v * kLanes), x);
      _mm512_mask_storeu_ps(c + v * kLanes, mask, x);
    }
  }
}

using TileFunction = void (*)(const Tile&);
struct Tiles {
  TileFunction of[kMaxVectors + 1][kMaxRows + 1] = {};
};

template <int V, int R>
constexpr void fill(Tiles& tiles) {
  tiles.of[V][R] = &tile<V, R>;
  if constexpr (R < kTallest[V])
    fill<V, R + 1>(tiles);
  else if constexpr (V < kMaxVectors)
    fill<V + 1, 1>(tiles);
}
constexpr Tiles kTiles = [] {
  Tiles tiles;
  fill<1, 1>(tiles);
  return tiles;
}();

// ---- The product --------------------------------------------------------------------------------

struct Panel {
  int vectors;
  Tile tile;
};

/// Packs the columns [j0, j0 + cols) of a block of B; returns their panels, as even as can be.
int pack_b(const Gemm<float>& g, int k0, int k, int j0, int cols, bool add, Panel* panels) {
  const int vectors = divide_up(cols, kLanes), count = divide_up(vectors, kMaxVectors);
  Word* to = scratch().b;
  for (int p = 0, v = 0; p < count; ++p) {
    const int mine = divide_up(vectors - v, count - p), width = mine * kLanes;
    const int j = j0 + v * kLanes, here = std::min(width, g.N - j);
    if (g.form == GemmForm::NT)
      pack_turned(to, width, g.B + Stride{j} * g.ldb + k0, g.ldb, k, here);
    else
      pack_across(to, width, g.B + Stride{k0} * g.ldb + j, g.ldb, k, here);
    panels[p].vectors = mine;
    panels[p].tile = {nullptr, to, g.C + j, g.ldc, divide_up(k, 2), lanes_of(here - width + kLanes),
                      add};
    to += width * kPairs;
    v += mine;
  }
  return count;
}

/// All rows of C under `rows` packed rows of A, from row i on.
void tile_rows(const Panel& panel, int i, int rows) {
  const int count = divide_up(rows, kTallest[panel.vectors]);
  for (int n = 0, r = 0; n < count; ++n) {
    const int height = divide_up(rows - r, count - n);
    Tile t = panel.tile;
    t.a = scratch().a + r;
    t.c += Stride{i + r} * t.ldc;
    kTiles.of[panel.vectors][height](t);
    r += height;
  }
}

}  // namespace

void gemm_bf16_avx512(const Gemm<float>& g) {
  check(__builtin_cpu_supports("avx512bf16"),
        "this processor has no AVX512-BF16; gemm_bf16() chooses what it can run.");
  if (g.K <= 0 && !g.accumulate)
    for (int i = 0; i < g.M; ++i) std::fill_n(g.C + Stride{i} * g.ldc, g.N, 0.0f);
  Panel panels[kGroup / kLanes];
  for (int k0 = 0; k0 < g.K; k0 += kBf16BlockK) {
    const int k = std::min(kBf16BlockK, g.K - k0);
    for (int j0 = 0; j0 < g.N; j0 += kGroup) {
      const int cols = std::min(kGroup, g.N - j0);
      const int count = pack_b(g, k0, k, j0, cols, g.accumulate || k0 > 0, panels);
      for (int i = 0; i < g.M; i += kRows) {
        const int rows = std::min(kRows, g.M - i);
        if (g.form == GemmForm::TN)
          pack_across(scratch().a, kRows, g.A + Stride{k0} * g.lda + i, g.lda, k, rows);
        else
          pack_turned(scratch().a, kRows, g.A + Stride{i} * g.lda + k0, g.lda, k, rows);
        for (int p = 0; p < count; ++p) tile_rows(panels[p], i, rows);
      }
    }
  }
}

}  // namespace ramoe

#else

namespace ramoe {
void gemm_bf16_avx512(const Gemm<float>&) {
  fail("this processor has no AVX512-BF16; gemm_bf16() chooses what it can run.");
}
}  // namespace ramoe

#endif
