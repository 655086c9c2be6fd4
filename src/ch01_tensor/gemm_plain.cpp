#include "ch01_tensor/gemm.h"

namespace ramoe {

template <class T>
void gemm_plain(const Gemm<T>& g) {
  // A(i,k) = A[i * a_i + k * a_k], and B likewise; the form says which index is the contiguous one.
  using Index = std::ptrdiff_t;
  const Index a_i = g.form == GemmForm::TN ? 1 : g.lda, a_k = g.form == GemmForm::TN ? g.lda : 1;
  const Index b_k = g.form == GemmForm::NT ? 1 : g.ldb, b_j = g.form == GemmForm::NT ? g.ldb : 1;
  for (Index i = 0; i < g.M; ++i) {
    for (Index j = 0; j < g.N; ++j) {
      T sum = 0;
      for (Index k = 0; k < g.K; ++k) sum += g.A[i * a_i + k * a_k] * g.B[k * b_k + j * b_j];
      T& c = g.C[i * g.ldc + j];
      c = g.accumulate ? c + sum : sum;
    }
  }
}

template void gemm_plain<float>(const Gemm<float>&);
template void gemm_plain<double>(const Gemm<double>&);

}  // namespace ramoe
