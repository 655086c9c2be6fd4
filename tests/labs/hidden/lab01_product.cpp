// Hidden checks of lab 1: products of any form and triangle. Keys: seed M N K, gap (between rows).
#include "ch01_tensor/gemm.h"
#include "labs/hidden/hidden.h"

using namespace ramoe;

void hidden::check(const Case& given) {
  const int M = given.number("M"), N = given.number("N"), K = given.number("K");
  const int gap = given.number("gap", 0);
  for (const GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN})
    for (const bool accumulate : {false, true}) {
      const int lda = (form == GemmForm::TN ? M : K) + gap;
      const int ldb = (form == GemmForm::NT ? K : N) + gap, ldc = N + gap;
      const auto cells = [](int rows, int row) { return std::size_t(rows) * std::size_t(row); };
      const auto A = given.normals(cells(form == GemmForm::TN ? K : M, lda), 1);
      const auto B = given.normals(cells(form == GemmForm::NT ? N : K, ldb), 2);
      auto C = given.normals(cells(M, ldc), 3);
      gemm_plain<double>({form, M, N, K, A.data(), lda, B.data(), ldb, C.data(), ldc, accumulate});
      print("C_" + std::to_string(int(form)) + (accumulate ? "_added" : ""), C);
    }
  // Of a triangle of C, what stands beyond the diagonal is unspecified.
  const auto A = given.normals(std::size_t(M) * std::size_t(K), 1);
  const auto B = given.normals(std::size_t(K) * std::size_t(N), 2);
  std::vector<double> C(std::size_t(M) * std::size_t(N)), lower;
  gemm_plain<double>({GemmForm::NN, M, N, K, A.data(), K, B.data(), N, C.data(), N, false},
                     Triangle::lower_c);
  for (int i = 0; i < M; ++i)
    for (int j = 0; j <= i && j < N; ++j) lower.push_back(C[std::size_t(i * N + j)]);
  print("lower_triangle", lower);
}
