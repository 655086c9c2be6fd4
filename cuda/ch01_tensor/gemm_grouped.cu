// Chapter 1.7 on the GPU - the products of all experts with plain results; see gemm_grouped.cuh
#include "cuda/ch01_tensor/gemm_grouped.cuh"

namespace ramoe::cuda {

void grouped_forward(GpuFloat* out, const GroupedRows& at, const GpuFloat* a, const GpuFloat* w,
                     int I, int O, bool accumulate) {
  grouped_forward(at, a, w, I, O, StoreRows(out, O, accumulate));
}

void grouped_backward(GpuFloat* out, const GroupedRows& at, const GpuFloat* dy, const GpuFloat* w,
                      int I, int O, bool accumulate) {
  grouped_backward(at, dy, w, I, O, StoreRows(out, I, accumulate));
}

namespace {

template <class Tile>
void weights_of(float* dw, const GroupedRows& at, const TileMatrix& a, const TileMatrix& b,
                bool accumulate) {
  const int I = a.ld, O = b.ld;
  const Grid grid{{blocks_for(std::size_t(I), Tile::kM), blocks_for(std::size_t(O), Tile::kN),
                   unsigned(at.experts)},
                  Tile::kThreads,
                  sizeof(TileStages<Tile>)};
  if (aligned(a.from, I, I) && aligned(b.from, O, O) && aligned(dw, O, O))
    launch<grouped::weights_kernel<Tile, true>>(grid, dw, a, b, at.offset, I, O, accumulate);
  else
    launch<grouped::weights_kernel<Tile, false>>(grid, dw, a, b, at.offset, I, O, accumulate);
}

}  // namespace

void grouped_weights(GpuFloat* dw, const GroupedRows& at, const GpuFloat* a, const GpuInt* index_a,
                     const GpuFloat* b, const GpuInt* index_b, int I, int O, bool accumulate) {
  const TileMatrix x{raw(a), I, raw(index_a)}, y{raw(b), O, raw(index_b)};
  if (at.precision == Precision::bf16)
    weights_of<grouped::Bf16Tile>(raw(dw), at, x, y, accumulate);
  else
    weights_of<grouped::Fp32Tile>(raw(dw), at, x, y, accumulate);
}

}  // namespace ramoe::cuda
