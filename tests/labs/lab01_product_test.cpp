// Lab 1: C = A B in three nested loops, for every form of the operands.
#include "ch01_tensor/gemm.h"
#include "labs/lab.h"

namespace ramoe {
namespace {

/// C of a product whose matrices have no gaps between rows. C holds `old` before.
Doubles product(GemmForm form, int M, int N, int K, const Doubles& A, const Doubles& B,
                bool accumulate = false, double old = 0, Triangle triangle = Triangle::none) {
  Doubles C(std::size_t(M * N), old);
  const int lda = form == GemmForm::TN ? M : K, ldb = form == GemmForm::NT ? K : N;
  gemm_plain<double>({form, M, N, K, A.data(), lda, B.data(), ldb, C.data(), N, accumulate},
                     triangle);
  return C;
}

TEST(Lab01Product, ANumberTimesANumber) {
  expect_values(product(GemmForm::NN, 1, 1, 1, {3}, {4}), {12}, "the sum is not written to C");
}

TEST(Lab01Product, RowsTimesColumns) {
  // (1 2 3; 4 5 6) (1 2; 3 4; 5 6) = (22 28; 49 64)
  expect_values(product(GemmForm::NN, 2, 2, 3, {1, 2, 3, 4, 5, 6}, {1, 2, 3, 4, 5, 6}),
                {22, 28, 49, 64},
                "i, j and k are mixed up: C(i,j) is the sum over k of A(i,k) B(k,j)");
}

TEST(Lab01Product, BTransposed) {
  // B is stored as (1 3 5; 2 4 6), which is the same B.
  expect_values(product(GemmForm::NT, 2, 2, 3, {1, 2, 3, 4, 5, 6}, {1, 3, 5, 2, 4, 6}),
                {22, 28, 49, 64},
                "B is read from g.B directly; operand_b(g) knows how B(k,j) is stored");
}

TEST(Lab01Product, ATransposed) {
  expect_values(product(GemmForm::TN, 2, 2, 3, {1, 4, 2, 5, 3, 6}, {1, 2, 3, 4, 5, 6}),
                {22, 28, 49, 64},
                "A is read from g.A directly; operand_a(g) knows how A(i,k) is stored");
}

TEST(Lab01Product, OldValuesAreOverwritten) {
  expect_values(product(GemmForm::NN, 1, 2, 1, {2}, {3, 4}, false, std::nan("")), {6, 8},
                "without `accumulate` C must be set to 0 first: it may hold anything, even NaN");
}

TEST(Lab01Product, AccumulateAdds) {
  expect_values(product(GemmForm::NN, 1, 2, 1, {2}, {3, 4}, true, 100), {106, 108},
                "with `accumulate` the product is added to what C holds");
}

TEST(Lab01Product, RowsMayLieApart) {
  // Rows of A are 3 apart, of B 4, of C 5; what lies between is nobody's.
  const double nan = std::nan("");
  const Doubles A = {1, 2, nan, 3, 4, nan}, B = {1, 1, nan, nan, 1, 2, nan, nan};
  Doubles C(10, -1);
  gemm_plain<double>({GemmForm::NN, 2, 2, 2, A.data(), 3, B.data(), 4, C.data(), 5, false});
  expect_values(C, {3, 5, -1, -1, -1, 7, 11, -1, -1, -1},
                "row i begins at i * lda (ldb, ldc), which may be more than the row is long");
}

TEST(Lab01Product, AnEmptySumIsZero) {
  expect_values(product(GemmForm::NN, 2, 1, 0, {0}, {0}, false, 7), {0, 0},
                "K = 0: each C(i,j) is the sum of nothing");
  expect_values(product(GemmForm::NN, 2, 1, 0, {0}, {0}, true, 7), {7, 7},
                "K = 0 with `accumulate`: nothing is added");
}

TEST(Lab01Product, OnlyTheLowerTriangleOfC) {
  const Doubles ones(9, 1.0);
  expect_values(product(GemmForm::NN, 3, 3, 3, ones, ones, false, -1, Triangle::lower_c),
                {3, -1, -1, 3, 3, -1, 3, 3, 3},
                "lower_c: C(i,j) is wanted for j <= i; the others keep their values");
}

TEST(Lab01Product, ATriangleOfAReadsNoZeros) {
  const double nan = std::nan("");
  const Doubles lower = {1, nan, nan, 1, 1, nan, 1, 1, 1},
                upper = {1, 1, 1, nan, 1, 1, nan, nan, 1};
  const Doubles B = {1, 2, 4};
  expect_values(product(GemmForm::NN, 3, 1, 3, lower, B, false, 0, Triangle::lower_a), {1, 3, 7},
                "lower_a: A(i,k) with k > i is 0 and must not be read");
  expect_values(product(GemmForm::NN, 3, 1, 3, upper, B, false, 0, Triangle::upper_a), {7, 6, 4},
                "upper_a: A(i,k) with k < i is 0 and must not be read");
}

}  // namespace
}  // namespace ramoe
