// Chapter 1.5 on the GPU - who computes products: our kernels, or NVIDIA's library as their judge
#pragma once

#include <array>

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/storage.h"

namespace ramoe {

enum class GemmEngine { own, cublas };
constexpr auto names(GemmEngine) {
  return std::array{"own", "cublas"};
}

/// For all products of GpuFloat from now on. cuBLAS: fp32 without tf32, bf16 inputs with fp32 sums.
/// Products of experts are always our own. Error: cublas in an emulation.
void set_gemm_engine(GemmEngine engine);
GemmEngine gemm_engine();

namespace cuda {
/// The product by cuBLAS, whatever the engine. For bf16, A and B are first rounded into scratch.
void gemm_cublas(const Gemm<GpuFloat>& g);
}

}  // namespace ramoe
