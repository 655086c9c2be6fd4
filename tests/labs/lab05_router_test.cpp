// Lab 5: which K of E experts a token visits, with which weights, and their gradient.
#include "ch01_tensor/vector_ops.h"
#include "ch04_moe/router.h"
#include "labs/lab.h"

namespace ramoe {
namespace {

struct Routed {
  std::vector<int> chosen;
  Doubles gate;
};
Routed routed(const Doubles& p, int N, int K, bool renormalise) {
  Routed r{std::vector<int>(std::size_t(N * K), -7), Doubles(std::size_t(N * K), std::nan(""))};
  route_forward(r.chosen.data(), r.gate.data(), p.data(), renormalise, N, int(p.size()) / N, K);
  return r;
}

TEST(Lab05Router, TheLargestOfOneRow) {
  const Routed r = routed({0.2, 0.5, 0.3}, 1, 1, false);
  expect_numbers(r.chosen, {1}, "chosen[0] is the number of the largest p");
  expect_values(r.gate, {0.5}, "without renormalising, the gate is p of the chosen expert");
}

TEST(Lab05Router, TheLargestComesFirst) {
  const Routed r = routed({0.1, 0.2, 0.4, 0.3}, 1, 3, false);
  expect_numbers(r.chosen, {2, 3, 1}, "the chosen experts stand by falling p, not by number");
  expect_values(r.gate, {0.4, 0.3, 0.2}, "gates stand in the order of the choices");
}

TEST(Lab05Router, TiesGoToTheLowerExpert) {
  expect_numbers(routed({0.25, 0.25, 0.25, 0.25}, 1, 2, false).chosen, {0, 1},
                 "of equal p the lower expert comes first: > where you wrote >=?");
  expect_numbers(routed({0.1, 0.4, 0.1, 0.4}, 1, 3, false).chosen, {1, 3, 0},
                 "of equal p the lower expert comes first, also at the last place");
}

TEST(Lab05Router, EveryExpertOnceIfKIsE) {
  expect_numbers(routed({0.2, 0.5, 0.3}, 1, 3, false).chosen, {1, 2, 0},
                 "no expert may be chosen twice");
  expect_numbers(routed({0, 0, 1}, 1, 3, false).chosen, {2, 0, 1},
                 "experts with p = 0 are chosen too, once the others are");
}

TEST(Lab05Router, RowsAreIndependent) {
  const Routed r = routed({0.9, 0.1, 0.0, 0.0, 0.3, 0.7}, 2, 2, false);
  expect_numbers(r.chosen, {0, 1, 2, 1}, "row n begins at n E in p and at n K in chosen and gate");
}

TEST(Lab05Router, RenormalisedGatesSumToOne) {
  const Routed r = routed({0.1, 0.2, 0.4, 0.3}, 1, 2, true);
  expect_values(r.gate, {4.0 / 7, 3.0 / 7}, "gate = p / (sum of the K chosen p)");
}

/// dz of route_backward, for logits z; it is added to 1.
Doubles gradient(const Doubles& z, const Doubles& dgate, int N, int K, bool renormalise) {
  const int E = int(z.size()) / N;
  Doubles p(z.size()), dz(z.size(), 1.0);
  softmax_forward(p.data(), z.data(), N, E);
  const Routed r = routed(p, N, K, renormalise);
  route_backward(dz.data(), p.data(), r.chosen.data(), r.gate.data(), dgate.data(), renormalise, N,
                 E, K);
  return dz;
}
/// The same by finite differences. The choices must not change within the step: they have no
/// derivative.
Doubles by_differences(const Doubles& z, const Doubles& dgate, int N, int K, bool renormalise) {
  Doubles d = slopes(
      [&](const Doubles& at) {
        Doubles p(at.size());
        softmax_forward(p.data(), at.data(), N, int(at.size()) / N);
        return weighed(dgate, routed(p, N, K, renormalise).gate);
      },
      z);
  for (double& value : d) value += 1;
  return d;
}
const Doubles z = {0.3, -1.2, 0.8, 2.1, 1.0, 0.2, -0.4, -2.0}, dgate = {0.7, -1.1, 0.4, 2.0};

TEST(Lab05Router, GradientOfPlainGates) {
  expect_values(gradient(z, dgate, 2, 2, false), by_differences(z, dgate, 2, 2, false),
                "gate[k] = p[chosen[k]]: put dgate where it was chosen, 0 elsewhere, then through "
                "the softmax over all E, and add",
                kSlope);
}

TEST(Lab05Router, GradientOfRenormalisedGates) {
  expect_values(gradient(z, dgate, 2, 2, true), by_differences(z, dgate, 2, 2, true),
                "renormalised gates are the softmax over the chosen z alone", kSlope);
}

TEST(Lab05Router, AnExpertNotChosenFeelsNoRenormalisedGate) {
  const Doubles dz = gradient({3, 1, 2, 0}, {1, -1}, 1, 2, true);
  expect_values(Doubles{dz[1], dz[3]}, {1, 1},
                "experts 1 and 3 were not chosen: nothing may be added to their dz");
}

TEST(Lab05Router, EqualGradientsOfAllGatesChangeNothing) {
  expect_values(gradient({3, 1, 2}, {5, 5, 5}, 1, 3, false), {1, 1, 1},
                "all p sum to 1, so a gradient that is the same for all of them has no effect");
}

}  // namespace
}  // namespace ramoe
