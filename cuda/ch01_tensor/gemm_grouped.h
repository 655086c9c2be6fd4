// Chapter 1.7 on the GPU - the products of all experts in one launch: what the host calls
//
//   GroupedRows at{offset, E, N * K, token_from_slot};       or nullptr: slot s is row s of x
//   grouped_forward(gu, at, x, gate_up, C, 2 * H);           gu[s] = x[token[s]] W[e]
//   grouped_backward(dx, at, dy, down, H, C);                dx[s] = dy[token[s]] W[e]^T
//   grouped_weights(dw, at, x, token_from_slot, dy, nullptr, I, O, accumulate);
//
// The weights w of expert e, (I,O), begin at e * I * O. Slots from offset[E] on are not touched.
// gemm_grouped.cuh is for .cu files: there the result of a product goes through a functor.
// Tests: tests/cuda/gemm_test.cpp
#pragma once

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/storage.h"

namespace ramoe::cuda {

struct GroupedRows {
  const GpuInt* offset;           // (E+1)  expert e has the slots [offset[e], offset[e+1])
  int experts, most_rows;         // E; N*K: offset[E] is at most this
  const GpuInt* index = nullptr;  // the row of A that a slot has, or null: the slot
  Precision precision = Precision::fp32;
};

/// out[s] (O) = or += a[row of s] (I) times w[e] (I,O).
void grouped_forward(GpuFloat* out, const GroupedRows& at, const GpuFloat* a, const GpuFloat* w,
                     int I, int O, bool accumulate = false);
/// out[s] (I) = or += dy[row of s] (O) times w[e]^T, for w[e] (I,O).
void grouped_backward(GpuFloat* out, const GroupedRows& at, const GpuFloat* dy, const GpuFloat* w,
                      int I, int O, bool accumulate = false);
/// dw[e] (I,O) = or += sum over the slots s of e, in order, of a[row of s]^T b[row of s], each with
/// its own index, or null. at.index is not read.
void grouped_weights(GpuFloat* dw, const GroupedRows& at, const GpuFloat* a, const GpuInt* index_a,
                     const GpuFloat* b, const GpuInt* index_b, int I, int O, bool accumulate);

}  // namespace ramoe::cuda
