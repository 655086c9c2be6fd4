// Chapter 3.1 - the layers of a transformer: the definitions
#include "ch03_transformer/layer_ops.h"

#include <algorithm>
#include <cmath>

#include "ch01_tensor/tensor.h"

namespace ramoe {

// ---- Rows of a table ----------------------------------------------------------------------------

template <>
void gather_rows_forward(double* out, const double* x, const int* index, int R, int C) {
  for (int i = 0; i < R; ++i)
    for (int c = 0; c < C; ++c) row(out, i, C)[c] = row(x, index[i], C)[c];
}

template <>
void gather_rows_backward(double* dx, const int* index, const double* dout, int R, int C) {
  // out[i,:] = x[index[i],:]
  for (int i = 0; i < R; ++i)
    for (int c = 0; c < C; ++c) row(dx, index[i], C)[c] += row(dout, i, C)[c];
}

template <>
void embedding_forward(double* out, const double* table, const int* token, int N, int C) {
  gather_rows_forward(out, table, token, N, C);
}

template <>
void embedding_backward(double* dtable, const int* token, const double* dout, int N, int C) {
  // out[n,:] = table[token[n],:]
  gather_rows_backward(dtable, token, dout, N, C);
}

// ---- RMSNorm ------------------------------------------------------------------------------------

template <>
void rmsnorm_forward(double* out, double* rstd, const double* x, const double* w, int N, int C,
                     double eps) {
  for (int n = 0; n < N; ++n) {
    const double* x_n = row(x, n, C);
    double squares = 0;
    for (int c = 0; c < C; ++c) squares += x_n[c] * x_n[c];
    rstd[n] = 1 / std::sqrt(squares / C + eps);
    for (int c = 0; c < C; ++c) row(out, n, C)[c] = x_n[c] * rstd[n] * w[c];
  }
}

template <>
void rmsnorm_backward(double* dx, double* dw, const double* x, const double* w, const double* rstd,
                      const double* dout, int N, int C, bool accumulate, bool accumulate_dw) {
  if (dw && !accumulate_dw) std::fill_n(dw, C, 0.0);
  // out[c] = x[c] rstd w[c],  rstd = (mean_c x[c]^2 + eps)^(-1/2),
  // so drstd/dx[c] = -rstd^3 x[c] / C
  for (int n = 0; n < N; ++n) {
    const double *x_n = row(x, n, C), *dout_n = row(dout, n, C);
    double drstd = 0;
    for (int c = 0; c < C; ++c) drstd += dout_n[c] * x_n[c] * w[c];
    for (int c = 0; c < C; ++c) {
      const double dx_c = dout_n[c] * rstd[n] * w[c] - drstd * std::pow(rstd[n], 3) * x_n[c] / C;
      if (dx) row(dx, n, C)[c] = accumulate ? row(dx, n, C)[c] + dx_c : dx_c;
      if (dw) dw[c] += dout_n[c] * x_n[c] * rstd[n];
    }
  }
}

// ---- Rotary positions ---------------------------------------------------------------------------

namespace {

/// Rotates every pair (i, i + HS/2) of every head of row n by sign * position[n] * theta^(-2i/HS).
void rotate(double* x, const int* position, int N, int heads, int HS, double theta, double sign) {
  const int half = HS / 2;
  for (int i = 0; i < half; ++i) {
    const double frequency = std::pow(theta, -2.0 * i / HS);
    for (int n = 0; n < N; ++n) {
      const double c = std::cos(position[n] * frequency);
      const double s = std::sin(position[n] * frequency) * sign;
      for (int head = 0; head < heads; ++head) {
        double* pair = row(x, n, heads * HS) + head * HS + i;
        const double a = pair[0], b = pair[half];
        pair[0] = a * c - b * s;
        pair[half] = b * c + a * s;
      }
    }
  }
}

}  // namespace

template <>
void rope_forward(double* x, const int* position, int N, int heads, int HS, double theta) {
  rotate(x, position, N, heads, HS, theta, 1);
}

template <>
void rope_backward(double* dout, const int* position, int N, int heads, int HS, double theta) {
  // The gradient is rotated back: the transpose of (c -s; s c) is (c s; -s c).
  rotate(dout, position, N, heads, HS, theta, -1);
}

// ---- Clipping -----------------------------------------------------------------------------------

template <>
void clip_forward(double* out, const double* x, double limit, int n) {
  for (int i = 0; i < n; ++i) out[i] = x[i] > limit ? limit : x[i] < -limit ? -limit : x[i];
}

template <>
void clip_backward(double* dx, const double* x, double limit, const double* dout, int n) {
  // out[i] = x[i] where |x[i]| <= limit, else a constant
  for (int i = 0; i < n; ++i)
    if (std::abs(x[i]) <= limit) dx[i] += dout[i];
}

// ---- SwiGLU -------------------------------------------------------------------------------------

template <>
void swiglu_forward(double* out, const double* gu, int N, int H) {
  for (int n = 0; n < N; ++n) {
    const double *gate = row(gu, n, 2 * H), *up = gate + H;
    for (int h = 0; h < H; ++h) {
      const double s = 1 / (1 + std::exp(-gate[h]));
      row(out, n, H)[h] = gate[h] * s * up[h];
    }
  }
}

template <>
void swiglu_backward(double* dgu, const double* gu, const double* dout, int N, int H,
                     bool accumulate) {
  // out[h] = gate[h] s up[h],  s = sigmoid(gate[h]),  ds/dgate = s (1 - s)
  if (!accumulate) std::fill_n(dgu, std::size_t(N) * std::size_t(2 * H), 0.0);
  for (int n = 0; n < N; ++n) {
    const double *gate = row(gu, n, 2 * H), *up = gate + H, *dout_n = row(dout, n, H);
    double *dgate = row(dgu, n, 2 * H), *dup = dgate + H;
    for (int h = 0; h < H; ++h) {
      const double s = 1 / (1 + std::exp(-gate[h]));
      dgate[h] += dout_n[h] * up[h] * (s + gate[h] * s * (1 - s));
      dup[h] += dout_n[h] * gate[h] * s;
    }
  }
}

}  // namespace ramoe
