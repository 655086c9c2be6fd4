// Chapter 1.5 - matrix multiplication: the definition
#include "ch01_tensor/gemm.h"

#include <algorithm>

namespace ramoe {

template <class T>
void gemm_plain(const Gemm<T>& g, Triangle triangle) {
  // C(i,j) += sum_k A(i,k) B(k,j)
  const Operand<T> A = operand_a(g), B = operand_b(g);
  for (int i = 0; i < g.M; ++i) {
    T* C_i = g.C + std::ptrdiff_t{i} * g.ldc;
    const int columns = triangle == Triangle::lower_c ? std::min(i + 1, g.N) : g.N;
    const int first = triangle == Triangle::upper_a ? std::min(i, g.K) : 0;
    const int last = triangle == Triangle::lower_a ? std::min(i + 1, g.K) : g.K;
    if (!g.accumulate) std::fill_n(C_i, columns, T(0));
    // k before j: the innermost loop runs along rows of B and C.
    for (int k = first; k < last; ++k)
      for (int j = 0; j < columns; ++j) C_i[j] += A(i, k) * B(k, j);
  }
}
template void gemm_plain(const Gemm<float>&, Triangle);
template void gemm_plain(const Gemm<double>&, Triangle);

template <>
void gemm(const Gemm<double>& g) {
  gemm_plain(g);
}

template <>
void gemm_serial(const Gemm<double>& g, Triangle triangle) {
  gemm_plain(g, triangle);
}

template <>
void gemm_grouped(const Gemm<double>* products, int count) {
  for (int p = 0; p < count; ++p) gemm_plain(products[p]);
}

}  // namespace ramoe
