// Chapter 3.1 on the GPU - rotary positions: angles while the values are on their way
//
// A block computes each angle of its rows once, for all heads, and leaves sine and cosine in shared
// memory: in double, as position 100,000 times 1 has 17 bits before the point and float would keep
// 7 behind it. Whole turns are taken off before float's sine and cosine see what is left. Before
// that each thread asks for the position and for the first values it will turn, so that one wait
// for the memory is enough.
#pragma once

#include "cuda/support/pieces.cuh"

namespace ramoe::cuda {

constexpr double kTurn = 6.283185307179586477;  // 2 pi

/// Heads whose rows are turned: (N, heads, 2 half) of queries or keys.
struct Heads {
  float* x;
  int heads;
};

/// A block turns `rows` rows of queries and keys: one, or as many as its threads have angles for.
template <int W>
__global__ void rope_kernel(Heads q, Heads k, const int* position, int N, int half, int rows,
                            double log2_step, float sign) {
  wait_for_earlier_kernels();
  constexpr int kAtOnce = 2;  // pieces of a thread
  DYNAMIC_SHARED(float, cosine);
  float* const sine = cosine + rows * half;
  const int first = int(blockIdx.x) * rows, count = min(rows, N - first);
  const int pieces = half / W, of_q = count * q.heads, all = (of_q + count * k.heads) * pieces;
  float* low[kAtOnce];
  int angle[kAtOnce];
  Piece<W> a[kAtOnce], b[kAtOnce];
  const auto ask = [&](int begin) {
#pragma unroll
    for (int m = 0; m < kAtOnce; ++m) {
      // The head is counted over all rows of the block, queries before keys.
      const int i = begin + m * int(blockDim.x), of_all = i / pieces, at = i % pieces * W;
      if (i >= all) break;
      const Heads& mine = of_all < of_q ? q : k;
      const int head = of_all < of_q ? of_all : of_all - of_q;
      const std::size_t heads_before = std::size_t(first) * unsigned(mine.heads) + unsigned(head);
      angle[m] = head / mine.heads * half + at;
      low[m] = mine.x + heads_before * 2 * unsigned(half) + at;
      a[m] = load<W>(low[m]);
      b[m] = load<W>(low[m] + half);
    }
  };
  // The angles of a thread are of one row: it has one angle, or all that there are are of one row.
  const int mine = int(threadIdx.x) / half, at = mine < count ? position[first + mine] : 0;
  ask(int(threadIdx.x));
  for (int t = int(threadIdx.x); t < count * half; t += int(blockDim.x)) {
    const double frequency = exp2(-(t % half) * log2_step);
    const double turns = at * frequency * (1 / kTurn);
    sincospif(float(2 * (turns - rint(turns))), sine + t, cosine + t);  // of half turns
    sine[t] *= sign;
  }
  __syncthreads();
  for (int begin = int(threadIdx.x); begin < all;) {
#pragma unroll
    for (int m = 0; m < kAtOnce; ++m) {
      if (begin + m * int(blockDim.x) >= all) break;
      const Piece<W> c = load<W>(cosine + angle[m]), s = load<W>(sine + angle[m]);
#pragma unroll
      for (int j = 0; j < W; ++j) {
        const float a_j = a[m][j], b_j = b[m][j];
        a[m][j] = a_j * c[j] - b_j * s[j];
        b[m][j] = b_j * c[j] + a_j * s[j];
      }
      store(low[m], a[m]);
      store(low[m] + half, b[m]);
    }
    begin += kAtOnce * int(blockDim.x);
    ask(begin);
  }
}

}  // namespace ramoe::cuda
