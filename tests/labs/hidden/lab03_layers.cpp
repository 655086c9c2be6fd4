// Hidden checks of lab 3: layers and loss with their gradients. Keys: seed N C V H heads HS ignore.
#include "ch03_transformer/layer_ops.h"
#include "labs/hidden/hidden.h"

using namespace ramoe;

namespace {

void norm(const hidden::Case& given, int N, int C) {
  const std::size_t cells = std::size_t(N * C);
  const auto x = given.normals(cells, 1), w = given.normals(std::size_t(C), 2);
  const auto dout = given.normals(cells, 3);
  std::vector<double> out(cells), rstd(std::size_t(N), -1.0), dx(cells, 0.5);
  std::vector<double> dw(std::size_t(C), 0.25);
  rmsnorm_forward(out.data(), rstd.data(), x.data(), w.data(), N, C, 1e-5);
  rmsnorm_backward(dx.data(), dw.data(), x.data(), w.data(), rstd.data(), dout.data(), N, C);
  hidden::print("norm", out);
  hidden::print("norm_rstd", rstd);
  hidden::print("norm_dx", dx);
  hidden::print("norm_dw", dw);
  rmsnorm_backward(dx.data(), dw.data(), x.data(), w.data(), rstd.data(), dout.data(), N, C, false,
                   false);
  hidden::print("norm_dx_fresh", dx);
  hidden::print("norm_dw_fresh", dw);
}

void turn(const hidden::Case& given, int N, int heads, int HS) {
  auto x = given.normals(std::size_t(N * heads * HS), 4);
  std::vector<int> position;
  Random draws = given.random(5);
  for (int n = 0; n < N; ++n) position.push_back(int(draws.below(500)));
  rope_forward(x.data(), position.data(), N, heads, HS, 10000.0);
  hidden::print("rope", x);
  rope_backward(x.data(), position.data(), N, heads, HS, 500.0);
  hidden::print("rope_back", x);
}

void swiglu(const hidden::Case& given, int N, int H) {
  const auto gu = given.normals(std::size_t(2 * N * H), 6, 3);
  const auto dout = given.normals(std::size_t(N * H), 7);
  std::vector<double> out(dout.size()), dgu(gu.size(), 1.0);
  swiglu_forward(out.data(), gu.data(), N, H);
  swiglu_backward(dgu.data(), gu.data(), dout.data(), N, H);
  hidden::print("swiglu", out);
  hidden::print("swiglu_gradient", dgu);
}

void loss(const hidden::Case& given, int N, int V) {
  const auto z = given.normals(std::size_t(N * V), 8, given.real("logits", 5));
  Random draws = given.random(9);
  std::vector<int> target;
  int scored = 0;
  for (int n = 0; n < N; ++n) {
    const bool ignored = draws.uniform() < given.real("ignore", 0.3);
    target.push_back(ignored ? kIgnore : int(draws.below(std::uint32_t(V))));
    scored += !ignored;
  }
  double value = -1, dloss = 0.5;
  std::vector<double> lse(std::size_t(N), 7.0), dz(z.size(), 2.0);
  cross_entropy_forward(&value, lse.data(), z.data(), target.data(), scored, N, V);
  cross_entropy_backward(dz.data(), z.data(), lse.data(), target.data(), &dloss, scored, N, V);
  hidden::print("loss", value);
  hidden::print("lse", lse);
  hidden::print("loss_gradient", dz);
}

}  // namespace

void hidden::check(const Case& given) {
  const int N = given.number("N");
  norm(given, N, given.number("C"));
  turn(given, N, given.number("heads", 2), given.number("HS", 4));
  swiglu(given, N, given.number("H"));
  loss(given, N, given.number("V"));
}
