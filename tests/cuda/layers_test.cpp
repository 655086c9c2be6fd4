// Chapter 3 on the GPU, or emulated, beyond op_cases.h: sizes at which a kernel takes another way,
// rows that are not aligned, poisoned outputs, null gradients, the same bits twice.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "ch03_transformer/generate.h"
#include "ch03_transformer/layer_ops.h"
#include "cuda/gpu_fenced.h"

namespace ramoe {
namespace {

std::vector<double> doubles(const std::vector<float>& from) {
  return values_as<double>(from);
}

std::vector<int> random_indices(int count, int below, unsigned seed) {
  Random random(seed, 84);
  std::vector<int> index(static_cast<std::size_t>(count));
  for (int& i : index) i = int(random.below(static_cast<std::uint32_t>(below)));
  return index;
}

// ---- Rows of a table ----------------------------------------------------------------------------

/// dx after gather_rows_backward from 0.25, and what double makes of it.
void expect_rows_added(const std::vector<int>& index, int rows, int C, std::size_t fence) {
  const int N = int(index.size());
  const auto dout = random_values<float>(std::size_t(N * C), 1);
  std::vector<double> wanted(std::size_t(rows * C), 0.25);
  gather_rows_backward(wanted.data(), index.data(), doubles(dout).data(), N, C);
  const GpuVector<GpuInt> there = gpu_indices(index);
  GpuFenced from(dout, fence), to(std::size_t(rows * C), fence, 0.25f), again(to.host(), fence);
  gather_rows_backward(to.data(), there.data(), from.data(), N, C);
  embedding_backward(again.data(), there.data(), from.data(), N, C);
  // Up to N values of size 1 are added: their sum, some sqrt(N), is rounded N times.
  const std::string at = cat("N=", N, " C=", C, " fence=", fence);
  EXPECT_EQ(difference(to.host(), wanted, 1e-6 * std::sqrt(N), 1e-6), "") << at;
  EXPECT_EQ(to.host(), again.host()) << at;
}

TEST(GpuRows, RepeatedIndicesAreAddedInOrder) {
  for (const std::size_t fence : {kAligned, kUnaligned})
    for (const int N : {1, 2, 31, 32, 33, 64, 65, 300, 1100}) {
      expect_rows_added(std::vector<int>(std::size_t(N), 2), 4, 5, fence);  // one run over all
      expect_rows_added(random_indices(N, 7, 1), 7, 8, fence);
      std::vector<int> all(static_cast<std::size_t>(N));
      for (int i = 0; i < N; ++i) all[std::size_t(i)] = N - 1 - i;  // all different
      expect_rows_added(all, N, 4, fence);
    }
  // Indices in several stretches, all equal, all different, and between.
  for (const int N : {4096, 4097, 9 * 1024 + 5}) {
    expect_rows_added(std::vector<int>(std::size_t(N), 2), 4, 1, kAligned);
    for (const int rows : {7, 1000, 1 << 20})
      expect_rows_added(random_indices(N, rows, 4), rows, 1, kAligned);
  }
  expect_rows_added(random_indices(200, 3, 2), 4, 300, kAligned);  // several pieces of columns
  expect_rows_added(random_indices(200, 3, 2), 4, 300, kUnaligned);
  // Runs that end with a chunk of 32, and ones that begin with it.
  std::vector<int> edges(128, 0);
  for (int i = 32; i < 128; ++i) edges[std::size_t(i)] = i < 96 ? 1 : 5;
  expect_rows_added(edges, 6, 12, kAligned);
  embedding_backward<GpuFloat>(nullptr, nullptr, nullptr, 3, 4);  // skipped
}

TEST(GpuRows, AreCopied) {
  for (const std::size_t fence : {kAligned, kUnaligned})
    for (const int C : {1, 4, 7, 132}) {
      const std::vector<int> index = random_indices(9, 5, 3);
      const auto x = random_values<float>(std::size_t(5 * C), 2);
      std::vector<double> wanted(std::size_t(9 * C));
      gather_rows_forward(wanted.data(), doubles(x).data(), index.data(), 9, C);
      GpuFenced from(x, fence), out(std::size_t(9 * C), fence);
      const GpuVector<GpuInt> there = gpu_indices(index);
      gather_rows_forward(out.data(), from.data(), there.data(), 9, C);
      EXPECT_EQ(difference(out.host(), wanted, 0, 0), "") << C;
    }
}

TEST(GpuRows, SoftmaxOfRowsInRegistersAndLonger) {
  for (const std::size_t fence : {kAligned, kUnaligned})
    for (const int E : {1, 31, 32, 33, 64, 65, 128, 200, 257, 512, 1000, 1023, 1024, 1025, 3000}) {
      const int N = 9;  // more than the warps of a block; NaN in the last row
      auto z = random_values<float>(std::size_t(N * E), 6, 3);
      if (E > 1) z[std::size_t(2 * E)] = -HUGE_VALF;
      z[std::size_t((N - 1) * E + E / 2)] = kNan;
      std::vector<double> wanted(std::size_t((N - 1) * E));
      softmax_forward(wanted.data(), doubles(z).data(), N - 1, E);
      GpuFenced from(z, fence), to(z.size(), fence);
      softmax_forward(to.data(), from.data(), N, E);
      std::vector<float> p = to.host();
      for (; p.size() > wanted.size(); p.pop_back()) EXPECT_TRUE(std::isnan(p.back())) << E;
      EXPECT_EQ(difference(p, wanted, 1e-7, 2e-6), "") << "E=" << E << " fence=" << fence;
    }
}

TEST(GpuRows, AppendOnlyWhatIsThere) {
  const std::vector<int> cached = {2, 0, 1, 3}, length = {3, 1, 0, 2};
  const GpuVector<GpuInt> cached_there = gpu_indices(cached), length_there = gpu_indices(length);
  for (const std::size_t fence : {kAligned, kUnaligned})
    for (const int width : {1, 4, 6, 260}) {
      const auto rows = random_values<float>(std::size_t(4 * 3 * width), 3);
      const auto before = random_values<float>(std::size_t(4 * 6 * width), 4);
      std::vector<double> wanted = doubles(before);
      append_rows(wanted.data(), doubles(rows).data(), cached.data(), length.data(), 4, 3, 6,
                  width);
      GpuFenced cache(before, fence), from(rows, fence);
      append_rows(cache.data(), from.data(), cached_there.data(), length_there.data(), 4, 3, 6,
                  width);
      EXPECT_EQ(difference(cache.host(), wanted, 0, 0), "") << width;
    }
}

// ---- RMSNorm ------------------------------------------------------------------------------------

void expect_rmsnorm(int N, int C, std::size_t fence) {
  const std::size_t count = std::size_t(N) * std::size_t(C), width = std::size_t(C);
  const auto x = random_values<float>(count, 1), w = random_values<float>(width, 2);
  const auto dout = random_values<float>(count, 3);
  const auto xd = doubles(x), wd = doubles(w), doutd = doubles(dout);
  std::vector<double> out(count), rstd(std::size_t(N), 0.0), dx(count, 0.5), dw(width, 0.5);
  rmsnorm_forward(out.data(), rstd.data(), xd.data(), wd.data(), N, C, 1e-5);
  rmsnorm_backward(dx.data(), dw.data(), xd.data(), wd.data(), rstd.data(), doutd.data(), N, C);
  GpuFenced gx(x, fence), gw(w, fence), gdout(dout, fence), gout(count, fence),
      grstd(rstd.size(), fence), gdx(count, fence, 0.5f), gdw(width, fence, 0.5f);
  const auto backward = [&](GpuFloat* to_x, GpuFloat* to_w, bool accumulate) {
    rmsnorm_backward(to_x, to_w, gx.data(), gw.data(), grstd.data(), gdout.data(), N, C,
                     accumulate);
  };
  rmsnorm_forward(gout.data(), grstd.data(), gx.data(), gw.data(), N, C, 1e-5);
  backward(gdx.data(), gdw.data(), true);
  const std::string at = cat("N=", N, " C=", C, " fence=", fence);
  EXPECT_EQ(difference(gout.host(), out, 2e-6, 2e-6), "") << at;
  EXPECT_EQ(difference(grstd.host(), rstd, 1e-6, 1e-6), "") << at;
  EXPECT_EQ(difference(gdx.host(), dx, 5e-6, 5e-6), "") << at;  // the mean sums C products
  const double of_sum = N > 1000 ? 2e-5 : 5e-6;                 // dw sums N products of either sign
  EXPECT_EQ(difference(gdw.host(), dw, of_sum, of_sum), "") << at;
  GpuFenced fresh(count, fence), only_w(width, fence, 0.5f);  // over NaN
  backward(fresh.data(), nullptr, false);
  backward(nullptr, only_w.data(), true);
  for (double& value : dx) value -= 0.5;
  EXPECT_EQ(difference(fresh.host(), dx, 5e-6, 5e-6), "") << at;
  EXPECT_EQ(only_w.host(), gdw.host()) << at;  // the same bits twice
}

TEST(GpuRmsNorm, EveryTeam) {
  for (const std::size_t fence : {kAligned, kUnaligned})
    for (const int C : {1, 4, 20, 32, 36, 64, 100, 128, 256, 500, 1024})
      expect_rmsnorm(C < 100 ? 70 : 9, C, fence);
  for (const int C : {1028, 2048, 2052, 4096, 4100}) expect_rmsnorm(3, C, kAligned);
  expect_rmsnorm(2, 2051, kUnaligned);
  expect_rmsnorm(4200, 4, kUnaligned);  // more blocks of partial sums than warps to add them
  expect_rmsnorm(2100, 128, kAligned);  // more than a thread asks for at once
  expect_rmsnorm(1100, 512, kAligned);  // blocks that walk over several rows
}

// ---- Rotary positions ---------------------------------------------------------------------------

TEST(GpuRope, FarPositionsAndAllHeadSizes) {
  const std::vector<int> position = {0, 1, 100000, 4095, 77777};
  const GpuVector<GpuInt> there = gpu_indices(position);
  for (const std::size_t fence : {kAligned, kUnaligned})
    for (const int HS : {2, 6, 8, 64, 256, 600})
      for (const double theta : {10000.0, 1e6}) {
        const int heads = 3, N = int(position.size());
        const auto x = random_values<float>(std::size_t(N * heads * HS), 1);
        std::vector<double> wanted = doubles(x);
        rope_forward(wanted.data(), position.data(), N, heads, HS, theta);
        GpuFenced turned(x, fence);
        rope_forward(turned.data(), there.data(), N, heads, HS, theta);
        // Cosine and sine are rounded, 1e-7 each, and multiply values of up to 4.
        EXPECT_EQ(difference(turned.host(), wanted, 2e-6, 0), "") << HS << " " << theta;
        rope_backward(turned.data(), there.data(), N, heads, HS, theta);
        EXPECT_EQ(difference(turned.host(), x, 3e-6, 0), "") << HS << " " << theta;
      }
}

TEST(GpuRope, QueriesAndKeysOfOtherHeads) {
  const std::vector<int> position = {5, 0, 77777};
  const GpuVector<GpuInt> there = gpu_indices(position);
  const int N = 3;
  for (const std::size_t fence : {kAligned, kUnaligned})
    for (const auto& [NH, NKV, HS] : {std::array{4, 2, 8}, {3, 3, 2}, {1, 5, 64}, {8, 1, 6}}) {
      const auto q = random_values<float>(std::size_t(N * NH * HS), 1);
      const auto k = random_values<float>(std::size_t(N * NKV * HS), 2);
      std::vector<double> q_wanted = doubles(q), k_wanted = doubles(k);
      rope_both_forward(q_wanted.data(), k_wanted.data(), position.data(), N, NH, NKV, HS, 1e4);
      GpuFenced q_gpu(q, fence), k_gpu(k, kAligned);
      rope_both_forward(q_gpu.data(), k_gpu.data(), there.data(), N, NH, NKV, HS, 1e4);
      EXPECT_EQ(difference(q_gpu.host(), q_wanted, 2e-6, 0), "") << NH << " " << HS;
      EXPECT_EQ(difference(k_gpu.host(), k_wanted, 2e-6, 0), "") << NKV << " " << HS;
      rope_both_backward(q_gpu.data(), k_gpu.data(), there.data(), N, NH, NKV, HS, 1e4);
      EXPECT_EQ(difference(q_gpu.host(), q, 3e-6, 0), "");
      EXPECT_EQ(difference(k_gpu.host(), k, 3e-6, 0), "");
    }
}

// ---- Clipping and SwiGLU ------------------------------------------------------------------------

TEST(GpuElementwise, ClipAndSwigluAligned) {
  for (const std::size_t fence : {kAligned, kUnaligned})
    for (const int H : {1, 4, 12, 300}) {
      const std::size_t count = std::size_t(5 * H);
      const auto gu = random_values<float>(2 * count, 1, 3), dout = random_values<float>(count, 2);
      std::vector<double> out(count), dgu(2 * count, 0.25), clipped(2 * count), dx(2 * count, 0.25);
      const auto gud = doubles(gu), doutd = doubles(dout);
      swiglu_forward(out.data(), gud.data(), 5, H);
      swiglu_backward(dgu.data(), gud.data(), doutd.data(), 5, H);
      clip_forward(clipped.data(), gud.data(), 1.5, int(2 * count));
      clip_backward(dx.data(), gud.data(), 1.5, gud.data(), int(2 * count));
      GpuFenced ggu(gu, fence), gdout(dout, fence), gout(count, fence), gclipped(2 * count, fence),
          gdgu(2 * count, fence, 0.25f), fresh(2 * count, fence), gdx(2 * count, fence, 0.25f);
      swiglu_forward(gout.data(), ggu.data(), 5, H);
      swiglu_backward(gdgu.data(), ggu.data(), gdout.data(), 5, H);
      swiglu_backward(fresh.data(), ggu.data(), gdout.data(), 5, H, false);
      clip_forward(gclipped.data(), ggu.data(), 1.5, int(2 * count));
      clip_backward(gdx.data(), ggu.data(), 1.5, ggu.data(), int(2 * count));
      EXPECT_EQ(difference(gout.host(), out, 1e-6, 1e-6), "") << H;
      EXPECT_EQ(difference(gdgu.host(), dgu, 2e-6, 2e-6), "") << H;
      EXPECT_EQ(difference(gclipped.host(), clipped, 0, 0), "") << H;
      EXPECT_EQ(difference(gdx.host(), dx, 1e-6, 1e-6), "") << H;
      for (double& value : dgu) value -= 0.25;
      EXPECT_EQ(difference(fresh.host(), dgu, 2e-6, 2e-6), "") << H;
    }
}

TEST(GpuElementwise, NanStaysNanAndExtremesAreFinite) {
  GpuFenced x({kNan, 3, -3, kInf}, kAligned), out(4, kAligned);
  clip_forward(out.data(), x.data(), 2, 4);
  const std::vector<float> clipped = out.host();
  EXPECT_TRUE(std::isnan(clipped[0]));
  EXPECT_EQ(clipped[1], 2);
  EXPECT_EQ(clipped[2], -2);
  EXPECT_EQ(clipped[3], 2);
  GpuFenced gu({-200, 200, 3, 3}, kAligned), y(2, kAligned), dgu(4, kAligned), dy({1, 1}, kAligned);
  swiglu_forward(y.data(), gu.data(), 1, 2);
  swiglu_backward(dgu.data(), gu.data(), dy.data(), 1, 2, false);
  EXPECT_EQ(difference(y.host(), std::vector<double>{0, 600}, 1e-30, 1e-6), "");
  EXPECT_EQ(difference(dgu.host(), std::vector<double>{0, 3, 0, 200}, 1e-30, 1e-6), "");
}

// ---- Cross-entropy ------------------------------------------------------------------------------

/// Loss, lse and gradients against double; rows without a target stay or become 0.
void expect_cross_entropy(std::vector<float> z, const std::vector<int>& target, int V,
                          std::size_t fence) {
  const int N = int(target.size());
  const int scored = N - int(std::count(target.begin(), target.end(), kIgnore));
  const std::vector<double> zd = doubles(z);
  const double dloss = 1.5;
  std::vector<double> loss(1), lse(target.size()), dz(z.size(), 0.25);
  cross_entropy_forward(loss.data(), lse.data(), zd.data(), target.data(), scored, N, V);
  cross_entropy_backward(dz.data(), zd.data(), lse.data(), target.data(), &dloss, scored, N, V);
  const GpuVector<GpuInt> there = gpu_indices(target), count = gpu_indices({scored});
  GpuFenced gz(z, fence), gloss(1, fence), glse(target.size(), fence), gdloss(1, fence, 1.5f),
      gdz(z.size(), fence, 0.25f), fresh(z.size(), fence), again(1, fence);
  cross_entropy_forward(gloss.data(), glse.data(), gz.data(), there.data(), count.data(), N, V);
  cross_entropy_forward(again.data(), glse.data(), gz.data(), there.data(), count.data(), N, V);
  cross_entropy_backward(gdz.data(), gz.data(), glse.data(), there.data(), gdloss.data(),
                         count.data(), N, V);
  cross_entropy_backward(fresh.data(), gz.data(), glse.data(), there.data(), gdloss.data(),
                         count.data(), N, V, false);
  const std::string at = cat("N=", N, " V=", V, " fence=", fence);
  EXPECT_EQ(difference(gloss.host(), loss, 3e-6, 3e-6), "") << at;
  EXPECT_EQ(gloss.host(), again.host()) << at;
  EXPECT_EQ(difference(glse.host(), lse, 3e-6, 1e-6), "") << at;
  EXPECT_EQ(difference(gdz.host(), dz, 1e-6, 1e-6), "") << at;
  for (double& value : dz) value -= 0.25;
  EXPECT_EQ(difference(fresh.host(), dz, 1e-6, 1e-6), "") << at;
}

TEST(GpuCrossEntropy, ShortAndLongRows) {
  for (const std::size_t fence : {kAligned, kUnaligned})
    for (const int V : {1, 3, 4, 128, 129, 2048, 2049, 2052, 9000}) {
      std::vector<int> target = random_indices(9, V, 4);
      target[0] = target[5] = kIgnore;
      target[1] = V - 1;
      expect_cross_entropy(random_values<float>(std::size_t(9 * V), 5, 3), target, V, fence);
    }
  // More rows than threads of the block that adds up their losses.
  expect_cross_entropy(random_values<float>(1500 * 4, 6), random_indices(1500, 4, 6), 4, kAligned);
}

TEST(GpuCrossEntropy, InfinityAndNan) {
  auto z = random_values<float>(2 * 4, 7);
  z[0] = z[1] = z[2] = -kInf;  // a whole piece, the thread's only one
  expect_cross_entropy(z, {3, 0}, 4, kAligned);
  std::vector<float> wide(2 * 4096, -kInf);
  wide[4000] = 2, wide[4096] = 1;
  expect_cross_entropy(wide, {4000, 0}, 4096, kAligned);
  const GpuVector<GpuInt> target = gpu_indices({1, 0}), two = gpu_indices({2});
  for (const float bad : {kNan, kInf}) {
    z[5] = bad;
    GpuFenced gz(z, kAligned), loss(1, kAligned, 0.f), lse(2, kAligned, 0.f);
    cross_entropy_forward(loss.data(), lse.data(), gz.data(), target.data(), two.data(), 2, 4);
    EXPECT_TRUE(std::isnan(loss.host()[0])) << bad;
    EXPECT_TRUE(std::isnan(lse.host()[1])) << bad;
  }
}

TEST(GpuCrossEntropy, NothingScored) {
  const GpuVector<GpuInt> target = gpu_indices({kIgnore, kIgnore, kIgnore}), none(1);
  GpuFenced z(3 * 5, kAligned), loss(1, kAligned), lse(3, kAligned);
  cross_entropy_forward(loss.data(), lse.data(), z.data(), target.data(), none.data(), 3, 5);
  EXPECT_EQ(loss.host(), std::vector<float>{0});
  EXPECT_EQ(lse.host(), std::vector<float>(3, 0));
}

}  // namespace
}  // namespace ramoe
