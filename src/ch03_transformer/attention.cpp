// Chapter 3.3 - causal attention with grouped query heads: the definition
#include "ch03_transformer/attention.h"

#include <algorithm>
#include <cmath>
#include <vector>

#include "ch01_tensor/tensor.h"
#include "ch01_tensor/vector_ops.h"

namespace ramoe {
namespace {

/// Head `head` of row n of x (N, heads*HS).
template <class Value>
Value* head_of(Value* x, int n, int head, int heads, int HS) {
  return row(x, n, heads * HS) + head * HS;
}

double dot(const double* a, const double* b, int n) {
  double sum = 0;
  for (int i = 0; i < n; ++i) sum += a[i] * b[i];
  return sum;
}

/// y += a x
void add_to(double* y, double a, const double* x, int n) {
  for (int i = 0; i < n; ++i) y[i] += a * x[i];
}

/// One query, one head: p = softmax over j < n of q . k[j] / sqrt(HS), out = sum_j p[j] v[j].
/// Rows of k and v are `apart` values apart.
void attend(double* out, double* p, const double* q, const double* k, const double* v, int n,
            int apart, int HS) {
  for (int j = 0; j < n; ++j) p[j] = dot(q, row(k, j, apart), HS) / std::sqrt(double(HS));
  softmax_forward(p, p, 1, n);
  std::fill_n(out, HS, 0.0);
  for (int j = 0; j < n; ++j) add_to(out, p[j], row(v, j, apart), HS);
}

}  // namespace

template <>
void attention_forward(double* out, double* p, const double* q, const double* k, const double* v,
                       const int* length, const AttentionDims& d) {
  std::fill_n(out, std::size_t(d.B) * std::size_t(d.T * d.NH * d.HS), 0.0);
  for (int b = 0; b < d.B; ++b)
    for (int head = 0; head < d.NH; ++head) {
      const int kv = head / (d.NH / d.NKV), first = b * d.T;
      for (int t = 0; t < length[b]; ++t)
        attend(head_of(out, first + t, head, d.NH, d.HS), row(p, (b * d.NH + head) * d.T + t, d.T),
               head_of(q, first + t, head, d.NH, d.HS), head_of(k, first, kv, d.NKV, d.HS),
               head_of(v, first, kv, d.NKV, d.HS), t + 1, d.NKV * d.HS, d.HS);
    }
}

template <>
void attention_backward(double* dq, double* dk, double* dv, const double* p, const double* q,
                        const double* k, const double* v, const double* dout, const int* length,
                        const AttentionDims& d, bool accumulate) {
  const std::size_t rows = std::size_t(d.B) * std::size_t(d.T);
  if (!accumulate) {
    if (dq) std::fill_n(dq, rows * std::size_t(d.NH * d.HS), 0.0);
    for (double* dx : {dk, dv})
      if (dx) std::fill_n(dx, rows * std::size_t(d.NKV * d.HS), 0.0);
  }
  const double scale = 1 / std::sqrt(double(d.HS));
  std::vector<double> dp(std::size_t(d.T)), ds(std::size_t(d.T));
  for (int b = 0; b < d.B; ++b)
    for (int head = 0; head < d.NH; ++head)
      for (int t = 0; t < length[b]; ++t) {
        const int kv = head / (d.NH / d.NKV), n = b * d.T;
        const double* p_t = row(p, (b * d.NH + head) * d.T + t, d.T);
        const double* dout_t = head_of(dout, n + t, head, d.NH, d.HS);
        // out[t] = sum_j p[t,j] v[j]
        for (int j = 0; j <= t; ++j) {
          dp[std::size_t(j)] = dot(dout_t, head_of(v, n + j, kv, d.NKV, d.HS), d.HS);
          if (dv) add_to(head_of(dv, n + j, kv, d.NKV, d.HS), p_t[j], dout_t, d.HS);
        }
        // p[t,:] = softmax(s[t,:])
        std::fill(ds.begin(), ds.end(), 0.0);
        softmax_gradient_row(ds.data(), p_t, dp.data(), t + 1);
        // s[t,j] = scale q[t] . k[j]
        for (int j = 0; j <= t; ++j) {
          const double ds_j = scale * ds[std::size_t(j)];
          const double* q_t = head_of(q, n + t, head, d.NH, d.HS);
          const double* k_j = head_of(k, n + j, kv, d.NKV, d.HS);
          if (dq) add_to(head_of(dq, n + t, head, d.NH, d.HS), ds_j, k_j, d.HS);
          if (dk) add_to(head_of(dk, n + j, kv, d.NKV, d.HS), ds_j, q_t, d.HS);
        }
      }
}

template <>
void attention_cached(double* out, const double* q, const double* k, const double* v,
                      const int* length, int capacity, const AttentionDims& d) {
  std::vector<double> p(static_cast<std::size_t>(capacity));
  for (int b = 0; b < d.B; ++b)
    for (int head = 0; head < d.NH; ++head) {
      const int kv = head / (d.NH / d.NKV), first = b * capacity;
      attend(head_of(out, b, head, d.NH, d.HS), p.data(), head_of(q, b, head, d.NH, d.HS),
             head_of(k, first, kv, d.NKV, d.HS), head_of(v, first, kv, d.NKV, d.HS), length[b],
             d.NKV * d.HS, d.HS);
    }
}

}  // namespace ramoe
