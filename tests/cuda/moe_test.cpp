// Routing and experts on the GPU, or emulated, where the cases of op_cases.h do not reach: plans
// equal to the definition's, ties and NaN, null and fresh gradients, rows that nobody uses.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "ch04_moe/experts.h"
#include "placed.h"

namespace ramoe {
namespace {

using Floats = std::vector<float>;
using Doubles = std::vector<double>;
using Ints = std::vector<int>;
using Bytes = std::vector<unsigned char>;

std::size_t product(int a, int b, int c = 1) {
  return std::size_t(a) * std::size_t(b) * std::size_t(c);
}

/// K different experts of E for each of N tokens; expert `left_out` is never among them.
Ints random_choices(int N, int E, int K, int left_out, unsigned seed) {
  Random random(seed, 85);
  Ints order(product(E, 1)), chosen;
  std::iota(order.begin(), order.end(), 0);
  if (left_out >= 0 && K < E) order.erase(order.begin() + left_out);
  for (int n = 0; n < N; ++n)
    for (int k = 0; k < K; ++k) {
      const std::size_t left = order.size() - std::size_t(k);
      std::swap(order[std::size_t(k)], order[std::size_t(k) + random.below(std::uint32_t(left))]);
      chosen.push_back(order[std::size_t(k)]);
    }
  return chosen;
}
enum class Padding { none, some, all };
Bytes tokens(int N, Padding padding) {
  Bytes flags(std::size_t(N), padding != Padding::all);
  for (int n = 1; padding == Padding::some && n < N; n += 3) flags[std::size_t(n)] = 0;
  return flags;
}

/// A plan with room of its own, on the host.
struct HostPlan {
  Ints offset, token, choice, slot;
  HostPlan(int N, int E, int K)
      : offset(std::size_t(E) + 1, -777),
        token(product(N, K), -777),
        choice(token),
        slot(token) {}
  DispatchPlan<double> plan() { return {offset.data(), token.data(), choice.data(), slot.data()}; }
};
/// The same on the GPU.
struct GpuPlan {
  Placed<int> offset, token, choice, slot;
  GpuPlan(int N, int E, int K)
      : offset(Placed<int>::poisoned(std::size_t(E) + 1)),
        token(Placed<int>::poisoned(product(N, K))),
        choice(Placed<int>::poisoned(product(N, K))),
        slot(Placed<int>::poisoned(product(N, K))) {}
  DispatchPlan<GpuFloat> plan() {
    return {offset.data(), token.data(), choice.data(), slot.data()};
  }
};

void expect_same_plan(const Ints& chosen, const Bytes& is_token, int N, int E, int K) {
  HostPlan wanted(N, E, K);
  plan_dispatch(wanted.plan(), chosen.data(), is_token.data(), N, E, K);
  Placed<int> placed(chosen);
  Placed<unsigned char> flags(is_token);
  GpuPlan got(N, E, K);
  plan_dispatch(got.plan(), placed.data(), flags.data(), N, E, K);
  const auto where = cat("N ", N, " E ", E, " K ", K);
  EXPECT_EQ(got.offset.host(), wanted.offset) << where;
  EXPECT_EQ(got.token.host(), wanted.token) << where;  // beyond offset[E]: as before
  EXPECT_EQ(got.choice.host(), wanted.choice) << where;
  EXPECT_EQ(got.slot.host(), wanted.slot) << where;
  EXPECT_TRUE(got.offset.intact() && got.token.intact() && got.choice.intact() &&
              got.slot.intact())
      << where;
}

TEST(MoeOnGpu, PlanIsTheDefinitions) {
  struct Size {
    int N, E, K;
  };
  unsigned seed = 0;
  for (const Size s : std::vector<Size>{{1, 1, 1}, {1, 8, 8}, {1, 64, 2}, {5, 3, 3}, {31, 2, 1},
                                        {33, 64, 8}, {300, 100, 3}, {257, 7, 2}, {900, 8, 2},
                                        {64, 300, 16}})
    for (const Padding padding : {Padding::none, Padding::some, Padding::all})
      for (const int left_out : {-1, 0, s.E - 1})
        expect_same_plan(random_choices(s.N, s.E, s.K, left_out, ++seed), tokens(s.N, padding),
                         s.N, s.E, s.K);
}
TEST(MoeOnGpu, PlanOfAllToOneExpert) {
  for (const int e : {0, 3, 63})
    expect_same_plan(Ints(1300, e), tokens(1300, Padding::some), 1300, 64, 1);
}
TEST(MoeOnGpu, PlanOfMoreChoicesThanBlocksTakeAtFirst) {
  expect_same_plan(random_choices(70001, 3, 2, -1, 9), tokens(70001, Padding::some), 70001, 3, 2);
}
TEST(MoeOnGpu, PlanOfNoTokens) {
  expect_same_plan({}, {}, 0, 5, 2);
}

// ---- The router ---------------------------------------------------------------------------------

bool same(double a, double b, double within = 0) {
  return (std::isnan(a) && std::isnan(b)) || a == b || std::abs(a - b) <= within;
}
template <class A, class B>
bool all_same(const std::vector<A>& a, const std::vector<B>& b, double within = 0) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [&](A x, B y) { return same(double(x), double(y), within); });
}

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

TEST(MoeOnGpu, RouteWithTiesAndNan) {
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

TEST(MoeOnGpu, RouteTakesNoMoreThan512Experts) {
  Placed<float> p(Floats(513)), gate(Floats(1));
  Placed<int> chosen(Ints(1));
  EXPECT_THROW(route_forward(chosen.data(), gate.data(), p.data(), false, 1, 513, 1), Error);
}

TEST(MoeOnGpu, RouteBackwardKeepsNanInItsRow) {
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

TEST(MoeOnGpu, BalanceReadsScoredRowsAndAdds) {
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

TEST(MoeOnGpu, LossesOfNoScoredRowsAreZero) {
  const int N = 3, E = 4;
  Placed<float> loss = Placed<float>::poisoned(1), f = Placed<float>::poisoned(E);
  Placed<float> lse = Placed<float>::poisoned(N), z(random_values<float>(product(N, E), 1));
  Placed<double> total = Placed<double>::poisoned(E);
  Placed<int> choices(Ints(E, 1));
  Placed<unsigned char> scored(Bytes(N, 0));
  choice_shares(f.data(), choices.data(), 0.0, E);
  EXPECT_EQ(f.host(), Floats(E, 0.0f));
  balance_forward(loss.data(), f.data(), total.data(), 0.0, 2, E);
  EXPECT_EQ(loss.host(), Floats(1, 0.0f));
  z_loss_forward(loss.data(), lse.data(), z.data(), scored.data(), 0, N, E);
  EXPECT_EQ(loss.host(), Floats(1, 0.0f));
  Placed<float> dz(Floats(product(N, E), 0.5f)), dloss(Floats(1, 1.0f));
  balance_backward(dz.data(), z.data(), f.data(), scored.data(), dloss.data(), 0, 1, N, E);
  z_loss_backward(dz.data(), lse.data(), z.data(), scored.data(), dloss.data(), 0, N, E);
  EXPECT_EQ(dz.host(), Floats(product(N, E), 0.5f));
}

// ---- The experts --------------------------------------------------------------------------------

/// Forward, combine and backward of one mixture.
struct Mixture {
  ExpertDims d;
  Floats x, gate_up, down, gate, dout;
  Ints chosen;
  Bytes is_token;
  bool fresh;

  Mixture(ExpertDims dims, const Ints& chosen_, Padding padding, bool fresh_)
      : d(dims),
        x(random_values<float>(product(d.N, d.C), 1)),
        gate_up(random_values<float>(product(d.E, d.C, 2 * d.H), 2, 0.3)),
        down(random_values<float>(product(d.E, d.H, d.C), 3, 0.3)),
        gate(random_values<float>(product(d.N, d.K), 4)),
        dout(random_values<float>(product(d.N, d.C), 5)),
        chosen(chosen_),
        is_token(tokens(d.N, padding)),
        fresh(fresh_) {}

  std::size_t slots() const { return product(d.N, d.K); }

  /// y, gu, out, dxs, dgate, and the gradients of gate_up and down.
  std::vector<Doubles> in_double() const {
    const Doubles x_ = values_as<double>(x), up_ = values_as<double>(gate_up);
    const Doubles down_ = values_as<double>(down), gate_ = values_as<double>(gate);
    const Doubles dout_ = values_as<double>(dout);
    HostPlan at(d.N, d.E, d.K);
    plan_dispatch(at.plan(), chosen.data(), is_token.data(), d.N, d.E, d.K);
    Doubles y(slots() * std::size_t(d.C), std::numeric_limits<double>::quiet_NaN()), dxs = y;
    Doubles gu(slots() * 2 * std::size_t(d.H), y[0]), out(x.size(), y[0]);
    Doubles dgate(slots(), 0.5), dup(up_.size(), 0.5), ddown(down_.size(), 0.5);
    experts_forward(y.data(), gu.data(), x_.data(), up_.data(), down_.data(), at.plan(), d);
    combine(out.data(), y.data(), gate_.data(), at.slot.data(), d.N, d.K, d.C);
    experts_backward<double>(dxs.data(), dgate.data(), {dup.data(), ddown.data(), fresh, fresh},
                             nullptr, {x_.data(), up_.data(), down_.data(), gate_.data()},
                             gu.data(), dout_.data(), at.plan(), d);
    return {y, gu, out, dxs, dgate, dup, ddown};
  }

  std::vector<Floats> on_gpu(bool all_gradients = true) const {
    Placed<float> x_(x), up_(gate_up), down_(down), gate_(gate), dout_(dout);
    Placed<int> chosen_(chosen);
    Placed<unsigned char> flags(is_token);
    GpuPlan at(d.N, d.E, d.K);
    plan_dispatch(at.plan(), chosen_.data(), flags.data(), d.N, d.E, d.K);
    const auto poisoned = [](std::size_t count) { return Placed<float>::poisoned(count); };
    auto y = poisoned(slots() * std::size_t(d.C)), gu = poisoned(slots() * 2 * std::size_t(d.H));
    auto out = poisoned(x.size()), dxs = poisoned(slots() * std::size_t(d.C));
    auto scratch = poisoned(experts_scratch<GpuFloat>(d));
    Placed<float> dgate(Floats(slots(), 0.5f)), dup(Floats(gate_up.size(), 0.5f));
    Placed<float> ddown(Floats(down.size(), 0.5f));
    experts_forward(y.data(), gu.data(), x_.data(), up_.data(), down_.data(), at.plan(), d);
    combine<GpuFloat>(out.data(), y.data(), gate_.data(), at.slot.data(), d.N, d.K, d.C);
    const auto wanted = [&](Placed<float>& p) { return all_gradients ? p.data() : nullptr; };
    experts_backward<GpuFloat>(wanted(dxs), wanted(dgate),
                               {wanted(dup), wanted(ddown), fresh, fresh}, scratch.data(),
                               {x_.data(), up_.data(), down_.data(), gate_.data()}, gu.data(),
                               dout_.data(), at.plan(), d);
    EXPECT_TRUE(y.intact() && gu.intact() && out.intact() && dxs.intact() && dgate.intact() &&
                dup.intact() && ddown.intact() && scratch.intact() && x_.intact());
    return {y.host(), gu.host(), out.host(), dxs.host(), dgate.host(), dup.host(), ddown.host()};
  }
};

bool same_bits(const std::vector<Floats>& a, const std::vector<Floats>& b) {
  for (std::size_t i = 0; i < a.size(); ++i)
    if (std::memcmp(a[i].data(), b[i].data(), a[i].size() * sizeof(float)) != 0) return false;
  return true;
}

TEST(MoeOnGpu, ExpertsAreTheDefinitions) {
  for (const ExpertDims d : {ExpertDims{9, 4, 2, 8, 4}, {9, 4, 2, 7, 3}, {1, 1, 1, 4, 4},
                             {6, 3, 3, 12, 36}, {80, 5, 1, 4, 8}})
    for (const Padding padding : {Padding::none, Padding::some})
      for (const bool fresh : {false, true})
        for (const bool one : {false, true}) {  // expert E-1 has no token, or all have expert 1
          if (one && d.K > 1) continue;
          const Ints chosen = one ? Ints(std::size_t(d.N), d.E - 1)
                                  : random_choices(d.N, d.E, d.K, d.E - 1, 6);
          const Mixture mixture(d, chosen, padding, fresh);
          const auto got = mixture.on_gpu();
          const auto wanted = mixture.in_double();
          for (std::size_t i = 0; i < wanted.size(); ++i)  // rows of NaN: not written
            EXPECT_TRUE(all_same(got[i], wanted[i], 2e-5))
                << i << " of N " << d.N << " E " << d.E << " C " << d.C << " H " << d.H << fresh;
          EXPECT_TRUE(same_bits(got, mixture.on_gpu()));
        }
}

TEST(MoeOnGpu, ExpertsSkipNullGradients) {
  const ExpertDims d{9, 4, 2, 8, 4};
  const Mixture mixture(d, random_choices(d.N, d.E, d.K, 0, 6), Padding::some, true);
  const auto got = mixture.on_gpu(false);
  EXPECT_TRUE(all_same(got[2], mixture.in_double()[2], 2e-5));
  EXPECT_EQ(got[4], Floats(got[4].size(), 0.5f));
  EXPECT_EQ(got[5], Floats(got[5].size(), 0.5f));
}

TEST(MoeOnGpu, CombineAddsInOrderWithoutGates) {
  const int N = 3, K = 4;
  const Ints slot = {0, 5, -1, 2, -1, -1, -1, -1, 1, 4, 3, 6};
  for (const int C : {8, 5}) {  // by fours, and one by one
    const Floats y = random_values<float>(product(12, C), 1), before(product(N, C), 0.5f);
    Doubles out = values_as<double>(before);
    combine<double>(out.data(), values_as<double>(y).data(), nullptr, slot.data(), N, K, C, true);
    Placed<float> out_gpu(before), y_gpu(y);
    Placed<int> slot_gpu(slot);
    combine<GpuFloat>(out_gpu.data(), y_gpu.data(), nullptr, slot_gpu.data(), N, K, C, true);
    EXPECT_TRUE(all_same(out_gpu.host(), out, 1e-6));
    EXPECT_TRUE(out_gpu.intact());
  }
}

}  // namespace
}  // namespace ramoe
