// Chapter 1.5 on the GPU - who computes products: our kernels, or NVIDIA's library as their judge
#pragma once

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/storage.h"

namespace ramoe {

/// The one in use. cuBLAS: fp32 without tf32, bf16 inputs with fp32 sums.
GemmEngine gemm_engine();

namespace cuda {
/// The product by cuBLAS, whatever the engine. For bf16, A and B are first rounded into scratch.
void gemm_cublas(const Gemm<GpuFloat>& g);
}  // namespace cuda

}  // namespace ramoe
