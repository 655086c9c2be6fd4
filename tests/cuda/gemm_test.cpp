// Products on the GPU, or emulated, against sums in double: all forms, odd sizes, rows longer
// than needed. NaN stands wherever nothing may be read, a fence wherever nothing may be written.
#include "ch01_tensor/gemm.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <random>

#include "cuda/ch01_tensor/gemm_engine.h"
#include "cuda/ch01_tensor/gemm_grouped.h"
#include "cuda/ch01_tensor/gemm_ladder.h"
#include "cuda/orders.h"
#include "fast/gemm_bf16.h"
#include "fast/gemm_case.h"

namespace ramoe {
namespace {

/// Fresh inputs for every run of the tests; the seed is printed with a failure.
const unsigned seed = std::random_device{}();

struct OnGpu {
  GpuVector<GpuFloat> values;
  explicit OnGpu(const std::vector<float>& from) : values(from.size()) {
    copy_in(values.data(), from.data(), from.size());
  }
  std::vector<float> back() const {
    std::vector<float> to(values.size());
    copy_out(to.data(), values.data(), to.size());
    return to;
  }
};
GpuVector<GpuInt> on_gpu(const std::vector<int>& from) {
  GpuVector<GpuInt> to(from.size());
  copy_in(to.data(), from.data(), from.size());
  return to;
}

/// A Case whose matrices start off any vector's alignment, or all aligned to 16 bytes.
struct GpuCase {
  Case host;
  bool aligned;

  GpuCase(GemmForm form, int M, int N, int K, bool accumulate, bool aligned_)
      : host(form, M, N, K, accumulate, seed), aligned(aligned_) {
    if (!aligned) return;
    Gemm<float>& g = host.g;
    const int a_rows = form == GemmForm::TN ? K : M, b_rows = form == GemmForm::NT ? N : K;
    move(host.a, g.lda, a_rows, kNan), move(host.b, g.ldb, b_rows, kNan);
    move(host.c, g.ldc, M, kFence);
    g.A = host.a.data(), g.B = host.b.data(), g.C = host.c.data();
  }
  static void move(std::vector<float>& v, int& ld, int rows, float between) {
    const int wide = (ld + 3) / 4 * 4;
    std::vector<float> to(at(std::ptrdiff_t{rows} * wide + 4), between);
    for (int i = 0; i < rows; ++i)
      std::copy_n(&v[at(1 + std::ptrdiff_t{i} * ld)], ld - 1, &to[at(std::ptrdiff_t{i} * wide)]);
    v = to, ld = wide;
  }
  std::size_t start() const { return aligned ? 0 : 1; }

  std::vector<float> run(void (*multiply)(const Gemm<GpuFloat>&), Precision precision) const {
    OnGpu a(host.a), b(host.b), c(host.c);
    const Gemm<float>& g = host.g;
    multiply({g.form, g.M, g.N, g.K, a.values.data() + start(), g.lda, b.values.data() + start(),
              g.ldb, c.values.data() + start(), g.ldc, g.accumulate, precision});
    return c.back();
  }

  /// An empty text, or what is wrong; of large products some values are looked at. Values below 1:
  /// K products, each sum rounded; the inputs rounded by `round`.
  std::string difference(const std::vector<float>& c, float (*round)(float),
                         double tolerance) const {
    const Gemm<float>& g = host.g;
    const Operand<float> A = operand_a(g), B = operand_b(g);
    const std::size_t some = (c.size() * std::size_t(g.K) >> 23) * 2 + 1;
    for (std::size_t place = 0; place < c.size(); ++place) {
      const std::ptrdiff_t from = std::ptrdiff_t(place) - std::ptrdiff_t(start());
      const int i = int(from / g.ldc), j = int(from % g.ldc);
      if (from < 0 || i >= g.M || j >= g.N) {
        if (std::memcmp(&c[place], &host.c[place], 4) != 0)
          return cat("written outside of C: row ", i, " column ", j);
        continue;
      }
      if (place % some != 0) continue;
      double sum = g.accumulate ? double(host.c[place]) : 0.0;
      for (int k = 0; k < g.K; ++k) sum += double(round(A(i, k))) * double(round(B(k, j)));
      if (!(std::abs(c[place] - sum) <= tolerance * (4.0 * g.K + 8)))
        return cat("row ", i, " column ", j, ": ", c[place], ", expected ", sum);
    }
    return "";
  }
};

float unchanged(float x) {
  return x;
}

/// x with 10 bits of mantissa, ties away from zero.
float round_to_tf32(float x) {
  std::uint32_t bits;
  std::memcpy(&bits, &x, 4);
  bits = (bits + 0x1000u) & 0xffffe000u;
  std::memcpy(&x, &bits, 4);
  return x;
}

constexpr double kFp32 = 6e-8;

std::vector<std::array<int, 3>> sizes() {
  std::vector<std::array<int, 3>> all = {
      {1, 1, 1},  {17, 5, 33},   {65, 129, 20},  {4, 36, 16},    {1, 65, 17}, {129, 1, 40},
      {6, 10, 0}, {33, 64, 530}, {128, 256, 80}, {128, 128, 20}, {4, 7, 3700}};
#ifndef RAMOE_CUDA_EMULATION
  for (const auto& more : {std::array{2048, 384, 128}, std::array{128, 384, 4096},
                           std::array{1500, 1401, 700}, std::array{2049, 1, 129}})
    all.push_back(more);
#endif
  return all;
}

/// In every form; sums that go on or begin, rows with or without alignment, in turn.
template <class Check>
void for_each_case(const Check& check) {
  int count = 0;
  for (const GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN})
    for (const auto& [M, N, K] : sizes())
      for (int one_of = 0; one_of < 2; ++one_of) {
        const bool accumulate = ++count / 2 % 2 == 0, aligned = one_of == 0;
        const GpuCase c(form, M, N, K, accumulate, aligned);
        SCOPED_TRACE(cat(c.host.name(), aligned ? " aligned" : "", " seed ", seed));
        check(c);
      }
}

TEST(GpuGemm, IsTheProduct) {
  for_each_case([](const GpuCase& c) {
    EXPECT_EQ(c.difference(c.run(gemm<GpuFloat>, Precision::fp32), unchanged, kFp32), "");
    EXPECT_EQ(c.difference(c.run(gemm<GpuFloat>, Precision::bf16), round_to_bf16, kFp32), "");
  });
}

// Enough of them for tiles of the middle size, in slices of two.
TEST(GpuGemm, ManyTilesAreTheProduct) {
  for (const GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN}) {
    const GpuCase c(form, 891, 893, 37, true, form != GemmForm::NT);
    SCOPED_TRACE(cat(c.host.name(), " seed ", seed));
    EXPECT_EQ(c.difference(c.run(gemm<GpuFloat>, Precision::fp32), unchanged, kFp32), "");
  }
}

TEST(GpuGemm, EveryRungIsTheProductOfItsInputs) {
  const std::array round = {unchanged, round_to_tf32, round_to_bf16};
  for (const GpuGemmRung& rung : gpu_gemm_ladder())
    for_each_case([&](const GpuCase& c) {
      EXPECT_EQ(c.difference(c.run(rung.multiply, Precision::fp32), round[std::size_t(rung.inputs)],
                             kFp32),
                "")
          << rung.name;
    });
}

// Values that rounding to bf16 must treat as on the processor: ties, subnormal numbers, too large
// ones.
TEST(GpuGemm, RoundsToBf16AsTheProcessor) {
  std::vector<float> values = {
      1.00390625f, 1.01171875f, 1e-39f, -1e-39f, 1.1754942e-38f, 3.4e38f, -3.4e38f,     kInf, -kInf,
      kNan,        0.0f,        -0.0f,  1.5f,    -2.7182818f,    1e-37f,  3.3895314e38f};
  const int n = int(values.size());
  const std::vector<float> one = {1.0f};
  const auto product = [&](void (*multiply)(const Gemm<GpuFloat>&)) {
    OnGpu a(values), b(one), c(std::vector<float>(values.size(), kNan));
    multiply({GemmForm::NN, n, 1, 1, a.values.data(), 1, b.values.data(), 1, c.values.data(), 1,
              false, Precision::bf16});
    return c.back();
  };
  for (const std::vector<float>& c :
       {product(gemm<GpuFloat>), product(gpu_gemm_ladder()[6].multiply)})
    for (int i = 0; i < n; ++i) {
      const float wanted = round_to_bf16(values[at(i)]);
      if (std::isnan(wanted))
        EXPECT_TRUE(std::isnan(c[at(i)]));
      else
        EXPECT_EQ(c[at(i)], wanted) << values[at(i)];
    }
}

// 0 times NaN or infinity is NaN and must come out, wherever it stands in a tile.
TEST(GpuGemm, NanComesThrough) {
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    GpuCase c(GemmForm::NN, 20, 35, 40, false, false);
    std::fill(c.host.a.begin(), c.host.a.end(), 0.0f);
    c.host.b[at(1 + 39 * c.host.g.ldb + 34)] = kInf;
    const std::vector<float> out = c.run(gemm<GpuFloat>, precision);
    for (int i = 0; i < 20; ++i)
      for (int j = 0; j < 35; ++j)
        EXPECT_EQ(std::isnan(out[at(1 + i * c.host.g.ldc + j)]), j == 34);
  }
}

TEST(GpuGemm, NothingToDoAndErrors) {
  Gemm<GpuFloat> g{GemmForm::NN, 0, 5, 7, nullptr, 7, nullptr, 5, nullptr, 5, false};
  gemm(g);
  for (const GpuGemmRung& rung : gpu_gemm_ladder()) rung.multiply(g);
  g.M = -1;
  EXPECT_THROW(gemm(g), Error);
  g.M = 4, g.lda = 6;
  EXPECT_THROW(gemm(g), Error);
#ifdef RAMOE_CUDA_EMULATION
  EXPECT_THROW(set_gemm_engine(GemmEngine::cublas), Error);
#endif
  EXPECT_EQ(gemm_engine(), GemmEngine::own);
}

#ifndef RAMOE_CUDA_EMULATION
TEST(GpuGemm, CublasIsTheProductToo) {
  set_gemm_engine(GemmEngine::cublas);
  for_each_case([](const GpuCase& c) {
    EXPECT_EQ(c.difference(c.run(gemm<GpuFloat>, Precision::fp32), unchanged, kFp32), "");
    EXPECT_EQ(c.difference(c.run(gemm<GpuFloat>, Precision::bf16), round_to_bf16, kFp32), "");
  });
  set_gemm_engine(GemmEngine::own);
}
#endif

/// Experts with random rows; one has none, and one may have all.
struct Grouped {
  int E, rows, I, O;
  std::vector<int> offset, index;
  std::vector<float> x, dy, w;

  Grouped(int experts, int rows_, int I_, int O_, bool all_in_one)
      : E(experts), rows(rows_), I(I_), O(O_) {
    std::mt19937 random(seed);
    std::vector<int> count(at(E));
    for (int s = 0; s < rows; ++s)
      ++count[at(all_in_one ? E - 1 : int(random() % unsigned(E - 1)))];
    offset.push_back(0);
    for (const int c : count) offset.push_back(offset.back() + c);
    for (int s = 0; s < rows; ++s) index.push_back(int(random() % unsigned(rows)));
    const auto fill = [&](std::vector<float>& v, int n) {
      for (int i = 0; i < n; ++i) v.push_back(float(random() >> 8) * 0x1p-23f - 1.0f);
    };
    fill(x, rows * I), fill(dy, rows * O), fill(w, E * I * O);
  }
  int expert(int slot) const {
    return int(std::upper_bound(offset.begin(), offset.end(), slot) - offset.begin()) - 1;
  }
  double W(int e, int i, int o) const { return double(w[at((e * I + i) * O + o)]); }
};

void expect_rows(const Grouped& g, bool backward, bool gather, Precision precision) {
  const auto round = precision == Precision::bf16 ? round_to_bf16 : unchanged;
  const int in = backward ? g.O : g.I, out = backward ? g.I : g.O;
  const std::vector<float>& from = backward ? g.dy : g.x;
  std::vector<float> c(at((g.rows + 2) * out), kFence);  // two rows that no expert has
  OnGpu a(from), w(g.w), result(c);
  const GpuVector<GpuInt> offset = on_gpu(g.offset), index = on_gpu(g.index);
  const cuda::GroupedRows rows{offset.data(), g.E, g.rows + 2, gather ? index.data() : nullptr,
                               precision};
  if (backward)
    cuda::grouped_backward(result.values.data(), rows, a.values.data(), w.values.data(), g.I, g.O);
  else
    cuda::grouped_forward(result.values.data(), rows, a.values.data(), w.values.data(), g.I, g.O);
  c = result.back();
  for (int s = 0; s < g.rows + 2; ++s)
    for (int o = 0; o < out; ++o) {
      double sum = s < g.rows ? 0 : double(kFence);
      for (int i = 0; s < g.rows && i < in; ++i) {
        const float weight = float(backward ? g.W(g.expert(s), o, i) : g.W(g.expert(s), i, o));
        sum +=
            double(round(from[at((gather ? g.index[at(s)] : s) * in + i)])) * double(round(weight));
      }
      ASSERT_NEAR(c[at(s * out + o)], sum, s < g.rows ? kFp32 * (4 * in + 8) : 0)
          << "slot " << s << " column " << o << (backward ? " backward" : " forward") << " seed "
          << seed;
    }
}

/// dW of all experts, and a fence behind it.
std::vector<float> weights_of(const Grouped& g, bool gather_x, bool accumulate,
                              Precision precision) {
  std::vector<float> dw(g.w.size() + 1, accumulate ? 0.5f : kNan);
  dw.back() = kFence;
  OnGpu x(g.x), dy(g.dy), result(dw);
  const GpuVector<GpuInt> offset = on_gpu(g.offset), index = on_gpu(g.index);
  cuda::grouped_weights(result.values.data(), {offset.data(), g.E, g.rows, nullptr, precision},
                        x.values.data(), gather_x ? index.data() : nullptr, dy.values.data(),
                        gather_x ? nullptr : index.data(), g.I, g.O, accumulate);
  return result.back();
}

void expect_weights(const Grouped& g, bool gather_x, bool accumulate, Precision precision) {
  const auto round = precision == Precision::bf16 ? round_to_bf16 : unchanged;
  const std::vector<float> dw = weights_of(g, gather_x, accumulate, precision);
  EXPECT_EQ(dw.back(), kFence);
  for (int e = 0; e < g.E; ++e)
    for (int i = 0; i < g.I; ++i)
      for (int o = 0; o < g.O; ++o) {
        double sum = accumulate ? 0.5 : 0;
        for (int s = g.offset[at(e)]; s < g.offset[at(e + 1)]; ++s) {
          const int gathered = g.index[at(s)];
          sum += double(round(g.x[at((gather_x ? gathered : s) * g.I + i)])) *
                 double(round(g.dy[at((gather_x ? s : gathered) * g.O + o)]));
        }
        ASSERT_NEAR(dw[at((e * g.I + i) * g.O + o)], sum, kFp32 * (4 * g.rows + 8))
            << "expert " << e << " row " << i << " column " << o << " seed " << seed;
      }
}

TEST(GpuGemmGrouped, IsTheProductOfEachExpert) {
  for (const Precision precision : {Precision::fp32, Precision::bf16})
    for (const Grouped& g : {Grouped(3, 70, 12, 20, true), Grouped(40, 90, 9, 7, false),
                             Grouped(5, 300, 16, 68, false), Grouped(2, 1, 3, 2, false),
                             Grouped(4, 2300, 5, 8, false),  // rows in parts
                             Grouped(2, 9000, 5, 4, true)})  // and these in groups
      for (const bool either : {false, true}) {
        expect_rows(g, false, either, precision);
        expect_rows(g, true, either, precision);
        expect_weights(g, either, false, precision);
        expect_weights(g, either, true, precision);
      }
}

// Enough results for tiles of the middle size.
TEST(GpuGemmGrouped, ManyTilesAreTheProductOfEachExpert) {
  expect_rows(Grouped(2, 1100, 8, 720, false), false, true, Precision::fp32);
  expect_rows(Grouped(2, 1100, 720, 8, false), true, true, Precision::fp32);
  expect_weights(Grouped(2, 40, 640, 640, false), true, false, Precision::fp32);
}

// Of the parts of an expert's rows any may come last, and of many parts any of a group.
TEST(GpuGemmGrouped, PartsHaveTheSameBitsInAnyOrder) {
  for (const int rows : {1300, 9000}) {
    const Grouped g(3, rows, 33, 36, rows > 1300);
    const std::vector<float> first = weights_of(g, true, false, Precision::fp32);
    in_each_order([&] {
      const std::vector<float> again = weights_of(g, true, false, Precision::fp32);
      EXPECT_EQ(std::memcmp(first.data(), again.data(), 4 * first.size()), 0);
    });
  }
}

}  // namespace
}  // namespace ramoe
