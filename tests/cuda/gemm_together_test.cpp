// Products that share a launch, and products that are added to a matrix, on the GPU or emulated:
// against products in double one after the other.
#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/vector_ops.h"
#include "cuda/orders.h"
#include "cuda/placed.h"
#include "cuda/support/comes_last.cuh"
#include "fast/gemm_bf16.h"
#include "support/texts.h"

namespace ramoe {
namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;

/// Matrices by name, for one type of values.
template <class T>
struct Layer {
  static constexpr int kMost = 9;
  T* at[kMost];
};
enum { x, dy1, dy2, w1, w2, dw1, dw2, dx, y1 };

/// What a step does with two layers of one input x (N,I): y1 = x w1, dw1 += x^T dy1, dw2 = x^T dy2,
/// dx = or += dy2 w2^T + dy1 w1^T. Nothing reads what another writes.
template <class T>
std::vector<Gemm<T>> products(const Layer<T>& l, int N, int I, int O1, int O2, bool accumulate,
                              Precision in) {
  return {{GemmForm::TN, I, O1, N, l.at[x], I, l.at[dy1], O1, l.at[dw1], O1, true, in},
          {GemmForm::NT, N, I, O2, l.at[dy2], O2, l.at[w2], O2, l.at[dx], I, accumulate, in},
          {GemmForm::NT, N, I, O1, l.at[dy1], O1, l.at[w1], O1, l.at[dx], I, true, in},
          {GemmForm::TN, I, O2, N, l.at[x], I, l.at[dy2], O2, l.at[dw2], O2, false, in},
          {GemmForm::NN, N, O1, I, l.at[x], I, l.at[w1], O1, l.at[y1], O1, false, in}};
}

void expect_together(int N, int I, int O1, int O2, bool accumulate, Precision in,
                     std::size_t fence) {
  SCOPED_TRACE(cat("N ", N, " I ", I, " O ", O1, " ", O2, accumulate ? " +=" : " =", " ", int(in),
                   " fence ", fence));
  const std::array<std::size_t, 9> sizes = {
      std::size_t(N * I),  std::size_t(N * O1), std::size_t(N * O2),
      std::size_t(I * O1), std::size_t(I * O2), std::size_t(I * O1),
      std::size_t(I * O2), std::size_t(N * I),  std::size_t(N * O1)};
  std::vector<Doubles> exact;
  std::vector<Placed<float>> placed;
  Layer<double> host;
  Layer<GpuFloat> gpu;
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    Floats values(sizes[i], i == dw1 || (i == dx && accumulate) ? 0.5f : kNan);
    if (i < dw1) values = random_values<float>(sizes[i], unsigned(i) + 1);
    placed.emplace_back(values, fence);
    if (i < dw1 && in == Precision::bf16)
      for (float& value : values) value = round_to_bf16(value);
    exact.push_back(values_as<double>(values));
  }
  for (std::size_t i = 0; i < sizes.size(); ++i)
    host.at[i] = exact[i].data(), gpu.at[i] = placed[i].data();
  const auto of_host = products(host, N, I, O1, O2, accumulate, in);
  const auto of_gpu = products(gpu, N, I, O1, O2, accumulate, in);
  gemm_all(of_host.data(), int(of_host.size()));
  cuda::arrivals();  // the first time they are cleared
  const long before = cuda::launches;
  gemm_all(of_gpu.data(), int(of_gpu.size()));
  EXPECT_EQ(cuda::launches - before, 1);
  for (std::size_t i = dw1; i < sizes.size(); ++i) {
    // Sums of up to 530 products of normal values, which reach 80 and are rounded 530 times.
    EXPECT_EQ(difference(placed[i].host(), exact[i], 5e-5, 1e-5), "") << i;
    EXPECT_TRUE(placed[i].intact()) << i;
  }
  // Again: places of arrivals are as before, so the same bits where nothing accumulates.
  const Floats once = placed[dw2].host();
  in_each_order([&] {
    gemm_all(of_gpu.data(), int(of_gpu.size()));
    EXPECT_EQ(placed[dw2].host(), once);
  });
}

TEST(GpuGemmAll, IsOneProductAfterTheOther) {
  for (const Precision in : {Precision::fp32, Precision::bf16})
    for (const bool accumulate : {false, true}) {
      expect_together(70, 36, 68, 4, accumulate, in, 64);  // aligned
      expect_together(33, 5, 17, 3, accumulate, in, 17);   // not aligned
      expect_together(1, 1, 1, 1, accumulate, in, 64);
    }
  // K long enough to be cut in two and more parts, of several tiles.
  expect_together(530, 36, 68, 4, false, Precision::fp32, 64);
  expect_together(530, 36, 35, 4, true, Precision::bf16, 17);
  expect_together(300, 20, 36, 8, true, Precision::fp32, 17);
}

TEST(GpuGemmAll, SumsOfOneMatrixMustBeNeighboursThatAdd) {
  const auto a = Placed<float>(random_values<float>(16, 1)).host();
  Placed<float> in(a), c(Floats(16, 0)), d(Floats(16, 0));
  const auto product = [&](Placed<float>& to, bool accumulate) {
    return Gemm<GpuFloat>{GemmForm::NN, 4, 4,         4, in.data(), 4,
                          in.data(),    4, to.data(), 4, accumulate};
  };
  const auto error = [](std::vector<Gemm<GpuFloat>> all) {
    return error_of([&] { gemm_all(all.data(), int(all.size())); });
  };
  EXPECT_TRUE(mentions(error({product(c, false), product(c, false)}), "overwrites"));
  EXPECT_TRUE(
      mentions(error({product(c, false), product(d, false), product(c, true)}), "no neighbours"));
}

TEST(GpuGemmAll, EmptyProductsAreAsEver) {
  Placed<float> in(Floats(16, 1)), c(Floats(16, 0.5f)), d = c.poisoned(16);
  const std::vector<Gemm<GpuFloat>> all = {
      {GemmForm::NN, 4, 4, 0, in.data(), 4, in.data(), 4, c.data(), 4, true},
      {GemmForm::NN, 4, 4, 0, in.data(), 4, in.data(), 4, d.data(), 4, false}};
  gemm_all(all.data(), 2);
  EXPECT_EQ(c.host(), Floats(16, 0.5f));
  EXPECT_EQ(d.host(), Floats(16, 0.0f));
}

TEST(GpuGemmPlus, AddsAMatrixInTheSameLaunch) {
  for (const Precision in : {Precision::fp32, Precision::bf16})
    for (const std::size_t fence : {std::size_t{64}, std::size_t{17}})
      for (const auto& [M, N, K] :
           {std::array{70, 36, 20}, {33, 65, 7}, {1, 1, 1}, {8, 12, 600}, {5, 6, 0}}) {
        const std::size_t mn = std::size_t(M * N);
        Floats a = random_values<float>(std::size_t(M * K), 1);
        Floats b = random_values<float>(std::size_t(K * N), 2);
        const Floats plus = random_values<float>(mn, 3);
        Placed<float> a_gpu(a, fence), b_gpu(b, fence), plus_gpu(plus, 64);
        auto c_gpu = Placed<float>::poisoned(mn, fence);
        if (in == Precision::bf16)
          for (Floats* from : {&a, &b})
            for (float& value : *from) value = round_to_bf16(value);
        const Doubles ad = values_as<double>(a), bd = values_as<double>(b);
        const Doubles plusd = values_as<double>(plus);
        Doubles c(mn, kNan);
        gemm_plus(
            Gemm<double>{GemmForm::NN, M, N, K, ad.data(), K, bd.data(), N, c.data(), N, false},
            plusd.data());
        cuda::arrivals();
        const long before = cuda::launches;
        gemm_plus(Gemm<GpuFloat>{GemmForm::NN, M, N, K, a_gpu.data(), K, b_gpu.data(), N,
                                 c_gpu.data(), N, false, in},
                  plus_gpu.data());
        EXPECT_EQ(cuda::launches - before, 1);
        EXPECT_EQ(difference(c_gpu.host(), c, 1e-5, 1e-5), "") << M << " " << N << " " << K;
        EXPECT_TRUE(c_gpu.intact() && plus_gpu.intact());
        EXPECT_EQ(plus_gpu.host(), plus);
      }
}

/// Two layers of x (N,I), O1 and O2 wide, the first with a bias b1: y1 = x w1 + b1, y2 = x w2. Then
/// dw1 = x^T y1 with db1 = the sum of y1's rows, and db2 += the sum of y2's.
void expect_biases(int N, int I, int O1, int O2, Precision in, std::size_t fence) {
  SCOPED_TRACE(cat("N ", N, " I ", I, " O ", O1, " ", O2, " ", int(in), " fence ", fence));
  enum { x, w1, w2, b1, y1, y2, dw1, db1, db2 };
  const auto count = [](int rows, int columns) { return std::size_t(rows) * std::size_t(columns); };
  const std::size_t sizes[] = {count(N, I),  count(I, O1), count(I, O2), count(1, O1), count(N, O1),
                               count(N, O2), count(I, O1), count(1, O1), count(1, O2)};
  std::vector<Doubles> exact;
  std::vector<Placed<float>> placed;
  for (std::size_t i = 0; i < std::size(sizes); ++i) {
    Floats values(sizes[i], i == db2 ? 0.5f : kNan);
    if (i < y1) values = random_values<float>(sizes[i], unsigned(i) + 1);
    if (i < b1 && in == Precision::bf16)
      for (float& value : values) value = round_to_bf16(value);
    placed.emplace_back(values, fence);
    exact.push_back(values_as<double>(values));
  }
  const auto run = [&]<class T>(auto& all, T*) {
    const auto at = [&](std::size_t i) { return all[i].data(); };
    const Gemm<T> layers[] = {
        {GemmForm::NN, N, O1, I, at(x), I, at(w1), O1, at(y1), O1, false, in},
        {GemmForm::NN, N, O2, I, at(x), I, at(w2), O2, at(y2), O2, false, in}};
    const T* const bias[] = {at(b1), nullptr};
    const Gemm<T> dw{GemmForm::TN, I, O1, N, at(x), I, at(y1), O1, at(dw1), O1, false, in};
    const BiasBackward<T> sums[] = {{at(db1), at(y1), N, O1, false},
                                    {at(db2), at(y2), N, O2, true}};
    std::array<long, 2> launches{cuda::launches};
    gemm_bias_forward(layers, bias, 2);
    launches[0] = cuda::launches - launches[0];
    launches[1] = cuda::launches;
    gemm_bias_backward(&dw, 1, sums, 2);
    launches[1] = cuda::launches - launches[1];
    return launches;
  };
  run(exact, static_cast<double*>(nullptr));
  cuda::arrivals();
  const std::array<long, 2> launches = run(placed, static_cast<GpuFloat*>(nullptr));
  EXPECT_EQ(launches[0], 1);
  EXPECT_EQ(launches[1], in == Precision::fp32 ? 1 : 2) << "bf16 would round what is summed up";
  for (const std::size_t i : {y1, y2, dw1, db1, db2}) {
    // Sums of N sums of 36 products, rounded to 1e-7. dw1 is made of y1 in 8 bits, whose 6 times
    // 2^-9 are off in N products: five times their sum's deviation.
    const double off = i == dw1 && in == Precision::bf16 ? 6e-3 : 2e-6;
    EXPECT_EQ(difference(placed[i].host(), exact[i], 10 * off * std::sqrt(double(N)), off), "")
        << i;
    EXPECT_TRUE(placed[i].intact()) << i;
  }
  const Floats once = placed[db1].host();
  run(placed, static_cast<GpuFloat*>(nullptr));
  EXPECT_EQ(placed[db1].host(), once);
}

TEST(GpuGemmBias, IsAddedAndSummedUpInTheLaunchOfTheProducts) {
  Placed<float> x(Floats(1, 1)), dw(Floats(1, 0)), dbias(Floats(1, 0));
  const Gemm<GpuFloat> first{GemmForm::TN, 1, 1, 1, x.data(), 1, x.data(), 1, dw.data(), 1, false};
  const BiasBackward<GpuFloat> sum{dbias.data(), x.data(), 1, 1, false};
  gemm_bias_backward(&first, 1, &sum, 1);  // the first time, the ones are placed
  for (const Precision in : {Precision::fp32, Precision::bf16}) {
    expect_biases(70, 36, 68, 4, in, 64);
    expect_biases(33, 5, 17, 3, in, 17);
    expect_biases(1, 1, 1, 1, in, 64);
    expect_biases(530, 12, 68, 4, in, 64);  // cut along N
    expect_biases(300, 12, 35, 4, in, 17);
  }
}

TEST(GpuGemmAll, TwoPrecisionsAreTwoLaunches) {
  const int n = 8;
  const Floats a = random_values<float>(64, 1), b = random_values<float>(64, 2);
  Placed<float> a_gpu(a), b_gpu(b);
  // Sums to c in fp32 and bf16, and a product beside it; in the second order all are alone.
  for (const bool neighbours : {true, false}) {
    auto c = Placed<float>::poisoned(64), d = c.poisoned(64);
    const auto product = [&](Placed<float>& to, bool accumulate, Precision in) {
      return Gemm<GpuFloat>{GemmForm::NN, n, n,         n, a_gpu.data(), n,
                            b_gpu.data(), n, to.data(), n, accumulate,   in};
    };
    std::vector<Gemm<GpuFloat>> all = {product(d, false, Precision::fp32),
                                       product(c, false, Precision::fp32),
                                       product(c, true, Precision::bf16)};
    if (!neighbours) all.push_back(product(c, true, Precision::fp32));
    const long before = cuda::launches;
    gemm_all(all.data(), int(all.size()));
    EXPECT_EQ(cuda::launches - before, neighbours ? 2 : 4);
    const Floats once = d.host();
    Doubles sums;
    for (const float value : once) sums.push_back(double(value) * (neighbours ? 2 : 3));
    EXPECT_EQ(difference(c.host(), sums, 0.05, 0.01), "");  // one of them rounded to 8 bits
  }
}

}  // namespace
}  // namespace ramoe
