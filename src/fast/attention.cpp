#include "ch03_transformer/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/simd.h"
#include "ch01_tensor/tensor.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

// Row t of a triangle of rows with leading dimension ld: whole vectors, then one that holds the
// diagonal, of which the row itself may have fewer than there are lanes.
template <class T_>
struct TriangleRow {
  int whole, kept, there;  // values in whole vectors; of the last one: up to t, in memory
  TriangleRow(int t, int ld)
      : whole(t / Lanes<T_>::count * Lanes<T_>::count), kept(t + 1 - whole), there(ld - whole) {}
};

// Rows t of p: softmax of scale * p[t,0..t]; zeros behind, as far as the vector goes.
template <class T_>
RAMOE_INLINE void causal_softmax_body(T_* p, int length, int ld, T_ scale) {
  constexpr int W = Lanes<T_>::count;
  using Vector = typename Lanes<T_>::Vector;
  for (int t = 0; t < length; ++t, p += ld) {
    const TriangleRow<T_> r(t, ld);
    Vector x, last, total = {};
    load_lanes(last, p + r.whole, r.there);
    set_lanes_from(last, r.kept, -std::numeric_limits<T_>::infinity());
    Vector top = last;
    for (int j = 0; j < r.whole; j += W) {
      load_lanes(x, p + j);
      top = x > top ? x : top;
    }
    const T_ largest = largest_lane<T_>(top);
    for (int j = 0; j < r.whole; j += W) {
      load_lanes(x, p + j);
      x = scale * (x - largest);
      exp_lanes<T_>(x);
      total += x;
      store_lanes(p + j, x);
    }
    last = scale * (last - largest);
    exp_lanes<T_>(last);
    set_lanes_from(last, r.kept, T_(0));  // exp has made them 0, unless the row is NaN
    const T_ factor = T_(1) / sum_of_lanes<T_>(total + last);
    for (int j = 0; j < r.whole; ++j) p[j] *= factor;
    store_lanes(p + r.whole, last * factor, r.there);
  }
}
RAMOE_SIMD void causal_softmax(float* p, int length, int ld, float scale) {
  causal_softmax_body(p, length, ld, scale);
}
void causal_softmax(double* p, int length, int ld, double scale) {
  causal_softmax_body(p, length, ld, scale);
}

// ds = scale * p (dp - sum_j p dp), in place of dp; zeros behind, as far as the vector goes.
template <class T_>
RAMOE_INLINE void causal_softmax_backward_body(T_* dp, int dp_ld, const T_* p, int length, int ld,
                                               T_ scale) {
  constexpr int W = Lanes<T_>::count;
  using Vector = typename Lanes<T_>::Vector;
  for (int t = 0; t < length; ++t, dp += dp_ld, p += ld) {
    const TriangleRow<T_> r(t, ld);
    Vector x, y, last, dlast;
    load_lanes(last, p + r.whole, r.there);
    load_lanes(dlast, dp + r.whole);
    set_lanes_from(last, r.kept, T_(0));
    set_lanes_from(dlast, r.kept, T_(0));
    Vector sums = last * dlast;
    for (int j = 0; j < r.whole; j += W) {
      load_lanes(x, p + j);
      load_lanes(y, dp + j);
      sums += x * y;
    }
    const T_ mean = sum_of_lanes<T_>(sums);
    for (int j = 0; j < r.whole; ++j) dp[j] = scale * p[j] * (dp[j] - mean);
    dlast = scale * last * (dlast - mean);
    set_lanes_from(dlast, r.kept, T_(0));
    store_lanes(dp + r.whole, dlast);
  }
}
RAMOE_SIMD void causal_softmax_backward(float* dp, int dp_ld, const float* p, int length, int ld,
                                        float scale) {
  causal_softmax_backward_body(dp, dp_ld, p, length, ld, scale);
}
void causal_softmax_backward(double* dp, int dp_ld, const double* p, int length, int ld,
                             double scale) {
  causal_softmax_backward_body(dp, dp_ld, p, length, ld, scale);
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

/// Rows of `heads` heads behind each sequence become 0.
template <class T_>
void clear_padding(T_* out, int heads, const int* length, const AttentionDims& d) {
  const int width = heads * d.HS;
  for (int b = 0; b < d.B; ++b)
    std::fill(row(out, b * d.T + length[b], width), row(out, (b + 1) * d.T, width), T_(0));
}

}  // namespace

template <class T_>
void attention_forward(T_* out, T_* p, const T_* q, const T_* k, const T_* v, const int* length,
                       const AttentionDims& d) {
  clear_padding(out, d.NH, length, d);
  const T_ scale = T_(1) / std::sqrt(T_(d.HS));
  parallel_for(d.B * d.NH, 2, [&](int begin, int end) {
    for (int task = begin; task < end; ++task) {
      const int b = task / d.NH, n = length[b];
      const HeadPlace at = place(d, b, task % d.NH);
      T_* p_bh = p + at.probabilities;
      // s = q k^T, p = softmax, out = p v
      gemm_serial(Gemm<T_>{GemmForm::NT, n, n, d.HS, q + at.query, at.query_ld, k + at.key,
                           at.key_ld, p_bh, d.T, false},
                  Triangle::lower_c);
      causal_softmax(p_bh, n, d.T, scale);
      gemm_serial(Gemm<T_>{GemmForm::NN, n, d.HS, n, p_bh, d.T, v + at.key, at.key_ld,
                           out + at.query, at.query_ld, false},
                  Triangle::lower_a);
    }
  });
}

template <class T_>
void attention_forward_plain(T_* out, T_* p, const T_* q, const T_* k, const T_* v,
                             const int* length, const AttentionDims& d) {
  clear_padding(out, d.NH, length, d);
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
                        const T_* dout, const int* length, const AttentionDims& d,
                        bool accumulate) {
  const T_ scale = T_(1) / std::sqrt(T_(d.HS));
  const int group = d.NH / d.NKV;
  if (!accumulate) {
    if (dq) clear_padding(dq, d.NH, length, d);
    for (T_* x : {dk, dv})
      if (x) clear_padding(x, d.NKV, length, d);
  }
  // A block owns one key/value head, so that the query heads of its group add to dk, dv in order.
  parallel_for(d.B * d.NKV, 2, [&](int begin, int end) {
    const int ld = (d.T + kStep - 1) / kStep * kStep;
    thread_local std::vector<T_> scratch;
    scratch.resize(static_cast<std::size_t>(d.T) * static_cast<std::size_t>(ld));
    T_* ds = scratch.data();
    for (int task = begin; task < end; ++task) {
      const int b = task / d.NKV, n = length[b], first = task % d.NKV * group;
      for (int head = first; head < first + group; ++head) {
        const HeadPlace at = place(d, b, head);
        const int qld = at.query_ld, kld = at.key_ld;
        const T_* p_bh = p + at.probabilities;
        const bool add = accumulate || head > first;
        // out = p v:  dv += p^T dout,  dp = dout v^T
        if (dv)
          gemm_serial(Gemm<T_>{GemmForm::TN, n, d.HS, n, p_bh, d.T, dout + at.query, qld,
                               dv + at.key, kld, add},
                      Triangle::upper_a);
        if (!dq && !dk) continue;
        gemm_serial(Gemm<T_>{GemmForm::NT, n, n, d.HS, dout + at.query, qld, v + at.key, kld, ds,
                             ld, false},
                    Triangle::lower_c);
        // p = softmax(scale q k^T)
        causal_softmax_backward(ds, ld, p_bh, n, d.T, scale);
        // s = q k^T:  dq += ds k,  dk += ds^T q
        if (dq)
          gemm_serial(Gemm<T_>{GemmForm::NN, n, d.HS, n, ds, ld, k + at.key, kld, dq + at.query,
                               qld, accumulate},
                      Triangle::lower_a);
        if (dk)
          gemm_serial(
              Gemm<T_>{GemmForm::TN, n, d.HS, n, ds, ld, q + at.query, qld, dk + at.key, kld, add},
              Triangle::upper_a);
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
                                   const int*, const AttentionDims&, bool);                      \
  template void attention_cached(T*, const T*, const T*, const T*, const int*, int,              \
                                 const AttentionDims&);
RAMOE_INSTANTIATE(float)
RAMOE_INSTANTIATE(double)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
