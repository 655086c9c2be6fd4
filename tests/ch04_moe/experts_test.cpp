#include "ch04_moe/experts.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <ostream>

#include "ch02_autograd/basic_ops.h"
#include "ch02_autograd/gradcheck.h"
#include "fast/gemm_bf16.h"
#include "support/compare.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

using Bytes = std::vector<unsigned char>;
using Tensors = std::vector<Tensor<double>>;

struct Case {
  int N, E, K, C, H;
  int skip;   // every skip-th row is padding; 0: none
  int empty;  // this expert is chosen by nobody; -1: any may be
  friend std::ostream& operator<<(std::ostream& out, const Case& c) {
    return out << "N=" << c.N << " E=" << c.E << " K=" << c.K << " C=" << c.C << " H=" << c.H;
  }
  Bytes real() const {
    Bytes real(std::size_t(N), 1);
    for (int n = 0; skip > 0 && n < N; n += skip) real[std::size_t(n)] = 0;
    return real;
  }
  /// K different experts per row, never `empty`.
  std::vector<int> chosen() const {
    std::vector<int> chosen;
    for (int n = 0; n < N; ++n) {
      std::vector<int> order;
      for (int e = 0; e < E; ++e)
        if (e != empty) order.push_back(e);
      Random random(5, std::uint64_t(n));
      random.shuffle(order);
      chosen.insert(chosen.end(), order.begin(), order.begin() + K);
    }
    return chosen;
  }
};
const Case kCases[] = {{1, 1, 1, 1, 1, 0, -1},   {7, 4, 2, 17, 5, 3, 1}, {5, 3, 3, 8, 4, 0, -1},
                       {40, 8, 2, 33, 17, 4, 0}, {3, 6, 1, 2, 1, 1, -1}, {300, 5, 2, 64, 32, 7, 4},
                       {2, 16, 2, 16, 16, 0, 15}};

TEST(PlanDispatch, ByHand) {
  // Tokens 0, 1 (padding), 2, 3; K = 2: expert 0 gets token 2; 1 gets 0, 3; 2 none; 3 gets 0, 2, 3.
  const std::vector<int> chosen = {3, 1, /**/ 0, 2, /**/ 0, 3, /**/ 1, 3};
  const Bytes real = {1, 0, 1, 1};
  std::vector<int> offset(5, -9), token(8, -9), choice(8, -9), slot(8, -9);
  const DispatchPlan<double> plan{offset.data(), token.data(), choice.data(), slot.data()};
  plan_dispatch(plan, chosen.data(), real.data(), 4, 4, 2);
  EXPECT_EQ(offset, (std::vector<int>{0, 1, 3, 3, 6}));
  EXPECT_EQ(token, (std::vector<int>{2, 0, 3, 0, 2, 3, -9, -9}));
  EXPECT_EQ(choice, (std::vector<int>{4, 1, 6, 0, 5, 7, -9, -9}));
  EXPECT_EQ(slot, (std::vector<int>{3, 1, -1, -1, 0, 4, 2, 5}));
}

TEST(PlanDispatch, IsASortedPermutation) {
  for (const Case& c : kCases) {
    const std::vector<int> chosen = c.chosen();
    const Bytes real = c.real();
    std::vector<int> offset(std::size_t(c.E) + 1), token(chosen.size(), -9), slot(chosen.size());
    std::vector<int> choice(chosen.size(), -9);
    const DispatchPlan<double> plan{offset.data(), token.data(), choice.data(), slot.data()};
    plan_dispatch(plan, chosen.data(), real.data(), c.N, c.E, c.K);
    ASSERT_EQ(offset[0], 0);
    const std::size_t slots = std::size_t(offset.back());
    std::vector<int> taken(slots, 0);
    for (std::size_t i = 0; i < chosen.size(); ++i) {
      const std::size_t n = i / std::size_t(c.K);
      if (!real[n]) {
        EXPECT_EQ(slot[i], -1);
        continue;
      }
      ASSERT_GE(slot[i], offset[std::size_t(chosen[i])]);
      ASSERT_LT(slot[i], offset[std::size_t(chosen[i]) + 1]);
      EXPECT_EQ(token[std::size_t(slot[i])], int(n));
      EXPECT_EQ(choice[std::size_t(slot[i])], int(i));
      ++taken[std::size_t(slot[i])];
    }
    EXPECT_EQ(taken, std::vector<int>(slots, 1)) << c;
    for (int e = 0; e < c.E; ++e)
      for (int s = offset[std::size_t(e)] + 1; s < offset[std::size_t(e) + 1]; ++s)
        EXPECT_LT(token[std::size_t(s) - 1], token[std::size_t(s)]) << c;
  }
}

/// A routing with given choices and gates, as route() would leave it.
template <class T>
Routing<T> routing_of(const Case& c, const std::vector<int>& chosen, const Tensor<T>& gate) {
  Routing<T> r;
  r.N = c.N;
  r.E = c.E;
  r.K = c.K;
  r.chosen.expert = chosen.data();
  r.gate = gate;
  return r;
}

/// out[n] = sum_k gate[n,k] expert_{chosen[n,k]}(x[n]), token by token.
std::vector<double> mixture(const Case& c, const std::vector<double>& x,
                            const std::vector<double>& gate_up, const std::vector<double>& down,
                            const std::vector<double>& gate) {
  const std::vector<int> chosen = c.chosen();
  const Bytes real = c.real();
  std::vector<double> out(x.size(), 0.0);
  for (int n = 0; n < c.N; ++n)
    for (int k = 0; real[std::size_t(n)] && k < c.K; ++k) {
      const int e = chosen[std::size_t(n * c.K + k)];
      for (int h = 0; h < c.H; ++h) {
        double g = 0, up = 0;
        for (int i = 0; i < c.C; ++i) {
          const double* w = row(gate_up.data(), e * c.C + i, 2 * c.H);
          g += x[std::size_t(n * c.C + i)] * w[h];
          up += x[std::size_t(n * c.C + i)] * w[c.H + h];
        }
        const double act = g / (1 + std::exp(-g)) * up * gate[std::size_t(n * c.K + k)];
        for (int i = 0; i < c.C; ++i)
          row(out.data(), n, c.C)[i] += act * row(down.data(), e * c.H + h, c.C)[i];
      }
    }
  return out;
}

TEST(Experts, EveryTokenPassesThroughItsExperts) {
  ThreadPool pool(2);
  const PoolScope scope(pool);
  for (const Case& c : kCases) {
    const std::size_t rows = std::size_t(c.N * c.C), up = std::size_t(c.E * c.C * 2 * c.H);
    const std::vector<int> chosen = c.chosen();
    const Bytes real = c.real();
    // Weights of deviation 1/sqrt(width), so that every layer's values stay of size 1.
    auto x = random_values<float>(rows, 1), gate = random_values<float>(chosen.size(), 2);
    auto gate_up = random_values<float>(up, 3, 1 / std::sqrt(double(c.C)));
    auto down = random_values<float>(up / 2, 4, 1 / std::sqrt(double(c.H)));
    for (int n = 0; n < c.N; ++n)  // nobody may read a padding row
      if (!real[std::size_t(n)])
        std::fill_n(x.begin() + n * c.C, c.C, std::numeric_limits<float>::quiet_NaN());
    const std::vector<double> xd(x.begin(), x.end()), ud(gate_up.begin(), gate_up.end()),
        dd(down.begin(), down.end()), gd(gate.begin(), gate.end());
    const std::vector<double> wanted = mixture(c, xd, ud, dd, gd);
    const auto expect_mixture = [&]<class T>(std::vector<T> x_t, std::vector<T> gate_t,
                                             std::vector<T> up_t, std::vector<T> down_t,
                                             double atol, double rtol) {
      Arena arena;
      Tape<T> tape(arena);
      const Tensor<T> out =
          experts(tape, tape.constant(x_t.data(), {c.N, c.C}),
                  routing_of<T>(c, chosen, tape.constant(gate_t.data(), {c.N, c.K})),
                  tape.constant(up_t.data(), {c.E, c.C, 2 * c.H}),
                  tape.constant(down_t.data(), {c.E, c.H, c.C}), real.data());
      EXPECT_EQ(difference(out.data, wanted.data(), rows, atol, rtol), "") << c;
    };
    // Two products of up to 64 terms of size up to 10: some units of 6e-8 of that.
    expect_mixture(x, gate, gate_up, down, 5e-6, 2e-6);
    expect_mixture(xd, gd, ud, dd, 1e-12, 1e-12);  // sums in another order
  }
}

TEST(Experts, Gradient) {
  for (const Case& c : {Case{1, 1, 1, 1, 1, 0, -1},
                        {5, 4, 2, 3, 2, 3, 1},
                        {4, 3, 3, 17, 1, 0, -1},
                        {3, 2, 1, 2, 3, 1, -1}}) {
    const std::vector<int> chosen = c.chosen();
    const Bytes real = c.real();
    EXPECT_EQ(gradient_error(
                  [&](Tape<double>& t, const Tensors& in) {
                    return experts(t, in[0], routing_of(c, chosen, in[1]), in[2], in[3],
                                   real.data());
                  },
                  {random_input("x", {c.N, c.C}, 1), random_input("gate", {c.N, c.K}, 2),
                   random_input("gate_up", {c.E, c.C, 2 * c.H}, 3),
                   random_input("down", {c.E, c.H, c.C}, 4)}),
              "")
        << c;
  }
}

/// Gradients of `experts` in the order x, gate, gate_up, down, for dout = 1, on some threads.
template <class T>
std::vector<std::vector<T>> gradients_of(const Case& c, const std::vector<int>& chosen,
                                         int threads) {
  ThreadPool pool(threads);
  const PoolScope scope(pool);
  const Shape shapes[] = {{c.N, c.C}, {c.N, c.K}, {c.E, c.C, 2 * c.H}, {c.E, c.H, c.C}};
  std::vector<std::vector<T>> values, gradients;
  for (std::size_t i = 0; i < 4; ++i) {
    values.push_back(
        random_values<T>(shapes[i].count(), static_cast<unsigned>(i + 1), i < 2 ? 1 : 0.2));
    gradients.emplace_back(shapes[i].count());
  }
  Arena arena;
  std::fill_n(arena.take<T>(1 << 16), 1 << 16, std::numeric_limits<T>::quiet_NaN());
  arena.reset();
  Tape<T> tape(arena);
  const auto input = [&](std::size_t i) {
    return tape.leaf(values[i].data(), gradients[i].data(), shapes[i]);
  };
  const Bytes real = c.real();
  const Tensor<T> gate = input(1);
  const Tensor<T> out =
      experts(tape, input(0), routing_of(c, chosen, gate), input(2), input(3), real.data());
  std::vector<T> ones(std::size_t(std::max(c.N, c.C)), T(1));
  const Tensor<T> by_row = linear(tape, out, tape.constant(ones.data(), {c.C, 1}));
  tape.backward(linear(tape, tape.constant(ones.data(), {1, c.N}), by_row));
  return gradients;
}

// An expert with more slots than one sum of its gradient takes (512) is shared between threads.
TEST(Experts, ABusyExpertsGradientIsSummedInPartsWithTheSameBits) {
  const Case c{1300, 3, 1, 5, 3, 7, 2};
  std::vector<int> chosen(1300, 0);
  for (std::size_t n = 0; n < chosen.size(); n += 13) chosen[n] = 1;
  const auto one = gradients_of<float>(c, chosen, 1);
  EXPECT_EQ(gradients_of<float>(c, chosen, 2), one);
  EXPECT_EQ(gradients_of<float>(c, chosen, 3), one);
  const auto wanted = gradients_of<double>(c, chosen, 1);
  for (std::size_t i = 0; i < 4; ++i) {
    // Sums of up to 1200 terms of size 1: 1200 times 6e-8 at most.
    const std::vector<double> got(one[i].begin(), one[i].end());
    EXPECT_EQ(difference(got.data(), wanted[i].data(), got.size(), 7e-5, 1e-5), "") << i;
  }
  // The parts again, against the sum over the rows taken apart: expert 0's rows in two halves.
  std::vector<int> first = chosen, second = chosen;
  for (std::size_t n = 0; n < 1300; ++n) (n < 650 ? second : first)[n] = 2;
  const auto a = gradients_of<double>(c, first, 1), b = gradients_of<double>(c, second, 1);
  for (std::size_t i = 2; i < 4; ++i) {
    const std::size_t each = wanted[i].size() / 3;
    for (std::size_t j = 0; j < each; ++j)
      EXPECT_NEAR(a[i][j] + b[i][j], wanted[i][j], 1e-10) << i << " " << j;
  }
}

// One token, one expert, one channel: all six products by hand, each input rounded.
TEST(Experts, EveryProductIsInThePrecisionOfTheTape) {
  for (const Precision precision : {Precision::fp32, Precision::bf16}) {
    const auto r = [&](double v) {
      const float x = static_cast<float>(v);
      return double(precision == Precision::bf16 ? round_to_bf16(x) : x);
    };
    // Each moves by some 0.3 % when rounded, all towards 0, so that no later rounding hides it.
    std::vector<float> x{1.0038f}, gate_up{0.7519f, -1.3397f}, down{1.0117f}, one{1};
    std::vector<float> dx(1), dgate_up(2), ddown(1);
    const double dout = 1.0038, g = r(x[0]) * r(gate_up[0]), u = r(x[0]) * r(gate_up[1]);
    const double s = 1 / (1 + std::exp(-g)), act = g * s * u;
    const double dact = r(dout) * r(down[0]);
    const double dg = dact * u * s * (1 + g * (1 - s)), du = dact * g * s;
    const Case c{1, 1, 1, 1, 1, 0, -1};
    const std::vector<int> chosen{0};
    const Bytes real{1};
    Arena arena;
    Tape<float> tape(arena, precision);
    const Tensor<float> out =
        experts(tape, tape.leaf(x.data(), dx.data(), {1, 1}),
                routing_of<float>(c, chosen, tape.constant(one.data(), {1, 1})),
                tape.leaf(gate_up.data(), dgate_up.data(), {1, 1, 2}),
                tape.leaf(down.data(), ddown.data(), {1, 1, 1}), real.data());
    const Tape<float>::InPrecision later(tape, Precision::fp32);  // recorded already: no effect
    tape.backward(weighted_sum<float>(tape, {{tape.reshape(out, Shape{}), dout}}));
    // A dozen fp32 roundings of 6e-8; what bf16 changes is 1e-3.
    const std::vector<float> got{out.data[0], dx[0], dgate_up[0], dgate_up[1], ddown[0]};
    const std::vector<double> wanted{r(act) * r(down[0]),
                                     r(dg) * r(gate_up[0]) + r(du) * r(gate_up[1]), r(x[0]) * r(dg),
                                     r(x[0]) * r(du), r(act) * r(dout)};
    EXPECT_EQ(difference(got, wanted, 0, 2e-6), "");
  }
}

TEST(Experts, GradientThroughTheRouter) {
  for (const bool renormalise : {false, true}) {
    const Bytes real = {1, 1, 0, 1, 1};
    EXPECT_EQ(gradient_error(
                  [&](Tape<double>& t, const Tensors& in) {
                    return experts(t, in[0], route(t, in[0], in[1], 2, renormalise), in[2], in[3],
                                   real.data());
                  },
                  {random_input("x", {5, 3}, 1), random_input("router", {3, 4}, 2),
                   random_input("gate_up", {4, 3, 4}, 3), random_input("down", {4, 2, 3}, 4)}),
              "");
  }
}

TEST(Experts, GradientOfSigmoidGate) {
  for (const Shape& shape : {Shape{1, 1}, Shape{4, 17}})
    EXPECT_EQ(gradient_error(
                  [](Tape<double>& t, const Tensors& in) { return sigmoid_gate(t, in[0], in[1]); },
                  {random_input("s", {shape[0], 1}, 1), random_input("y", shape, 2)}),
              "");
}

TEST(Experts, ShapesThatDoNotFitAreNamed) {
  Arena arena;
  Tape<float> tape(arena);
  const Case c{2, 3, 1, 4, 2, 0, -1};
  const std::vector<int> chosen = c.chosen();
  std::vector<float> v(100);
  const Bytes real = c.real();
  const auto attempt = [&](int rows, const Shape& gate_up, const Shape& down) {
    return error_of([&] {
      experts(tape, tape.constant(v.data(), {rows, 4}),
              routing_of<float>(c, chosen, tape.constant(v.data(), {2, 1})),
              tape.constant(v.data(), gate_up), tape.constant(v.data(), down), real.data());
    });
  };
  EXPECT_EQ(attempt(2, {3, 4, 4}, {3, 2, 4}), "no error");
  EXPECT_TRUE(mentions(attempt(2, {3, 4, 5}, {3, 2, 4}), "gate_up of the experts"));
  EXPECT_TRUE(mentions(attempt(2, {3, 4, 4}, {3, 2, 5}), "down of the experts"));
  EXPECT_TRUE(mentions(attempt(1, {3, 4, 4}, {3, 2, 4}), "2 routed rows for 1"));
}

}  // namespace
}  // namespace ramoe
