// Chapter 3.1 on the GPU - the layers of a transformer
//
// None of them computes much: what counts is how often memory is touched. So each value is read
// once and written once, in 16-byte pieces where rows allow it. Look at
//   rmsnorm.cuh     a row kept in the registers of a team of threads
//   add_rows.cuh    sums of rows without atomics
//   rope.cuh        angles computed once for all heads of a row, while these are on their way
#include "ch03_transformer/layer_ops.h"

#include <algorithm>
#include <cmath>

#include "cuda/ch03_transformer/add_rows.cuh"
#include "cuda/ch03_transformer/rmsnorm.cuh"
#include "cuda/ch03_transformer/rope.cuh"
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
using cuda::raw;
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
  wait_for_earlier_kernels();
  const std::size_t i = block_row();
  if (i >= unsigned(R)) return;
  const float* const from = x + std::size_t(index[i]) * unsigned(C);
  for (int c = int(threadIdx.x) * W; c < C; c += int(blockDim.x) * W)
    store(out + i * unsigned(C) + c, load<W>(from + c));
}

/// A thread widens one number, as in widen_kernel.
__global__ void widen_rows_kernel(float* out, const std::uint16_t* table, const int* index, int R,
                                  int C) {
  wait_for_earlier_kernels();
  const std::size_t i = block_row();
  if (i >= unsigned(R)) return;
  const std::uint16_t* const from = table + std::size_t(index[i]) * unsigned(C);
  for (int c = int(threadIdx.x); c < C; c += int(blockDim.x))
    out[i * unsigned(C) + unsigned(c)] = __uint_as_float(unsigned(from[c]) << 16);
}

}  // namespace

template <>
void widen_rows(GpuFloat* out, const Gpu<std::uint16_t>* table, const GpuInt* index, int R, int C) {
  launch<widen_rows_kernel>(threads_per_row(std::size_t(R), C), out, table, index, R, C);
}

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

namespace {

/// The same arguments as a kernel has them.
NormForward<float> raw_norm(const NormForward<GpuFloat>& n) {
  return {raw(n.out), raw(n.rstd), raw(n.x), raw(n.w), n.N, n.C};
}
NormBackward<float> raw_norm(const NormBackward<GpuFloat>& n) {
  return {raw(n.dx),   raw(n.dw), raw(n.x), raw(n.w),     raw(n.rstd),
          raw(n.dout), n.N,       n.C,      n.accumulate, n.accumulate_dw};
}
bool norm_in_pieces(const NormForward<GpuFloat>& n) {
  return in_pieces(n.C, n.out, n.x, n.w);
}
bool norm_in_pieces(const NormBackward<GpuFloat>& n) {
  return in_pieces(n.C, n.dx, n.dw, n.x, n.w, n.dout);
}

/// One launch for one norm or two whose rows fit into registers; false: they do not.
template <class Norm, class Use>
bool with_norms(const Norm* all, int count, const Use& use) {
  return count <= 2 && norm_in_pieces(all[0]) && norm_in_pieces(all[count - 1]) &&
         cuda::with_team(std::max(all[0].C, all[count - 1].C), use);
}

/// Sums of dw that one block adds up; more are left to a kernel of their own.
constexpr std::size_t kFewSums = 1 << 16;

}  // namespace

template <>
void rmsnorms_forward(const NormForward<GpuFloat>* all, int count, double eps) {
  const auto of_teams = [&]<int kTeam, int kEach>() {
    cuda::Two<NormForward<float>> two{raw_norm(all[0]), raw_norm(all[count - 1]), 0, 0};
    two.blocks_of_first = blocks_for(std::size_t(all[0].N), cuda::kNormThreads / kTeam);
    two.blocks = two.blocks_of_first;
    if (count > 1) two.blocks += blocks_for(std::size_t(all[1].N), cuda::kNormThreads / kTeam);
    launch<cuda::rmsnorm_kernel<kTeam, kEach>>({two.blocks, cuda::kNormThreads}, two, float(eps));
  };
  if (count == 0 || with_norms(all, count, of_teams)) return;
  for (const auto* n = all; n != all + count; ++n)
    launch<cuda::rmsnorm_any_kernel>({unsigned(n->N), walkers(n->C)}, n->out, n->rstd, n->x, n->w,
                                     n->C, float(eps));
}

template <>
void rmsnorm_forward(GpuFloat* out, GpuFloat* rstd, const GpuFloat* x, const GpuFloat* w, int N,
                     int C, double eps) {
  const NormForward<GpuFloat> norm{out, rstd, x, w, N, C};
  rmsnorms_forward(&norm, 1, eps);
}

template <>
void rmsnorms_backward(const NormBackward<GpuFloat>* all, int count) {
  const auto of_teams = [&]<int kTeam, int kEach>() {
    cuda::Scratch scratch;
    unsigned blocks[2];
    const auto sums = [&](int i) {
      const NormBackward<GpuFloat>& n = all[i];
      // More blocks hide more of the memory's latency, and leave more sums of dw to add up: as many
      // as a GPU has multiprocessors, more where rows are short or a block has one row at a time.
      constexpr unsigned kOfBlock = cuda::norm_rows(kEach) * cuda::kNormThreads / kTeam;
      const unsigned most = kTeam > 32 ? 512 : std::clamp(32768u / unsigned(n.C), 128u, 512u);
      blocks[i] = std::clamp(blocks_for(std::size_t(n.N), kOfBlock), 1u, n.dw ? most : ~0u);
      const std::size_t values = blocks[i] * std::size_t(n.C);
      return cuda::NormSums{raw_norm(n), n.dw ? scratch.take<float>(values) : nullptr,
                            values <= kFewSums ? cuda::arrivals() + i : nullptr};
    };
    const cuda::NormSums first = sums(0), second = count > 1 ? sums(1) : first;
    const unsigned of_all = blocks[0] + (count > 1 ? blocks[1] : 0);
    launch<cuda::rmsnorm_backward_kernel<kTeam, kEach>>(
        {of_all, cuda::kNormThreads}, cuda::Two<cuda::NormSums>{first, second, blocks[0], of_all});
    for (int i = 0; i < count; ++i)
      if (const auto& of = i == 0 ? first : second; of.partial && !of.arrived)
        cuda::add_partial(all[i].dw, of.partial, int(blocks[i]), all[i].C, all[i].accumulate_dw);
  };
  if (count == 0 || with_norms(all, count, of_teams)) return;
  for (const auto* n = all; n != all + count; ++n) {
    if (n->dx)
      launch<cuda::rmsnorm_backward_any_kernel>({unsigned(n->N), walkers(n->C)}, n->dx, n->x, n->w,
                                                n->rstd, n->dout, n->C, n->accumulate);
    if (n->dw)
      cuda::add_columns(n->dw, cuda::NormWeightTerm{raw(n->x), raw(n->rstd), raw(n->dout), n->C},
                        n->N, n->C, n->accumulate_dw);
  }
}

template <>
void rmsnorm_backward(GpuFloat* dx, GpuFloat* dw, const GpuFloat* x, const GpuFloat* w,
                      const GpuFloat* rstd, const GpuFloat* dout, int N, int C, bool accumulate,
                      bool accumulate_dw) {
  if (!dx && !dw) return;
  const NormBackward<GpuFloat> norm{dx, dw, x, w, rstd, dout, N, C, accumulate, accumulate_dw};
  rmsnorms_backward(&norm, 1);
}

// ---- Rotary positions ---------------------------------------------------------------------------

namespace {

void rotate(const cuda::Heads& q, const cuda::Heads& k, const GpuInt* position, int N, int HS,
            double theta, float sign) {
  const int half = HS / 2, rows = std::max(1, int(kThreads) / half);
  with_width(in_pieces(half, q.x, k.x), [&]<int W>() {
    launch<cuda::rope_kernel<W>>({blocks_for(std::size_t(N), std::size_t(rows)), kThreads,
                                  std::size_t(rows * half) * 2 * sizeof(float)},
                                 q, k, position, N, half, rows, std::log2(theta) / half, sign);
  });
}

}  // namespace

template <>
void rope_forward(GpuFloat* x, const GpuInt* position, int N, int heads, int HS, double theta) {
  rotate({raw(x), heads}, {nullptr, 0}, position, N, HS, theta, 1);
}

template <>
void rope_backward(GpuFloat* dout, const GpuInt* position, int N, int heads, int HS, double theta) {
  rotate({raw(dout), heads}, {nullptr, 0}, position, N, HS, theta, -1);
}

template <>
void rope_both_forward(GpuFloat* q, GpuFloat* k, const GpuInt* position, int N, int NH, int NKV,
                       int HS, double theta) {
  rotate({raw(q), NH}, {raw(k), NKV}, position, N, HS, theta, 1);
}

template <>
void rope_both_backward(GpuFloat* dq, GpuFloat* dk, const GpuInt* position, int N, int NH, int NKV,
                        int HS, double theta) {
  rotate({raw(dq), NH}, {raw(dk), NKV}, position, N, HS, theta, -1);
}

// ---- Clipping -----------------------------------------------------------------------------------

namespace {

template <int W>
__global__ void clip_kernel(float* out, const float* x, float limit, std::size_t pieces) {
  wait_for_earlier_kernels();
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
  wait_for_earlier_kernels();
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
  wait_for_earlier_kernels();
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
  wait_for_earlier_kernels();
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
