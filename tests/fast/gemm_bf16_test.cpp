#include "fast/gemm_bf16.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <functional>

#include "fast/gemm_case.h"
#include "support/compare.h"
#include "support/instruction_set.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

constexpr GemmForm kForms[] = {GemmForm::NN, GemmForm::NT, GemmForm::TN};

struct Version {
  const char* name;
  void (*multiply)(const Gemm<float>&);
};
/// All versions that this machine runs beside the plain one.
std::vector<Version> versions() {
  std::vector<Version> all = {{"chosen", gemm_bf16}, {"portable", gemm_bf16_portable}};
  if (std::string(gemm_bf16_isa()) == "avx512bf16") all.push_back({"avx512", gemm_bf16_avx512});
  return all;
}

float from_bits(std::uint32_t bits) {
  float x;
  std::memcpy(&x, &bits, sizeof x);
  return x;
}
std::uint32_t bits_of(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, sizeof bits);
  return bits;
}

TEST(GemmBf16, RoundsToNearestTiesToEven) {
  EXPECT_EQ(round_to_bf16(1.0f), 1.0f);
  EXPECT_EQ(round_to_bf16(-3.140625f), -3.140625f);  // 8 bits
  EXPECT_EQ(round_to_bf16(3.14159265f), 3.140625f);  // nearest, below
  EXPECT_EQ(round_to_bf16(1 + 0x1p-8f), 1.0f);       // tie, even is below
  EXPECT_EQ(round_to_bf16(1 + 0x1p-8f + 0x1p-23f), 1 + 0x1p-7f);
  EXPECT_EQ(round_to_bf16(1 + 3 * 0x1p-8f), 1 + 0x1p-6f);  // tie, even is above
  EXPECT_EQ(round_to_bf16(2 - 0x1p-9f), 2.0f);             // up into the next power of two
  EXPECT_EQ(round_to_bf16(0x1.fep127f), 0x1.fep127f);      // the largest
  EXPECT_EQ(round_to_bf16(0x1.fefffep127f), 0x1.fep127f);  // below the tie with 2^128
  EXPECT_EQ(round_to_bf16(-0x1.ffp127f), -kInf);
  EXPECT_EQ(round_to_bf16(kInf), kInf);
  EXPECT_TRUE(std::isnan(round_to_bf16(from_bits(0x7f800001u))));  // all its bits are cut off
  EXPECT_TRUE(std::isnan(round_to_bf16(from_bits(0xffffffffu))));
  EXPECT_EQ(round_to_bf16(0x1p-126f), 0x1p-126f);
  EXPECT_EQ(bits_of(round_to_bf16(from_bits(0x007fffffu))), 0u);  // below the normal numbers
  EXPECT_EQ(bits_of(round_to_bf16(from_bits(0x80000001u))), 0x80000000u);
}

// Every bf16 number with tails around the tie, through each version: (x) times (1), and (1) times
// (x).
TEST(GemmBf16, VersionsRoundAlike) {
  std::vector<float> x;
  for (std::uint32_t upper = 0; upper < 0x10000u; ++upper)
    for (std::uint32_t tail : {0u, 1u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu})
      x.push_back(from_bits(upper << 16 | tail));
  const int n = static_cast<int>(x.size());
  const float one = 1;
  std::vector<float> y(x.size());
  for (const Version& version : versions())
    for (bool left : {true, false}) {
      if (left)
        version.multiply({GemmForm::NN, n, 1, 1, x.data(), 1, &one, 1, y.data(), 1, false});
      else
        version.multiply({GemmForm::NN, 1, n, 1, &one, 1, x.data(), n, y.data(), n, false});
      int bad = 0;
      for (std::size_t i = 0; i < x.size() && bad < 5; ++i) {
        const float wanted = 0 + round_to_bf16(x[i]);  // a sum starts from +0
        const bool good = std::isnan(x[i]) ? std::isnan(y[i]) : bits_of(y[i]) == bits_of(wanted);
        if (good) continue;
        ++bad;
        ADD_FAILURE() << version.name << ": " << std::hex << bits_of(x[i]) << " became "
                      << bits_of(y[i]) << ", expected " << bits_of(wanted);
      }
    }
}

// A product of two bf16 numbers is exact in fp32, so the order of the additions is all there is.
TEST(GemmBf16, AllVersionsGiveTheSameBitsOnOddShapes) {
  constexpr int kSizes[] = {1, 2, 3, 7, 15, 16, 17, 33, 48, 64, 65, 97, 129, 257, 515};
  for (GemmForm form : kForms)
    for (bool accumulate : {false, true})
      for (int M : kSizes)
        for (int N : kSizes)
          for (int K : kSizes) {
            // All small shapes; of the large ones a fixed 1 of 29, so that the test stays quick.
            if (M * N * K > 8000 && (M * 7 + N * 3 + K) % 29 != 0) continue;
            Case plain(form, M, N, K, accumulate);
            const Case before(plain);
            gemm_bf16_plain(plain.g);
            for (const Version& version : versions()) {
              Case fast(before);
              version.multiply(fast.g);
              ASSERT_TRUE(same_bits(fast.c, plain.c)) << version.name << " " << fast.name();
            }
          }
}

// Rounding an input moves it by at most 2^-9 of itself, so a product by 2^-8 + 2^-18; with
// |a b| <= 1 and K = 300 additions in fp32 that is the bound below for each element.
TEST(GemmBf16, ErrsByTheRoundingOfItsInputs) {
  for (GemmForm form : kForms) {
    Case rounded(form, 33, 70, 300, false), full(rounded);
    gemm_bf16(rounded.g);
    gemm_plain(full.g);
    Case sizes(full);  // sum of |a b|, which the errors are relative to
    for (std::vector<float>* values : {&sizes.a, &sizes.b})
      for (float& value : *values) value = std::abs(value);
    gemm_plain(sizes.g);
    int exact = 0;
    for (int i = 0; i < 33; ++i)
      for (int j = 0; j < 70; ++j) {
        const int at = i * full.g.ldc + j;
        const double error = std::abs(double(rounded.g.C[at]) - double(full.g.C[at]));
        EXPECT_LE(error, (0x1p-8 + 0x1p-17) * double(sizes.g.C[at]) + 300 * 0x1p-23);
        exact += error == 0;
      }
    EXPECT_LT(exact, 33 * 70 / 10) << "nothing was rounded";
  }
}

TEST(GemmBf16, SmallWholeNumbersAreExact) {
  for (GemmForm form : kForms) {
    Case fast(form, 50, 83, 301, true);
    for (std::vector<float>* values : {&fast.a, &fast.b})
      for (float& value : *values) value = std::round(100 * value);
    for (float& value : fast.c)
      if (value != kFence) value = std::round(100 * value);
    Case plain(fast);
    gemm_bf16(fast.g);
    gemm_plain(plain.g);
    EXPECT_TRUE(same_bits(fast.c, plain.c)) << fast.name();
  }
}

TEST(GemmBf16, PlaceDoesNotChangeBits) {
  for (const Version& version : versions())
    for (GemmForm form : kForms)
      for (int K : {1, 17, 300}) {
        Case whole(form, 200, 530, K, false);
        version.multiply(whole.g);
        for (int rows : {1, 5, 13, 100})
          for (int cols : {1, 16, 31, 48, 65, 520}) {
            const int i = 200 - rows, j = 530 - cols - 2;
            Case part(form, rows, cols, K, false);
            part.g.A = whole.g.A + i * (form == GemmForm::TN ? 1 : whole.g.lda);
            part.g.B = whole.g.B + j * (form == GemmForm::NT ? whole.g.ldb : 1);
            part.g.lda = whole.g.lda, part.g.ldb = whole.g.ldb;
            version.multiply(part.g);
            for (int r = 0; r < rows; ++r)
              ASSERT_EQ(
                  std::memcmp(part.g.C + r * part.g.ldc, whole.g.C + (i + r) * whole.g.ldc + j,
                              at(cols) * sizeof(float)),
                  0)
                  << version.name << " " << part.name() << " row " << r;
          }
      }
}

TEST(GemmBf16, ThreadsDoNotChangeBits) {
  for (GemmForm form : kForms)
    for (bool accumulate : {false, true})
      for (const auto& [M, N, K] : {std::array{300, 257, 129}, std::array{129, 300, 700},
                                    std::array{1, 2000, 300}, std::array{65, 70, 2500}}) {
        Case plain(form, M, N, K, accumulate);
        const Case before(plain);
        gemm_bf16_plain(plain.g);
        for (int threads : {1, 2, 3}) {
          ThreadPool pool(threads);
          const PoolScope scope(pool);
          Case parallel(before), serial(before);
          parallel.g.precision = serial.g.precision = Precision::bf16;
          gemm(parallel.g);
          gemm_serial(serial.g);
          EXPECT_TRUE(same_bits(parallel.c, plain.c)) << parallel.name() << " " << threads;
          EXPECT_TRUE(same_bits(serial.c, plain.c)) << serial.name();
        }
      }
}

// The experts of a layer, those without tokens among them; every other one asks for fp32.
TEST(GemmBf16, GroupedEqualsOneByOne) {
  for (GemmForm form : kForms)
    for (bool accumulate : {false, true}) {
      std::vector<Case> one_by_one;
      for (int rows : {0, 1, 16, 0, 300, 33, 128, 7, 64}) {
        const bool tn = form == GemmForm::TN;  // the rows of an expert are K there: 0 means C = 0
        one_by_one.emplace_back(form, tn ? 65 : rows, 130, tn ? rows : 65, accumulate);
        if (one_by_one.size() % 2 == 1) one_by_one.back().g.precision = Precision::bf16;
      }
      const std::vector<Case> before = one_by_one;
      for (Case& c : one_by_one)
        c.g.precision == Precision::bf16 ? gemm_bf16_plain(c.g) : gemm_serial(c.g);
      for (int threads : {1, 2, 3}) {
        ThreadPool pool(threads);
        const PoolScope scope(pool);
        std::vector<Case> now = before;
        std::vector<Gemm<float>> products;
        for (Case& c : now) products.push_back(c.g);
        gemm_grouped(products.data(), static_cast<int>(products.size()));
        for (std::size_t p = 0; p < now.size(); ++p)
          EXPECT_TRUE(same_bits(now[p].c, one_by_one[p].c)) << now[p].name() << " of " << threads;
      }
    }
}

TEST(GemmBf16, NothingToSum) {
  for (const auto& multiply : {gemm_bf16_plain, gemm_bf16, gemm_bf16_portable}) {
    Case zeroed(GemmForm::NN, 5, 17, 0, false), kept(GemmForm::NN, 5, 17, 0, true);
    const Case before(kept);
    multiply(zeroed.g);
    multiply(kept.g);
    EXPECT_TRUE(same_bits(kept.c, before.c));
    for (int i = 0; i < 5; ++i)
      for (int j = 0; j < zeroed.g.ldc; ++j)
        EXPECT_EQ(zeroed.g.C[i * zeroed.g.ldc + j], j < 17 ? 0.0f : kFence);
    Case no_rows(GemmForm::NT, 0, 17, 4, false), no_columns(GemmForm::TN, 4, 0, 4, false);
    const Case rows_before(no_rows), columns_before(no_columns);
    multiply(no_rows.g);
    multiply(no_columns.g);
    EXPECT_TRUE(same_bits(no_rows.c, rows_before.c));
    EXPECT_TRUE(same_bits(no_columns.c, columns_before.c));
  }
}

// 0 times NaN or infinity is NaN and must come out, also at an odd K and behind it, where a pair is
// filled with zeros; 1 times infinity is infinity.
TEST(GemmBf16, NanAndInfinityComeThrough) {
  for (const Version& version : versions())
    for (GemmForm form : kForms)
      for (float poison : {kNan, kInf, -kInf})
        for (float other : {0.0f, 1.0f})
          for (int k : {0, 37, 40}) {
            Case fast(form, 20, 35, 41, false);
            const int j = 34;
            std::fill(fast.a.begin(), fast.a.end(), other);
            fast.b[at(1 + (form == GemmForm::NT ? j * fast.g.ldb + k : k * fast.g.ldb + j))] =
                poison;
            version.multiply(fast.g);
            for (int r = 0; r < 20; ++r)
              for (int c = 0; c < 35; ++c) {
                const float got = fast.g.C[r * fast.g.ldc + c];
                if (c != j)
                  EXPECT_TRUE(std::isfinite(got)) << version.name << " " << fast.name();
                else if (other == 0 || std::isnan(poison))
                  EXPECT_TRUE(std::isnan(got)) << version.name << " " << fast.name();
                else
                  EXPECT_EQ(got, poison) << version.name << " " << fast.name();
              }
          }
}

// AVX512-BF16 takes a sum below 2^-126 for 0. That is the only way in which versions may differ:
// by 2^-126 for each addition.
TEST(GemmBf16, TinySumsDifferByNoMoreThanTheSmallestNormalNumber) {
  for (const Version& version : versions()) {
    Case tiny(GemmForm::NN, 7, 20, 30, false);
    for (std::vector<float>* values : {&tiny.a, &tiny.b})
      for (float& value : *values) value *= 0x1p-63f;
    Case plain(tiny);
    version.multiply(tiny.g);
    gemm_bf16_plain(plain.g);
    for (int i = 0; i < 7; ++i)
      EXPECT_EQ(
          difference(tiny.g.C + i * tiny.g.ldc, plain.g.C + i * plain.g.ldc, 20, 30 * 0x1p-126, 0),
          "")
          << version.name;
  }
}

TEST(GemmBf16, RowsShorterThanTheMatrixAreErrors) {
  Case good(GemmForm::NN, 4, 5, 6, false);
  Gemm<float> g = good.g;
  g.precision = Precision::bf16;
  g.lda = 5;
  EXPECT_THROW(gemm(g), Error);
  EXPECT_THROW(gemm_serial(g), Error);
  EXPECT_THROW(gemm_grouped(&g, 1), Error);
}

TEST(GemmBf16, NamesWhatItRunsAs) {
  const std::string isa = gemm_bf16_isa();
  EXPECT_TRUE(isa == "avx512bf16" || isa == "fp32") << isa;
  // A processor that was asked for a lesser set (RAMOE_ISA) may have AVX512-BF16 all the same.
  if (isa == "fp32" && instruction_set() == runnable_instruction_sets()[0]) {
    EXPECT_THROW(gemm_bf16_avx512({}), Error);
  }
}

}  // namespace
}  // namespace ramoe
