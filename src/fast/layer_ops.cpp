#include "ch03_transformer/layer_ops.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ch01_tensor/simd.h"
#include "ch01_tensor/tensor.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

template <class T>
RAMOE_INLINE void add_row_body(T* y, const T* x, int C) {
  for (int c = 0; c < C; ++c) y[c] += x[c];
}
RAMOE_SIMD void add_row(float* y, const float* x, int C) {
  add_row_body(y, x, C);
}
void add_row(double* y, const double* x, int C) {
  add_row_body(y, x, C);
}

template <class T>
void fetch_row(const T* x, int C) {
  constexpr int kLine = 64 / static_cast<int>(sizeof(T));
  for (int c = 0; c < C; c += kLine) __builtin_prefetch(x + c);
}

}  // namespace

template <class T>
void embedding_forward(T* out, const T* table, const int* token, int N, int C) {
  gather_rows_forward(out, table, token, N, C);
}

template <class T>
void embedding_backward(T* dtable, const int* token, const T* dout, int N, int C) {
  gather_rows_backward(dtable, token, dout, N, C);
}

template <class T>
void gather_rows_forward(T* out, const T* x, const int* index, int R, int C) {
  parallel_for(R, rows_per_block(C), [&](int begin, int end) {
    for (int i = begin; i < end; ++i) {
      // Rows come from anywhere: ask for the one after next, the processor cannot foresee it.
      if (i + 2 < end) fetch_row(row(x, index[i + 2], C), C);
      std::copy_n(row(x, index[i], C), C, row(out, i, C));
    }
  });
}

template <class T>
void gather_rows_backward(T* dx, const int* index, const T* dout, int R, int C) {
  // One thread: rows may repeat, and the order of the sums must not depend on threads.
  for (int i = 0; i < R; ++i) add_row(row(dx, index[i], C), row(dout, i, C), C);
}

// ---- RMSNorm ------------------------------------------------------------------------------------

namespace {

template <class T>
RAMOE_INLINE void rmsnorm_body(T* out, T* rstd, const T* x, const T* w, int rows, int C, T eps) {
  for (int n = 0; n < rows; ++n, out += C, x += C) {
    const T r = T(1) / std::sqrt(dot(x, x, C) / T(C) + eps);
    for (int c = 0; c < C; ++c) out[c] = x[c] * r * w[c];
    rstd[n] = r;
  }
}
RAMOE_SIMD void rmsnorm_rows(float* out, float* rstd, const float* x, const float* w, int rows,
                             int C, float eps) {
  rmsnorm_body(out, rstd, x, w, rows, C, eps);
}
void rmsnorm_rows(double* out, double* rstd, const double* x, const double* w, int rows, int C,
                  double eps) {
  rmsnorm_body(out, rstd, x, w, rows, C, eps);
}

// dx and dw of a block of rows; scaled (C) is scratch for g = dout * w.
/// Columns [c, c + some) of R rows: their part of the sums of dout w x, and dw.
template <int R, class T>
RAMOE_INLINE void rmsnorm_backward_sums(typename Lanes<T>::Vector (&product)[R], T* dw, const T* x,
                                        const T* w, const T* rstd, const T* dout, int C, int some) {
  typename Lanes<T>::Vector x_r, w_c, dout_r, dw_c = {};
  load_lanes(w_c, w, some);
  if (dw != nullptr) load_lanes(dw_c, dw, some);
  for (int r = 0; r < R; ++r) {
    load_lanes(x_r, x + r * C, some);
    load_lanes(dout_r, dout + r * C, some);
    product[r] += dout_r * w_c * x_r;
    dw_c += dout_r * x_r * rstd[r];
  }
  if (dw != nullptr) store_lanes(dw, dw_c, some);
}
/// The same columns of dx.
template <int R, class T>
RAMOE_INLINE void rmsnorm_backward_dx(T* dx, const T (&mean)[R], const T* x, const T* w,
                                      const T* rstd, const T* dout, int C, bool add, int some) {
  typename Lanes<T>::Vector x_r, w_c, dout_r, dx_r, before;
  load_lanes(w_c, w, some);
  for (int r = 0; r < R; ++r) {
    load_lanes(x_r, x + r * C, some);
    load_lanes(dout_r, dout + r * C, some);
    dx_r = rstd[r] * (dout_r * w_c) - mean[r] * x_r;
    if (add) {
      load_lanes(before, dx + r * C, some);
      dx_r += before;
    }
    store_lanes(dx + r * C, dx_r, some);
  }
}
/// R rows at once: what they share is read once, and their sums do not wait for one another.
template <int R, class T>
RAMOE_INLINE void rmsnorm_backward_some(T* dx, T* dw, const T* x, const T* w, const T* rstd,
                                        const T* dout, int C, bool add) {
  constexpr int W = Lanes<T>::count;
  const int whole = C / W * W;
  typename Lanes<T>::Vector product[R] = {};
  for (int c = 0; c < whole; c += W)
    rmsnorm_backward_sums<R>(product, dw ? dw + c : dw, x + c, w + c, rstd, dout + c, C, W);
  if (whole < C)
    rmsnorm_backward_sums<R>(product, dw ? dw + whole : dw, x + whole, w + whole, rstd,
                             dout + whole, C, C - whole);
  if (dx == nullptr) return;
  T mean[R];
  for (int r = 0; r < R; ++r)
    mean[r] = sum_of_lanes<T>(product[r]) / T(C) * rstd[r] * rstd[r] * rstd[r];
  for (int c = 0; c < whole; c += W)
    rmsnorm_backward_dx<R>(dx + c, mean, x + c, w + c, rstd, dout + c, C, add, W);
  if (whole < C)
    rmsnorm_backward_dx<R>(dx + whole, mean, x + whole, w + whole, rstd, dout + whole, C, add,
                           C - whole);
}
template <class T>
RAMOE_INLINE void rmsnorm_backward_body(T* dx, T* dw, const T* x, const T* w, const T* rstd,
                                        const T* dout, int rows, int C, bool add) {
  constexpr int R = 4;
  int n = 0;
  for (; n + R <= rows; n += R)
    rmsnorm_backward_some<R>(dx ? row(dx, n, C) : dx, dw, row(x, n, C), w, rstd + n,
                             row(dout, n, C), C, add);
  for (; n < rows; ++n)
    rmsnorm_backward_some<1>(dx ? row(dx, n, C) : dx, dw, row(x, n, C), w, rstd + n,
                             row(dout, n, C), C, add);
}
RAMOE_SIMD void rmsnorm_backward_rows(float* dx, float* dw, const float* x, const float* w,
                                      const float* rstd, const float* dout, int rows, int C,
                                      bool add) {
  rmsnorm_backward_body(dx, dw, x, w, rstd, dout, rows, C, add);
}
void rmsnorm_backward_rows(double* dx, double* dw, const double* x, const double* w,
                           const double* rstd, const double* dout, int rows, int C, bool add) {
  rmsnorm_backward_body(dx, dw, x, w, rstd, dout, rows, C, add);
}

}  // namespace

template <class T>
void rmsnorm_forward(T* out, T* rstd, const T* x, const T* w, int N, int C, double eps) {
  parallel_for(N, rows_per_block(C), [&](int begin, int end) {
    rmsnorm_rows(row(out, begin, C), rstd + begin, row(x, begin, C), w, end - begin, C, T(eps));
  });
}

template <class T>
void rmsnorm_forward_plain(T* out, T* rstd, const T* x, const T* w, int N, int C, double eps) {
  for (int n = 0; n < N; ++n) {
    T squares = 0;
    for (int c = 0; c < C; ++c) squares += row(x, n, C)[c] * row(x, n, C)[c];
    rstd[n] = T(1) / std::sqrt(squares / T(C) + T(eps));
    for (int c = 0; c < C; ++c) row(out, n, C)[c] = row(x, n, C)[c] * rstd[n] * w[c];
  }
}

template <class T>
void rmsnorm_backward(T* dx, T* dw, const T* x, const T* w, const T* rstd, const T* dout, int N,
                      int C, bool accumulate) {
  // dw is summed per block of rows and then over blocks in order, whatever the number of threads.
  // Two lines apart at least, or threads would take them from each other row by row.
  const int grain = rows_per_block(C), blocks = (N + grain - 1) / grain, apart = C + 128;
  thread_local std::vector<T> partial;
  partial.assign(dw ? static_cast<std::size_t>(blocks) * std::size_t(apart) : 0, T(0));
  T* const sums = partial.data();
  parallel_for(N, grain, [&](int begin, int end) {
    rmsnorm_backward_rows(dx ? row(dx, begin, C) : nullptr,
                          dw ? row(sums, begin / grain, apart) : nullptr, row(x, begin, C), w,
                          rstd + begin, row(dout, begin, C), end - begin, C, accumulate);
  });
  if (dw)
    for (int block = 0; block < blocks; ++block) add_row(dw, row(sums, block, apart), C);
}

// ---- Rotary positions ---------------------------------------------------------------------------

namespace {

/// cos and sin of every angle of positions 0 to `positions` - 1: (positions, HS/2) each.
template <class T>
struct RotationTable {
  int HS = 0, positions = 0;
  double theta = 0;
  std::vector<T> cosine, sine;

  void make(int new_positions, int new_HS, double new_theta) {
    HS = new_HS, positions = new_positions, theta = new_theta;
    const int half = HS / 2;
    cosine.resize(static_cast<std::size_t>(positions) * std::size_t(half));
    sine.resize(cosine.size());
    for (int i = 0; i < half; ++i) {
      // Position t is one turn further than t - 1. In double, thousands of turns stay far below the
      // rounding of float.
      const double frequency = std::pow(theta, -2.0 * i / HS);
      const double c = std::cos(frequency), s = std::sin(frequency);
      double c_t = 1, s_t = 0;
      for (int t = 0; t < positions; ++t) {
        row(cosine.data(), t, half)[i] = static_cast<T>(c_t);
        row(sine.data(), t, half)[i] = static_cast<T>(s_t);
        const double next = c_t * c - s_t * s;
        s_t = s_t * c + c_t * s;
        c_t = next;
      }
    }
  }
};

/// The table for these positions. Every layer of every step asks for the same one: it is kept.
template <class T>
const RotationTable<T>& rotation_table(const int* position, int N, int HS, double theta) {
  thread_local RotationTable<T> kept;
  int positions = 0;
  for (int n = 0; n < N; ++n) positions = std::max(positions, position[n] + 1);
  const bool same = kept.HS == HS && kept.theta == theta;
  // Generation asks for one position more each time: twice as many last longer.
  if (!same || kept.positions < positions) kept.make(same ? 2 * positions : positions, HS, theta);
  return kept;
}

// Rotates the heads of one row by sign * angle. c and s: the row's angles.
template <class T>
RAMOE_INLINE void rotate_body(T* x, const T* __restrict c, const T* __restrict s, int half,
                              int heads, T sign) {
  for (int head = 0; head < heads; ++head, x += 2 * half) {
    T* __restrict low = x, * __restrict high = x + half;
    for (int i = 0; i < half; ++i) {
      const T a = low[i], b = high[i];
      low[i] = a * c[i] - b * sign * s[i];
      high[i] = b * c[i] + a * sign * s[i];
    }
  }
}
RAMOE_SIMD void rotate_row(float* x, const float* c, const float* s, int half, int heads,
                           float sign) {
  rotate_body(x, c, s, half, heads, sign);
}
void rotate_row(double* x, const double* c, const double* s, int half, int heads, double sign) {
  rotate_body(x, c, s, half, heads, sign);
}

template <class T>
void rotate_rows(T* x, const int* position, int N, int heads, int HS, double theta, T sign) {
  const RotationTable<T>& table = rotation_table<T>(position, N, HS, theta);
  const int half = HS / 2, C = heads * HS;
  parallel_for(N, rows_per_block(C), [&](int begin, int end) {
    for (int n = begin; n < end; ++n)
      rotate_row(row(x, n, C), row(table.cosine.data(), position[n], half),
                 row(table.sine.data(), position[n], half), half, heads, sign);
  });
}

}  // namespace

template <class T>
void rope_forward(T* x, const int* position, int N, int heads, int HS, double theta) {
  rotate_rows(x, position, N, heads, HS, theta, T(1));
}

template <class T>
void rope_backward(T* dout, const int* position, int N, int heads, int HS, double theta) {
  rotate_rows(dout, position, N, heads, HS, theta, T(-1));
}

// ---- Clipping ---------------------------------------------------------------------------------

template <class T>
void clip_forward(T* out, const T* x, T limit, int n) {
  for (int i = 0; i < n; ++i) out[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
}

template <class T>
void clip_backward(T* dx, const T* x, T limit, const T* dout, int n) {
  for (int i = 0; i < n; ++i)
    if (std::abs(x[i]) <= limit) dx[i] += dout[i];
}

// ---- SwiGLU -------------------------------------------------------------------------------------

namespace {

template <class T>
RAMOE_INLINE void swiglu_body(T* out, const T* gu, int rows, int H) {
  for (int n = 0; n < rows; ++n, out += H, gu += 2 * H)
    for (int h = 0; h < H; ++h) out[h] = gu[h] * sigmoid(gu[h]) * gu[H + h];
}
RAMOE_SIMD void swiglu_rows(float* out, const float* gu, int rows, int H) {
  swiglu_body(out, gu, rows, H);
}
void swiglu_rows(double* out, const double* gu, int rows, int H) {
  swiglu_body(out, gu, rows, H);
}

template <class T>
RAMOE_INLINE void swiglu_backward_body(T* dgu, const T* gu, const T* dout, int rows, int H,
                                       bool add) {
  for (int n = 0; n < rows; ++n, dgu += 2 * H, gu += 2 * H, dout += H) {
    if (!add)  // a choice inside the loop below would keep it from vectorising
      for (int h = 0; h < 2 * H; ++h) dgu[h] = 0;
    for (int h = 0; h < H; ++h) {
      const T gate = gu[h], up = gu[H + h], s = sigmoid(gate);
      dgu[h] += dout[h] * up * s * (T(1) + gate * (T(1) - s));
      dgu[H + h] += dout[h] * gate * s;
    }
  }
}
RAMOE_SIMD void swiglu_backward_rows(float* dgu, const float* gu, const float* dout, int rows,
                                     int H, bool add) {
  swiglu_backward_body(dgu, gu, dout, rows, H, add);
}
void swiglu_backward_rows(double* dgu, const double* gu, const double* dout, int rows, int H,
                          bool add) {
  swiglu_backward_body(dgu, gu, dout, rows, H, add);
}

}  // namespace

template <class T>
void swiglu_forward(T* out, const T* gu, int N, int H) {
  parallel_for(N, rows_per_block(4 * H), [&](int begin, int end) {
    swiglu_rows(row(out, begin, H), row(gu, begin, 2 * H), end - begin, H);
  });
}

template <class T>
void swiglu_forward_plain(T* out, const T* gu, int N, int H) {
  for (int n = 0; n < N; ++n)
    for (int h = 0; h < H; ++h) {
      const T gate = row(gu, n, 2 * H)[h], up = row(gu, n, 2 * H)[H + h];
      row(out, n, H)[h] = gate / (T(1) + std::exp(-gate)) * up;
    }
}

template <class T>
void swiglu_backward(T* dgu, const T* gu, const T* dout, int N, int H, bool accumulate) {
  parallel_for(N, rows_per_block(4 * H), [&](int begin, int end) {
    swiglu_backward_rows(row(dgu, begin, 2 * H), row(gu, begin, 2 * H), row(dout, begin, H),
                         end - begin, H, accumulate);
  });
}

#define RAMOE_INSTANTIATE(T)                                                                      \
  template void embedding_forward(T*, const T*, const int*, int, int);                            \
  template void embedding_backward(T*, const int*, const T*, int, int);                           \
  template void gather_rows_forward(T*, const T*, const int*, int, int);                          \
  template void gather_rows_backward(T*, const int*, const T*, int, int);                         \
  template void rmsnorm_forward(T*, T*, const T*, const T*, int, int, double);                    \
  template void rmsnorm_forward_plain(T*, T*, const T*, const T*, int, int, double);              \
  template void rmsnorm_backward(T*, T*, const T*, const T*, const T*, const T*, int, int, bool); \
  template void rope_forward(T*, const int*, int, int, int, double);                              \
  template void rope_backward(T*, const int*, int, int, int, double);                             \
  template void clip_forward(T*, const T*, T, int);                                               \
  template void clip_backward(T*, const T*, T, const T*, int);                                    \
  template void swiglu_forward(T*, const T*, int, int);                                           \
  template void swiglu_forward_plain(T*, const T*, int, int);                                     \
  template void swiglu_backward(T*, const T*, const T*, int, int, bool);
RAMOE_INSTANTIATE(float)
RAMOE_INSTANTIATE(double)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
