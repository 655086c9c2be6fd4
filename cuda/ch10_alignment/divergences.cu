// Chapter 10.1 on the GPU - the divergences of alignment, in double
//
// They are few numbers, S sequences of E experts, and small differences of logarithms. What takes
// time is to read p: a block per sequence and 32 experts, whose 8 warps each take every eighth row.
#include "ch10_alignment/divergences.h"

#include "cuda/support/columns.cuh"
#include "cuda/support/reduce.cuh"
#include "cuda/support/rows.cuh"

namespace ramoe {

using cuda::blocks_for;
using cuda::launch;
using cuda::my_lane;
using cuda::my_row;
using cuda::row_at;
using cuda::warp_sum;

namespace {

constexpr int kWarps = 8;

/// q[s,e] = 1/T sum_t p[t,e]
__global__ void sequence_mean_kernel(double* q, const float* p, const int* rows, const int* begin,
                                     int E) {
  wait_for_earlier_kernels();
  const int s = int(blockIdx.x), lane = my_lane(), warp = int(threadIdx.y);
  const int e = int(blockIdx.y) * 32 + lane, first = begin[s], end = begin[s + 1];
  double sum = 0;
  for (int i = first + warp; i < end; i += kWarps)
    if (e < E) sum += double(row_at(p, rows[i], E)[e]);
  sum = cuda::sum_of_warps(sum, lane, warp);
  if (warp > 0 || e >= E) return;
  row_at(q, s, E)[e] = end > first ? sum / (end - first) : 0;
}

/// dz[t,j] += dloss / parts / T p[t,j] (g[s,j] - sum_k p[t,k] g[s,k]). A warp per row; no row is in
/// two sequences.
__global__ void sequence_mean_backward_kernel(float* dz, const float* p, const float* g,
                                              const int* rows, const int* begin, const float* dloss,
                                              const int* parts, int E) {
  wait_for_earlier_kernels();
  const int s = int(blockIdx.x), lane = my_lane(), first = begin[s], end = begin[s + 1];
  const float scale = *dloss / float(*parts) / float(end - first);
  const float* g_s = row_at(g, s, E);
  const int step = int(gridDim.y) * kWarps;
  for (int i = first + int(blockIdx.y) * kWarps + int(threadIdx.y); i < end; i += step) {
    const float* p_t = row_at(p, rows[i], E);
    float* dz_t = row_at(dz, rows[i], E);
    float mean = 0;
    for (int e = lane; e < E; e += 32) mean += p_t[e] * g_s[e];
    mean = warp_sum(mean);
    for (int e = lane; e < E; e += 32) dz_t[e] += scale * p_t[e] * (g_s[e] - mean);
  }
}

__device__ double clamped(double value) {  // NaN stays NaN
  if (value < kAlignmentClamp) return kAlignmentClamp;
  return 1 - kAlignmentClamp < value ? 1 - kAlignmentClamp : value;
}

/// What an outcome with probability a adds to D, and the derivative of that by a.
struct Outcome {
  double value, derivative;
};
__device__ Outcome outcome(AlignmentForm form, double a_star, double a) {
  switch (form) {
    case AlignmentForm::mse:
      return {(a - a_star) * (a - a_star), 2 * (a - a_star)};
    case AlignmentForm::reverse_kl:
      return {a * log(a / a_star), log(a / a_star) + 1};
    case AlignmentForm::js: {
      const double middle = (a + a_star) / 2;
      return {(a_star * log(a_star / middle) + a * log(a / middle)) / 2, log(a / middle) / 2};
    }
    default:  // lumped: one outcome of KL(a* || a)
      return {a_star * log(a_star / a), -a_star / a};
  }
}

/// One sequence, of which a warp has the experts; the same for all lanes: m, m*, and whether any
/// expert is outside the support.
struct Sequence {
  const double *q_star, *q;
  const unsigned char* in_support;
  int E;
  double m, m_star;
  bool others;
};
__device__ void add_mass(Sequence& s) {
  double m = 0, m_star = 0;
  bool others = false;
  for (int e = my_lane(); e < s.E; e += 32) {
    if (s.in_support[e]) m += s.q[e], m_star += s.q_star[e];
    others = others || !s.in_support[e];
  }
  s.m = clamped(warp_sum(m));
  s.m_star = clamped(warp_sum(m_star));
  s.others = __any_sync(cuda::kAllLanes, others);
}

/// D as a sum over the outcomes: each expert of the support, and all other experts as one more.
__device__ double over_outcomes(float* g, const Sequence& s, AlignmentForm form) {
  const Outcome other = s.others ? outcome(form, 1 - s.m_star, 1 - s.m) : Outcome{0, 0};
  double D = 0;
  for (int e = my_lane(); e < s.E; e += 32) {
    g[e] = float(other.derivative);
    if (!s.in_support[e]) continue;
    const Outcome own = outcome(form, clamped(s.q_star[e]), clamped(s.q[e]));
    D += own.value;
    g[e] = float(own.derivative);
  }
  return other.value + warp_sum(D);
}

/// w_m KL_Bernoulli(m*||m) + w_a sum_{k in support} q*[k] ( log(q*[k]/m*) - log(q[k]/m) )
__device__ double mass_and_allocation(float* g, const Sequence& s, double mass_weight,
                                      double w_a) {
  const double w_m = s.others ? mass_weight : 0.0, m = s.m, m_star = s.m_star;
  const double mass = w_m * (m_star * log(m_star / m) + (1 - m_star) * log((1 - m_star) / (1 - m)));
  const double by_m = w_m * ((1 - m_star) / (1 - m) - m_star / m) + w_a * m_star / m;  // dD/dm
  double D = 0;
  for (int e = my_lane(); e < s.E; e += 32) {
    g[e] = 0;
    if (!s.in_support[e]) continue;
    const double a = clamped(s.q[e]), a_star = clamped(s.q_star[e]);
    D += w_a * a_star * (log(a_star / m_star) - log(a / m));
    g[e] = float(by_m - w_a * a_star / a);
  }
  return mass + warp_sum(D);
}

/// A warp per sequence.
__global__ void divergence_kernel(double* D, float* g, const double* q_star, const double* q,
                                  const unsigned char* in_support, AlignmentMeasure measure, int S,
                                  int E) {
  wait_for_earlier_kernels();
  const int n = my_row();
  if (n >= S) return;  // the whole warp
  Sequence s = {row_at(q_star, n, E), row_at(q, n, E), row_at(in_support, n, E), E, 0, 0, false};
  add_mass(s);
  float* g_n = row_at(g, n, E);
  const double value =
      measure.form == AlignmentForm::mass_allocation
          ? mass_and_allocation(g_n, s, measure.mass_weight, measure.allocation_weight)
          : over_outcomes(g_n, s, measure.form);
  if (my_lane() == 0) D[n] = value;
}

/// One block.
__global__ void mean_kernel(float* loss, const double* D, const int* parts, int count) {
  wait_for_earlier_kernels();
  double sum = 0;
  for (int i = int(threadIdx.x); i < count; i += int(blockDim.x)) sum += D[i];
  sum = cuda::block_sum(sum);
  if (threadIdx.x == 0) loss[0] = float(sum / *parts);
}

}  // namespace

template <>
void sequence_mean_forward<GpuFloat>(Gpu<double>* q, const GpuFloat* p, const GpuInt* rows,
                                     const GpuInt* begin, int S, int E) {
  launch<sequence_mean_kernel>({{unsigned(S), blocks_for(std::size_t(E), 32)}, {32, kWarps}}, q, p,
                               rows, begin, E);
}

template <>
void sequence_mean_backward(GpuFloat* dz, const GpuFloat* p, const GpuFloat* g, const GpuInt* rows,
                            const GpuInt* begin, const GpuFloat* dloss, const GpuInt* parts, int S,
                            int E) {
  // How long a sequence is, the host does not know: 4 blocks share its rows.
  launch<sequence_mean_backward_kernel>({{unsigned(S), 4}, {32, kWarps}}, dz, p, g, rows, begin,
                                        dloss, parts, E);
}

template <>
void alignment_divergence_forward<GpuFloat>(Gpu<double>* D, GpuFloat* g, const Gpu<double>* q_star,
                                            const Gpu<double>* q, const GpuByte* in_support,
                                            const AlignmentMeasure& measure, int S, int E) {
  launch<divergence_kernel>(cuda::warp_per_row(S), D, g, q_star, q, in_support, measure, S, E);
}

template <>
void alignment_mean_forward(GpuFloat* loss, const Gpu<double>* D, const GpuInt* parts, int M,
                            int S) {
  launch<mean_kernel>({1, 256}, loss, D, parts, M * S);
}

}  // namespace ramoe
