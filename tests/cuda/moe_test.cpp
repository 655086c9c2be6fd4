// Experts on the GPU, or emulated, where the cases of op_cases.h do not reach: plans equal to the
// definition's, null and fresh gradients, rows that nobody uses.
#include <gtest/gtest.h>

#include "ch04_moe/experts.h"
#include "moe_inputs.h"

namespace ramoe {
namespace {

/// A plan with room of its own, on the host.
struct HostPlan {
  Ints offset, token, choice, slot;
  HostPlan(int N, int E, int K)
      : offset(std::size_t(E) + 1, -777), token(product(N, K), -777), choice(token), slot(token) {}
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
  EXPECT_TRUE(got.offset.intact() && got.token.intact() && got.choice.intact() && got.slot.intact())
      << where;
}

TEST(MoeOnGpu, PlanIsTheDefinitions) {
  struct Size {
    int N, E, K;
  };
  unsigned seed = 0;
  for (const Size s : std::vector<Size>{{1, 1, 1},
                                        {1, 8, 8},
                                        {1, 64, 2},
                                        {5, 3, 3},
                                        {31, 2, 1},
                                        {33, 64, 8},
                                        {300, 100, 3},
                                        {257, 7, 2},
                                        {900, 8, 2},
                                        {64, 300, 16}})
    for (const Padding padding : {Padding::none, Padding::some, Padding::all})
      for (const int left_out : {-1, 0, s.E - 1})
        expect_same_plan(random_choices(s.N, s.E, s.K, left_out, ++seed), tokens(s.N, padding), s.N,
                         s.E, s.K);
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
    Doubles dgate(slots(), fresh ? kNan : 0.5), dup(up_.size(), 0.5), ddown(down_.size(), 0.5);
    experts_forward(y.data(), gu.data(), x_.data(), up_.data(), down_.data(), at.plan(), d);
    combine(out.data(), y.data(), gate_.data(), at.slot.data(), d.N, d.K, d.C);
    experts_backward<double>(
        dxs.data(), dgate.data(), {dup.data(), ddown.data(), fresh, fresh, fresh}, nullptr,
        {x_.data(), up_.data(), down_.data(), gate_.data()}, gu.data(), dout_.data(), at.plan(), d);
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
    Placed<float> dgate(Floats(slots(), fresh ? kNan : 0.5f)), dup(Floats(gate_up.size(), 0.5f));
    Placed<float> ddown(Floats(down.size(), 0.5f));
    experts_forward(y.data(), gu.data(), x_.data(), up_.data(), down_.data(), at.plan(), d);
    combine<GpuFloat>(out.data(), y.data(), gate_.data(), at.slot.data(), d.N, d.K, d.C);
    const auto wanted = [&](Placed<float>& p) { return all_gradients ? p.data() : nullptr; };
    experts_backward<GpuFloat>(wanted(dxs), wanted(dgate),
                               {wanted(dup), wanted(ddown), fresh, fresh, fresh}, scratch.data(),
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
  for (const ExpertDims d : {ExpertDims{9, 4, 2, 8, 4},
                             {9, 4, 2, 7, 3},
                             {1, 1, 1, 4, 4},
                             {6, 3, 3, 12, 36},
                             {80, 5, 1, 4, 8}})
    for (const Padding padding : {Padding::none, Padding::some})
      for (const bool fresh : {false, true})
        for (const bool one : {false, true}) {  // expert E-1 has no token, or all have expert 1
          if (one && d.K > 1) continue;
          const Ints chosen =
              one ? Ints(std::size_t(d.N), d.E - 1) : random_choices(d.N, d.E, d.K, d.E - 1, 6);
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
  EXPECT_TRUE(all_same(got[4], Floats(got[4].size(), kNan)));
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
    auto other = Placed<float>::poisoned(before.size());  // from before, to other memory
    Placed<float> before_gpu(before), no_gates(Floats(product(N, K), 1.0f));
    combine_plus<GpuFloat>(other.data(), before_gpu.data(), y_gpu.data(), no_gates.data(),
                           slot_gpu.data(), N, K, C);
    EXPECT_TRUE(all_same(other.host(), out, 1e-6));
    EXPECT_TRUE(other.intact());
  }
}

}  // namespace
}  // namespace ramoe
