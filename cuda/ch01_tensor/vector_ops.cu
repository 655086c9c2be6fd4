// Chapter 1.6 on the GPU - elementwise operations, softmax and reductions
//
// Elementwise: a thread has four neighbouring values, where addresses allow it, and a warp a
// stretch of 512 bytes: one load of each lane keeps the memory as busy as four of 4 bytes would.
// Rows: a warp has a row, in its registers where that is read twice, and its lanes exchange what
// they found.
#include "ch01_tensor/vector_ops.h"
#include "cuda/support/columns.cuh"
#include "cuda/support/pieces.cuh"
#include "cuda/support/rows.cuh"

namespace ramoe {

using cuda::add_columns;
using cuda::add_to;
using cuda::block_row;
using cuda::blocks_for;
using cuda::in_pieces;
using cuda::launch;
using cuda::load;
using cuda::my_lane;
using cuda::my_number;
using cuda::my_row;
using cuda::Piece;
using cuda::row_at;
using cuda::store;
using cuda::Sum;
using cuda::threads_per_row;
using cuda::warp_per_row;
using cuda::warp_sum;
using cuda::with_width;

namespace {

constexpr unsigned kThreads = 256;

/// out[i] = of(a[i], b[i]); a and b may be out.
template <int W, class Of>
__global__ void elementwise_kernel(float* out, const float* a, const float* b, Of of,
                                   std::size_t n) {
  wait_for_earlier_kernels();
  const std::size_t i = my_number() * W;
  if (i >= n) return;
  Piece<W> x = load<W>(a + i);
  const Piece<W> y = load<W>(b + i);
#pragma unroll
  for (int j = 0; j < W; ++j) x[j] = of(x[j], y[j]);
  store(out + i, x);
}
template <class Of>
void elementwise(GpuFloat* out, const GpuFloat* a, const GpuFloat* b, const Of& of,
                 std::size_t n) {
  with_width(in_pieces(n, out, a, b), [&]<int W>() {
    launch<elementwise_kernel<W, Of>>({blocks_for(n / W, kThreads), kThreads}, out, a, b, of, n);
  });
}

struct First {
  __device__ float operator()(float a, float) const { return a; }
};
struct PlusValue {
  float value;
  bool accumulate;
  __device__ float operator()(float a, float) const { return accumulate ? a + value : value; }
};
struct PlusScaled {
  float scale;
  __device__ float operator()(float a, float b) const { return a + scale * b; }
};

/// A thread widens one number. The two bytes of 32 lanes are two sectors, and what is written is
/// four: the least that there is.
__global__ void widen_kernel(float* y, const std::uint16_t* x, std::size_t n) {
  wait_for_earlier_kernels();
  const std::size_t i = my_number();
  if (i < n) y[i] = __uint_as_float(unsigned(x[i]) << 16);
}

template <int W>
__global__ void add_bias_kernel(float* y, const float* bias, int N, int C) {
  wait_for_earlier_kernels();
  const std::size_t n = block_row();
  if (n >= unsigned(N)) return;
  for (int c = int(threadIdx.x) * W; c < C; c += int(blockDim.x) * W)
    add_to(y + n * unsigned(C) + c, load<W>(bias + c));
}

template <int Each>
__global__ void softmax_kernel(float* p, const float* z, int N, int E) {
  wait_for_earlier_kernels();
  const int n = my_row(), lane = my_lane();
  if (n >= N) return;  // the whole warp
  float p_n[Each];
  cuda::softmax_row(p_n, row_at(z, n, E), E, lane);
#pragma unroll
  for (int i = 0; i < Each; ++i)
    if (lane + 32 * i < E) row_at(p, n, E)[lane + 32 * i] = p_n[i];
}

/// Rows too long for registers are read three times.
__global__ void softmax_long_kernel(float* p, const float* z, int N, int E) {
  wait_for_earlier_kernels();
  const int n = my_row(), lane = my_lane();
  if (n >= N) return;
  const float* const z_n = row_at(z, n, E);
  float most = -INFINITY, sum = 0;
  for (int e = lane; e < E; e += 32) most = max(most, z_n[e]);
  most = cuda::warp_max(most);
  for (int e = lane; e < E; e += 32) sum += expf(z_n[e] - most);
  const float scale = 1 / warp_sum(sum);
  for (int e = lane; e < E; e += 32) row_at(p, n, E)[e] = scale * expf(z_n[e] - most);
}

template <int Each = 1>
void run_softmax(GpuFloat* p, const GpuFloat* z, int N, int E) {
  if (E <= 32 * Each) return launch<softmax_kernel<Each>>(warp_per_row(N), p, z, N, E);
  if constexpr (Each < 32)
    run_softmax<2 * Each>(p, z, N, E);
  else
    launch<softmax_long_kernel>(warp_per_row(N), p, z, N, E);
}

/// dz[n,j] += p[n,j] (dp[n,j] - sum_k p[n,k] dp[n,k])
__global__ void softmax_backward_kernel(float* dz, const float* p, const float* dp, int N, int E) {
  wait_for_earlier_kernels();
  const int n = my_row(), lane = my_lane();
  if (n >= N) return;
  const std::size_t at = std::size_t(n) * std::size_t(E);
  float mean = 0;
  for (int e = lane; e < E; e += 32) mean += p[at + unsigned(e)] * dp[at + unsigned(e)];
  mean = warp_sum(mean);
  for (int e = lane; e < E; e += 32)
    dz[at + unsigned(e)] += p[at + unsigned(e)] * (dp[at + unsigned(e)] - mean);
}

struct Rows {
  const float* x;
  int C;
  __device__ float operator()(int n, int c) const {
    return x[std::size_t(n) * std::size_t(C) + std::size_t(c)];
  }
};

}  // namespace

template <>
void add_forward(GpuFloat* out, const GpuFloat* a, const GpuFloat* b, std::size_t n) {
  elementwise(out, a, b, Sum{}, n);
}

template <>
void copy_values(GpuFloat* y, const GpuFloat* x, std::size_t n) {
  elementwise(y, x, x, First{}, n);
}

template <>
void widen(GpuFloat* y, const Gpu<std::uint16_t>* x, std::size_t n) {
  launch<widen_kernel>({blocks_for(n, kThreads), kThreads}, y, x, n);
}

template <>
void add_value(GpuFloat* y, double a, std::size_t n, bool accumulate) {
  elementwise(y, y, y, PlusValue{float(a), accumulate}, n);
}

template <>
void axpy(GpuFloat* y, double a, const GpuFloat* x, std::size_t n) {
  elementwise(y, y, x, PlusScaled{float(a)}, n);
}

template <>
void add_bias_forward(GpuFloat* y, const GpuFloat* bias, int N, int C) {
  with_width(in_pieces(C, y, bias), [&]<int W>() {
    launch<add_bias_kernel<W>>(threads_per_row(std::size_t(N), C / W), y, bias, N, C);
  });
}

template <>
void add_bias_backward(GpuFloat* dbias, const GpuFloat* dy, int N, int C, bool accumulate) {
  add_columns(dbias, Rows{cuda::raw(dy), C}, N, C, accumulate);
}

template <>
void softmax_forward(GpuFloat* p, const GpuFloat* z, int N, int E) {
  run_softmax(p, z, N, E);
}

template <>
void softmax_backward(GpuFloat* dz, const GpuFloat* p, const GpuFloat* dp, int N, int E) {
  launch<softmax_backward_kernel>(warp_per_row(N), dz, p, dp, N, E);
}

}  // namespace ramoe
