// Chapter 10.1 - how far is one routing from another? The loss of stage 3          [paper fact 4]
//
//   in   p (N,E)           router probabilities of one layer      N rows of the batch, E experts
//        rows              the rows of each aligned sequence      S sequences
//        q* (S,E)          routing of their English sides
//        in_support (S,E)  1 for the task experts of the layer: the support
//   out  q (S,E)           routing of the sequences: mean of p over their rows
//        D (S), g (S,E)    divergence of q from q*, and dD/dq
//
// With m = sum of q[k] over the support and m* likewise, the default form is
//
//   D = sum_{k in support} q*[k] log(q*[k]/q[k])  +  (1-m*) log((1-m*)/(1-m))             lumped
//     = KL_Bernoulli(m*||m)  +  m* KL(q*/m* || q/m)          total mass + relative allocation
//
// Fact: routing on ci examples follows the English task experts in mass and allocation. Ours: this
// formula, one KL over |support| + 1 outcomes: each expert of the support, and any other expert.
//
// Gradient. q[k] of the support enters its own outcome; every other q[j] enters 1-m, their sum:
//
//   g[k] = -q*[k]/q[k]  in the support,      g[j] = -(1-m*)/(1-m)  otherwise
//
// and with q[k] = 1/T sum_t p[t,k], p = softmax(z), dp[t,k]/dz[t,j] = p[t,k] ([k==j] - p[t,j]):
//
//   dD/dz[t,j] = 1/T p[t,j] ( g[j] - sum_k p[t,k] g[k] )
//
// q and D are doubles whatever T is: q* is a statistic of chapter 7, and logarithms of its quotient
// with q are compared. For float: src/fast/divergences.cpp.
// Tests: tests/ch10_alignment/divergences_test.cpp
#pragma once

#include <array>

#include "ch01_tensor/storage.h"
#include "support/choices.h"

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

/// q and m are kept inside [kAlignmentClamp, 1 - kAlignmentClamp] before they are divided by.
inline constexpr double kAlignmentClamp = 1e-8;

/// q[s,e] = 1/T_s sum_t p[t,e] over the rows t of sequence s: rows[begin[s]] to rows[begin[s+1]-1].
template <class T>
void sequence_mean_forward(Beside<T, double>* q, const T* p, const Index<T>* rows,
                           const Index<T>* begin, int S, int E);
/// dz[t,j] += dq/dz of the same, for p = softmax(z) and dq = dloss / parts g:
///   dz[t,j] += dloss / parts 1/T_s p[t,j] (g[s,j] - sum_k p[t,k] g[s,k])
template <class T>
void sequence_mean_backward(T* dz, const T* p, const T* g, const Index<T>* rows,
                            const Index<T>* begin, const T* dloss, int parts, int S, int E);

/// D[s] of q[s,:] from q_star[s,:], and g[s,e] = dD[s]/dq[s,e]. A support of all experts has no
/// "any other" outcome; none may be empty.
template <class T>
void alignment_divergence_forward(Beside<T, double>* D, T* g, const Beside<T, double>* q_star,
                                  const Beside<T, double>* q, const Flag<T>* in_support,
                                  const AlignmentMeasure& measure, int S, int E);

/// loss = mean of D (M,S) over M layers and S sequences.
template <class T>
void alignment_mean_forward(T* loss, const Beside<T, double>* D, int M, int S);

}  // namespace ramoe
