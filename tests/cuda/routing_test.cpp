// Routing on the GPU, or emulated, where the cases of op_cases.h do not reach: ties and NaN, rows
// that are not scored, gradients that begin, and two operations in one launch.
#include <gtest/gtest.h>

#include "ch04_moe/router.h"
#include "cuda/support/launch.h"
#include "moe_inputs.h"

namespace ramoe {
namespace {

/// Rows of few different values, NaN among them in every third row only.
Floats tied_values(int N, int E, unsigned seed) {
  const Floats set = {0, 0.25f, 0.5f, -0.0f, kInf, 0.125f, -0.5f, -kInf, kNan, kNan};
  Random random(seed, 86);
  Floats p;
  for (int n = 0; n < N; ++n) {
    const std::uint32_t used = n % 3 == 0 ? 10 : n % 3 == 1 ? 3 : 8;
    for (int e = 0; e < E; ++e) p.push_back(set[random.below(used)]);
  }
  return p;
}

TEST(RouterOnGpu, RouteWithTiesAndNan) {
  for (const int E : {1, 2, 5, 32, 33, 64, 100, 128, 129, 200, 512})
    for (const int K : {1, std::min(2, E), std::min(16, E), E > 130 ? 40 : E}) {
      const int N = 19;
      const Floats p = tied_values(N, E, unsigned(E + K));
      const Doubles exact = values_as<double>(p);
      for (const bool renormalise : {false, true}) {
        Ints chosen(product(N, K));
        Doubles gate(product(N, K));
        route_forward(chosen.data(), gate.data(), exact.data(), renormalise, N, E, K);
        Placed<float> p_gpu(p), gate_gpu = Placed<float>::poisoned(gate.size());
        Placed<int> chosen_gpu = Placed<int>::poisoned(chosen.size());
        route_forward(chosen_gpu.data(), gate_gpu.data(), p_gpu.data(), renormalise, N, E, K);
        EXPECT_EQ(chosen_gpu.host(), chosen) << E << " " << K;
        EXPECT_TRUE(all_same(gate_gpu.host(), gate, 2e-5)) << E << " " << K << renormalise;
        EXPECT_TRUE(chosen_gpu.intact() && gate_gpu.intact());
      }
    }
}

TEST(RouterOnGpu, RouteTakesNoMoreThan512Experts) {
  Placed<float> p(Floats(513)), gate(Floats(1));
  Placed<int> chosen(Ints(1));
  EXPECT_THROW(route_forward(chosen.data(), gate.data(), p.data(), false, 1, 513, 1), Error);
}

TEST(RouterOnGpu, RouteBackwardKeepsNanInItsRow) {
  const int N = 5, E = 40, K = 3;
  const Ints chosen = random_choices(N, E, K, -1, 3);
  Floats p = random_values<float>(product(N, E), 1), gate;
  Floats dgate = random_values<float>(product(N, K), 3);
  dgate[1 * K + 2] = kNan;
  std::fill_n(p.begin() + 3 * E, E, kNan);  // softmax gives NaN to all of a row, or none
  for (int i = 0; i < N * K; ++i)
    gate.push_back(p[std::size_t(i / K * E + chosen[std::size_t(i)])]);
  for (const bool renormalise : {false, true}) {
    Doubles dz(product(N, E), 0.5);
    route_backward(dz.data(), values_as<double>(p).data(), chosen.data(),
                   values_as<double>(gate).data(), values_as<double>(dgate).data(), renormalise, N,
                   E, K);
    Placed<float> dz_gpu(Floats(dz.size(), 0.5f)), p_gpu(p), gate_gpu(gate), dgate_gpu(dgate);
    Placed<int> chosen_gpu(chosen);
    route_backward(dz_gpu.data(), p_gpu.data(), chosen_gpu.data(), gate_gpu.data(),
                   dgate_gpu.data(), renormalise, N, E, K);
    EXPECT_TRUE(all_same(dz_gpu.host(), dz, 1e-5)) << renormalise;
    EXPECT_TRUE(dz_gpu.intact());
  }
}

TEST(RouterOnGpu, BalanceReadsScoredRowsAndAdds) {
  for (const int E : {1, 9, 100}) {
    const int N = 150, K = 1;
    const Bytes scored = tokens(N, Padding::some);
    Floats p = random_values<float>(product(N, E), 4);
    std::fill_n(p.begin() + E, E, kNan);  // row 1 is not scored
    const Ints chosen = random_choices(N, E, K, -1, 8);
    Ints choices(std::size_t(E), 2);
    Doubles total(product(E, 1), 0.5), f(product(E, 1));
    add_probabilities(total.data(), values_as<double>(p).data(), scored.data(), N, E);
    add_choices<double>(choices.data(), chosen.data(), scored.data(), N, K);
    choice_shares(f.data(), choices.data(), 100.0, E);

    Placed<double> total_gpu(Doubles(std::size_t(E), 0.5));
    Placed<float> p_gpu(p), f_gpu = Placed<float>::poisoned(std::size_t(E));
    Placed<int> choices_gpu(Ints(std::size_t(E), 2)), chosen_gpu(chosen);
    Placed<unsigned char> scored_gpu(scored);
    add_probabilities(total_gpu.data(), p_gpu.data(), scored_gpu.data(), N, E);
    add_choices<GpuFloat>(choices_gpu.data(), chosen_gpu.data(), scored_gpu.data(), N, K);
    choice_shares(f_gpu.data(), choices_gpu.data(), 100.0, E);
    EXPECT_TRUE(all_same(total_gpu.host(), total, 1e-12)) << E;
    EXPECT_EQ(choices_gpu.host(), choices);
    EXPECT_TRUE(all_same(f_gpu.host(), f, 1e-7));
    EXPECT_TRUE(total_gpu.intact() && choices_gpu.intact() && f_gpu.intact());
  }
}

/// The sums of some layers and their loss, from poison, by one launch, or more for many layers.
TEST(RouterOnGpu, RoutingSumsOfLayers) {
  struct Sizes {
    int N, E, K, L;
  };
  for (const auto [N, E, K, L] : {Sizes{1, 3, 1, 1}, Sizes{150, 19, 3, 2}, Sizes{2100, 16, 2, 3},
                                  Sizes{9, 300, 4, 2}, Sizes{7, 5, 2, 67}}) {
    const Bytes scored = tokens(N, Padding::some);
    const int count = std::max(1, int(std::count(scored.begin(), scored.end(), 1)));
    const Floats p = random_values<float>(product(N, E), 4), q = random_values<float>(p.size(), 5);
    const Doubles exact = values_as<double>(p), exact_q = values_as<double>(q);
    const std::size_t width = std::size_t(E);
    Doubles total(width), f(width), loss(1);
    Ints choices(width);
    auto total_gpu = Placed<double>::poisoned(width);
    auto f_gpu = Placed<float>::poisoned(width), loss_gpu = f_gpu.poisoned(1);
    auto choices_gpu = Placed<int>::poisoned(width);
    Placed<float> p_gpu(p), q_gpu(q);
    Placed<int> rows(Ints{count});
    Placed<unsigned char> scored_gpu(scored);
    const Ints even = random_choices(N, E, K, -1, 8), odd = random_choices(N, E, K, -1, 9);
    Placed<int> even_gpu(even), odd_gpu(odd);
    std::vector<RoutedLayer<double>> layers;
    std::vector<RoutedLayer<GpuFloat>> layers_gpu;
    for (int l = 0; l < L; ++l) {
      layers.push_back(l % 2 == 0 ? RoutedLayer<double>{exact.data(), even.data(), K}
                                  : RoutedLayer<double>{exact_q.data(), odd.data(), K});
      layers_gpu.push_back(l % 2 == 0 ? RoutedLayer<GpuFloat>{p_gpu.data(), even_gpu.data(), K}
                                      : RoutedLayer<GpuFloat>{q_gpu.data(), odd_gpu.data(), K});
    }
    sum_routing<double>(loss.data(), f.data(), total.data(), choices.data(), layers.data(), L,
                        scored.data(), count, N, E);
    const long before = cuda::launches;
    sum_routing<GpuFloat>(loss_gpu.data(), f_gpu.data(), total_gpu.data(), choices_gpu.data(),
                          layers_gpu.data(), L, scored_gpu.data(), rows.data(), N, E);
    EXPECT_EQ(cuda::launches - before, L > 64 ? 2 : 1);
    EXPECT_TRUE(all_same(total_gpu.host(), total, 1e-12 * N)) << N;
    EXPECT_EQ(choices_gpu.host(), choices) << N;
    EXPECT_TRUE(all_same(f_gpu.host(), f, 1e-7 * K)) << N;
    EXPECT_TRUE(all_same(loss_gpu.host(), loss, 1e-5)) << N;
    EXPECT_TRUE(total_gpu.intact() && choices_gpu.intact() && f_gpu.intact());
  }
}

TEST(RouterOnGpu, RouteFromLogitsIsSoftmaxThenRoute) {
  for (const int E : {1, 5, 33, 70, 200, 512})
    for (const bool renormalise : {false, true}) {
      const int N = 19, K = std::min(E, 3);
      Placed<float> z(random_values<float>(product(N, E), 4, 3));
      auto p = Placed<float>::poisoned(product(N, E)), p_both = p.poisoned(product(N, E));
      auto gate = Placed<float>::poisoned(product(N, K)), gate_both = p.poisoned(product(N, K));
      auto chosen = Placed<int>::poisoned(product(N, K)), both = chosen.poisoned(product(N, K));
      softmax_forward(p.data(), z.data(), N, E);
      route_forward(chosen.data(), gate.data(), p.data(), renormalise, N, E, K);
      softmax_route_forward(p_both.data(), both.data(), gate_both.data(), z.data(), renormalise, N,
                            E, K);
      EXPECT_EQ(p_both.host(), p.host()) << E;
      EXPECT_EQ(both.host(), chosen.host()) << E;
      EXPECT_EQ(gate_both.host(), gate.host()) << E;
      EXPECT_TRUE(p_both.intact() && both.intact() && gate_both.intact());
    }
}

/// The first of both losses to come overwrites dz; rows that are not scored become 0.
TEST(RouterOnGpu, LossesOverwriteAFreshGradient) {
  const int N = 21, E = 37;
  const Floats p = random_values<float>(product(N, E), 1), lse = random_values<float>(N, 2);
  const Floats f = random_values<float>(E, 3);
  const Bytes scored = tokens(N, Padding::some);
  Placed<float> p_gpu(p), lse_gpu(lse), f_gpu(f), dloss(Floats(1, 0.5f));
  Placed<unsigned char> scored_gpu(scored);
  Placed<int> rows(Ints{9});
  const Doubles pd = values_as<double>(p), lsed = values_as<double>(lse), fd = values_as<double>(f);
  const double half = 0.5;
  for (const bool balance : {false, true}) {
    Doubles dz(p.size(), std::nan(""));
    auto dz_gpu = Placed<float>::poisoned(p.size());
    if (balance) {
      balance_backward(dz.data(), pd.data(), fd.data(), scored.data(), &half, 9, 2, N, E, false);
      balance_backward(dz_gpu.data(), p_gpu.data(), f_gpu.data(), scored_gpu.data(), dloss.data(),
                       rows.data(), 2, N, E, false);
    } else {
      z_loss_backward(dz.data(), lsed.data(), pd.data(), scored.data(), &half, 9, N, E, false);
      z_loss_backward(dz_gpu.data(), lse_gpu.data(), p_gpu.data(), scored_gpu.data(), dloss.data(),
                      rows.data(), N, E, false);
    }
    EXPECT_TRUE(all_same(dz_gpu.host(), dz, 1e-5)) << balance;
    EXPECT_TRUE(dz_gpu.intact());
  }
}

TEST(RouterOnGpu, LossesOfNoScoredRowsAreZero) {
  const int N = 3, E = 4;
  Placed<float> loss = Placed<float>::poisoned(1), f = Placed<float>::poisoned(E);
  Placed<float> lse = Placed<float>::poisoned(N), z(random_values<float>(product(N, E), 1));
  Placed<double> total = Placed<double>::poisoned(E);
  Placed<int> choices(Ints(E, 1)), none(Ints{0});
  Placed<unsigned char> scored(Bytes(N, 0));
  choice_shares(f.data(), choices.data(), 0.0, E);
  EXPECT_EQ(f.host(), Floats(E, 0.0f));
  balance_forward(loss.data(), f.data(), total.data(), none.data(), 2, E);
  EXPECT_EQ(loss.host(), Floats(1, 0.0f));
  z_loss_forward(loss.data(), lse.data(), z.data(), scored.data(), none.data(), N, E);
  EXPECT_EQ(loss.host(), Floats(1, 0.0f));
  Placed<float> dz(Floats(product(N, E), 0.5f)), dloss(Floats(1, 1.0f));
  balance_backward(dz.data(), z.data(), f.data(), scored.data(), dloss.data(), none.data(), 1, N,
                   E);
  z_loss_backward(dz.data(), lse.data(), z.data(), scored.data(), dloss.data(), none.data(), N, E);
  EXPECT_EQ(dz.host(), Floats(product(N, E), 0.5f));
}

}  // namespace
}  // namespace ramoe
