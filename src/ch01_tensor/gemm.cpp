#include <algorithm>

#include "ch01_tensor/gemm.h"

namespace ramoe {

template <class T>
void gemm_plain(const Gemm<T>& g, Triangle triangle) {
  // A(i,k) = A[i * a_i + k * a_k], and B likewise; the form says which index is the contiguous one.
  using Index = std::ptrdiff_t;
  const Index a_i = g.form == GemmForm::TN ? 1 : g.lda, a_k = g.form == GemmForm::TN ? g.lda : 1;
  const Index b_k = g.form == GemmForm::NT ? 1 : g.ldb, b_j = g.form == GemmForm::NT ? g.ldb : 1;
  for (Index i = 0; i < g.M; ++i) {
    const Index columns = triangle == Triangle::lower_c ? std::min<Index>(i + 1, g.N) : g.N;
    const Index first = triangle == Triangle::upper_a ? std::min<Index>(i, g.K) : 0;
    const Index last = triangle == Triangle::lower_a ? std::min<Index>(i + 1, g.K) : g.K;
    for (Index j = 0; j < columns; ++j) {
      T sum = 0;
      for (Index k = first; k < last; ++k) sum += g.A[i * a_i + k * a_k] * g.B[k * b_k + j * b_j];
      T& c = g.C[i * g.ldc + j];
      c = g.accumulate ? c + sum : sum;
    }
  }
}

template void gemm_plain<float>(const Gemm<float>&, Triangle);
template void gemm_plain<double>(const Gemm<double>&, Triangle);

}  // namespace ramoe
