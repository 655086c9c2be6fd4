#include "ch10_alignment/divergences.h"

#include <algorithm>
#include <cmath>

#include "ch01_tensor/tensor.h"
#include "ch01_tensor/vector_ops.h"

namespace ramoe {

template <>
void sequence_mean_forward(double* q, const double* p, const int* rows, const int* begin, int S,
                           int E) {
  for (int s = 0; s < S; ++s) {
    double* q_s = row(q, s, E);
    const double T = begin[s + 1] - begin[s];
    std::fill(q_s, q_s + E, 0.0);
    for (int i = begin[s]; i < begin[s + 1]; ++i)
      for (int e = 0; e < E; ++e) q_s[e] += row(p, rows[i], E)[e] / T;
  }
}
template <>
void sequence_mean_backward(double* dz, const double* p, const double* g, const int* rows,
                            const int* begin, const double* dloss, int parts, int S, int E) {
  for (int s = 0; s < S; ++s) {
    // q_s[e] += p_t[e] / T, and the loss is the mean of `parts` divergences, one of them this one
    const double scale = *dloss / parts / (begin[s + 1] - begin[s]);
    for (int i = begin[s]; i < begin[s + 1]; ++i)
      softmax_gradient_row(row(dz, rows[i], E), row(p, rows[i], E), row(g, s, E), E, scale);
  }
}

namespace {

double clamped(double value) {
  return std::clamp(value, kAlignmentClamp, 1 - kAlignmentClamp);
}

/// What an outcome with probability a adds to D, and the derivative of that by a. Its probability
/// on the English side is a_star.
struct Outcome {
  double value, derivative;
};
Outcome outcome(AlignmentForm form, double a_star, double a) {
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
    default:  // lumped: one outcome of KL(a* || a)
      return {a_star * std::log(a_star / a), -a_star / a};
  }
}

/// m, m*, and whether any expert is outside the support.
struct Mass {
  double m = 0, m_star = 0;
  bool others = false;
};
Mass mass_of_support(const double* q_star, const double* q, const unsigned char* in_support,
                     int E) {
  Mass mass;
  for (int e = 0; e < E; ++e) {
    if (in_support[e]) mass.m += q[e], mass.m_star += q_star[e];
    mass.others = mass.others || !in_support[e];
  }
  return {clamped(mass.m), clamped(mass.m_star), mass.others};
}

/// D as a sum over the outcomes: each expert of the support, and all other experts as one more.
double over_outcomes(double* g, const double* q_star, const double* q,
                     const unsigned char* in_support, AlignmentForm form, int E) {
  const Mass mass = mass_of_support(q_star, q, in_support, E);
  const Outcome other = mass.others ? outcome(form, 1 - mass.m_star, 1 - mass.m) : Outcome{0, 0};
  double D = other.value;
  for (int e = 0; e < E; ++e) {
    g[e] = other.derivative;
    if (!in_support[e]) continue;
    const Outcome own = outcome(form, clamped(q_star[e]), clamped(q[e]));
    D += own.value;
    g[e] = own.derivative;
  }
  return D;
}

/// w_m KL_Bernoulli(m*||m) + w_a sum_{k in support} q*[k] ( log(q*[k]/m*) - log(q[k]/m) )
double mass_and_allocation(double* g, const double* q_star, const double* q,
                           const unsigned char* in_support, const AlignmentMeasure& measure,
                           int E) {
  const auto [m, m_star, others] = mass_of_support(q_star, q, in_support, E);
  const double w_m = others ? measure.mass_weight : 0.0, w_a = measure.allocation_weight;
  double D =
      w_m * (m_star * std::log(m_star / m) + (1 - m_star) * std::log((1 - m_star) / (1 - m)));
  const double by_m = w_m * ((1 - m_star) / (1 - m) - m_star / m) + w_a * m_star / m;  // dD/dm
  for (int e = 0; e < E; ++e) {
    g[e] = 0;
    if (!in_support[e]) continue;
    const double a = clamped(q[e]), a_star = clamped(q_star[e]);
    D += w_a * a_star * (std::log(a_star / m_star) - std::log(a / m));
    g[e] = by_m - w_a * a_star / a;
  }
  return D;
}

}  // namespace

template <>
void alignment_divergence_forward(double* D, double* g, const double* q_star, const double* q,
                                  const unsigned char* in_support, const AlignmentMeasure& measure,
                                  int S, int E) {
  for (int s = 0; s < S; ++s) {
    double* g_s = row(g, s, E);
    const double *q_star_s = row(q_star, s, E), *q_s = row(q, s, E);
    const unsigned char* in_support_s = row(in_support, s, E);
    D[s] = measure.form == AlignmentForm::mass_allocation
               ? mass_and_allocation(g_s, q_star_s, q_s, in_support_s, measure, E)
               : over_outcomes(g_s, q_star_s, q_s, in_support_s, measure.form, E);
  }
}

template <>
void alignment_mean_forward(double* loss, const double* D, int parts, int M, int S) {
  double sum = 0;
  for (int s = 0; s < S; ++s)
    for (int m = 0; m < M; ++m) sum += row(D, m, S)[s];
  *loss = sum / parts;
}

}  // namespace ramoe
