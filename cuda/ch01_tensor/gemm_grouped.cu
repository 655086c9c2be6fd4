// Chapter 1.7 on the GPU - the products of all experts with plain results; see gemm_grouped.cuh
#include "cuda/ch01_tensor/gemm_grouped.cuh"
#include "cuda/support/scratch.h"

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

/// Slots of a part: an expert with far more than the others is not waited for. To add up parts is
/// not free either.
constexpr int kLongPart = 512;

template <class Tile>
void weights_of(float* dw, const GroupedRows& at, const TileMatrix& a, const TileMatrix& b,
                bool accumulate) {
  const int I = a.ld, O = b.ld;
  const unsigned x = blocks_for(std::size_t(I), Tile::kM), y = blocks_for(std::size_t(O), Tile::kN);
  // With more tiles than there are places for arrivals, the GPU has enough to do without parts.
  const std::size_t tiles = std::size_t(x) * y;
  const int parts = at.experts + at.most_rows / kLongPart;
  const bool cut = at.most_rows > kLongPart && tiles * unsigned(parts + at.experts) <= kArrivals;
  const int length = cut ? kLongPart : max(1, at.most_rows);
  const unsigned z = unsigned(cut ? parts : at.experts);
  Scratch scratch;
  float* const partial =
      cut ? scratch.take<float>(tiles * z * std::size_t(Tile::kM * Tile::kN)) : nullptr;
  const grouped::Weights w{dw, a,      b,          raw(at.offset), at.experts, I,
                           O,  length, accumulate, partial,        arrivals()};
  const Grid grid{{x, y, z}, Tile::kThreads, kTileBytes<Tile>};
  if (aligned(a.from, I, I) && aligned(b.from, O, O) && aligned(dw, O, O))
    launch<grouped::weights_kernel<Tile, Fit::aligned>>(grid, w);
  else
    launch<grouped::weights_kernel<Tile, Fit::ragged>>(grid, w);
}

}  // namespace

void grouped_weights(GpuFloat* dw, const GroupedRows& at, const GpuFloat* a, const GpuInt* index_a,
                     const GpuFloat* b, const GpuInt* index_b, int I, int O, bool accumulate) {
  const TileMatrix x{raw(a), I, raw(index_a)}, y{raw(b), O, raw(index_b)};
  const std::size_t count = std::size_t(at.experts) * std::size_t(I) * std::size_t(O);
  grouped::with_tile(at.precision, count,
                     [&]<class Tile>() { weights_of<Tile>(raw(dw), at, x, y, accumulate); });
}

}  // namespace ramoe::cuda
