// Chapter 4.2 on the GPU - the products of all experts with plain results; see gemm_grouped.cuh
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

void grouped_weights(GpuFloat* dw, const GroupedRows& at, const GpuFloat* a, const GpuInt* index_a,
                     const GpuFloat* b, const GpuInt* index_b, int I, int O, bool accumulate) {
  using Tile = grouped::Tile;
  launch<grouped::weights_kernel<Tile>>(
      {{unsigned(ceil_div(I, Tile::kM)), unsigned(ceil_div(O, Tile::kN)), unsigned(at.experts)},
       Tile::kThreads,
       sizeof(TileStages<Tile>)},
      dw, TileMatrix{raw(a), I, raw(index_a)}, TileMatrix{raw(b), O, raw(index_b)}, at.offset, I, O,
      accumulate, aligned(a, I, I), aligned(b, O, O) && aligned(dw, O, O));
}

}  // namespace ramoe::cuda
