#include "ch10_alignment/divergences.h"

#include <gtest/gtest.h>

#include <cmath>
#include <numeric>

#include "ch10_alignment/measured.h"
#include "support/compare.h"

namespace ramoe {
namespace {

std::vector<double> distribution(std::size_t E, unsigned seed) {
  std::vector<double> q = random_values<double>(E, seed, 1.5);
  double sum = 0;
  for (double& value : q) sum += value = std::exp(value);
  for (double& value : q) value /= sum;
  return q;
}

struct Result {
  double D;
  std::vector<double> g;
};
Result measured(const AlignmentMeasure& measure, const std::vector<double>& q_star,
                const std::vector<double>& q, const std::vector<int>& support) {
  Result result;
  result.D = alignment_divergence(measure, q_star, q, support, result.g);
  return result;
}

/// dz of a sequence of one token with p = q.
std::vector<double> logit_gradient(const std::vector<double>& q, const std::vector<double>& g) {
  const int rows[] = {0}, begin[] = {0, 1};
  const double dloss = 1;
  std::vector<double> dz(q.size());
  sequence_mean_backward(dz.data(), q.data(), g.data(), rows, begin, &dloss, 1, 1, int(q.size()));
  return dz;
}

/// The first `size` experts in an order by seed, ascending.
std::vector<int> some_experts(std::size_t E, std::size_t size, unsigned seed) {
  std::vector<int> experts(E);
  std::iota(experts.begin(), experts.end(), 0);
  Random(seed, 5).shuffle(experts);
  experts.resize(size);
  std::sort(experts.begin(), experts.end());
  return experts;
}

// Over S = {0,1} the outcomes are (0.5, 0.2, 0.3) in English and (0.3, 0.1, 0.6) in the target.
const std::vector<double> kStar = {0.5, 0.2, 0.2, 0.1}, kTarget = {0.3, 0.1, 0.4, 0.2};
const std::vector<int> kSupport = {0, 1};

TEST(AlignmentDivergence, ByHand) {
  // 0.5 ln(5/3) + 0.2 ln 2 + 0.3 ln(1/2) = 0.2554128 + 0.1386294 - 0.2079442
  const Result lumped = measured({AlignmentForm::lumped}, kStar, kTarget, kSupport);
  EXPECT_NEAR(lumped.D, 0.1860981, 1e-7);
  EXPECT_EQ(difference(lumped.g, std::vector<double>{-5.0 / 3, -2, -0.5, -0.5}, 1e-12, 0), "");

  // 0.2^2 + 0.1^2 + 0.3^2; the derivative 2 (a - a*), that of "any other" for experts 2 and 3.
  const Result mse = measured({AlignmentForm::mse}, kStar, kTarget, kSupport);
  EXPECT_NEAR(mse.D, 0.14, 1e-12);
  EXPECT_EQ(difference(mse.g, std::vector<double>{-0.4, -0.2, 0.6, 0.6}, 1e-12, 0), "");

  // 0.3 ln(3/5) + 0.1 ln(1/2) + 0.6 ln 2 = -0.1532477 - 0.0693147 + 0.4158883
  EXPECT_NEAR(measured({AlignmentForm::reverse_kl}, kStar, kTarget, kSupport).D, 0.1933259, 1e-7);

  // Middle (0.4, 0.15, 0.45): KL of English 0.0476087, of the target 0.0456181; half of both.
  const double english = 0.5 * std::log(1.25) + 0.2 * std::log(4.0 / 3) + 0.3 * std::log(2.0 / 3);
  const double target = 0.3 * std::log(0.75) + 0.1 * std::log(2.0 / 3) + 0.6 * std::log(4.0 / 3);
  EXPECT_NEAR((english + target) / 2, 0.0466134, 1e-7);
  EXPECT_NEAR(measured({AlignmentForm::js}, kStar, kTarget, kSupport).D, 0.0466134, 1e-7);

  // Mass 0.7 ln(7/4) + 0.3 ln(1/2) = 0.1837869; allocation 0.7 KL((5/7,2/7) || (3/4,1/4)).
  const AlignmentMeasure mass{AlignmentForm::mass_allocation, 1, 0},
      allocation{AlignmentForm::mass_allocation, 0, 1}, both{AlignmentForm::mass_allocation, 2, 3};
  EXPECT_NEAR(measured(mass, kStar, kTarget, kSupport).D, 0.1837869, 1e-7);
  EXPECT_NEAR(measured(allocation, kStar, kTarget, kSupport).D, 0.0023112, 1e-7);
  EXPECT_NEAR(measured(both, kStar, kTarget, kSupport).D, 2 * 0.1837869 + 3 * 0.0023112, 1e-6);
}

TEST(AlignmentDivergence, LumpedIsMassPlusAllocation) {
  for (unsigned seed = 0; seed < 50; ++seed) {
    const std::size_t E = 3 + seed % 6;
    const std::vector<double> a = distribution(E, 2 * seed), b = distribution(E, 2 * seed + 1);
    const std::vector<int> S = some_experts(E, 1 + seed % (E - 1), seed);
    double m_star = 0, m = 0, inside = 0;
    for (const int k : S) {
      m_star += a[std::size_t(k)];
      m += b[std::size_t(k)];
    }
    for (const int k : S) {
      const double share_star = a[std::size_t(k)] / m_star, share = b[std::size_t(k)] / m;
      inside += share_star * std::log(share_star / share);
    }
    const double bernoulli =
        m_star * std::log(m_star / m) + (1 - m_star) * std::log((1 - m_star) / (1 - m));
    const Result lumped = measured({AlignmentForm::lumped}, a, b, S);
    EXPECT_NEAR(lumped.D, bernoulli + m_star * inside, 1e-12);

    // With weights of one the two parts are the same loss. Their g differ by a constant, which the
    // softmax cannot see: only differences of g reach the logits.
    const Result parts = measured({AlignmentForm::mass_allocation}, a, b, S);
    EXPECT_NEAR(parts.D, lumped.D, 1e-12);
    for (std::size_t e = 1; e < E; ++e)
      EXPECT_NEAR(parts.g[e] - parts.g[0], lumped.g[e] - lumped.g[0], 1e-9);
    EXPECT_EQ(difference(logit_gradient(b, parts.g), logit_gradient(b, lumped.g), 1e-12, 1e-9), "");
  }
}

TEST(AlignmentDivergence, EqualRoutingsAreAtRest) {
  for (const AlignmentForm form : every<AlignmentForm>())
    for (unsigned seed = 0; seed < 20; ++seed) {
      const std::size_t E = 2 + seed % 6, size = 1 + seed % E;  // all experts among them
      const std::vector<double> q = distribution(E, seed);
      const Result rest = measured({form, 2, 3}, q, q, some_experts(E, size, seed));
      EXPECT_NEAR(rest.D, 0, 1e-12) << int(form);
      EXPECT_EQ(difference(logit_gradient(q, rest.g), std::vector<double>(E), 1e-12, 0), "")
          << int(form);
    }
}

TEST(AlignmentDivergence, NeverNegativeAndZeroOnlyAtRest) {
  for (const AlignmentForm form : every<AlignmentForm>())
    for (unsigned seed = 0; seed < 50; ++seed) {
      const std::size_t E = 3 + seed % 6, size = 1 + seed % (E - 1);
      const double D = measured({form}, distribution(E, 2 * seed), distribution(E, 2 * seed + 1),
                                some_experts(E, size, seed))
                           .D;
      EXPECT_GT(D, 0) << int(form) << " " << seed;
    }
}

/// g against finite differences. q stays a distribution: mass goes from expert i to expert j.
TEST(AlignmentDivergence, DerivativeByFiniteDifferences) {
  for (const AlignmentForm form : every<AlignmentForm>())
    for (unsigned seed = 0; seed < 12; ++seed) {
      const std::size_t E = 3 + seed % 4, size = 1 + seed % E;
      const std::vector<double> a = distribution(E, 2 * seed);
      std::vector<double> b = distribution(E, 2 * seed + 1);
      const std::vector<int> S = some_experts(E, size, seed);
      const AlignmentMeasure measure{form, 0.7, 1.9};
      const Result result = measured(measure, a, b, S);
      for (std::size_t i = 0; i < E; ++i)
        for (std::size_t j = 0; j < i; ++j) {
          const double h = 1e-6;
          const auto moved = [&](double by) {
            std::vector<double> q = b;
            q[i] += by;
            q[j] -= by;
            return measured(measure, a, q, S).D;
          };
          const double slope = (moved(h) - moved(-h)) / (2 * h);
          EXPECT_NEAR(result.g[i] - result.g[j], slope, 1e-6 * std::max(1.0, std::abs(slope)))
              << int(form) << " " << seed;
        }
    }
}

TEST(AlignmentDivergence, ZerosStayFinite) {
  const std::vector<double> zero_in_s = {0, 0.5, 0.5, 0}, all_in_s = {0.5, 0.5, 0, 0},
                            none_in_s = {0, 0, 0.5, 0.5}, even(4, 0.25);
  for (const AlignmentForm form : every<AlignmentForm>())
    for (const auto& a : {zero_in_s, all_in_s, none_in_s, even})
      for (const auto& b : {zero_in_s, all_in_s, none_in_s, even}) {
        const Result result = measured({form}, a, b, kSupport);
        ASSERT_TRUE(std::isfinite(result.D)) << "of the form " << name_of(form);
        for (const double g : result.g)
          ASSERT_TRUE(std::isfinite(g)) << "of the form " << name_of(form);
      }
  // q[0] = 0 counts as 1e-8, and no less: 0.25 ln(0.25e8) + 0.25 ln(1/2) + 0.5 ln(1).
  EXPECT_NEAR(measured({}, even, zero_in_s, kSupport).D,
              0.25 * std::log(0.25 / kAlignmentClamp) + 0.25 * std::log(0.5), 1e-6);
}

TEST(AlignmentDivergence, AllExpertsHaveNoOthers) {
  const std::vector<int> all = {0, 1, 2, 3};
  double kl = 0;
  for (std::size_t e = 0; e < 4; ++e) kl += kStar[e] * std::log(kStar[e] / kTarget[e]);
  const Result lumped = measured({}, kStar, kTarget, all);
  EXPECT_NEAR(lumped.D, kl, 1e-12);
  for (std::size_t e = 0; e < 4; ++e) EXPECT_NEAR(lumped.g[e], -kStar[e] / kTarget[e], 1e-12);
  EXPECT_NEAR(measured({AlignmentForm::mass_allocation, 5, 1}, kStar, kTarget, all).D, kl, 1e-7);
}

}  // namespace
}  // namespace ramoe
