#include "ch01_tensor/gemm.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <limits>
#include <ostream>
#include <string>
#include <vector>

#include "fast/gemm_case.h"
#include "fast/gemm_kernels.h"
#include "support/error.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

constexpr int kSizes[] = {1, 2, 3, 5, 6, 7, 16, 17, 31, 33, 63, 64, 65, 100, 129, 257, 300};
constexpr int kMost = 300;

/// got = wanted within a rounding error per addition; fences untouched. |a b| <= 1, so each partial
/// sum is at most K (+ 3 of C) and each of K additions in two orders errs by half a unit of that;
/// errors add like a random walk, so 4 sqrt(K) units of the typical sum sqrt(K) are ample.
void expect_close(const Case& got, const Case& wanted) {
  const float K = static_cast<float>(wanted.g.K);
  const float allowed = 1.2e-7f * (4.0f * K + 8.0f);
  int bad = 0;
  for (std::size_t n = 0; n < got.c.size() && bad < 3; ++n) {
    const std::ptrdiff_t place = static_cast<std::ptrdiff_t>(n) - 1;
    const bool inside = place >= 0 && place / got.g.ldc < got.g.M && place % got.g.ldc < got.g.N;
    const bool good = inside ? std::abs(got.c[n] - wanted.c[n]) <= allowed : got.c[n] == kFence;
    if (good) continue;
    ++bad;
    ADD_FAILURE() << got.name() << (inside ? "" : ": outside C,") << " row " << place / got.g.ldc
                  << " column " << place % got.g.ldc << ": " << got.c[n] << ", expected "
                  << (inside ? wanted.c[n] : kFence);
  }
}

TEST(Gemm, PlainIsTheDefinition) {
  // [1 2; 3 4] [5 6; 7 8] = [19 22; 43 50], with A or B given transposed for the other forms.
  const double a[] = {1, 2, 3, 4}, a_t[] = {1, 3, 2, 4}, b[] = {5, 6, 7, 8}, b_t[] = {5, 7, 6, 8};
  for (GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN}) {
    double c[] = {1, 1, 1, 1};
    Gemm<double> g{
        form, 2, 2, 2,    form == GemmForm::TN ? a_t : a, 2, form == GemmForm::NT ? b_t : b,
        2,    c, 2, false};
    gemm(g);
    EXPECT_EQ(std::vector<double>(c, c + 4), (std::vector<double>{19, 22, 43, 50}));
    g.accumulate = true;
    gemm_serial(g);
    EXPECT_EQ(std::vector<double>(c, c + 4), (std::vector<double>{38, 44, 86, 100}));
  }
}

TEST(Gemm, FastEqualsPlainOnOddShapes) {
  for (GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN}) {
    for (bool accumulate : {false, true}) {
      for (int M : kSizes)
        for (int N : kSizes)
          for (int K : kSizes) {
            // All small shapes; of the large ones a fixed 1 of 29, so that the test stays quick.
            if (M * N * K > 20000 && (M * 7 + N * 3 + K) % 29 != 0) continue;
            Case plain(form, M, N, K, accumulate);
            const Case before(plain);
            gemm_plain(plain.g);
            for (const Kernels& kernels : gemm_kernels()) {
              Case fast(before);
              gemm_with(kernels, fast.g);
              expect_close(fast, plain);
              if (HasFailure()) FAIL() << kernels.name;
            }
          }
    }
  }
}

// An element's bits depend on its row of A, its column of B and K: not on M, N or where it stands.
TEST(Gemm, PlaceDoesNotChangeBits) {
  for (const Kernels& kernels : gemm_kernels())
    for (GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN}) {
      for (int K : {1, 17, 256, 700}) {
        Case whole(form, kMost, 129, K, false);
        gemm_with(kernels, whole.g);
        for (int rows : {1, 2, 5, 13, 31, 64, 100}) {
          for (int cols : {1, 3, 8, 16, 31, 48, 65, 96, 120}) {
            const int i = kMost - rows, j = 129 - cols - 2;
            Case part(form, rows, cols, K, false);
            part.g.A = whole.g.A + i * (form == GemmForm::TN ? 1 : whole.g.lda);
            part.g.B = whole.g.B + j * (form == GemmForm::NT ? whole.g.ldb : 1);
            part.g.lda = whole.g.lda, part.g.ldb = whole.g.ldb;
            gemm_with(kernels, part.g);
            for (int r = 0; r < rows; ++r)
              ASSERT_EQ(
                  std::memcmp(part.g.C + r * part.g.ldc, whole.g.C + (i + r) * whole.g.ldc + j,
                              at(cols) * sizeof(float)),
                  0)
                  << kernels.name << " " << part.name() << " row " << r;
          }
        }
      }
    }
}

TEST(Gemm, ThreadsDoNotChangeBits) {
  for (GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN}) {
    for (bool accumulate : {false, true}) {
      for (const auto& [M, N, K] :
           {std::array{300, 257, 129}, std::array{129, 300, 700}, std::array{1, 2000, 300},
            std::array{1000, 8, 64}, std::array{70, 130, 1100}, std::array{33, 64, 5000}}) {
        Case serial(form, M, N, K, accumulate);
        gemm_serial(serial.g);
        for (int threads : {1, 2, 3}) {
          ThreadPool pool(threads);
          const PoolScope scope(pool);
          Case parallel(form, M, N, K, accumulate);
          gemm(parallel.g);
          EXPECT_TRUE(same_bits(parallel.c, serial.c)) << serial.name() << " " << threads;
        }
      }
    }
  }
}

TEST(Gemm, GroupedEqualsOneByOne) {
  for (GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN}) {
    for (bool accumulate : {false, true}) {
      std::vector<Case> one_by_one, grouped;
      for (int rows : {0, 1, 16, 0, 300, 33, 128, 7, 64}) {
        const bool tn = form == GemmForm::TN;  // the rows of an expert are K there: 0 means C = 0
        one_by_one.emplace_back(form, tn ? 65 : rows, 130, tn ? rows : 65, accumulate);
      }
      grouped = one_by_one;
      for (Case& c : one_by_one) gemm(c.g);
      for (int threads : {1, 2, 3}) {
        ThreadPool pool(threads);
        const PoolScope scope(pool);
        std::vector<Case> now = grouped;
        std::vector<Gemm<float>> products;
        for (Case& c : now) products.push_back(c.g);
        gemm_grouped(products.data(), static_cast<int>(products.size()));
        for (std::size_t p = 0; p < now.size(); ++p)
          EXPECT_TRUE(same_bits(now[p].c, one_by_one[p].c)) << now[p].name() << " of " << threads;
      }
      for (std::size_t p = 0; p < grouped.size(); ++p) {
        gemm_plain(grouped[p].g);
        expect_close(one_by_one[p], grouped[p]);
      }
    }
  }
  gemm_grouped<float>(nullptr, 0);
}

/// A triangle's zeros as far as they must be there; beyond them NaN stands: whoever reads it shows.
void make_triangle(Case& c, Triangle triangle) {
  if (triangle == Triangle::lower_c) return;
  for (int i = 0; i < c.g.M; ++i)
    for (int k = 0; k < c.g.K; ++k) {
      const bool zero = triangle == Triangle::lower_a ? k > i : k < i;
      if (zero)
        c.a[at(1 + (c.g.form == GemmForm::TN ? k * c.g.lda + i : i * c.g.lda + k))] =
            k / kStep == i / kStep ? 0.0f : kNan;
    }
}

TEST(Gemm, TrianglesEqualPlainAndTouchNothingElse) {
  for (const Triangle triangle : {Triangle::lower_c, Triangle::lower_a, Triangle::upper_a})
    for (const GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN})
      for (const bool accumulate : {false, true})
        for (const auto& [M, N, K] :
             {std::array{1, 1, 1}, std::array{5, 7, 6}, std::array{16, 16, 16},
              std::array{64, 64, 32}, std::array{33, 20, 70}, std::array{100, 129, 40},
              std::array{300, 290, 300}, std::array{17, 5, 530}, std::array{310, 33, 20}}) {
          Case plain(form, M, N, K, accumulate);
          make_triangle(plain, triangle);
          const Case before(plain);
          gemm_plain(plain.g, triangle);
          for (const Kernels& kernels : gemm_kernels()) {
            Case fast(before);
            gemm_with(kernels, fast.g, triangle);
            if (triangle == Triangle::lower_c)
              for (int i = 0; i < M; ++i)
                for (int j = i + 1; j < N; ++j) {
                  const std::size_t c = at(1 + i * fast.g.ldc + j);
                  if (j / kStep > i / kStep) {
                    ASSERT_EQ(std::memcmp(&fast.c[c], &before.c[c], sizeof(float)), 0)
                        << kernels.name << " " << fast.name() << " row " << i << " column " << j;
                  }
                  fast.c[c] = plain.c[c] = 0.0f;
                }
            expect_close(fast, plain);
            if (HasFailure()) FAIL() << kernels.name << " " << static_cast<int>(triangle);
          }
        }
}

// A row's bits do not depend on how many rows there are: short and long sequences agree.
TEST(Gemm, TrianglesKeepBitsOfEarlierRows) {
  for (const Triangle triangle : {Triangle::lower_c, Triangle::lower_a}) {
    const GemmForm form = triangle == Triangle::lower_c ? GemmForm::NT : GemmForm::NN;
    Case whole(form, 300, 300, 300, false);
    make_triangle(whole, triangle);
    gemm_serial(whole.g, triangle);
    for (const int n : {1, 15, 16, 40, 129, 280}) {
      Case part(whole);
      part.g.M = n;
      (triangle == Triangle::lower_c ? part.g.N : part.g.K) = n;
      std::fill(part.c.begin(), part.c.end(), kFence);
      gemm_serial(part.g, triangle);
      for (int i = 0; i < n; ++i) {
        const int columns = triangle == Triangle::lower_c ? i + 1 : part.g.N;
        ASSERT_EQ(std::memcmp(part.g.C + i * part.g.ldc, whole.g.C + i * whole.g.ldc,
                              at(columns) * sizeof(float)),
                  0)
            << part.name() << " row " << i;
      }
    }
  }
}

TEST(Gemm, TrianglesAreOfFp32) {
  Case c(GemmForm::NN, 4, 5, 6, false);
  c.g.precision = Precision::bf16;
  EXPECT_THROW(gemm_serial(c.g, Triangle::lower_a), Error);
}

// What is fetched on the way is neither written nor needed: bits stay, whatever its size.
TEST(Gemm, MemoryThatIsSoonReadChangesNothing) {
  const std::vector<float> later(5000, kNan);
  for (GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN})
    for (const auto& [M, N, K] :
         {std::array{128, 256, 128}, std::array{40, 70, 300}, std::array{3, 5, 7}}) {
      Case without(form, M, N, K, true), with(without);
      gemm(without.g);
      for (const std::size_t count : {std::size_t{0}, std::size_t{3}, later.size()}) {
        Case now(with);
        now.g.soon = {later.data(), count * sizeof(float)};
        gemm(now.g);
        EXPECT_TRUE(same_bits(now.c, without.c)) << now.name() << " " << count;
      }
    }
}

TEST(Gemm, NothingToSum) {
  Case zeroed(GemmForm::NN, 5, 17, 0, false), kept(GemmForm::NN, 5, 17, 0, true);
  const Case before(kept);
  gemm(zeroed.g);
  gemm(kept.g);
  EXPECT_TRUE(same_bits(kept.c, before.c));
  for (int i = 0; i < 5; ++i)
    for (int j = 0; j < zeroed.g.ldc; ++j)
      EXPECT_EQ(zeroed.g.C[i * zeroed.g.ldc + j], j < 17 ? 0.0f : kFence);
}

// 0 times NaN or infinity is NaN and must come out; no zero may be skipped.
TEST(Gemm, NanAndInfinityComeThrough) {
  for (GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN}) {
    for (float poison : {kNan, std::numeric_limits<float>::infinity()}) {
      Case fast(form, 20, 35, 40, false);
      const int k = 39, j = 34;
      std::fill(fast.a.begin(), fast.a.end(), 0.0f);
      fast.b[at(1 + (form == GemmForm::NT ? j * fast.g.ldb + k : k * fast.g.ldb + j))] = poison;
      gemm(fast.g);
      for (int r = 0; r < 20; ++r)
        for (int c = 0; c < 35; ++c)
          EXPECT_EQ(std::isnan(fast.g.C[r * fast.g.ldc + c]), c == j) << fast.name();
    }
  }
}

TEST(Gemm, RowsShorterThanTheMatrixAreErrors) {
  Case good(GemmForm::NN, 4, 5, 6, false);
  for (int which = 0; which < 4; ++which) {
    Gemm<float> g = good.g;
    if (which == 0) g.lda = 5;
    if (which == 1) g.ldb = 4;
    if (which == 2) g.ldc = 4;
    if (which == 3) g.M = -1;
    EXPECT_THROW(gemm(g), Error);
    EXPECT_THROW(gemm_serial(g), Error);
    EXPECT_THROW(gemm_grouped(&g, 1), Error);
  }
}

}  // namespace
}  // namespace ramoe
