// Chapter 10.1 - how far is one routing from another? The loss of stage 3          [paper fact 4]
//
// For one ci example and one layer, with the task experts S, m = sum_{k in S} q[k], m* likewise:
//
//   D = sum_{k in S} q*[k] log(q*[k]/q[k]) + (1-m*) log((1-m*)/(1-m))                      (lumped)
//     = KL_Bernoulli(m*||m) + m* KL(q*/m* || q/m)           total mass + relative allocation
//
// That routing on ci examples follows the English task experts in mass and allocation is the
// paper's; this formula is our choice: one KL over |S|+1 outcomes, the experts of S and any other.
//
// Gradient. q[k] of k in S enters its own term; q[j] of any other enters 1-m = sum of the others:
//
//   g[k] = dD/dq[k] = -q*[k]/q[k] for k in S,   g[j] = -(1-m*)/(1-m) otherwise
//
// and with q[k] = 1/T sum_t p[t,k], p = softmax(z), dp[t,k]/dz[t,j] = p[t,k] ([k==j] - p[t,j]):
//
//   dD/dz[t,j] = (1/T) p[t,j] ( g[j] - sum_k p[t,k] g[k] )
//
// Tests: tests/ch10_alignment/divergences_test.cpp
#pragma once

#include <array>
#include <vector>

namespace ramoe {

enum class AlignmentForm {
  lumped,           // the default above
  mass_allocation,  // its two parts with weights of their own
  js,               // Jensen-Shannon over the same outcomes
  mse,              // sum of squares over the same outcomes
  reverse_kl,       // KL(q || q*) over the same outcomes
};
constexpr auto names(AlignmentForm) {
  return std::array{"lumped", "mass_allocation", "js", "mse", "reverse_kl"};
}

struct AlignmentMeasure {
  AlignmentForm form = AlignmentForm::lumped;
  double mass_weight = 1, allocation_weight = 1;  // of mass_allocation
};

/// q and m are kept inside [kClamp, 1 - kClamp] before they are divided by.
inline constexpr double kAlignmentClamp = 1e-8;

/// D(q*, q) over the experts E; `support` lists S, ascending. If S is all experts there is no "any
/// other" outcome. g (E) receives dD/dq. Error: S empty or out of range, different sizes.
double alignment_divergence(const AlignmentMeasure& measure, const std::vector<double>& q_star,
                            const std::vector<double>& q, const std::vector<int>& support,
                            std::vector<double>& g);

}  // namespace ramoe
