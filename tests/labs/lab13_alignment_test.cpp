// Lab 13: the divergence of a routing from its English side, and its gradient to the logits.
#include "ch01_tensor/vector_ops.h"
#include "ch10_alignment/divergences.h"
#include "labs/lab.h"

namespace ramoe {
namespace {

struct Measured {
  double D;
  Doubles g;
};
Measured measured(const AlignmentMeasure& measure, const Doubles& q_star, const Doubles& q,
                  const std::vector<unsigned char>& support) {
  Measured m{std::nan(""), Doubles(q.size(), std::nan(""))};
  alignment_divergence_forward(&m.D, m.g.data(), q_star.data(), q.data(), support.data(), measure,
                               1, int(q.size()));
  return m;
}
const std::vector<unsigned char> first_two = {1, 1, 0, 0};
const Doubles q_star = {0.4, 0.2, 0.3, 0.1}, q = {0.1, 0.3, 0.2, 0.4};

TEST(Lab13Alignment, TheMeanOfASequence) {
  const Doubles p = {1, 0, /**/ 0.5, 0.5, /**/ 0, 1, /**/ 0.25, 0.75};
  const std::vector<int> rows = {0, 1, 3}, begin = {0, 2, 3};
  Doubles mean(4, std::nan(""));
  sequence_mean_forward(mean.data(), p.data(), rows.data(), begin.data(), 2, 2);
  expect_values(mean, {0.75, 0.25, 0.25, 0.75},
                "q[s] is the mean of p over rows[begin[s]] to rows[begin[s+1] - 1]");
}

TEST(Lab13Alignment, LumpedByHand) {
  // Outcomes: expert 0, expert 1, all others: (0.4, 0.2, 0.4) from (0.1, 0.3, 0.6).
  const double D = 0.4 * std::log(4.0) + 0.2 * std::log(2.0 / 3) + 0.4 * std::log(2.0 / 3);
  expect_value(measured({}, q_star, q, first_two).D, D,
               "one term for each expert of the support, and one for all others together");
}

TEST(Lab13Alignment, LumpedGradientByHand) {
  expect_values(measured({}, q_star, q, first_two).g, {-4, -2.0 / 3, -2.0 / 3, -2.0 / 3},
                "-q*/q in the support; outside of it -(1-m*)/(1-m), the same for all");
}

TEST(Lab13Alignment, EqualRoutingsDoNotDiverge) {
  for (const AlignmentForm form :
       {AlignmentForm::lumped, AlignmentForm::js, AlignmentForm::mse, AlignmentForm::reverse_kl})
    expect_value(measured({form}, q, q, first_two).D, 0, cat(name_of(form), ": D(q,q) is 0"));
}

TEST(Lab13Alignment, MassAndAllocationTogetherAreLumped) {
  const Measured parts = measured({AlignmentForm::mass_allocation}, q_star, q, first_two);
  const Measured lumped = measured({}, q_star, q, first_two);
  expect_value(parts.D, lumped.D, "with weights 1 and 1 the two parts sum to the lumped form");
  const AlignmentMeasure mass{AlignmentForm::mass_allocation, 1, 0};
  const double m = 0.4, m_star = 0.6;
  expect_value(measured(mass, q_star, q, first_two).D,
               m_star * std::log(m_star / m) + (1 - m_star) * std::log((1 - m_star) / (1 - m)),
               "the mass alone: KL of two outcomes, m* and 1 - m*");
}

TEST(Lab13Alignment, GradientOfEveryForm) {
  for (const AlignmentForm form : every<AlignmentForm>()) {
    const AlignmentMeasure measure{form, 0.7, 1.3};
    // Along directions that keep the sum of q: g is defined up to the same number for all.
    const Doubles g = measured(measure, q_star, q, first_two).g;
    for (std::size_t e = 1; e < 4; ++e) {
      const double h = 1e-6;
      Doubles up = q, down = q;
      up[e] += h, up[0] -= h, down[e] -= h, down[0] += h;
      const double slope = (measured(measure, q_star, up, first_two).D -
                            measured(measure, q_star, down, first_two).D) /
                           (2 * h);
      expect_value(g[e] - g[0], slope, cat(name_of(form), ": dD/dq[", e, "] - dD/dq[0]"), kSlope);
    }
  }
}

TEST(Lab13Alignment, ZerosStayFinite) {
  const Measured m = measured({}, {1, 0, 0, 0}, {0, 1, 0, 0}, first_two);
  EXPECT_TRUE(std::isfinite(m.D)) << "  usually: clamp q and q* before the logarithm";
  for (const double g : m.g) EXPECT_TRUE(std::isfinite(g)) << "  usually: clamp before dividing";
}

TEST(Lab13Alignment, TheGradientReachesTheLogits) {
  const int E = 3;
  const Doubles z = random_values<double>(12, 1), g = random_values<double>(6, 2);
  const std::vector<int> rows = {0, 2, 3}, begin = {0, 2, 3};
  const double dloss = 2;
  Doubles p(12), dz(12, 1.0);
  softmax_forward(p.data(), z.data(), 4, E);
  sequence_mean_backward(dz.data(), p.data(), g.data(), rows.data(), begin.data(), &dloss, 4, 2, E);
  Doubles expected = slopes(
      [&](const Doubles& at) {
        Doubles p_at(12), mean(6);
        softmax_forward(p_at.data(), at.data(), 4, E);
        sequence_mean_forward(mean.data(), p_at.data(), rows.data(), begin.data(), 2, E);
        return dloss / 4 * weighed(g, mean);
      },
      z);
  for (double& d : expected) d += 1;
  expect_values(dz, expected,
                "dloss/parts 1/T p (g - sum p g), added, in the rows of the sequence alone",
                kSlope);
}

TEST(Lab13Alignment, TheLossIsTheMean) {
  const Doubles D = {1, 2, 3, 10, 20, 30};
  double loss = std::nan("");
  alignment_mean_forward(&loss, D.data(), 6, 2, 3);
  expect_value(loss, 11, "the mean over all layers and sequences");
}

}  // namespace
}  // namespace ramoe
