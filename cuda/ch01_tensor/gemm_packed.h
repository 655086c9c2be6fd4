// Chapter 1.7 on the GPU - products in bf16 of matrices that are rounded and packed first
//
// As the processor's product packs B, here both matrices are packed: one kernel rounds them to
// bf16, turns them so that the k of a row are neighbours, fills up with zeros, and lays them out in
// blocks of 128 rows and 64 k, 16 KiB each. So the products know one form, no edges and no
// alignment, and a block is copied to shared memory as it lies. Costs 6 bytes of memory traffic for
// each value.
//
// Within a block the eight 16-byte pieces of a row are exchanged: piece c of row r lies at c ^ (r %
// 8) ("128-byte swizzle"). Eight rows of one piece are then in different banks, for ldmatrix and
// wgmma.
// Tests: tests/cuda/gemm_test.cpp
#pragma once

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/storage.h"

namespace ramoe::cuda {

/// By mma.sync and ldmatrix: any GPU from Ampere on, and emulated.
void gemm_packed_mma(const Gemm<GpuFloat>& g);
/// By wgmma, bulk copies and mbarriers: Hopper only. Elsewhere by gemm_packed_mma.
void gemm_packed_wgmma(const Gemm<GpuFloat>& g);
/// Whether this GPU, and this build, have wgmma.
bool has_wgmma();
/// The faster of the two here.
inline void gemm_packed(const Gemm<GpuFloat>& g) {
  has_wgmma() ? gemm_packed_wgmma(g) : gemm_packed_mma(g);
}

}  // namespace ramoe::cuda
