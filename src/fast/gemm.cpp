// The matrix product for float on one thread: blocks of K, groups of columns, rows, panels, tiles.
#include "ch01_tensor/gemm.h"

#include <algorithm>
#include <memory>

#include "fast/gemm_bf16.h"
#include "fast/gemm_kernels.h"
#include "support/error.h"

namespace ramoe {
namespace {

constexpr int kGroup = 512;  // columns of B packed together, to stay in the L2 cache
static_assert(kRows % kStep == 0 && kBlockK % kStep == 0);
constexpr int kMinLanes = 4;  // of the baseline, whose widest panel is two vectors

// Beyond this row length the prefetcher does not follow a transposed A from one k to the next.
constexpr int kLongestRow = 128;
constexpr int kLine = 64 / sizeof(float);
constexpr int kFewRows = 32;  // readers of an operand that do not pay for a copy of it

/// Packed operands of the product that a thread is at; kept, so that a product allocates nothing.
struct Scratch {
  alignas(64) float b[kBlockK * kGroup + kGroup / kMinLanes * kLine];
  alignas(64) float a[(kBlockK + kGap) * kRows];
  alignas(64) float c[kGroup * kPanel];
};

Scratch& scratch() {
  thread_local const std::unique_ptr<Scratch> mine(new Scratch);
  return *mine;
}

/// What tiles prefetch while they compute: the rows of the next tile into the L1 cache and, a
/// little at a time, what is needed later into the L2 cache.
struct Ahead {
  const float* from = nullptr;
  Stride row = 0;
  int rows = 0;
};
struct Later {
  const float* from = nullptr;
  Stride lines = 0;  // that are left
  int each = 0;      // lines for each line of k
};

/// Rows of A as tiles read them: A(i,k) = at[i * row + k * step]; or, if strip > 0, strips of at
/// most so many rows, of which the one from row i on starts at at[i * row].
struct Rows {
  const float* at;
  Stride row, step;
  int strip = 0;
  bool copied = false;
};

/// All rows of one panel of `vectors` vectors, after `skipped` k; `tile` has what they share.
void tile_rows(const Kernels& kernels, Tile tile, int vectors, const Rows& a, int rows, int skipped,
               Ahead ahead, Later& later) {
  const int tiles = divide_up(rows, a.strip > 0 ? a.strip : kernels.max_rows[vectors]);
  tile.a_row = a.strip > 0 ? 1 : a.row;
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
    tile.later = later.from;
    tile.lines = later.lines > 0 ? later.each : 0;
    const int fetched = tile.lines * divide_up(tile.k, kLine);
    later.from += fetched * kLine;
    later.lines -= fetched;
    tile.a_k = a.strip > 0 ? height : a.step;
    tile.a = a.at + r.begin * a.row + skipped * tile.a_k;
    kernels.tile[vectors][height](tile);
    tile.c += height * tile.ldc;
  }
}

/// Where tiles stand: the row and column of C and the k of their first element.
struct Corner {
  int i, j, k0;
};

/// tile_rows for a triangle: rows in steps, each with the columns or the k that it needs.
void triangle_rows(const Kernels& kernels, Triangle triangle, const Tile& tile, int vectors,
                   Corner at, const Rows& a, int rows) {
  for (int s = 0; s < rows; s += kStep) {
    const int begin = at.i + s, end = begin + kStep;  // of the rows, and of their block
    Tile step = tile;
    Rows from = a;
    from.at += s * a.row;
    step.c += s * tile.ldc;
    int needed = vectors, skipped = 0;
    if (triangle == Triangle::lower_c) {
      if (end <= at.j) continue;
      needed = std::min(vectors, divide_up(end - at.j, kernels.lanes));
      if (needed < vectors) step.last = kernels.lanes;
    } else if (triangle == Triangle::lower_a) {
      step.k = std::clamp(end - at.k0, 0, tile.k);
    } else {
      skipped = std::clamp(begin - at.k0, 0, tile.k);
      step.k -= skipped;
      step.b += skipped * tile.b_k;
    }
    if (step.k == 0 && step.add) continue;
    Later nothing{};
    tile_rows(kernels, step, needed, from, std::min(kStep, rows - s), skipped, {}, nothing);
  }
}

/// The `below` rows under the tiles' first `rows` rows of a row-major operand.
Ahead rows_below(const float* first, Stride row, int rows, int below) {
  if (below <= 0) return {nullptr, 0, 0};
  return {first + rows * row, row, below};
}

/// Width of the panels of B, in vectors: as wide as tiles go, which reads A least often. For TN a
/// tile reads a line of A for every k instead of a few long rows, so the panels are one vector
/// narrower once they would fill the L1 cache.
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

/// The panels of a group of columns of B.
struct Group {
  int panels;
  Panel panel[kGroup / kMinLanes];
  Tile tile[kGroup / kMinLanes];  // what all rows of a panel share
};

/// Columns j0, j0 + 1, ... of B as tiles read them: packed, unless they lie close together or few
/// rows of A will read them.
void group_of_b(const Kernels& kernels, const Gemm<float>& g, Block block, int j0, Group& group) {
  const int lanes = kernels.lanes, columns = std::min(kGroup, g.N - j0);
  const int vectors = divide_up(columns, lanes);
  group.panels = divide_up(vectors, widest(kernels, g.form, block.k));
  float* const packed = scratch().b;
  const bool nt = g.form == GemmForm::NT;
  const float* const b =
      nt ? g.B + Stride{j0} * g.ldb + block.k0 : g.B + Stride{block.k0} * g.ldb + j0;
  // Tiles read whole vectors: where the last one is not, its panel is packed.
  const bool in_place = !nt && (g.M <= kFewRows || g.ldb <= kernels.near);
  Stride place = 0;
  for (int p = 0; p < group.panels; ++p) {
    const Piece v = piece(vectors, group.panels, p);
    const Panel panel = group.panel[p] = {v.begin * lanes, (v.end - v.begin) * lanes, place};
    const int there = std::min(panel.width, columns - panel.first);
    // One cache line between panels: without it the same row of every panel would map to the same
    // set.
    place += Stride{panel.width} * block.k + kLine;
    Tile& tile = group.tile[p] = {};
    const bool direct = in_place && there == panel.width;
    tile.b = direct ? b + panel.first : packed + panel.at;
    tile.b_k = direct ? g.ldb : panel.width;
    tile.k = block.k;
    tile.ldc = g.ldc;
    tile.last = there - (panel.width - lanes);
    tile.add = block.add;
    if (nt) {
      kernels.transpose(packed + panel.at, panel.width, b + panel.first * g.ldb, g.ldb, block.k,
                        there);
    } else if (in_place && !direct) {
      kernels.copy(packed + panel.at, panel.width, b + panel.first, g.ldb, block.k, there);
    }
  }
  if (!nt && !in_place) kernels.pack(packed, group.panel, group.panels, b, g.ldb, block.k, columns);
}

/// Rows i, i + 1, ... of A as tiles of at most `height` rows read them: in place, or from a copy if
/// they lie far apart and several panels read them. A triangle takes its rows in steps, and so
/// strips end where they do.
Rows rows_of_a(const Kernels& kernels, const Gemm<float>& g, Block block, int i, int rows,
               int height, bool in_steps) {
  float* const packed = scratch().a;
  const bool few = g.N <= kFewRows || block.k <= kFewRows;
  if (g.form != GemmForm::TN) {
    const float* const a = g.A + Stride{i} * g.lda + block.k0;
    if (few || g.lda < kernels.far) return {a, g.lda, 1};
    kernels.copy(packed, block.k, a, g.lda, rows, block.k);
    return {packed, block.k, 1, 0, true};
  }
  const float* const a = g.A + Stride{block.k0} * g.lda + i;
  if (few || (g.lda <= kLongestRow && g.N <= kLongestRow)) return {a, 1, g.lda};
  const int step = in_steps ? kStep : rows;
  for (int s = 0; s < rows; s += step) {
    const int now = std::min(step, rows - s);
    kernels.strips(packed + Stride{s} * (block.k + kGap), divide_up(now, height), a + s, g.lda,
                   block.k, now, g.M - i - s);
  }
  return {packed, block.k + kGap, 0, height, true};
}

/// `floats` from `from` on, fetched evenly while `rows` rows of a group pass over `k`.
Later fetched_over(const float* from, Stride floats, const Kernels& kernels, const Group& group,
                   int rows, int k) {
  constexpr int kMost = 6;  // a core waits for so many lines at once, not for many more
  int tiles = 0;
  for (int p = 0; p < group.panels; ++p)
    tiles += divide_up(rows, kernels.max_rows[group.panel[p].width / kernels.lanes]);
  const Stride lines = floats / kLine, turns = Stride{tiles} * divide_up(k, kLine);
  return {from, lines, static_cast<int>(std::min<Stride>(kMost, (lines + turns - 1) / turns))};
}

/// One block of K of the product: groups of columns of B, then rows of A, then panels.
void block_straight(const Kernels& kernels, const Gemm<float>& g, Triangle triangle, Block block) {
  Group group;
  const bool tn = g.form == GemmForm::TN;
  const int k_next = std::min(kBlockK, g.K - block.k0 - block.k);
  for (int j0 = 0; j0 < g.N; j0 += kGroup) {
    group_of_b(kernels, g, block, j0, group);
    const bool last_group = j0 + kGroup >= g.N;
    const int highest = kernels.max_rows[group.panel[0].width / kernels.lanes];
    for (int i = 0; i < g.M; i += kRows) {
      const int rows = std::min(kRows, g.M - i), below = std::min(kRows, g.M - i - rows);
      const Rows a = rows_of_a(kernels, g, block, i, rows, highest, triangle != Triangle::none);
      // From memory, ahead of time: the next rows of A, the next k of B and A, or what the caller
      // reads.
      Later later{};
      const auto fetch = [&](const void* at, Stride floats) {
        later = fetched_over(static_cast<const float*>(at), floats, kernels, group, rows, block.k);
      };
      if (last_group && k_next == 0 && below == 0)
        fetch(g.soon.from, static_cast<Stride>(g.soon.bytes / sizeof(float)));
      else if (!tn && below > 0 && g.lda <= 2 * block.k)
        fetch(g.A + Stride{i + rows} * g.lda + block.k0, below * Stride{g.lda});
      else if (tn && last_group && i == 0 && g.ldb <= 2 * g.N)
        fetch(g.B + Stride{block.k0 + block.k} * g.ldb, k_next * Stride{g.ldb});
      else if (tn && last_group && below == 0 && g.lda <= 2 * g.M)
        fetch(g.A + Stride{block.k0 + block.k} * g.lda, k_next * Stride{g.lda});
      for (int p = 0; p < group.panels; ++p) {
        Tile tile = group.tile[p];
        const int vectors = group.panel[p].width / kernels.lanes, j = j0 + group.panel[p].first;
        tile.c = g.C + Stride{i} * g.ldc + j;
        if (triangle != Triangle::none) {
          triangle_rows(kernels, triangle, tile, vectors, {i, j, block.k0}, a, rows);
          continue;
        }
        const int height = kernels.max_rows[vectors];
        const int reach = tn ? 0 : a.copied ? rows : g.M - i;
        tile_rows(kernels, tile, vectors, a, rows, 0,
                  rows_below(a.at, a.row, height, reach - height), later);
      }
    }
  }
}

/// The same for NT as C^T = B A^T: transposes A and C instead of B. Each element goes through the
/// same chain of additions, since a b = b a.
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
      tile.b = mine.b;
      tile.b_k = width;
      tile.c = mine.c;
      tile.ldc = width;
      tile.k = block.k;
      tile.last = lanes;
      const Rows b{g.B + Stride{j} * g.ldb + block.k0, g.ldb, 1};
      const int height = kernels.max_rows[v.end - v.begin];
      Later nothing{};
      tile_rows(kernels, tile, v.end - v.begin, b, n, 0,
                rows_below(b.at, b.row, height, g.N - j - height), nothing);
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
  for (int k0 = 0; k0 < g.K; k0 += kBlockK) {
    const Block block{k0, std::min(kBlockK, g.K - k0), g.accumulate || k0 > 0};
    if (flip)
      block_flipped(kernels, g, block);
    else
      block_straight(kernels, g, triangle, block);
  }
}

const char* gemm_isa() {
  return gemm_kernels().front().name;
}

template <>
void gemm_serial(const Gemm<float>& g, Triangle triangle) {
  check_sizes(g);
  if (g.precision == Precision::bf16) {
    check(triangle == Triangle::none, "a product of a triangle is one of fp32.");
    return gemm_bf16(g);
  }
  gemm_with(gemm_kernels().front(), g, triangle);
}

}  // namespace ramoe
