// Causal attention for float: one block of work per (sequence, key/value head), products that leave
// out what is above the diagonal.
#include "ch03_transformer/attention.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/tensor.h"
#include "fast/simd.h"
#include "support/parallel.h"

namespace ramoe {
namespace {

// Row t of a triangle of rows with leading dimension ld: whole vectors, then one that holds the
// diagonal, of which the row itself may have fewer than there are lanes.
struct TriangleRow {
  int whole, kept, there;  // values in whole vectors; of the last one: up to t, in memory
  TriangleRow(int t, int ld) : whole(t / kLanes * kLanes), kept(t + 1 - whole), there(ld - whole) {}
};

// Rows t of p: softmax of scale * p[t,0..t]; zeros behind, as far as the vector goes.
RAMOE_INLINE void causal_softmax(float* p, int length, int ld, float scale) {
  for (int t = 0; t < length; ++t, p += ld) {
    const TriangleRow r(t, ld);
    Lanes x, last, total = {};
    load_lanes(last, p + r.whole, r.there);
    set_lanes_from(last, r.kept, -std::numeric_limits<float>::infinity());
    Lanes top = last;
    for (int j = 0; j < r.whole; j += kLanes) {
      load_lanes(x, p + j);
      take_larger(top, x);
    }
    const float largest = largest_lane(top);
    for (int j = 0; j < r.whole; j += kLanes) {
      load_lanes(x, p + j);
      x = scale * (x - largest);
      exp_lanes(x);
      total += x;
      store_lanes(p + j, x);
    }
    last = scale * (last - largest);
    exp_lanes(last);
    set_lanes_from(last, r.kept, 0.0f);  // exp has made them 0, unless the row is NaN
    const float factor = 1.0f / sum_of_lanes(total + last);
    for (int j = 0; j < r.whole; ++j) p[j] *= factor;
    store_lanes(p + r.whole, last * factor, r.there);
  }
}

// ds = scale * p (dp - sum_j p dp), in place of dp; zeros behind, as far as the vector goes.
RAMOE_INLINE void causal_softmax_backward(float* dp, int dp_ld, const float* p, int length, int ld,
                                          float scale) {
  for (int t = 0; t < length; ++t, dp += dp_ld, p += ld) {
    const TriangleRow r(t, ld);
    Lanes x, y, last, dlast;
    load_lanes(last, p + r.whole, r.there);
    load_lanes(dlast, dp + r.whole);
    set_lanes_from(last, r.kept, 0.0f);
    set_lanes_from(dlast, r.kept, 0.0f);
    Lanes sums = last * dlast;
    for (int j = 0; j < r.whole; j += kLanes) {
      load_lanes(x, p + j);
      load_lanes(y, dp + j);
      sums += x * y;
    }
    const float mean = sum_of_lanes(sums);
    for (int j = 0; j < r.whole; ++j) dp[j] = scale * p[j] * (dp[j] - mean);
    dlast = scale * last * (dlast - mean);
    set_lanes_from(dlast, r.kept, 0.0f);
    store_lanes(dp + r.whole, dlast);
  }
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
void clear_padding(float* out, int heads, const int* length, const AttentionDims& d) {
  const int width = heads * d.HS;
  for (int b = 0; b < d.B; ++b)
    std::fill(row(out, b * d.T + length[b], width), row(out, (b + 1) * d.T, width), 0.0f);
}

}  // namespace

template <>
void attention_forward(float* out, float* p, const float* q, const float* k, const float* v,
                       const int* length, const AttentionDims& d) {
  clear_padding(out, d.NH, length, d);
  const float scale = 1.0f / std::sqrt(float(d.HS));
  parallel_for(d.B * d.NH, 2, [&](int begin, int end) {
    for (int task = begin; task < end; ++task) {
      const int b = task / d.NH, n = length[b];
      const HeadPlace at = place(d, b, task % d.NH);
      float* p_bh = p + at.probabilities;
      // s = q k^T, p = softmax, out = p v
      gemm_serial(Gemm<float>{GemmForm::NT, n, n, d.HS, q + at.query, at.query_ld, k + at.key,
                              at.key_ld, p_bh, d.T, false},
                  Triangle::lower_c);
      simd<causal_softmax>(p_bh, n, d.T, scale);
      gemm_serial(Gemm<float>{GemmForm::NN, n, d.HS, n, p_bh, d.T, v + at.key, at.key_ld,
                              out + at.query, at.query_ld, false},
                  Triangle::lower_a);
    }
  });
}

template <>
void attention_backward(float* dq, float* dk, float* dv, const float* p, const float* q,
                        const float* k, const float* v, const float* dout, const int* length,
                        const AttentionDims& d, bool accumulate) {
  const float scale = 1.0f / std::sqrt(float(d.HS));
  const int group = d.NH / d.NKV;
  if (!accumulate) {
    if (dq) clear_padding(dq, d.NH, length, d);
    for (float* x : {dk, dv})
      if (x) clear_padding(x, d.NKV, length, d);
  }
  // A block owns one key/value head, so that the query heads of its group add to dk, dv in order.
  parallel_for(d.B * d.NKV, 2, [&](int begin, int end) {
    const int ld = (d.T + kStep - 1) / kStep * kStep;
    thread_local std::vector<float> scratch;
    scratch.resize(static_cast<std::size_t>(d.T) * static_cast<std::size_t>(ld));
    float* ds = scratch.data();
    for (int task = begin; task < end; ++task) {
      const int b = task / d.NKV, n = length[b], first = task % d.NKV * group;
      for (int head = first; head < first + group; ++head) {
        const HeadPlace at = place(d, b, head);
        const int qld = at.query_ld, kld = at.key_ld;
        const float* p_bh = p + at.probabilities;
        const bool add = accumulate || head > first;
        // out = p v:  dv += p^T dout,  dp = dout v^T
        if (dv)
          gemm_serial(Gemm<float>{GemmForm::TN, n, d.HS, n, p_bh, d.T, dout + at.query, qld,
                                  dv + at.key, kld, add},
                      Triangle::upper_a);
        if (!dq && !dk) continue;
        gemm_serial(Gemm<float>{GemmForm::NT, n, n, d.HS, dout + at.query, qld, v + at.key, kld, ds,
                                ld, false},
                    Triangle::lower_c);
        // p = softmax(scale q k^T)
        simd<causal_softmax_backward>(ds, ld, p_bh, n, d.T, scale);
        // s = q k^T:  dq += ds k,  dk += ds^T q
        if (dq)
          gemm_serial(Gemm<float>{GemmForm::NN, n, d.HS, n, ds, ld, k + at.key, kld, dq + at.query,
                                  qld, accumulate},
                      Triangle::lower_a);
        if (dk)
          gemm_serial(Gemm<float>{GemmForm::TN, n, d.HS, n, ds, ld, q + at.query, qld, dk + at.key,
                                  kld, add},
                      Triangle::upper_a);
      }
    }
  });
}

namespace {

RAMOE_INLINE void cached_head(float* out, float* p, const float* q, const float* k, const float* v,
                              int length, int ld, int HS, float scale) {
  for (int j = 0; j < length; ++j) p[j] = scale * dot(q, k + std::size_t(j) * std::size_t(ld), HS);
  const float top = largest(p, length);
  for (int j = 0; j < length; ++j) p[j] = exp_of(p[j] - top);
  const float factor = 1.0f / sum(p, length);
  for (int i = 0; i < HS; ++i) out[i] = 0;
  for (int j = 0; j < length; ++j) {
    const float* v_j = v + std::size_t(j) * std::size_t(ld);
    const float weight = p[j] * factor;
    for (int i = 0; i < HS; ++i) out[i] += weight * v_j[i];
  }
}

}  // namespace

template <>
void attention_cached(float* out, const float* q, const float* k, const float* v, const int* length,
                      int capacity, const AttentionDims& d) {
  const float scale = 1.0f / std::sqrt(float(d.HS));
  const int ld = d.NKV * d.HS, group = d.NH / d.NKV;
  parallel_for(d.B, 4, [&](int begin, int end) {
    thread_local std::vector<float> scratch;
    scratch.resize(static_cast<std::size_t>(capacity));
    for (int b = begin; b < end; ++b)
      for (int head = 0; head < d.NH; ++head) {
        const std::size_t at = static_cast<std::size_t>(b) * static_cast<std::size_t>(capacity) *
                                   static_cast<std::size_t>(ld) +
                               static_cast<std::size_t>(head / group * d.HS);
        const std::size_t query =
            std::size_t(b) * std::size_t(d.NH * d.HS) + std::size_t(head * d.HS);
        simd<cached_head>(out + query, scratch.data(), q + query, k + at, v + at, length[b], ld,
                          d.HS, scale);
      }
  });
}

}  // namespace ramoe
