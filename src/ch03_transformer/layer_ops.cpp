#include "ch03_transformer/layer_ops.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ch01_tensor/parallel.h"
#include "ch01_tensor/simd.h"
#include "ch01_tensor/tensor.h"

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
template <class T>
RAMOE_INLINE void rmsnorm_backward_body(T* dx, T* dw, T* scaled, const T* x, const T* w,
                                        const T* rstd, const T* dout, int rows, int C, bool add) {
  for (int n = 0; n < rows; ++n, x += C, dout += C) {
    const T r = rstd[n];
    if (dw != nullptr)
      for (int c = 0; c < C; ++c) dw[c] += dout[c] * x[c] * r;
    if (dx == nullptr) continue;
    for (int c = 0; c < C; ++c) scaled[c] = dout[c] * w[c];
    const T mean = dot(scaled, x, C) / T(C) * r * r * r;
    T* dx_n = dx + static_cast<std::size_t>(n) * static_cast<std::size_t>(C);
    if (add)
      for (int c = 0; c < C; ++c) dx_n[c] += r * scaled[c] - mean * x[c];
    else
      for (int c = 0; c < C; ++c) dx_n[c] = r * scaled[c] - mean * x[c];
  }
}
RAMOE_SIMD void rmsnorm_backward_rows(float* dx, float* dw, float* scaled, const float* x,
                                      const float* w, const float* rstd, const float* dout,
                                      int rows, int C, bool add) {
  rmsnorm_backward_body(dx, dw, scaled, x, w, rstd, dout, rows, C, add);
}
void rmsnorm_backward_rows(double* dx, double* dw, double* scaled, const double* x, const double* w,
                           const double* rstd, const double* dout, int rows, int C, bool add) {
  rmsnorm_backward_body(dx, dw, scaled, x, w, rstd, dout, rows, C, add);
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
  const int grain = rows_per_block(C), blocks = (N + grain - 1) / grain;
  thread_local std::vector<T> partial;
  partial.assign(static_cast<std::size_t>(blocks) * 2 * static_cast<std::size_t>(C), T(0));
  T* const sums = partial.data();
  parallel_for(N, grain, [&](int begin, int end) {
    T* dw_block = row(sums, 2 * (begin / grain), C);
    rmsnorm_backward_rows(dx ? row(dx, begin, C) : nullptr, dw ? dw_block : nullptr, dw_block + C,
                          row(x, begin, C), w, rstd + begin, row(dout, begin, C), end - begin, C,
                          accumulate);
  });
  if (dw)
    for (int block = 0; block < blocks; ++block) add_row(dw, row(sums, 2 * block, C), C);
}

// ---- Rotary positions ---------------------------------------------------------------------------

namespace {

/// cos and sin of every angle up to the largest position: (positions, HS/2) each.
template <class T>
struct RotationTable {
  RotationTable(const int* position, int N, int HS, double theta) : half(HS / 2) {
    int positions = 0;
    for (int n = 0; n < N; ++n) positions = std::max(positions, position[n] + 1);
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
  int half;
  std::vector<T> cosine, sine;
};

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
  const RotationTable<T> table(position, N, HS, theta);
  const int half = table.half, C = heads * HS;
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
