#include "ch03_transformer/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/parallel.h"
#include "ch01_tensor/simd.h"
#include "ch01_tensor/tensor.h"

namespace ramoe {
namespace {

// Rows t of p (leading dimension ld): softmax of scale * p[t,0..t], zeros behind.
template <class T_>
RAMOE_INLINE void causal_softmax_body(T_* p, int length, int ld, T_ scale) {
  for (int t = 0; t < length; ++t, p += ld) {
    const int m = t + 1;
    const T_ top = largest(p, m);
    for (int j = 0; j < m; ++j) p[j] = exp_of(scale * (p[j] - top));
    const T_ factor = T_(1) / sum(p, m);
    for (int j = 0; j < m; ++j) p[j] *= factor;
    for (int j = m; j < length; ++j) p[j] = 0;
  }
}
RAMOE_SIMD void causal_softmax(float* p, int length, int ld, float scale) {
  causal_softmax_body(p, length, ld, scale);
}
void causal_softmax(double* p, int length, int ld, double scale) {
  causal_softmax_body(p, length, ld, scale);
}

// ds = scale * p (dp - sum_j p dp), in place of dp.
template <class T_>
RAMOE_INLINE void causal_softmax_backward_body(T_* dp, const T_* p, int length, int ld, T_ scale) {
  for (int t = 0; t < length; ++t, dp += length, p += ld) {
    const T_ mean = dot(p, dp, t + 1);
    for (int j = 0; j <= t; ++j) dp[j] = scale * p[j] * (dp[j] - mean);
    for (int j = t + 1; j < length; ++j) dp[j] = 0;
  }
}
RAMOE_SIMD void causal_softmax_backward(float* dp, const float* p, int length, int ld,
                                        float scale) {
  causal_softmax_backward_body(dp, p, length, ld, scale);
}
void causal_softmax_backward(double* dp, const double* p, int length, int ld, double scale) {
  causal_softmax_backward_body(dp, p, length, ld, scale);
}

// Where the parts of one (sequence, query head) lie.
struct HeadPlace {
  std::size_t query, key, probabilities;  // offsets into q/out, k/v and p
  int query_ld, key_ld;
};
HeadPlace place(const AttentionDims& d, int b, int head) {
  const std::size_t rows = static_cast<std::size_t>(b) * static_cast<std::size_t>(d.T);
  const int kv = head / (d.NH / d.NKV);
  return {rows * std::size_t(d.NH * d.HS) + std::size_t(head * d.HS),
          rows * std::size_t(d.NKV * d.HS) + std::size_t(kv * d.HS),
          (std::size_t(b) * std::size_t(d.NH) + std::size_t(head)) * std::size_t(d.T) *
              std::size_t(d.T),
          d.NH * d.HS, d.NKV * d.HS};
}

template <class T_>
void clear_padding(T_* out, const int* length, const AttentionDims& d) {
  const int width = d.NH * d.HS;
  for (int b = 0; b < d.B; ++b)
    std::fill(row(out, b * d.T + length[b], width), row(out, (b + 1) * d.T, width), T_(0));
}

}  // namespace

template <class T_>
void attention_forward(T_* out, T_* p, const T_* q, const T_* k, const T_* v, const int* length,
                       const AttentionDims& d) {
  clear_padding(out, length, d);
  const T_ scale = T_(1) / std::sqrt(T_(d.HS));
  parallel_for(d.B * d.NH, 2, [&](int begin, int end) {
    for (int task = begin; task < end; ++task) {
      const int b = task / d.NH, n = length[b];
      const HeadPlace at = place(d, b, task % d.NH);
      T_* p_bh = p + at.probabilities;
      // s = q k^T, p = softmax, out = p v
      gemm_serial(Gemm<T_>{GemmForm::NT, n, n, d.HS, q + at.query, at.query_ld, k + at.key,
                           at.key_ld, p_bh, d.T, false});
      causal_softmax(p_bh, n, d.T, scale);
      gemm_serial(Gemm<T_>{GemmForm::NN, n, d.HS, n, p_bh, d.T, v + at.key, at.key_ld,
                           out + at.query, at.query_ld, false});
    }
  });
}

template <class T_>
void attention_forward_plain(T_* out, T_* p, const T_* q, const T_* k, const T_* v,
                             const int* length, const AttentionDims& d) {
  clear_padding(out, length, d);
  for (int b = 0; b < d.B; ++b)
    for (int head = 0; head < d.NH; ++head) {
      const HeadPlace at = place(d, b, head);
      for (int t = 0; t < length[b]; ++t) {
        T_* p_t = row(p + at.probabilities, t, d.T);
        const T_* q_t = row(q + at.query, t, at.query_ld);
        T_ total = 0;
        for (int j = 0; j <= t; ++j) {
          T_ s = 0;
          for (int i = 0; i < d.HS; ++i) s += q_t[i] * row(k + at.key, j, at.key_ld)[i];
          p_t[j] = s / std::sqrt(T_(d.HS));
        }
        const T_ top = *std::max_element(p_t, p_t + t + 1);
        for (int j = 0; j <= t; ++j) total += p_t[j] = std::exp(p_t[j] - top);
        for (int j = 0; j < length[b]; ++j) p_t[j] = j <= t ? p_t[j] / total : T_(0);
        T_* out_t = row(out + at.query, t, at.query_ld);
        for (int i = 0; i < d.HS; ++i) {
          out_t[i] = 0;
          for (int j = 0; j <= t; ++j) out_t[i] += p_t[j] * row(v + at.key, j, at.key_ld)[i];
        }
      }
    }
}

template <class T_>
void attention_backward(T_* dq, T_* dk, T_* dv, const T_* p, const T_* q, const T_* k, const T_* v,
                        const T_* dout, const int* length, const AttentionDims& d) {
  const T_ scale = T_(1) / std::sqrt(T_(d.HS));
  const int group = d.NH / d.NKV;
  // A block owns one key/value head, so that the query heads of its group add to dk, dv in order.
  parallel_for(d.B * d.NKV, 2, [&](int begin, int end) {
    thread_local std::vector<T_> scratch;
    scratch.resize(static_cast<std::size_t>(d.T) * static_cast<std::size_t>(d.T));
    T_* ds = scratch.data();
    for (int task = begin; task < end; ++task) {
      const int b = task / d.NKV, n = length[b];
      for (int head = task % d.NKV * group; head < (task % d.NKV + 1) * group; ++head) {
        const HeadPlace at = place(d, b, head);
        const int qld = at.query_ld, kld = at.key_ld;
        const T_* p_bh = p + at.probabilities;
        // out = p v:  dv += p^T dout,  dp = dout v^T
        if (dv)
          gemm_serial(Gemm<T_>{GemmForm::TN, n, d.HS, n, p_bh, d.T, dout + at.query, qld,
                               dv + at.key, kld, true});
        if (!dq && !dk) continue;
        gemm_serial(Gemm<T_>{GemmForm::NT, n, n, d.HS, dout + at.query, qld, v + at.key, kld, ds, n,
                             false});
        // p = softmax(scale q k^T)
        causal_softmax_backward(ds, p_bh, n, d.T, scale);
        // s = q k^T:  dq += ds k,  dk += ds^T q
        if (dq)
          gemm_serial(
              Gemm<T_>{GemmForm::NN, n, d.HS, n, ds, n, k + at.key, kld, dq + at.query, qld, true});
        if (dk)
          gemm_serial(
              Gemm<T_>{GemmForm::TN, n, d.HS, n, ds, n, q + at.query, qld, dk + at.key, kld, true});
      }
    }
  });
}

namespace {

template <class T_>
RAMOE_INLINE void cached_body(T_* out, T_* p, const T_* q, const T_* k, const T_* v, int length,
                              int ld, int HS, T_ scale) {
  for (int j = 0; j < length; ++j) p[j] = scale * dot(q, k + std::size_t(j) * std::size_t(ld), HS);
  const T_ top = largest(p, length);
  for (int j = 0; j < length; ++j) p[j] = exp_of(p[j] - top);
  const T_ factor = T_(1) / sum(p, length);
  for (int i = 0; i < HS; ++i) out[i] = 0;
  for (int j = 0; j < length; ++j) {
    const T_* v_j = v + std::size_t(j) * std::size_t(ld);
    const T_ weight = p[j] * factor;
    for (int i = 0; i < HS; ++i) out[i] += weight * v_j[i];
  }
}
RAMOE_SIMD void cached_head(float* out, float* p, const float* q, const float* k, const float* v,
                            int length, int ld, int HS, float scale) {
  cached_body(out, p, q, k, v, length, ld, HS, scale);
}
void cached_head(double* out, double* p, const double* q, const double* k, const double* v,
                 int length, int ld, int HS, double scale) {
  cached_body(out, p, q, k, v, length, ld, HS, scale);
}

}  // namespace

template <class T_>
void attention_cached(T_* out, const T_* q, const T_* k, const T_* v, const int* length,
                      int capacity, const AttentionDims& d) {
  const T_ scale = T_(1) / std::sqrt(T_(d.HS));
  const int ld = d.NKV * d.HS, group = d.NH / d.NKV;
  parallel_for(d.B, 4, [&](int begin, int end) {
    thread_local std::vector<T_> scratch;
    scratch.resize(static_cast<std::size_t>(capacity));
    for (int b = begin; b < end; ++b)
      for (int head = 0; head < d.NH; ++head) {
        const std::size_t at = static_cast<std::size_t>(b) * static_cast<std::size_t>(capacity) *
                                   static_cast<std::size_t>(ld) +
                               static_cast<std::size_t>(head / group * d.HS);
        const std::size_t query =
            std::size_t(b) * std::size_t(d.NH * d.HS) + std::size_t(head * d.HS);
        cached_head(out + query, scratch.data(), q + query, k + at, v + at, length[b], ld, d.HS,
                    scale);
      }
  });
}

#define RAMOE_INSTANTIATE(T)                                                                     \
  template void attention_forward(T*, T*, const T*, const T*, const T*, const int*,              \
                                  const AttentionDims&);                                         \
  template void attention_forward_plain(T*, T*, const T*, const T*, const T*, const int*,        \
                                        const AttentionDims&);                                   \
  template void attention_backward(T*, T*, T*, const T*, const T*, const T*, const T*, const T*, \
                                   const int*, const AttentionDims&);                            \
  template void attention_cached(T*, const T*, const T*, const T*, const int*, int,              \
                                 const AttentionDims&);
RAMOE_INSTANTIATE(float)
RAMOE_INSTANTIATE(double)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
