#include "ch04_moe/router.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

#include "ch01_tensor/vector_ops.h"
#include "ch02_autograd/basic_ops.h"
#include "ch02_autograd/gradcheck.h"
#include "support/compare.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

using Doubles = std::vector<double>;
using Bytes = std::vector<unsigned char>;
using Tensors = std::vector<Tensor<double>>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

TEST(RouteForward, LargestFirstTiesToTheLowerExpert) {
  const Doubles p = {0.1, 0.3, 0.3, 0.3, /**/ 0.25, 0.25, 0.25, 0.25, /**/ 0, 0.1, 0.2, 0.7};
  std::vector<int> chosen(6, -7);
  Fenced<double> gate(6);
  route_forward(chosen.data(), gate.data(), p.data(), false, 3, 4, 2);
  EXPECT_EQ(chosen, (std::vector<int>{1, 2, 0, 1, 3, 2}));
  EXPECT_EQ(difference(gate, Doubles{0.3, 0.3, 0.25, 0.25, 0.7, 0.2}, 0, 0), "");
  route_forward(chosen.data(), gate.data(), p.data(), true, 3, 4, 2);
  EXPECT_EQ(difference(gate, Doubles{0.5, 0.5, 0.5, 0.5, 7 / 9.0, 2 / 9.0}, 1e-15, 0), "");
}

TEST(RouteForward, EveryExpertOnceWhenKIsE) {
  for (const int E : {1, 5, 17}) {
    const int N = 6;
    const std::size_t n = std::size_t(N * E);
    const auto z = random_values<float>(n, 1);
    std::vector<float> p(n);
    softmax_forward(p.data(), z.data(), N, E);
    for (const bool renormalise : {false, true}) {
      std::vector<int> chosen(n);
      Fenced<float> gate(n);
      route_forward(chosen.data(), gate.data(), p.data(), renormalise, N, E, E);
      EXPECT_TRUE(gate.intact());
      for (int row = 0; row < N; ++row) {
        std::vector<int> seen(std::size_t(E), 0);
        double total = 0;
        for (int k = 0; k < E; ++k) {
          const std::size_t at = std::size_t(row * E + k);
          ++seen[std::size_t(chosen[at])];
          total += double(gate[at]);
          if (k > 0) {
            EXPECT_LE(gate[at], gate[at - 1]);
          }
        }
        EXPECT_EQ(seen, std::vector<int>(std::size_t(E), 1));
        EXPECT_NEAR(total, 1, 1e-6);  // E roundings of float
      }
    }
  }
}

TEST(RouteForward, EqualsPlainForAnyThreads) {
  for (const auto& [N, E, K] : {std::array{1, 1, 1}, std::array{700, 16, 2}, std::array{300, 64, 8},
                                std::array{257, 5, 5}, std::array{90, 33, 3}}) {
    const std::size_t n = std::size_t(N * E), k = std::size_t(N * K);
    auto p = random_values<float>(n, 5);
    for (std::size_t i = 0; i < n; ++i) {
      p[i] = std::abs(p[i]);
      if (i % 3 == 0) p[i] = std::round(4 * p[i]) / 4;  // ties
    }
    std::fill_n(p.begin(), E, std::numeric_limits<float>::quiet_NaN());
    for (const bool renormalise : {false, true})
      for (const int threads : {1, 2, 3}) {
        ThreadPool pool(threads);
        const PoolScope scope(pool);
        std::vector<int> chosen(k, -7), wanted(k, -7);
        std::vector<float> gate(k);
        const Doubles exact(p.begin(), p.end());
        Doubles wanted_gate(k);
        route_forward(chosen.data(), gate.data(), p.data(), renormalise, N, E, K);
        route_forward(wanted.data(), wanted_gate.data(), exact.data(), renormalise, N, E, K);
        EXPECT_EQ(chosen, wanted) << N << " " << E << " " << K;
        // The first row has gates that are NaN, in both. One sum and one division in float.
        const std::size_t first = std::size_t(K);
        EXPECT_TRUE(std::isnan(gate[0]) && std::isnan(wanted_gate[0]));
        EXPECT_EQ(difference(gate.data() + first, wanted_gate.data() + first, k - first,
                             renormalise ? 1e-6 : 0, renormalise ? 1e-6 : 0),
                  "");
      }
  }
}

/// Balance loss and f of choices and probabilities, pooled over layers.
struct Balance {
  double loss;
  Doubles f;
};
Balance balance(const std::vector<Doubles>& p, const std::vector<std::vector<int>>& chosen,
                const Bytes& scored, int E, int K) {
  const int N = int(scored.size()), L = int(p.size());
  const int rows = int(std::count(scored.begin(), scored.end(), 1));
  Fenced<double> f(std::size_t(E), kNan), total(std::size_t(E), 0.0);
  std::vector<int> choices(std::size_t(E), 0);
  double loss = kNan;
  for (std::size_t l = 0; l < p.size(); ++l) {
    add_choices<double>(choices.data(), chosen[l].data(), scored.data(), N, K);
    add_probabilities(total.data(), p[l].data(), scored.data(), N, E);
  }
  choice_shares(f.data(), choices.data(), double(L) * rows, E);
  balance_forward(&loss, f.data(), total.data(), rows, L, E);
  EXPECT_TRUE(f.intact() && total.intact());
  return {loss, Doubles(f.data(), f.data() + E)};
}
Balance balance(const Doubles& p, const std::vector<int>& chosen, const Bytes& counts, int E,
                int K) {
  return balance(std::vector<Doubles>{p}, std::vector<std::vector<int>>{chosen}, counts, E, K);
}

TEST(BalanceLoss, IsKAtPerfectBalance) {
  const Doubles even(16, 0.25);
  EXPECT_DOUBLE_EQ(balance(even, {0, 1, 2, 3}, {1, 1, 1, 1}, 4, 1).loss, 1);
  const Balance two = balance(even, {0, 1, 2, 3, 1, 0, 3, 2}, {1, 1, 1, 1}, 4, 2);
  EXPECT_DOUBLE_EQ(two.loss, 2);
  EXPECT_EQ(two.f, Doubles(4, 0.5));
  EXPECT_DOUBLE_EQ(balance(Doubles(3, 1.0), {0, 0, 0}, {1, 1, 1}, 1, 1).loss, 1);  // E = 1
}

TEST(BalanceLoss, GrowsWhenCollapsed) {
  // Two tokens, E = 4, K = 2, both on experts 0 and 1 with p = (0.6, 0.4, 0, 0):
  // f = (1, 1, 0, 0), P = p, so L = 4 * (0.6 + 0.4) = 4. K = 1: f = (1,0,0,0), L = 4 * 0.6.
  const Doubles p = {0.6, 0.4, 0, 0, 0.6, 0.4, 0, 0};
  const Balance two = balance(p, {0, 1, 0, 1}, {1, 1}, 4, 2);
  EXPECT_DOUBLE_EQ(two.loss, 4);
  EXPECT_EQ(two.f, (Doubles{1, 1, 0, 0}));
  EXPECT_DOUBLE_EQ(balance(p, {0, 0}, {1, 1}, 4, 1).loss, 2.4);
}

TEST(BalanceLoss, OnlyRowsThatCount) {
  const Doubles p = {0.5, 0.5, 0.9, 0.1, 0.2, 0.8};
  const Balance some = balance(p, {0, 0, 1}, {1, 0, 1}, 2, 1);
  EXPECT_DOUBLE_EQ(some.loss, 2 * (0.5 * 0.35 + 0.5 * 0.65));
  EXPECT_EQ(some.f, (Doubles{0.5, 0.5}));
  const Balance nobody = balance(p, {0, 0, 1}, {0, 0, 0}, 2, 1);
  EXPECT_EQ(nobody.loss, 0);
  EXPECT_EQ(nobody.f, (Doubles{0, 0}));
}

TEST(ZLoss, ByHand) {
  // logsumexp(0, ln 3) = ln 4; of two equal logits a: a + ln 2. A row that does not count is left.
  const double z[] = {0, std::log(3.0), 5, 5, 100, 100};
  const Bytes counts = {1, 1, 0}, nobody = {0, 0, 0};
  Fenced<double> lse(3);
  const double a = std::log(4.0), b = 5 + std::log(2.0);
  double loss = kNan;
  z_loss_forward(&loss, lse.data(), z, counts.data(), 2, 3, 2);
  EXPECT_NEAR(loss, (a * a + b * b) / 2, 1e-13);
  z_loss_forward(&loss, lse.data(), z, nobody.data(), 0, 3, 2);
  EXPECT_EQ(loss, 0);
  EXPECT_TRUE(lse.intact());
}

TEST(ZLoss, EveryWidthEqualsItsDefinition) {
  for (const int E : {1, 3, 16, 17, 64, 100}) {
    const int N = 130;
    const auto z = random_values<float>(std::size_t(N * E), 3);
    const Bytes counts(std::size_t(N), 1);
    std::vector<float> lse(static_cast<std::size_t>(N));
    float loss = NAN;
    z_loss_forward(&loss, lse.data(), z.data(), counts.data(), N, N, E);
    double wanted = 0;
    for (int n = 0; n < N; ++n) {
      double total = 0;
      for (int e = 0; e < E; ++e) total += std::exp(double(z[std::size_t(n * E + e)]));
      EXPECT_NEAR(lse[std::size_t(n)], std::log(total), 2e-6);  // a few roundings of float
      wanted += std::log(total) * std::log(total) / N;
    }
    EXPECT_NEAR(loss, wanted, 1e-5 * (1 + wanted));
  }
}

int scored_rows(const Bytes& scored) {
  return int(std::count(scored.begin(), scored.end(), 1));
}

/// Losses and gradients of the router logits of one layer.
struct Losses {
  double balance, z;
  Doubles gradient;
};
Losses losses(const Doubles& logits, const Bytes& counts, int E, int K) {
  Arena arena;
  Tape<double> tape(arena);
  const int N = int(counts.size());
  Doubles z(logits), gradient(z.size(), 0.0), eye(std::size_t(E * E), 0.0);
  for (int e = 0; e < E; ++e) eye[std::size_t(e * E + e)] = 1;
  const Tensor<double> x = tape.leaf(z.data(), gradient.data(), {N, E});
  const auto r = route(tape, x, tape.constant(eye.data(), {E, E}), K, true);
  const int rows = scored_rows(counts);
  const auto balance = balance_loss(tape, r, counts.data(), rows);
  const auto zl = z_loss(tape, r, counts.data(), rows);
  tape.backward(weighted_sum<double>(tape, {{balance, 1.0}, {zl, 1.0}}));
  return {balance.data[0], zl.data[0], gradient};
}

TEST(RoutingLosses, PaddingAndBosNeverEnter) {
  const int E = 4, K = 2;
  const Bytes counts = {0, 1, 1, 1, 0, 0, 1};
  const Doubles z = random_values<double>(28, 1);
  Doubles changed(z);
  for (std::size_t n = 0; n < counts.size(); ++n)
    for (std::size_t e = 0; e < 4; ++e)
      if (!counts[n]) changed[n * 4 + e] = 50 - 30 * double(e) + double(n);
  const Losses a = losses(z, counts, E, K), b = losses(changed, counts, E, K);
  EXPECT_EQ(a.balance, b.balance);
  EXPECT_EQ(a.z, b.z);
  EXPECT_EQ(a.gradient, b.gradient);
  for (std::size_t n = 0; n < counts.size(); ++n)
    for (std::size_t e = 0; e < 4; ++e)
      EXPECT_EQ(a.gradient[n * 4 + e] != 0, counts[n] != 0) << n << " " << e;
  const Losses nobody = losses(z, Bytes(7, 0), E, K);
  EXPECT_EQ(nobody.balance + nobody.z, 0);
  EXPECT_EQ(nobody.gradient, Doubles(28, 0.0));
}

TEST(Router, GradientOfGatesAndLosses) {
  struct Case {
    int N, C, E, K;
  };
  for (const auto [N, C, E, K] : {Case{1, 1, 1, 1}, {5, 3, 4, 2}, {3, 2, 5, 5}, {4, 17, 7, 1}})
    for (const bool renormalise : {false, true})
      for (const int which : {0, 1, 2}) {
        Bytes counts(std::size_t(N), 1);
        if (N > 2) counts[1] = 0;
        // Values whose choices are no near ties: a step of 1e-5 must not change them.
        EXPECT_EQ(gradient_error(
                      [&, K = K](Tape<double>& t, const Tensors& in) {
                        const auto r = route(t, in[0], in[1], K, renormalise);
                        return which == 0   ? r.gate
                               : which == 1 ? balance_loss(t, r, counts.data(), scored_rows(counts))
                                            : z_loss(t, r, counts.data(), scored_rows(counts));
                      },
                      {random_input("x", {N, C}, 3), random_input("w", {C, E}, 4)}),
                  "")
            << "N=" << N << " E=" << E << " K=" << K << " " << renormalise << " " << which;
      }
}

// Two layers, two tokens that count, E = 2, K = 1. Layer 0: both tokens on expert 0, p = (.75,
// .25); layer 1: both on expert 1, p = (.25, .75). Each layer is out of balance: 2 (1*.75 + 0*.25)
// = 1.5. Pooled, f = P = (.5, .5), and the loss is that of perfect balance, K = 1.
TEST(RoutingLosses, PooledBalanceByHand) {
  const Doubles first = {.75, .25, .75, .25, 9, 9}, second = {.25, .75, .25, .75, 9, 9};
  const std::vector<int> zeros(3, 0), ones(3, 1);
  const Bytes scored = {1, 1, 0};
  const Balance both = balance({first, second}, {zeros, ones}, scored, 2, 1);
  EXPECT_DOUBLE_EQ(both.loss, 1.0);
  EXPECT_DOUBLE_EQ(both.f[0], 0.5);
  EXPECT_DOUBLE_EQ(balance(first, zeros, scored, 2, 1).loss, 1.5);
  EXPECT_DOUBLE_EQ(balance(second, ones, scored, 2, 1).loss, 1.5);
  EXPECT_EQ(balance({first, second}, {zeros, ones}, Bytes(3, 0), 2, 1).loss, 0);
}

TEST(Router, GradientOfPooledBalance) {
  Bytes counts = {1, 0, 1, 1, 1};
  EXPECT_EQ(gradient_error(
                [&](Tape<double>& t, const Tensors& in) {
                  return pooled_balance_loss<double>(
                      t, {route(t, in[0], in[1], 2, true), route(t, in[0], in[2], 2, false)},
                      counts.data(), 4);
                },
                {random_input("x", {5, 3}, 3), random_input("w", {3, 4}, 4),
                 random_input("w2", {3, 4}, 5)}),
            "");
}

// A step of four rows in batches of one and three, E = 2, K = 1. The first row goes to expert 0
// with p = (.8, .2), the others to expert 1 with (.4, .6). The step has f = (1/4, 3/4) and P =
// (1/2, 1/2), so L = 2 (1/8 + 3/8) = 1. With this f the batches have 2 (.2 + .15) = .7 and 2 (.1 +
// .45) = 1.1, whose mean weighted by rows is 1 again; with an f of their own they would have 1.6
// and 1.2.
TEST(RoutingLosses, BalanceOfAStepIsTheWeightedMeanOfItsBatches) {
  const float first[] = {std::log(.8f), std::log(.2f)};
  const float others[] = {std::log(.4f), std::log(.6f), std::log(.4f),
                          std::log(.6f), std::log(.4f), std::log(.6f)};
  const Bytes counts(3, 1);
  int choices[2] = {0, 0};
  const auto balances = [&](const float* logits, int N, const float* f) {
    Arena arena;
    Tape<float> tape(arena);
    const Tape<float>::NoGrad no_grad(tape);
    std::vector<float> z(logits, logits + 2 * N), eye = {1, 0, 0, 1};
    const auto r =
        route(tape, tape.constant(z.data(), {N, 2}), tape.constant(eye.data(), {2, 2}), 1, false);
    if (!f) add_choices<float>(choices, r.chosen.expert, counts.data(), N, 1);
    return std::pair{balance_loss(tape, r, counts.data(), N, f).data[0],
                     pooled_balance_loss(tape, {r, r}, counts.data(), N, f).data[0]};
  };
  EXPECT_NEAR(balances(first, 1, nullptr).first, 1.6, 1e-6);
  EXPECT_NEAR(balances(others, 3, nullptr).second, 1.2, 1e-6);
  EXPECT_EQ(choices[0], 1);
  EXPECT_EQ(choices[1], 3);
  const float f[] = {float(choices[0]) / 4, float(choices[1]) / 4};
  const auto [a, a_pooled] = balances(first, 1, f);
  const auto [b, b_pooled] = balances(others, 3, f);
  EXPECT_NEAR(a, 0.7, 1e-6);
  EXPECT_NEAR(b, 1.1, 1e-6);
  EXPECT_NEAR(0.25 * a + 0.75 * b, 1, 1e-6);
  EXPECT_NEAR(a_pooled, a, 1e-6);  // of two equal layers
  EXPECT_NEAR(b_pooled, b, 1e-6);
}

TEST(Router, KBeyondEIsAnError) {
  Arena arena;
  Tape<float> tape(arena);
  float v[6] = {};
  const Tensor<float> x = tape.constant(v, {2, 3}), w = tape.constant(v, {3, 2});
  EXPECT_TRUE(mentions(error_of([&] { route(tape, x, w, 3, true); }), "choose 3 of 2"));
  EXPECT_TRUE(mentions(error_of([&] { route(tape, x, w, 0, true); }), "choose 0 of 2"));
}

}  // namespace
}  // namespace ramoe
