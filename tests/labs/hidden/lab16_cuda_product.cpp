// Hidden checks of lab 16: every rung of the ladder on odd sizes, emulated. Keys: seed M N K.
#include "cuda/ch01_tensor/gemm_ladder.h"
#include "labs/hidden/hidden.h"

using namespace ramoe;

void hidden::check(const Case& given) {
  const int M = given.number("M"), N = given.number("N"), K = given.number("K");
  const auto cells = [](int rows, int columns) { return std::size_t(rows * columns); };
  const auto A = given.normal_floats(cells(M, K), 1), B = given.normal_floats(cells(K, N), 2);
  for (const GpuGemmRung& rung : gpu_gemm_ladder()) {
    const std::string name = rung.name;
    if (name != "coalesced" && name != "shared" && name != "registers") continue;
    for (const GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN})
      for (const bool accumulate : {false, true}) {
        auto C = given.normal_floats(cells(M, N), 3);
        GpuVector<GpuFloat> a(A.size()), b(B.size()), c(C.size());
        copy_in(a.data(), A.data(), A.size());
        copy_in(b.data(), B.data(), B.size());
        copy_in(c.data(), C.data(), C.size());
        const int lda = form == GemmForm::TN ? M : K, ldb = form == GemmForm::NT ? K : N;
        rung.multiply({form, M, N, K, a.data(), lda, b.data(), ldb, c.data(), N, accumulate});
        copy_out(C.data(), c.data(), C.size());
        print_all(name + "_" + std::to_string(int(form)) + (accumulate ? "_added" : ""), C);
      }
  }
}
