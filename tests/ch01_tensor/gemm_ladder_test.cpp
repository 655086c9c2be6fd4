// Every rung is the product: in all forms, for odd sizes, reading and writing nothing beside.
#include "ch01_tensor/gemm_ladder.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "fast/gemm_case.h"

namespace ramoe {
namespace {

/// The definition in double of what stands at row i, column j of C.
double element(const Case& before, int i, int j) {
  const Operand<float> A = operand_a(before.g), B = operand_b(before.g);
  double sum = before.g.accumulate ? double(before.g.C[i * before.g.ldc + j]) : 0.0;
  for (int k = 0; k < before.g.K; ++k) sum += double(A(i, k)) * double(B(k, j));
  return sum;
}

TEST(GemmLadder, EveryRungIsTheProduct) {
  for (const GemmRung& rung : gemm_ladder())
    for (const GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN})
      for (const bool accumulate : {false, true})
        for (const auto& [M, N, K] :
             {std::array{1, 1, 1}, std::array{4, 8, 5}, std::array{5, 7, 6}, std::array{3, 17, 2},
              std::array{64, 64, 32}, std::array{33, 20, 70}, std::array{13, 9, 530},
              std::array{6, 10, 0}}) {
          const Case before(form, M, N, K, accumulate);
          Case c(before);
          rung.multiply(c.g);
          for (std::ptrdiff_t place = 0; place < std::ptrdiff_t(c.c.size()) - 1; ++place) {
            const int i = int(place / c.g.ldc), j = int(place % c.g.ldc);
            // K additions of products below 1, each rounded to half a unit of a sum below 3 + K.
            const double wanted = i < M && j < N ? element(before, i, j) : double(kFence);
            ASSERT_NEAR(c.g.C[place], wanted, i < M && j < N ? 6e-8 * (4.0 * K + 8) : 0.0)
                << rung.name << " " << c.name() << " row " << i << " column " << j;
          }
        }
}

TEST(GemmLadder, EndsInWhatTheProgramRuns) {
  Case rung(GemmForm::NN, 33, 70, 300, false), program(rung);
  gemm_ladder().back().multiply(rung.g);
  gemm(program.g);
  EXPECT_TRUE(same_bits(rung.c, program.c));
}

}  // namespace
}  // namespace ramoe
