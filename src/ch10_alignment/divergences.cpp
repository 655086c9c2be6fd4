#include "ch10_alignment/divergences.h"

#include <algorithm>
#include <cmath>

#include "support/error.h"

namespace ramoe {
namespace {

double clamped(double value) {
  return std::clamp(value, kAlignmentClamp, 1 - kAlignmentClamp);
}

/// What one outcome adds to D, and the derivative of that by a, for target a_star.
struct Term {
  double value, derivative;
};
Term outcome(AlignmentForm form, double a_star, double a) {
  switch (form) {
    case AlignmentForm::mse:
      return {(a - a_star) * (a - a_star), 2 * (a - a_star)};
    case AlignmentForm::reverse_kl:
      return {a * std::log(a / a_star), std::log(a / a_star) + 1};
    case AlignmentForm::js: {
      const double middle = (a + a_star) / 2;
      return {(a_star * std::log(a_star / middle) + a * std::log(a / middle)) / 2,
              std::log(a / middle) / 2};
    }
    default:  // one outcome of KL(a* || a)
      return {a_star * std::log(a_star / a), -a_star / a};
  }
}

}  // namespace

double alignment_divergence(const AlignmentMeasure& measure, const std::vector<double>& q_star,
                            const std::vector<double>& q, const std::vector<int>& support,
                            std::vector<double>& g) {
  check(q.size() == q_star.size() && !support.empty(), "alignment of ", q.size(), " experts with ",
        q_star.size(), " over a support of ", support.size(),
        "; expected equal numbers and a support.");
  double m = 0, m_star = 0;
  for (const int k : support) {
    check(k >= 0 && k < static_cast<int>(q.size()), "support expert ", k, " is not one of ",
          q.size(), ".");
    m += q[std::size_t(k)];
    m_star += q_star[std::size_t(k)];
  }
  m = clamped(m);
  m_star = clamped(m_star);
  const bool others = support.size() < q.size();
  double D = 0;
  if (measure.form == AlignmentForm::mass_allocation) {
    // w_m KL_Bernoulli(m*||m) + w_a sum q* (log(q*/m*) - log(q/m)); d/dm is spread over S.
    const double w_m = others ? measure.mass_weight : 0.0, w_a = measure.allocation_weight;
    D = w_m * (m_star * std::log(m_star / m) + (1 - m_star) * std::log((1 - m_star) / (1 - m)));
    const double by_mass = w_m * ((1 - m_star) / (1 - m) - m_star / m) + w_a * m_star / m;
    g.assign(q.size(), 0.0);
    for (const int k : support) {
      const double a = clamped(q[std::size_t(k)]), a_star = clamped(q_star[std::size_t(k)]);
      D += w_a * a_star * (std::log(a_star / m_star) - std::log(a / m));
      g[std::size_t(k)] = by_mass - w_a * a_star / a;
    }
    return D;
  }
  const Term rest = others ? outcome(measure.form, 1 - m_star, 1 - m) : Term{0, 0};
  D = rest.value;
  g.assign(q.size(), rest.derivative);
  for (const int k : support) {
    const Term term =
        outcome(measure.form, clamped(q_star[std::size_t(k)]), clamped(q[std::size_t(k)]));
    D += term.value;
    g[std::size_t(k)] = term.derivative;
  }
  return D;
}

}  // namespace ramoe
