// Chapter 3.3 on the GPU - products of tiles in shared memory
//
// A block has 16 x 16 threads and works on tiles of 16 R rows. Thread (y,x) owns rows R y to R y +
// R-1 of a product. Of its columns, scores (R) are x, x + 16, ..., so that 16 neighbours read 16
// neighbouring rows of K: with rows 4 values longer than they need be, these lie in different
// banks. Columns of a head (E = HS/16, rounded up) are in pieces of up to four neighbours.
// Each value read from shared memory serves R or E multiplications.
#pragma once

#include "ch03_transformer/attention.h"
#include "cuda/support/pieces.cuh"

namespace ramoe::cuda {

constexpr int kSide = 16, kTileThreads = kSide * kSide;

__device__ inline int tile_y() {
  return int(threadIdx.x) / kSide;
}
__device__ inline int tile_x() {
  return int(threadIdx.x) % kSide;
}

/// R rows and E columns for each thread.
template <int R_, int E_>
struct AttentionTile {
  static constexpr int R = R_, E = E_;
  static constexpr int rows = kSide * R, columns = kSide * E;
  static constexpr int ld = columns + 4;  // of a tile of q, k, v or dout
  static constexpr int p_ld = rows + 4;   // of a tile of scores
  static constexpr int floats = rows * ld, p_floats = rows * p_ld;
  static constexpr int W = E < 4 ? E : 4;  // neighbouring columns of a thread

  /// to = `count` rows of HS values, `apart` values apart; what is behind them is 0.
  __device__ static void fetch(float* to, const float* from, int count, std::size_t apart, int HS,
                               bool pieces) {
    if (pieces)
      fetch_pieces<4>(to, from, count, apart, HS);
    else
      fetch_pieces<1>(to, from, count, apart, HS);
  }

  /// s[a][b] = row R y + a of q . row x + 16 b of k
  __device__ static void scores(float (&s)[R][R], const float* q, const float* k) {
    q += tile_y() * R * ld;
    k += tile_x() * ld;
#pragma unroll
    for (int a = 0; a < R; ++a)
      for (int b = 0; b < R; ++b) s[a][b] = 0;
#pragma unroll 1
    for (int i = 0; i < columns; i += 4) {
      Piece<4> q_a[R], k_b[R];
#pragma unroll
      for (int a = 0; a < R; ++a) {
        q_a[a] = load<4>(q + a * ld + i);
        k_b[a] = load<4>(k + a * kSide * ld + i);
      }
#pragma unroll
      for (int j = 0; j < 4; ++j)
#pragma unroll
        for (int a = 0; a < R; ++a)
#pragma unroll
          for (int b = 0; b < R; ++b) s[a][b] += q_a[a][j] * k_b[b][j];
    }
  }
  /// Row and column of s[a][b] in its tile.
  __device__ static int row(int a) { return tile_y() * R + a; }
  __device__ static int key(int b) { return tile_x() + b * kSide; }
  __device__ static void keep(float* p, const float (&s)[R][R]) {
#pragma unroll
    for (int a = 0; a < R; ++a)
#pragma unroll
      for (int b = 0; b < R; ++b) p[row(a) * p_ld + key(b)] = s[a][b];
  }

  /// out[a][:] += sum_j p[R y + a, j] v[j,:], for the thread's columns
  __device__ static void add_product(float (&out)[R][E], const float* p, const float* v) {
    p += tile_y() * R * p_ld;
#pragma unroll 1
    for (int j = 0; j < rows; j += 4) {
      Piece<4> p_a[R];
#pragma unroll
      for (int a = 0; a < R; ++a) p_a[a] = load<4>(p + a * p_ld + j);
#pragma unroll
      for (int l = 0; l < 4; ++l) {
        float v_j[E];
        columns_of(v_j, v + (j + l) * ld);
#pragma unroll
        for (int a = 0; a < R; ++a)
#pragma unroll
          for (int e = 0; e < E; ++e) out[a][e] += p_a[a][l] * v_j[e];
      }
    }
  }
  /// out[a][:] += sum_t p[t, R y + a] v[t,:]
  __device__ static void add_transposed(float (&out)[R][E], const float* p, const float* v) {
    p += tile_y() * R;
#pragma unroll 2
    for (int t = 0; t < rows; ++t) {
      const Piece<R> p_a = load<R>(p + t * p_ld);
      float v_t[E];
      columns_of(v_t, v + t * ld);
#pragma unroll
      for (int a = 0; a < R; ++a)
#pragma unroll
        for (int e = 0; e < E; ++e) out[a][e] += p_a[a] * v_t[e];
    }
  }

  /// Column e of the thread in a row of HS.
  __device__ static int column(int e) { return (e / W * kSide + tile_x()) * W + e % W; }
  /// to[row, column] += or = x, for rows below `count`; rows from there to `all` become 0 unless
  /// they accumulate.
  __device__ static void write(float* to, const float (&x)[R][E], int count, int all,
                               std::size_t apart, int HS, bool accumulate) {
#pragma unroll
    for (int a = 0; a < R; ++a) {
      const int r = row(a);
      if (r >= all || (accumulate && r >= count)) continue;
      float* const to_r = to + std::size_t(r) * apart;
#pragma unroll
      for (int e = 0; e < E; ++e) {
        if (column(e) >= HS) continue;
        const float value = r < count ? x[a][e] : 0;
        to_r[column(e)] = accumulate ? to_r[column(e)] + value : value;
      }
    }
  }

 private:
  template <int width>
  __device__ static void fetch_pieces(float* to, const float* from, int count, std::size_t apart,
                                      int HS) {
    constexpr int of_row = columns / width;
#pragma unroll 4
    for (int i = int(threadIdx.x); i < rows * of_row; i += kTileThreads) {
      const int r = i / of_row, c = i % of_row * width;
      Piece<width> piece = {};
      if (r < count && c < HS) piece = load<width>(from + std::size_t(r) * apart + c);
      store(to + r * ld + c, piece);
    }
  }
  __device__ static void columns_of(float (&to)[E], const float* v) {
#pragma unroll
    for (int e = 0; e < E; e += W) {
      const Piece<W> piece = load<W>(v + column(e));
#pragma unroll
      for (int i = 0; i < W; ++i) to[e + i] = piece[i];
    }
  }
};

/// The 16 threads of a row fold their values.
template <class Fold>
__device__ float row_fold(float value) {
#pragma unroll
  for (int bits = kSide / 2; bits > 0; bits /= 2)
    value = Fold{}(value, __shfl_xor_sync(kAllLanes, value, bits));
  return value;
}

/// Where tile `tile` of a head lies: rows [first, last) of sequence b. Block x has tile x % tiles
/// of its head, or the last tiles first, where these have the most work.
struct HeadPlace {
  int b, head, first, last, length, T;
  __device__ HeadPlace(const int* lengths, int T_, int heads, int tiles, bool last_first, int rows)
      : b(int(blockIdx.x) / tiles / heads),
        head(int(blockIdx.x) / tiles % heads),
        first(int(blockIdx.x) % tiles * rows),
        length(lengths[b]),
        T(T_) {
    if (last_first) first = (tiles - 1) * rows - first;
    last = first < length ? min(first + rows, length) : 0;
  }
  /// Offset of row t of head h in an array (B*T, heads*HS).
  __device__ std::size_t at(int t, int h, int heads, int HS) const {
    return (std::size_t(b) * unsigned(T) + unsigned(t)) * unsigned(heads * HS) + unsigned(h * HS);
  }
};

}  // namespace ramoe::cuda
