// Chapter 10.1 - how far is one routing from another? The loss of stage 3          [paper fact 4]
//
//   in   p (N,E)           router probabilities of one layer      N rows of the batch, E experts
//        rows              the rows of each aligned sequence      S sequences
//        q* (S,E)          routing of their English sides
//        in_support (S,E)  1 for the experts of the support, by default the task experts
//   out  q (S,E)           routing of the sequences: mean of p over their rows
//        D (S), g (S,E)    divergence of q from q*, and dD/dq
//
// Let m be the sum of q[k] over the support, and m* the sum of q*[k]. The default form, lumped, is
//
//   D = sum_{k in support} q*[k] log(q*[k]/q[k])  +  (1-m*) log((1-m*)/(1-m))
//
//     = KL_Bernoulli(m*||m)  +  m* KL(q*/m* || q/m)
//       total mass              relative allocation
//
// Fact: on ci examples the routing follows the English task experts in mass and allocation. Ours:
// this formula. It is one KL over |support| + 1 outcomes: each expert of the support is an outcome,
// and all other experts together are one more.
//
// Gradient. q sums to 1, so 1-m is the sum of q[j] over the experts outside the support. Each q[k]
// of the support therefore occurs in its own outcome alone, and each other q[j] in 1-m alone:
//
//   g[k] = -q*[k]/q[k]         for k in the support
//   g[j] = -(1-m*)/(1-m)       for j outside it
//
// For a sequence of T rows, q[k] = 1/T sum_t p[t,k] with p = softmax(z). The softmax has the
// derivative dp[t,k]/dz[t,j] = p[t,k] ([k==j] - p[t,j]), so the chain rule gives
//
//   dD/dz[t,j] = 1/T p[t,j] ( g[j] - sum_k p[t,k] g[k] )
//
// q and D are doubles for every type of p: q* is a statistic of chapter 7, which is double, and D
// takes logarithms of its ratio to q. For p in float see src/fast/divergences.cpp.
// Tests: tests/ch10_alignment/divergences_test.cpp
#pragma once

#include <array>

#include "ch01_tensor/storage.h"
#include "support/choices.h"

namespace ramoe {

enum class AlignmentForm {
  lumped,           // the default above
  mass_allocation,  // its two parts, each with its own weight
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

/// q, m, q* and m* are clamped to [kAlignmentClamp, 1 - kAlignmentClamp] before D is computed.
inline constexpr double kAlignmentClamp = 1e-8;

/// q[s,e] = 1/T_s sum_t p[t,e] over the T_s rows t of sequence s, which are rows[begin[s]] to
/// rows[begin[s+1]-1].
template <class T>
void sequence_mean_forward(Beside<T, double>* q, const T* p, const Index<T>* rows,
                           const Index<T>* begin, int S, int E);
/// Gradient of q[s,e] = 1/T_s sum_t p[t,e], where p = softmax(z) and dq[s,e] = dloss/parts g[s,e]:
///   dz[t,j] += dloss/parts 1/T_s p[t,j] ( g[s,j] - sum_k p[t,k] g[s,k] )
template <class T>
void sequence_mean_backward(T* dz, const T* p, const T* g, const Index<T>* rows,
                            const Index<T>* begin, const T* dloss, Count<T> parts, int S,
                            int E);

/// D[s] = divergence of q[s,:] from q_star[s,:], and g[s,e] = dD[s]/dq[s,e]. If the support holds
/// all experts, there is no outcome for the others. No support may be empty.
template <class T>
void alignment_divergence_forward(Beside<T, double>* D, T* g, const Beside<T, double>* q_star,
                                  const Beside<T, double>* q, const Flag<T>* in_support,
                                  const AlignmentMeasure& measure, int S, int E);

/// loss = sum of D (M,S) over M layers and S sequences / parts. The mean has parts = M S; with room
/// for more sequences than a batch has, those without rows add nothing and are not counted.
template <class T>
void alignment_mean_forward(T* loss, const Beside<T, double>* D, Count<T> parts, int M, int S);

}  // namespace ramoe
