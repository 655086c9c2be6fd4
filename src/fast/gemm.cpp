// The matrix product for float on one thread: blocks of K, groups of columns, rows, panels, tiles.
#include "ch01_tensor/gemm.h"

#include <algorithm>
#include <memory>

#include "fast/gemm_bf16.h"
#include "fast/gemm_kernels.h"
#include "support/error.h"

namespace ramoe {
namespace {

constexpr int kGroup = 256;  // columns of B packed together, to stay in the L2 cache
constexpr int kRows = 96;    // rows of A that pass over a group before the next rows do
static_assert(kRows % kStep == 0 && kBlockK % kStep == 0);
constexpr int kMinLanes = 4;  // of the baseline, whose widest panel is two vectors

// Longer rows than this keep an operand's next rows apart by more than caches and prefetchers like.
constexpr int kNear = 128;
constexpr int kFewRows = 32;  // readers of an operand that do not pay for a copy of it

/// Packed operands of the product that a thread is at; kept, so that a product allocates nothing.
struct Scratch {
  alignas(64) float b[kBlockK * kGroup];
  alignas(64) float a[kBlockK * kRows];
  alignas(64) float c[kGroup * kPanel];
};

Scratch& scratch() {
  thread_local const std::unique_ptr<Scratch> mine(new Scratch);
  return *mine;
}

/// Rows of an operand that will be read soon: each tile fetches a few while it computes.
struct Ahead {
  const float* from;
  Stride row;
  int rows;
};

/// All rows of one panel of `vectors` vectors: `tile` describes its first row.
void tile_rows(const Kernels& kernels, Tile tile, int vectors, int rows, Ahead& ahead) {
  const int tiles = divide_up(rows, kernels.max_rows[vectors]);
  tile.next_row = ahead.row;
  for (int t = 0; t < tiles; ++t) {
    const Piece r = piece(rows, tiles, t);
    const int height = r.end - r.begin;
    tile.next = nullptr;
    if (ahead.rows >= height) {
      tile.next = ahead.from;
      ahead.from += height * ahead.row;
      ahead.rows -= height;
    }
    kernels.tile[vectors][height](tile);
    tile.a += height * tile.a_row;
    tile.c += height * tile.ldc;
  }
}

/// Where tiles stand: the row and column of C and the k of their first element.
struct Corner {
  int i, j, k0;
};

/// tile_rows for a triangle: rows in steps, each with the columns or the k that it needs.
void triangle_rows(const Kernels& kernels, Triangle triangle, const Tile& tile, int vectors,
                   Corner at, int rows) {
  for (int s = 0; s < rows; s += kStep) {
    const int begin = at.i + s, end = begin + kStep;  // of the rows, and of their block
    Tile step = tile;
    step.a += s * tile.a_row;
    step.c += s * tile.ldc;
    int needed = vectors;
    if (triangle == Triangle::lower_c) {
      if (end <= at.j) continue;
      needed = std::min(vectors, divide_up(end - at.j, kernels.lanes));
      if (needed < vectors) step.last = kernels.lanes;
    } else if (triangle == Triangle::lower_a) {
      step.k = std::clamp(end - at.k0, 0, tile.k);
    } else {
      const int skipped = std::clamp(begin - at.k0, 0, tile.k);
      step.k -= skipped;
      step.a += skipped * tile.a_k;
      step.b += skipped * tile.b_k;
    }
    if (step.k == 0 && step.add) continue;
    Ahead nothing{};
    tile_rows(kernels, step, needed, std::min(kStep, rows - s), nothing);
  }
}

/// The `below` rows under the tiles' first `rows` rows of a row-major operand.
Ahead rows_below(const float* first, Stride row, int rows, int below) {
  if (below <= 0) return {nullptr, 0, 0};
  return {first + rows * row, row, below};
}

/// Memory as rows that a tile of `k` fetches whole.
Ahead lines_of(const Soon& soon, int k) {
  constexpr int kLine = 64 / sizeof(float);
  const int row = divide_up(k, kLine) * kLine;
  const std::size_t rows = soon.bytes / (sizeof(float) * static_cast<std::size_t>(row));
  return {static_cast<const float*>(soon.from), row, static_cast<int>(rows)};
}

/// Width of the panels of B, in vectors: as wide as tiles go, which reads A least often. For TN,
/// where a tile reads a line of A for every k instead of a few long rows, one less, once a panel of
/// so many k would fill the L1 cache.
int widest(const Kernels& kernels, GemmForm form, int k) {
  constexpr int kMostInL1 = 192;
  int vectors = form == GemmForm::TN && k > kMostInL1 ? kMaxVectors - 1 : kMaxVectors;
  while (kernels.max_rows[vectors] == 0) --vectors;
  return vectors;
}

/// A block of K: [k0, k0 + k).
struct Block {
  int k0, k;
  bool add;  // to C; or overwrite it
};

/// B's columns of one panel as a tile reads them: packed, unless they lie close together or few
/// rows of A will read them.
void panel_of_b(const Kernels& kernels, const Gemm<float>& g, Block block, int j, int width,
                float* packed, Tile& tile) {
  const int cols = std::min(width, g.N - j);
  tile.b = packed;
  tile.b_k = width;
  if (g.form == GemmForm::NT) {
    const float* b = g.B + Stride{j} * g.ldb + block.k0;
    kernels.transpose(packed, width, b, g.ldb, block.k, cols);
    return;
  }
  const float* b = g.B + Stride{block.k0} * g.ldb + j;
  if (cols == width && (g.M <= kFewRows || g.ldb <= kNear)) {
    tile.b = b;
    tile.b_k = g.ldb;
  } else {
    kernels.copy(packed, width, b, g.ldb, block.k, cols);
  }
}

/// Sets where the tile reads A from row i on: in place, or for TN, whose rows are columns of A and
/// so may lie far apart from k to k, from a copy when that is so and several panels will read it.
void rows_of_a(const Kernels& kernels, const Gemm<float>& g, Block block, int i, int rows,
               Tile& tile) {
  if (g.form != GemmForm::TN) {
    tile.a = g.A + Stride{i} * g.lda + block.k0;
    tile.a_row = g.lda;
    tile.a_k = 1;
    return;
  }
  tile.a = g.A + Stride{block.k0} * g.lda + i;
  tile.a_row = 1;
  tile.a_k = g.lda;
  if (g.lda <= kNear || g.N <= kFewRows || block.k <= kFewRows) return;
  float* const packed = scratch().a;
  const int width = divide_up(rows, kernels.lanes) * kernels.lanes;
  kernels.copy(packed, width, tile.a, g.lda, block.k, rows);
  tile.a = packed;
  tile.a_k = width;
}

/// One block of K of the product: groups of columns of B, then rows of A, then panels.
void block_straight(const Kernels& kernels, const Gemm<float>& g, Triangle triangle, Block block,
                    Ahead& soon) {
  const int lanes = kernels.lanes, widest_panel = widest(kernels, g.form, block.k);
  float* const packed = scratch().b;
  for (int j0 = 0; j0 < g.N; j0 += kGroup) {
    const int vectors = divide_up(std::min(kGroup, g.N - j0), lanes);
    const int panels = divide_up(vectors, widest_panel);
    Tile tiles[kGroup / (2 * kMinLanes)];
    for (int p = 0; p < panels; ++p) {
      const Piece v = piece(vectors, panels, p);
      const int width = (v.end - v.begin) * lanes, j = j0 + v.begin * lanes;
      Tile& tile = tiles[p] = {};
      panel_of_b(kernels, g, block, j, width, packed + v.begin * lanes * block.k, tile);
      tile.k = block.k;
      tile.ldc = g.ldc;
      tile.last = std::min(lanes, g.N - (j + width - lanes));
      tile.add = block.add;
    }
    // What comes from far away: for TN the next block of B, else the next rows of A.
    const bool tn = g.form == GemmForm::TN;
    const int k_next = std::min(kBlockK, g.K - block.k0 - block.k);
    Ahead next_b = rows_below(g.B + Stride{block.k0} * g.ldb + j0, g.ldb, block.k, tn ? k_next : 0);
    const bool is_soon = soon.rows > 0;
    for (int i = 0; i < g.M; i += kRows) {
      const int rows = std::min(kRows, g.M - i);
      Tile row{};
      rows_of_a(kernels, g, block, i, rows, row);
      for (int p = 0; p < panels; ++p) {
        const Piece v = piece(vectors, panels, p);
        Tile& tile = tiles[p];
        tile.a = row.a, tile.a_row = row.a_row, tile.a_k = row.a_k;
        tile.c = g.C + Stride{i} * g.ldc + j0 + v.begin * lanes;
        if (triangle != Triangle::none) {
          const Corner corner{i, j0 + v.begin * lanes, block.k0};
          triangle_rows(kernels, triangle, tile, v.end - v.begin, corner, rows);
          continue;
        }
        const int height = kernels.max_rows[v.end - v.begin];
        Ahead next_a = rows_below(row.a, row.a_row, height, g.M - i - height);
        tile_rows(kernels, tile, v.end - v.begin, rows, is_soon ? soon : tn ? next_b : next_a);
      }
    }
  }
}

/// The same for NT as C^T = B A^T: transposes A and C instead of B. Each element goes through the
/// same chain of additions, a product being the same from either side.
void block_flipped(const Kernels& kernels, const Gemm<float>& g, Block block) {
  const int lanes = kernels.lanes, vectors = divide_up(g.M, lanes);
  const int panels = divide_up(vectors, widest(kernels, g.form, block.k));
  Scratch& mine = scratch();
  for (int p = 0; p < panels; ++p) {
    const Piece v = piece(vectors, panels, p);
    const int width = (v.end - v.begin) * lanes, i = v.begin * lanes;
    const int rows = std::min(width, g.M - i);
    kernels.transpose(mine.b, width, g.A + Stride{i} * g.lda + block.k0, g.lda, block.k, rows);
    for (int j = 0; j < g.N; j += kGroup) {
      const int n = std::min(kGroup, g.N - j);
      Tile tile{};
      tile.a = g.B + Stride{j} * g.ldb + block.k0;
      tile.a_row = g.ldb;
      tile.a_k = 1;
      tile.b = mine.b;
      tile.b_k = width;
      tile.c = mine.c;
      tile.ldc = width;
      tile.k = block.k;
      tile.last = lanes;
      const int height = kernels.max_rows[v.end - v.begin];
      Ahead next_b = rows_below(tile.a, tile.a_row, height, g.N - j - height);
      tile_rows(kernels, tile, v.end - v.begin, n, next_b);
      float* const c = g.C + Stride{i} * g.ldc + j;
      kernels.untranspose(c, g.ldc, mine.c, width, n, rows, block.add);
    }
  }
}

}  // namespace

void gemm_with(const Kernels& kernels, const Gemm<float>& g, Triangle triangle) {
  if (g.M <= 0 || g.N <= 0) return;
  if (g.K <= 0) {
    if (g.accumulate) return;
    for (int i = 0; i < g.M; ++i) std::fill_n(g.C + Stride{i} * g.ldc, g.N, 0.0f);
    return;
  }
  // Floats to transpose: N K for the straight way, M K + M N for the flipped one.
  const bool flip = g.form == GemmForm::NT && triangle == Triangle::none &&
                    Stride{g.M} * (Stride{g.K} + g.N) < Stride{g.N} * g.K;
  Ahead soon = lines_of(g.soon, std::min(kBlockK, g.K));
  for (int k0 = 0; k0 < g.K; k0 += kBlockK) {
    const Block block{k0, std::min(kBlockK, g.K - k0), g.accumulate || k0 > 0};
    if (flip)
      block_flipped(kernels, g, block);
    else
      block_straight(kernels, g, triangle, block, soon);
  }
}

void check_product(const Gemm<float>& g) {
  const bool tn = g.form == GemmForm::TN, nt = g.form == GemmForm::NT;
  check(g.M >= 0 && g.N >= 0 && g.K >= 0, "gemm of M = ", g.M, ", N = ", g.N, ", K = ", g.K,
        ": sizes must be at least 0");
  check(g.lda >= (tn ? g.M : g.K) && g.ldb >= (nt ? g.K : g.N) && g.ldc >= g.N, "gemm of M = ", g.M,
        ", N = ", g.N, ", K = ", g.K, " with leading dimensions ", g.lda, ", ", g.ldb, ", ", g.ldc,
        ": each must be at least its matrix's row length");
}

const char* gemm_isa() {
  return gemm_kernels().front().name;
}

template <>
void gemm_serial(const Gemm<float>& g, Triangle triangle) {
  check_product(g);
  if (g.precision == Precision::bf16) {
    check(triangle == Triangle::none, "a product of a triangle is one of fp32.");
    return gemm_bf16(g);
  }
  gemm_with(gemm_kernels().front(), g, triangle);
}

}  // namespace ramoe
