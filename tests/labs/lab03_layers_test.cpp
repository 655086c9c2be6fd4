// Lab 3: the layers of a transformer and its loss, each with its gradient.
#include "ch03_transformer/layer_ops.h"
#include "labs/lab.h"

namespace ramoe {
namespace {

Doubles rmsnorm(const Doubles& x, const Doubles& w, int N, double eps = 1e-6) {
  Doubles out(x.size(), 0.0), rstd(std::size_t(N), 0.0);
  rmsnorm_forward(out.data(), rstd.data(), x.data(), w.data(), N, int(w.size()), eps);
  return out;
}

TEST(Lab03Layers, RmsNormMakesTheMeanSquareOne) {
  const Doubles out = rmsnorm({3, 4, -6, 8}, {1, 1}, 2, 0);
  const double r = 1 / std::sqrt(12.5), s = 1 / std::sqrt(50.0);
  expect_values(out, {3 * r, 4 * r, -6 * s, 8 * s},
                "rstd[n] = 1 / sqrt(mean of x[n,c]^2 + eps), for each row anew");
}

TEST(Lab03Layers, RmsNormGradient) {
  const int N = 3, C = 5;
  const Doubles x = random_values<double>(15, 1), w = random_values<double>(5, 2);
  const Doubles dout = random_values<double>(15, 3);
  Doubles out(15), rstd(3), dx(15, 1.0), dw(5, 2.0);
  rmsnorm_forward(out.data(), rstd.data(), x.data(), w.data(), N, C, 1e-3);
  rmsnorm_backward(dx.data(), dw.data(), x.data(), w.data(), rstd.data(), dout.data(), N, C);
  Doubles by_x =
      slopes([&](const Doubles& at) { return weighed(dout, rmsnorm(at, w, N, 1e-3)); }, x);
  Doubles by_w =
      slopes([&](const Doubles& at) { return weighed(dout, rmsnorm(x, at, N, 1e-3)); }, w);
  for (double& d : by_x) d += 1;
  for (double& d : by_w) d += 2;
  expect_values(dx, by_x, "x[n,c] also enters rstd[n]; and gradients are added to what is there",
                kSlope);
  expect_values(dw, by_w, "dw[c] is the sum over all rows", kSlope);
}

TEST(Lab03Layers, RmsNormGradientOverwritesIfAsked) {
  const double x[] = {1, 2}, w[] = {1, 1}, dout[] = {1, 0};
  Doubles out(2), rstd(1), dx(2, std::nan("")), dw(2, std::nan(""));
  rmsnorm_forward(out.data(), rstd.data(), x, w, 1, 2, 0.0);
  rmsnorm_backward(dx.data(), dw.data(), x, w, rstd.data(), dout, 1, 2, false, false);
  const double r = 1 / std::sqrt(2.5);
  expect_values(dx, {r - r * r * r / 2, -r * r * r}, "accumulate = false: old values are ignored");
  expect_values(dw, {r, 0}, "accumulate_dw = false: dw begins at 0");
  rmsnorm_backward<double>(nullptr, nullptr, x, w, rstd.data(), dout, 1, 2);  // nothing wanted
}

TEST(Lab03Layers, RopeTurnsPairsHalfAHeadApart) {
  Doubles x = {1, 0, 0, 0};  // a quarter turn of the pair (0,2), none of (1,3) at theta = infinity
  const int position = 1;
  rope_forward(x.data(), &position, 1, 1, 4, 1e300);
  expect_values(x, {std::cos(1.0), 0, std::sin(1.0), 0},
                "elements i and i + HS/2 are a pair; it turns by position theta^(-2i/HS)");
}

TEST(Lab03Layers, SwiGluGradient) {
  const int N = 2, H = 3;
  const Doubles gu = random_values<double>(12, 1), dout = random_values<double>(6, 2);
  Doubles dgu(12, 5.0);
  swiglu_backward(dgu.data(), gu.data(), dout.data(), N, H);
  Doubles expected = slopes(
      [&](const Doubles& at) {
        Doubles out(6);
        swiglu_forward(out.data(), at.data(), N, H);
        return weighed(dout, out);
      },
      gu);
  for (double& d : expected) d += 5;
  expect_values(dgu, expected, "silu(a) = a s has the derivative s + a s (1 - s), s = sigmoid(a)",
                kSlope);
  for (double& d : expected) d -= 5;
  dgu.assign(12, std::nan(""));
  swiglu_backward(dgu.data(), gu.data(), dout.data(), N, H, false);
  expect_values(dgu, expected, "without accumulate what was there is not read", kSlope);
}

TEST(Lab03Layers, LargeLogitsStayFinite) {
  const double z[] = {1000, 999, -1000, 5000};
  const int target[] = {0, 1};
  Doubles loss(1), lse(2);
  cross_entropy_forward(loss.data(), lse.data(), z, target, 2, 2, 2);
  expect_values(lse, {1000 + std::log(1 + std::exp(-1.0)), 5000},
                "exp(1000) overflows: take the largest logit out of the sum first");
  expect_values(loss, {std::log(1 + std::exp(-1.0)) / 2}, "the mean over the scored rows");
}

TEST(Lab03Layers, CrossEntropyGradient) {
  const int N = 4, V = 3, scored = 3, target[] = {2, kIgnore, 0, 1};
  const Doubles z = random_values<double>(12, 1);
  const double dloss = 1.5;
  const auto loss_at = [&](const Doubles& at) {
    Doubles loss(1), lse(4);
    cross_entropy_forward(loss.data(), lse.data(), at.data(), target, scored, N, V);
    return dloss * loss[0];
  };
  Doubles loss(1), lse(4), dz(12, std::nan(""));
  cross_entropy_forward(loss.data(), lse.data(), z.data(), target, scored, N, V);
  cross_entropy_backward(dz.data(), z.data(), lse.data(), target, &dloss, scored, N, V, false);
  expect_values(dz, slopes(loss_at, z),
                "dz = dloss / scored (p - 1 at the target); rows that are not scored get 0",
                kSlope);
}

}  // namespace
}  // namespace ramoe
