// The layers of a transformer for float: blocked over threads and vectorised.
#include "ch03_transformer/layer_ops.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ch01_tensor/tensor.h"
#include "fast/simd.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

RAMOE_INLINE void add_row(float* y, const float* x, int C) {
  for (int c = 0; c < C; ++c) y[c] += x[c];
}

void fetch_row(const float* x, int C) {
  constexpr int kLine = 64 / static_cast<int>(sizeof(float));
  for (int c = 0; c < C; c += kLine) __builtin_prefetch(x + c);
}

}  // namespace

template <>
void gather_rows_forward(float* out, const float* x, const int* index, int R, int C) {
  parallel_for(R, rows_per_block(C), [&](int begin, int end) {
    for (int i = begin; i < end; ++i) {
      // Rows come from anywhere: prefetch the one after next, which the processor cannot foresee.
      if (i + 2 < end) fetch_row(row(x, index[i + 2], C), C);
      std::copy_n(row(x, index[i], C), C, row(out, i, C));
    }
  });
}

template <>
void gather_rows_backward(float* dx, const int* index, const float* dout, int R, int C) {
  // One thread: rows may repeat, and the order of the sums must not depend on threads.
  for (int i = 0; i < R; ++i) simd<add_row>(row(dx, index[i], C), row(dout, i, C), C);
}

template <>
void embedding_forward(float* out, const float* table, const int* token, int N, int C) {
  gather_rows_forward(out, table, token, N, C);
}

template <>
void embedding_backward(float* dtable, const int* token, const float* dout, int N, int C) {
  gather_rows_backward(dtable, token, dout, N, C);
}

// ---- RMSNorm ------------------------------------------------------------------------------------

namespace {

RAMOE_INLINE void rmsnorm_rows(float* out, float* rstd, const float* x, const float* w, int rows,
                               int C, float eps) {
  for (int n = 0; n < rows; ++n, out += C, x += C) {
    const float r = 1.0f / std::sqrt(dot(x, x, C) / float(C) + eps);
    for (int c = 0; c < C; ++c) out[c] = x[c] * r * w[c];
    rstd[n] = r;
  }
}

// dx and dw of a block of rows; scaled (C) is scratch for g = dout * w.
/// Columns [c, c + some) of R rows: their part of the sums of dout w x, and dw.
template <int R>
RAMOE_INLINE void rmsnorm_backward_sums(Lanes (&product)[R], float* dw, const float* x,
                                        const float* w, const float* rstd, const float* dout, int C,
                                        int some) {
  Lanes x_r, w_c, dout_r, dw_c = {};
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
template <int R>
RAMOE_INLINE void rmsnorm_backward_dx(float* dx, const float (&mean)[R], const float* x,
                                      const float* w, const float* rstd, const float* dout, int C,
                                      bool add, int some) {
  Lanes x_r, w_c, dout_r, dx_r, before;
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
template <int R>
RAMOE_INLINE void rmsnorm_backward_some(float* dx, float* dw, const float* x, const float* w,
                                        const float* rstd, const float* dout, int C, bool add) {
  const int whole = C / kLanes * kLanes;
  Lanes product[R] = {};
  for (int c = 0; c < whole; c += kLanes)
    rmsnorm_backward_sums<R>(product, dw ? dw + c : dw, x + c, w + c, rstd, dout + c, C, kLanes);
  if (whole < C)
    rmsnorm_backward_sums<R>(product, dw ? dw + whole : dw, x + whole, w + whole, rstd,
                             dout + whole, C, C - whole);
  if (dx == nullptr) return;
  float mean[R];
  for (int r = 0; r < R; ++r)
    mean[r] = sum_of_lanes(product[r]) / float(C) * rstd[r] * rstd[r] * rstd[r];
  for (int c = 0; c < whole; c += kLanes)
    rmsnorm_backward_dx<R>(dx + c, mean, x + c, w + c, rstd, dout + c, C, add, kLanes);
  if (whole < C)
    rmsnorm_backward_dx<R>(dx + whole, mean, x + whole, w + whole, rstd, dout + whole, C, add,
                           C - whole);
}
RAMOE_INLINE void rmsnorm_backward_rows(float* dx, float* dw, const float* x, const float* w,
                                        const float* rstd, const float* dout, int rows, int C,
                                        bool add) {
  constexpr int R = 4;
  int n = 0;
  for (; n + R <= rows; n += R)
    rmsnorm_backward_some<R>(dx ? row(dx, n, C) : dx, dw, row(x, n, C), w, rstd + n,
                             row(dout, n, C), C, add);
  for (; n < rows; ++n)
    rmsnorm_backward_some<1>(dx ? row(dx, n, C) : dx, dw, row(x, n, C), w, rstd + n,
                             row(dout, n, C), C, add);
}

}  // namespace

template <>
void rmsnorm_forward(float* out, float* rstd, const float* x, const float* w, int N, int C,
                     double eps) {
  parallel_for(N, rows_per_block(C), [&](int begin, int end) {
    simd<rmsnorm_rows>(row(out, begin, C), rstd + begin, row(x, begin, C), w, end - begin, C,
                       float(eps));
  });
}

template <>
void rmsnorm_backward(float* dx, float* dw, const float* x, const float* w, const float* rstd,
                      const float* dout, int N, int C, bool accumulate, bool accumulate_dw) {
  if (dw && !accumulate_dw) std::fill_n(dw, C, 0.0f);
  // dw is summed per block of rows and then over blocks in order, whatever the number of threads.
  // At least two cache lines apart, so that no two threads write to one line.
  const int grain = rows_per_block(C), blocks = (N + grain - 1) / grain, apart = C + 128;
  thread_local std::vector<float> partial;
  partial.assign(dw ? static_cast<std::size_t>(blocks) * std::size_t(apart) : 0, 0.0f);
  float* const sums = partial.data();
  parallel_for(N, grain, [&](int begin, int end) {
    simd<rmsnorm_backward_rows>(dx ? row(dx, begin, C) : nullptr,
                                dw ? row(sums, begin / grain, apart) : nullptr, row(x, begin, C), w,
                                rstd + begin, row(dout, begin, C), end - begin, C, accumulate);
  });
  if (dw)
    for (int block = 0; block < blocks; ++block) simd<add_row>(dw, row(sums, block, apart), C);
}

// ---- Rotary positions ---------------------------------------------------------------------------

namespace {

/// cos and sin of every angle of positions 0 to `positions` - 1: (positions, HS/2) each.
struct RotationTable {
  int HS = 0, positions = 0;
  double theta = 0;
  std::vector<float> cosine, sine;

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
        row(cosine.data(), t, half)[i] = static_cast<float>(c_t);
        row(sine.data(), t, half)[i] = static_cast<float>(s_t);
        const double next = c_t * c - s_t * s;
        s_t = s_t * c + c_t * s;
        c_t = next;
      }
    }
  }
};

/// The table for these positions. Every layer of every step asks for the same one: it is kept.
const RotationTable& rotation_table(const int* position, int N, int HS, double theta) {
  thread_local RotationTable kept;
  int positions = 0;
  for (int n = 0; n < N; ++n) positions = std::max(positions, position[n] + 1);
  const bool same = kept.HS == HS && kept.theta == theta;
  // Generation asks for one position more each time, so the table doubles.
  if (!same || kept.positions < positions) kept.make(same ? 2 * positions : positions, HS, theta);
  return kept;
}

// Rotates the heads of one row by sign * angle. c and s: the row's angles.
RAMOE_INLINE void rotate_row(float* x, const float* c, const float* s, int half, int heads,
                             float sign) {
  for (int head = 0; head < heads; ++head, x += 2 * half) {
    float *low = x, *high = x + half;
    RAMOE_INDEPENDENT
    for (int i = 0; i < half; ++i) {
      const float a = low[i], b = high[i];
      low[i] = a * c[i] - b * sign * s[i];
      high[i] = b * c[i] + a * sign * s[i];
    }
  }
}

void rotate_rows(float* x, const int* position, int N, int heads, int HS, double theta,
                 float sign) {
  const RotationTable& table = rotation_table(position, N, HS, theta);
  const int half = HS / 2, C = heads * HS;
  parallel_for(N, rows_per_block(C), [&](int begin, int end) {
    for (int n = begin; n < end; ++n)
      simd<rotate_row>(row(x, n, C), row(table.cosine.data(), position[n], half),
                       row(table.sine.data(), position[n], half), half, heads, sign);
  });
}

}  // namespace

template <>
void rope_forward(float* x, const int* position, int N, int heads, int HS, double theta) {
  rotate_rows(x, position, N, heads, HS, theta, 1.0f);
}

template <>
void rope_backward(float* dout, const int* position, int N, int heads, int HS, double theta) {
  rotate_rows(dout, position, N, heads, HS, theta, -1.0f);
}

// ---- Clipping ---------------------------------------------------------------------------------

template <>
void clip_forward(float* out, const float* x, double limit_, int n) {
  const float limit = static_cast<float>(limit_);
  for (int i = 0; i < n; ++i) out[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
}

template <>
void clip_backward(float* dx, const float* x, double limit_, const float* dout, int n) {
  const float limit = static_cast<float>(limit_);
  for (int i = 0; i < n; ++i) {
    const float sum = dx[i] + dout[i];  // read in any case: a loop that may not read stays scalar
    dx[i] = std::abs(x[i]) <= limit ? sum : dx[i];
  }
}

// ---- SwiGLU -------------------------------------------------------------------------------------

namespace {

RAMOE_INLINE void swiglu_rows(float* out, const float* gu, int rows, int H) {
  for (int n = 0; n < rows; ++n, out += H, gu += 2 * H)
    for (int h = 0; h < H; ++h) out[h] = gu[h] * sigmoid(gu[h]) * gu[H + h];
}

RAMOE_INLINE void swiglu_backward_rows(float* dgu, const float* gu, const float* dout, int rows,
                                       int H, bool add) {
  for (int n = 0; n < rows; ++n, dgu += 2 * H, gu += 2 * H, dout += H) {
    if (!add)  // a choice inside the loop below would keep it from vectorising
      for (int h = 0; h < 2 * H; ++h) dgu[h] = 0;
    for (int h = 0; h < H; ++h) {
      const float gate = gu[h], up = gu[H + h], s = sigmoid(gate);
      dgu[h] += dout[h] * up * s * (1.0f + gate * (1.0f - s));
      dgu[H + h] += dout[h] * gate * s;
    }
  }
}

}  // namespace

template <>
void swiglu_forward(float* out, const float* gu, int N, int H) {
  parallel_for(N, rows_per_block(4 * H), [&](int begin, int end) {
    simd<swiglu_rows>(row(out, begin, H), row(gu, begin, 2 * H), end - begin, H);
  });
}

template <>
void swiglu_backward(float* dgu, const float* gu, const float* dout, int N, int H,
                     bool accumulate) {
  parallel_for(N, rows_per_block(4 * H), [&](int begin, int end) {
    simd<swiglu_backward_rows>(row(dgu, begin, 2 * H), row(gu, begin, 2 * H), row(dout, begin, H),
                               end - begin, H, accumulate);
  });
}

}  // namespace ramoe
