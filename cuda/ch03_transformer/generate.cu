// Chapter 3.5 on the GPU - rows into the key/value cache
#include "ch03_transformer/generate.h"

#include "cuda/support/pieces.cuh"
#include "cuda/support/rows.cuh"

namespace ramoe {
namespace {

/// rows (B*T,width). Lengths are on the device, so there are threads for all T rows of a sequence.
template <int W>
__global__ void append_rows_kernel(float* cache, const float* rows, const int* cached,
                                   const int* length, int B, int T, int capacity, int width) {
  wait_for_earlier_kernels();
  const int row = int(cuda::block_row()), b = row / T, t = row % T;
  if (b >= B || t >= length[b]) return;
  const float* const from = rows + std::size_t(row) * unsigned(width);
  float* const to =
      cache + (std::size_t(b) * unsigned(capacity) + unsigned(cached[b] + t)) * unsigned(width);
  for (int c = int(threadIdx.x) * W; c < width; c += int(blockDim.x) * W)
    cuda::store(to + c, cuda::load<W>(from + c));
}

}  // namespace

template <>
void append_rows(GpuFloat* cache, const GpuFloat* rows, const GpuInt* cached, const GpuInt* length,
                 int B, int T, int capacity, int width) {
  cuda::with_width(cuda::in_pieces(width, cache, rows), [&]<int W>() {
    cuda::launch<append_rows_kernel<W>>(
        cuda::threads_per_row(std::size_t(B) * std::size_t(T), width / W), cache, rows, cached,
        length, B, T, capacity, width);
  });
}

}  // namespace ramoe
