// Chapter 3.1 on the GPU - the layers of a transformer
//
// None of them computes much: what counts is how often memory is touched. So each value is read
// once and written once, in 16-byte pieces where rows allow it. Look at
//   rmsnorm.cuh     a row kept in the registers of a team of threads
//   add_rows.cuh    sums of rows without atomics
//   rope below      angles computed once for all heads of a row
#include "ch03_transformer/layer_ops.h"

#include <algorithm>
#include <cmath>

#include "cuda/ch03_transformer/add_rows.cuh"
#include "cuda/ch03_transformer/rmsnorm.cuh"
#include "cuda/support/rows.cuh"

namespace ramoe {

using cuda::add_to;
using cuda::block_row;
using cuda::blocks_for;
using cuda::in_pieces;
using cuda::launch;
using cuda::load;
using cuda::my_number;
using cuda::Piece;
using cuda::store;
using cuda::threads_per_row;
using cuda::with_width;

namespace {

constexpr unsigned kThreads = 256;

/// A thread for each piece of `count` values.
cuda::Grid thread_per_piece(std::size_t count, int W) {
  return {blocks_for(count / unsigned(W), kThreads), kThreads};
}

// ---- Rows of a table ----------------------------------------------------------------------------

template <int W>
__global__ void gather_rows_kernel(float* out, const float* x, const int* index, int R, int C) {
  const std::size_t i = block_row();
  if (i >= unsigned(R)) return;
  const float* const from = x + std::size_t(index[i]) * unsigned(C);
  for (int c = int(threadIdx.x) * W; c < C; c += int(blockDim.x) * W)
    store(out + i * unsigned(C) + c, load<W>(from + c));
}

}  // namespace

template <>
void gather_rows_forward(GpuFloat* out, const GpuFloat* x, const GpuInt* index, int R, int C) {
  with_width(in_pieces(C, out, x), [&]<int W>() {
    launch<gather_rows_kernel<W>>(threads_per_row(std::size_t(R), C / W), out, x, index, R, C);
  });
}

template <>
void gather_rows_backward(GpuFloat* dx, const GpuInt* index, const GpuFloat* dout, int R, int C) {
  if (dx) cuda::add_rows(dx, index, dout, R, C);
}

template <>
void embedding_forward(GpuFloat* out, const GpuFloat* table, const GpuInt* token, int N, int C) {
  gather_rows_forward(out, table, token, N, C);
}

template <>
void embedding_backward(GpuFloat* dtable, const GpuInt* token, const GpuFloat* dout, int N, int C) {
  gather_rows_backward(dtable, token, dout, N, C);
}

// ---- RMSNorm ------------------------------------------------------------------------------------

namespace {

/// The threads of a block that walks along rows of C values.
unsigned walkers(int C) {
  return C <= 64 ? 32 : C <= 512 ? 128 : 512;
}

}  // namespace

template <>
void rmsnorm_forward(GpuFloat* out, GpuFloat* rstd, const GpuFloat* x, const GpuFloat* w, int N,
                     int C, double eps) {
  const auto of_teams = [&]<int kTeam, int kEach>() {
    launch<cuda::rmsnorm_kernel<kTeam, kEach>>(
        {blocks_for(std::size_t(N), cuda::kNormThreads / kTeam), cuda::kNormThreads}, out, rstd, x,
        w, N, C, float(eps));
  };
  if (in_pieces(C, out, x, w) && cuda::with_team(C, of_teams)) return;
  launch<cuda::rmsnorm_any_kernel>({unsigned(N), walkers(C)}, out, rstd, x, w, C, float(eps));
}

template <>
void rmsnorm_backward(GpuFloat* dx, GpuFloat* dw, const GpuFloat* x, const GpuFloat* w,
                      const GpuFloat* rstd, const GpuFloat* dout, int N, int C, bool accumulate,
                      bool accumulate_dw) {
  if (!dx && !dw) return;
  const auto of_teams = [&]<int kTeam, int kEach>() {
    // More blocks hide more of the memory's latency, and leave more sums of dw to add up.
    const unsigned blocks =
        std::min(blocks_for(std::size_t(N), cuda::kNormThreads / kTeam), dw ? 512u : ~0u);
    cuda::Scratch scratch;
    float* const partial = dw ? scratch.take<float>(blocks * std::size_t(C)) : nullptr;
    launch<cuda::rmsnorm_backward_kernel<kTeam, kEach>>({blocks, cuda::kNormThreads}, dx, partial,
                                                        x, w, rstd, dout, N, C, accumulate);
    if (dw) cuda::add_partial(dw, partial, int(blocks), C, accumulate_dw);
  };
  if (in_pieces(C, dx, dw, x, w, dout) && cuda::with_team(C, of_teams)) return;
  if (dx)
    launch<cuda::rmsnorm_backward_any_kernel>({unsigned(N), walkers(C)}, dx, x, w, rstd, dout, C,
                                              accumulate);
  if (dw)
    cuda::add_columns(
        dw, cuda::NormWeightTerm{cuda::raw(x), cuda::raw(rstd), cuda::raw(dout), C}, N, C,
        accumulate_dw);
}

// ---- Rotary positions ---------------------------------------------------------------------------

namespace {

constexpr double kTurn = 6.283185307179586477;  // 2 pi

/// A block turns `rows` rows. Its threads first compute each angle once, for all heads: in double,
/// as position 100,000 times 1 has 17 bits before the point and float would keep 7 behind it. Whole
/// turns are taken off before float's sine and cosine see the angle.
template <int W>
__global__ void rope_kernel(float* x, const int* position, int N, int heads, int half, int rows,
                            double log2_step, float sign) {
  DYNAMIC_SHARED(float, cosine);
  float* const sine = cosine + rows * half;
  const int first = int(blockIdx.x) * rows, count = min(rows, N - first);
  for (int a = int(threadIdx.x); a < count * half; a += int(blockDim.x)) {
    const double frequency = exp2(-(a % half) * log2_step);
    const double turns = position[first + a / half] * frequency * (1 / kTurn);
    const float angle = float((turns - rint(turns)) * kTurn);
    cosine[a] = cosf(angle);
    sine[a] = sinf(angle) * sign;
  }
  __syncthreads();
  const int pieces = half / W;
  for (int i = int(threadIdx.x); i < count * heads * pieces; i += int(blockDim.x)) {
    const int head = i / pieces, at = i % pieces * W;  // head: of all rows of the block
    const int angle = head / heads * half + at;
    const std::size_t heads_before = std::size_t(first) * unsigned(heads) + unsigned(head);
    float* const low = x + heads_before * 2 * unsigned(half) + at;
    Piece<W> a = load<W>(low), b = load<W>(low + half);
    const Piece<W> c = load<W>(cosine + angle), s = load<W>(sine + angle);
#pragma unroll
    for (int j = 0; j < W; ++j) {
      const float a_j = a[j], b_j = b[j];
      a[j] = a_j * c[j] - b_j * s[j];
      b[j] = b_j * c[j] + a_j * s[j];
    }
    store(low, a);
    store(low + half, b);
  }
}

void rotate(GpuFloat* x, const GpuInt* position, int N, int heads, int HS, double theta,
            float sign) {
  const int half = HS / 2, rows = std::max(1, int(kThreads) / half);
  with_width(in_pieces(half, x), [&]<int W>() {
    launch<rope_kernel<W>>({blocks_for(std::size_t(N), std::size_t(rows)), kThreads,
                            std::size_t(rows * half) * 2 * sizeof(float)},
                           x, position, N, heads, half, rows, std::log2(theta) / half, sign);
  });
}

}  // namespace

template <>
void rope_forward(GpuFloat* x, const GpuInt* position, int N, int heads, int HS, double theta) {
  rotate(x, position, N, heads, HS, theta, 1);
}

template <>
void rope_backward(GpuFloat* dout, const GpuInt* position, int N, int heads, int HS, double theta) {
  rotate(dout, position, N, heads, HS, theta, -1);
}

// ---- Clipping -----------------------------------------------------------------------------------

namespace {

template <int W>
__global__ void clip_kernel(float* out, const float* x, float limit, std::size_t pieces) {
  const std::size_t i = my_number();
  if (i >= pieces) return;
  Piece<W> value = load<W>(x + i * W);
#pragma unroll
  for (int j = 0; j < W; ++j)
    value[j] = value[j] > limit ? limit : value[j] < -limit ? -limit : value[j];
  store(out + i * W, value);
}

template <int W>
__global__ void clip_backward_kernel(float* dx, const float* x, float limit, const float* dout,
                                     std::size_t pieces) {
  const std::size_t i = my_number();
  if (i >= pieces) return;
  const Piece<W> value = load<W>(x + i * W), dvalue = load<W>(dout + i * W);
  Piece<W> sum = load<W>(dx + i * W);
#pragma unroll
  for (int j = 0; j < W; ++j)
    if (fabsf(value[j]) <= limit) sum[j] += dvalue[j];
  store(dx + i * W, sum);
}

}  // namespace

template <>
void clip_forward(GpuFloat* out, const GpuFloat* x, double limit, int n) {
  with_width(in_pieces(n, out, x), [&]<int W>() {
    launch<clip_kernel<W>>(thread_per_piece(std::size_t(n), W), out, x, float(limit),
                           std::size_t(n / W));
  });
}

template <>
void clip_backward(GpuFloat* dx, const GpuFloat* x, double limit, const GpuFloat* dout, int n) {
  if (!dx) return;
  with_width(in_pieces(n, dx, x, dout), [&]<int W>() {
    launch<clip_backward_kernel<W>>(thread_per_piece(std::size_t(n), W), dx, x, float(limit), dout,
                                    std::size_t(n / W));
  });
}

// ---- SwiGLU -------------------------------------------------------------------------------------

namespace {

__device__ float sigmoid(float x) {
  return 1 / (1 + expf(-x));
}

template <int W>
__global__ void swiglu_kernel(float* out, const float* gu, int N, int H) {
  const std::size_t row = block_row() * unsigned(H);
  if (block_row() >= unsigned(N)) return;
  for (int h = int(threadIdx.x) * W; h < H; h += int(blockDim.x) * W) {
    const Piece<W> gate = load<W>(gu + 2 * row + h), up = load<W>(gu + 2 * row + H + h);
    Piece<W> y;
#pragma unroll
    for (int j = 0; j < W; ++j) y[j] = gate[j] * sigmoid(gate[j]) * up[j];
    store(out + row + h, y);
  }
}

template <int W>
__global__ void swiglu_backward_kernel(float* dgu, const float* gu, const float* dout, int N, int H,
                                       bool accumulate) {
  const std::size_t row = block_row() * unsigned(H);
  if (block_row() >= unsigned(N)) return;
  for (int h = int(threadIdx.x) * W; h < H; h += int(blockDim.x) * W) {
    const Piece<W> gate = load<W>(gu + 2 * row + h), up = load<W>(gu + 2 * row + H + h);
    const Piece<W> dy = load<W>(dout + row + h);
    Piece<W> dgate, dup;
#pragma unroll
    for (int j = 0; j < W; ++j) {
      const float s = sigmoid(gate[j]);
      dgate[j] = dy[j] * up[j] * s * (1 + gate[j] * (1 - s));
      dup[j] = dy[j] * gate[j] * s;
    }
    add_to(dgu + 2 * row + h, dgate, accumulate);
    add_to(dgu + 2 * row + H + h, dup, accumulate);
  }
}

}  // namespace

template <>
void swiglu_forward(GpuFloat* out, const GpuFloat* gu, int N, int H) {
  with_width(in_pieces(H, out, gu), [&]<int W>() {
    launch<swiglu_kernel<W>>(threads_per_row(std::size_t(N), H / W), out, gu, N, H);
  });
}

template <>
void swiglu_backward(GpuFloat* dgu, const GpuFloat* gu, const GpuFloat* dout, int N, int H,
                     bool accumulate) {
  if (!dgu) return;
  with_width(in_pieces(H, dgu, gu, dout), [&]<int W>() {
    launch<swiglu_backward_kernel<W>>(threads_per_row(std::size_t(N), H / W), dgu, gu, dout, N, H,
                                      accumulate);
  });
}

}  // namespace ramoe
