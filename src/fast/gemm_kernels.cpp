#include "fast/gemm_kernels.h"

#include <array>
#include <cstring>
#include <utility>

#include "fast/simd.h"

namespace ramoe {
namespace {

constexpr int kLine = 16;  // floats of a cache line

constexpr int kAhead = 12, kRowsAhead = 4;  // rows that a copy asks for early; long rows

// A vector of `lanes` floats. Loads and stores go through memcpy: no alignment is assumed.
template <int lanes>
struct Vector;
template <>
struct Vector<16> {
  typedef float Float __attribute__((vector_size(64)));
};
template <>
struct Vector<8> {
  typedef float Float __attribute__((vector_size(32)));
};
template <>
struct Vector<4> {
  typedef float Float __attribute__((vector_size(16)));
};

/// c = or += sum, `lanes` of them.
template <int lanes>
RAMOE_INLINE void store(float* c, const float* sum, bool add) {
  typename Vector<lanes>::Float x, old;
  std::memcpy(&x, sum, sizeof(x));
  if (add) {
    std::memcpy(&old, c, sizeof(old));
    x = old + x;
  }
  std::memcpy(c, &x, sizeof(x));
}

/// The same for the first `count` of a vector: in halves, then one by one.
template <int lanes>
RAMOE_INLINE void store_some(float* c, const float* sum, int count, bool add) {
  int l = 0;
  if constexpr (lanes > 8)
    if (count >= 8) store<8>(c, sum, add), l = 8;
  if constexpr (lanes > 4)
    if (count - l >= 4) store<4>(c + l, sum + l, add), l += 4;
  for (; l < count; ++l) c[l] = add ? c[l] + sum[l] : sum[l];
}

/// to = the first `count` of a vector, then zeros.
template <int lanes>
RAMOE_INLINE void load_some(float* to, const float* from, int count) {
  const typename Vector<lanes>::Float zeros = {};
  std::memcpy(to, &zeros, sizeof(zeros));
  int l = 0;
  if constexpr (lanes > 8)
    if (count >= 8) store<8>(to, from, false), l = 8;
  if constexpr (lanes > 4)
    if (count - l >= 4) store<4>(to + l, from + l, false), l += 4;
  for (; l < count; ++l) to[l] = from[l];
}

/// On ARM a multiply-add reads its factor from one lane of a register. Left alone, compilers copy
/// the factor to all lanes, in the units that multiply, and fetch so far ahead that accumulators
/// leave their registers; the empty instructions keep each element in its lane and in its place.
RAMOE_INLINE void stay_in_lane([[maybe_unused]] float& x) {
#if defined(__aarch64__)
  asm volatile("" : "+w"(x));
#endif
}

/// R x V accumulators stay in registers while k runs; a row's element is broadcast over V vectors.
template <int lanes, int V, int R>
RAMOE_INLINE void tile_body(const Tile& t) {
  using Float = typename Vector<lanes>::Float;
  constexpr std::size_t kBytes = sizeof(Float);
  Float acc[R][V] = {};
  const float *a = t.a, *b = t.b, *next = t.next, *later = t.later;
  const Stride a_row = t.a_row, a_k = t.a_k, b_k = t.b_k;
  const Stride next_row = t.next_row;
  const int lines = t.lines;
  // C is written once, at the end, and its rows lie far apart: prefetch its lines early, but one
  // column at a time, because a processor can wait for few lines at once and fetches B's as well.
  const float* c_ahead = t.c;
  const float* const c_end = t.c + V * lanes;
  const auto step = [&]() __attribute__((always_inline)) {
    Float b_v[V];
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) std::memcpy(&b_v[v], b + v * lanes, kBytes);
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r) {
      float a_r = a[r * a_row];
      stay_in_lane(a_r);
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v) acc[r][v] += a_r * b_v[v];
    }
    a += a_k, b += b_k;
  };
  for (int left = t.k; left > 0; left -= kLine) {
    if (c_ahead < c_end) {
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) __builtin_prefetch(c_ahead + r * t.ldc, 1);
      c_ahead += kLine;
    }
    if (next != nullptr) {
#pragma GCC unroll 12
      for (int r = 0; r < R; ++r) __builtin_prefetch(next + r * next_row);
      next += kLine;
    }
    for (int l = 0; l < lines; ++l, later += kLine) __builtin_prefetch(later, 0, 2);
    if (left >= kLine) {
      RAMOE_SOME_STEPS
      for (int k = 0; k < kLine; ++k) step();
    } else {
      for (int k = 0; k < left; ++k) step();
    }
  }
  const bool add = t.add;
  if (t.last == lanes) {
#pragma GCC unroll 12
    for (int r = 0; r < R; ++r)
#pragma GCC unroll 4
      for (int v = 0; v < V; ++v)
        store<lanes>(t.c + r * t.ldc + v * lanes, reinterpret_cast<const float*>(&acc[r][v]), add);
    return;
  }
#pragma GCC unroll 12
  for (int r = 0; r < R; ++r) {
    float* const c = t.c + r * t.ldc;
#pragma GCC unroll 4
    for (int v = 0; v < V; ++v) {
      float sum[lanes];
      std::memcpy(sum, &acc[r][v], kBytes);
      if (v + 1 < V)
        store<lanes>(c + v * lanes, sum, add);
      else
        store_some<lanes>(c + v * lanes, sum, t.last, add);
    }
  }
}

template <int lanes>
RAMOE_INLINE void copy_body(float* to, int width, const float* from, Stride from_row, int k,
                            int cols) {
  using Float = typename Vector<lanes>::Float;
  for (; k > 0; --k, to += width, from += from_row) {
    int j = 0;
    for (; j + lanes <= cols; j += lanes) {
      Float x;
      if (k > kAhead) __builtin_prefetch(from + kAhead * from_row + j);
      std::memcpy(&x, from + j, sizeof(x));
      std::memcpy(to + j, &x, sizeof(x));
    }
    if (j < cols) load_some<lanes>(to + j, from + j, cols - j), j += lanes;
    for (; j < width; ++j) to[j] = 0.0f;
  }
}

template <int lanes>
RAMOE_INLINE void pack_body(float* to, const Panel* panels, int count, const float* from,
                            Stride from_row, int k, int cols) {
  for (int q = 0; q < k; ++q, from += from_row) {
    if (q + kRowsAhead < k)
      for (int j = 0; j < cols; j += kLine) __builtin_prefetch(from + kRowsAhead * from_row + j);
    for (int p = 0; p < count; ++p) {
      const Panel panel = panels[p];
      const float* const in = from + panel.first;
      float* const out = to + panel.at + Stride{q} * panel.width;
      const int whole = std::min(panel.width, (cols - panel.first) / lanes * lanes);
      for (int j = 0; j < whole; j += lanes) store<lanes>(out + j, in + j, false);
      if (whole < panel.width)
        load_some<lanes>(out + whole, in + whole, cols - panel.first - whole);
    }
  }
}

/// Each store writes 8 or 16 floats; the surplus falls into the next k, which is written next.
template <int lanes>
RAMOE_INLINE void strips_body(float* to, int count, const float* from, Stride from_row, int k,
                              int cols, int readable) {
  constexpr int kStore = 8;
  Piece strip[kRows];
  for (int t = 0; t < count; ++t) strip[t] = piece(cols, count, t);
  for (int q = 0; q < k; ++q, from += from_row) {
    if (q + kAhead < k)
      for (int j = 0; j < cols; j += kLine) __builtin_prefetch(from + kAhead * from_row + j);
    for (int t = 0; t < count; ++t) {
      const int begin = strip[t].begin, height = strip[t].end - begin;
      float* const at = to + Stride{begin} * (k + kGap) + Stride{q} * height;
      const int stored = height > kStore ? 2 * kStore : kStore;
      if (begin + stored <= readable) {
        for (int r = 0; r < stored; r += kStore) store<kStore>(at + r, from + begin + r, false);
      } else {
        for (int r = 0; r < height; ++r) at[r] = from[begin + r];
      }
    }
  }
}

/// Lane numbers that exchange the off-diagonal blocks of `step` lanes of two rows a, b:
/// which = 0 keeps a's even blocks and takes b's even blocks between them, 1 the odd ones.
template <int lanes>
constexpr std::array<int, lanes> exchange_lanes(int step, int which) {
  std::array<int, lanes> from{};
  for (int l = 0; l < lanes; ++l) {
    const bool odd = (l & step) != 0;
    const int within_a = which == 0 ? l : l + step, within_b = which == 0 ? l - step : l;
    from[static_cast<std::size_t>(l)] = odd ? lanes + within_b : within_a;
  }
  return from;
}

/// Rows x[i] and x[i + step] exchange blocks, for all such pairs.
template <int lanes, int step, std::size_t... lane>
RAMOE_INLINE void exchange(typename Vector<lanes>::Float (&x)[lanes],
                           std::index_sequence<lane...>) {
  constexpr std::array<int, lanes> kEven = exchange_lanes<lanes>(step, 0);
  constexpr std::array<int, lanes> kOdd = exchange_lanes<lanes>(step, 1);
#pragma GCC unroll 16
  for (int i = 0; i < lanes; ++i) {
    if ((i & step) != 0) continue;
    const typename Vector<lanes>::Float a = x[i], b = x[i + step];
    x[i] = __builtin_shufflevector(a, b, kEven[lane]...);
    x[i + step] = __builtin_shufflevector(a, b, kOdd[lane]...);
  }
}

/// A square block of lanes x lanes, transposed in registers in log2(lanes) rounds.
template <int lanes>
RAMOE_INLINE void transpose_square(typename Vector<lanes>::Float (&x)[lanes]) {
  constexpr std::make_index_sequence<std::size_t(lanes)> kAll;
  exchange<lanes, 1>(x, kAll);
  exchange<lanes, 2>(x, kAll);
  if constexpr (lanes > 4) exchange<lanes, 4>(x, kAll);
  if constexpr (lanes > 8) exchange<lanes, 8>(x, kAll);
}

template <int lanes>
RAMOE_INLINE void transpose_body(float* to, int width, const float* from, Stride from_row, int k,
                                 int cols) {
  using Float = typename Vector<lanes>::Float;
  for (int j = 0; j < width; j += lanes) {
    const int rows = cols - j < lanes ? cols - j : lanes;
    int p = 0;
    for (; p + lanes <= k; p += lanes) {
      Float x[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) {
        x[i] = Float{};
        if (i < rows) std::memcpy(&x[i], from + (j + i) * from_row + p, sizeof(Float));
      }
      transpose_square<lanes>(x);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) std::memcpy(to + (p + i) * width + j, &x[i], sizeof(Float));
    }
    for (; p < k; ++p)
      for (int i = 0; i < lanes; ++i)
        to[p * width + j + i] = i < rows ? from[(j + i) * from_row + p] : 0.0f;
  }
}

template <int lanes>
RAMOE_INLINE void untranspose_body(float* c, Stride ldc, const float* from, Stride from_row, int k,
                                   int cols, bool add) {
  using Float = typename Vector<lanes>::Float;
  for (int j = 0; j < cols; j += lanes) {
    const int rows = cols - j < lanes ? cols - j : lanes;  // of C
    int p = 0;
    for (; p + lanes <= k; p += lanes) {
      Float x[lanes];
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i)
        std::memcpy(&x[i], from + (p + i) * from_row + j, sizeof(Float));
      transpose_square<lanes>(x);
#pragma GCC unroll 16
      for (int i = 0; i < lanes; ++i) {
        if (i >= rows) continue;
        float* c_i = c + (j + i) * ldc + p;
        if (add) {
          Float old;
          std::memcpy(&old, c_i, sizeof(old));
          x[i] = old + x[i];
        }
        std::memcpy(c_i, &x[i], sizeof(Float));
      }
    }
    for (; p < k; ++p)
      for (int i = 0; i < rows; ++i) {
        float& c_ip = c[(j + i) * ldc + p];
        c_ip = add ? c_ip + from[p * from_row + j + i] : from[p * from_row + j + i];
      }
  }
}

// The same bodies, compiled for one instruction set, and the table of them. A target is a property
// of a function, so each set needs functions of its own.
#define RAMOE_KERNELS(set, target_of_set, lanes_, near_, far_, rows1, rows2, rows3, rows4)        \
  struct set {                                                                                    \
    template <int V, int R>                                                                       \
    target_of_set static void tile(const Tile& t) {                                               \
      tile_body<lanes_, V, R>(t);                                                                 \
    }                                                                                             \
    target_of_set static void copy(float* to, int width, const float* from, Stride from_row,      \
                                   int k, int cols) {                                             \
      copy_body<lanes_>(to, width, from, from_row, k, cols);                                      \
    }                                                                                             \
    target_of_set static void pack(float* to, const Panel* panels, int count, const float* from,  \
                                   Stride from_row, int k, int cols) {                            \
      pack_body<lanes_>(to, panels, count, from, from_row, k, cols);                              \
    }                                                                                             \
    target_of_set static void strips(float* to, int count, const float* from, Stride from_row,    \
                                     int k, int cols, int readable) {                             \
      strips_body<lanes_>(to, count, from, from_row, k, cols, readable);                          \
    }                                                                                             \
    target_of_set static void transpose(float* to, int width, const float* from, Stride from_row, \
                                        int k, int cols) {                                        \
      transpose_body<lanes_>(to, width, from, from_row, k, cols);                                 \
    }                                                                                             \
    target_of_set static void untranspose(float* c, Stride ldc, const float* from,                \
                                          Stride from_row, int k, int cols, bool add) {           \
      untranspose_body<lanes_>(c, ldc, from, from_row, k, cols, add);                             \
    }                                                                                             \
    static constexpr int kLanes = lanes_, kNear = near_, kFar = far_;                             \
    static constexpr int kRows[kMaxVectors + 1] = {0, rows1, rows2, rows3, rows4};                \
  };

template <class Set, int V, int R>
void fill_column(Kernels& kernels) {
  kernels.tile[V][R] = &Set::template tile<V, R>;
  if constexpr (R < Set::kRows[V]) fill_column<Set, V, R + 1>(kernels);
}

template <class Set>
Kernels make_kernels(const char* name) {
  Kernels kernels{};
  kernels.name = name;
  kernels.lanes = Set::kLanes;
  kernels.near = Set::kNear;
  kernels.far = Set::kFar;
  for (int v = 0; v <= kMaxVectors; ++v) kernels.max_rows[v] = Set::kRows[v];
  if constexpr (Set::kRows[1] > 0) fill_column<Set, 1, 1>(kernels);
  if constexpr (Set::kRows[2] > 0) fill_column<Set, 2, 1>(kernels);
  if constexpr (Set::kRows[3] > 0) fill_column<Set, 3, 1>(kernels);
  if constexpr (Set::kRows[4] > 0) fill_column<Set, 4, 1>(kernels);
  kernels.copy = &Set::copy;
  kernels.pack = &Set::pack;
  kernels.strips = &Set::strips;
  kernels.transpose = &Set::transpose;
  kernels.untranspose = &Set::untranspose;
  return kernels;
}

// Tallest tiles for widths of 1, 2, 3, 4 vectors: accumulators, one row of B and a broadcast fit in
// 32 registers of AVX-512 and NEON, or 16 of the others, which therefore stop at two vectors. NEON
// could have 12 x 2, but clang leaves no register for its last row. Before them `near`, `far`: the
// fastest on Zen 5, and on Zen 3, where lines 512 bytes apart evict each other from the L1 cache.
constexpr int kNever = 1 << 30;
#if defined(__x86_64__)
RAMOE_KERNELS(Avx512, RAMOE_AVX512, 16, 128, kNever, 12, 12, 8, 6)
RAMOE_KERNELS(Avx2, RAMOE_AVX2, 8, 0, 1024, 10, 6, 0, 0)
#endif
#if defined(__aarch64__)
RAMOE_KERNELS(Neon, , 4, 0, 1024, 12, 11, 8, 6)
#else
RAMOE_KERNELS(Baseline, , 4, 0, 1024, 8, 4, 0, 0)
#endif

/// The tables from the best set that may be used down.
std::vector<Kernels> runnable([[maybe_unused]] InstructionSet best) {
  std::vector<Kernels> tables;
#if defined(__x86_64__)
  if (best == InstructionSet::avx512) tables.push_back(make_kernels<Avx512>("avx512"));
  if (best != InstructionSet::baseline) tables.push_back(make_kernels<Avx2>("avx2"));
#endif
#if defined(__aarch64__)
  tables.push_back(make_kernels<Neon>("neon"));
#else
  tables.push_back(make_kernels<Baseline>("baseline"));
#endif
  return tables;
}

}  // namespace

const std::vector<Kernels>& gemm_kernels() {
  static const std::vector<std::vector<Kernels>> of_set = [] {
    std::vector<std::vector<Kernels>> tables;
    for (const InstructionSet set : every<InstructionSet>()) tables.push_back(runnable(set));
    return tables;
  }();
  return of_set[static_cast<std::size_t>(instruction_set())];
}

}  // namespace ramoe
