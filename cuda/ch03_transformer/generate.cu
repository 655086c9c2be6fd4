// Chapter 3.5 on the GPU - rows into the key/value cache: a thread for each piece
#include "ch03_transformer/generate.h"

#include "cuda/support/pieces.cuh"

namespace ramoe {
namespace {

/// rows (B*T,width). Lengths are on the device, so there are threads for all T rows of a sequence.
template <int W>
__global__ void append_rows_kernel(float* cache, const float* rows, const int* cached,
                                   const int* length, int B, int T, int capacity, int width) {
  const std::size_t i = std::size_t(blockIdx.x) * blockDim.x + threadIdx.x;
  const std::size_t pieces = unsigned(width / W), row = i / pieces, c = i % pieces * W;
  const int b = int(row / unsigned(T)), t = int(row % unsigned(T));
  if (b >= B || t >= length[b]) return;
  const std::size_t to = std::size_t(b) * unsigned(capacity) + unsigned(cached[b] + t);
  cuda::store(cache + to * unsigned(width) + c, cuda::load<W>(rows + i * W));
}

}  // namespace

template <>
void append_rows(GpuFloat* cache, const GpuFloat* rows, const GpuInt* cached, const GpuInt* length,
                 int B, int T, int capacity, int width) {
  const std::size_t count = std::size_t(B) * std::size_t(T) * std::size_t(width);
  cuda::with_width(cuda::in_pieces(width, cache, rows), [&]<int W>() {
    cuda::launch<append_rows_kernel<W>>({cuda::blocks_for(count / W, 256), 256}, cache, rows,
                                        cached, length, B, T, capacity, width);
  });
}

}  // namespace ramoe
