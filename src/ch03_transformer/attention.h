// Chapter 3.3 - causal attention with grouped query heads
//
//   q, out (N, NH*HS)    k, v (N, NKV*HS)    p (B,NH,T,T)    N = B*T, NH a multiple of NKV
//
//   s[t,j] = q[t] . k[j] / sqrt(HS) for j <= t,   p[t,:] = softmax(s[t,0..t]),   out[t] = sum_j
//   p[t,j] v[j]
//
// Query head h reads key/value head h / (NH/NKV). A sequence b has length[b] <= T real tokens at
// the front; rows behind are padding: their output is 0 and nobody reads them.
// Tests: tests/ch03_transformer/attention_test.cpp
#pragma once

namespace ramoe {

struct AttentionDims {
  int B, T, NH, NKV, HS;
};

/// Fast: one block of work per (sequence, key/value head), products by chapter 1.5. p is kept.
template <class T_>
void attention_forward(T_* out, T_* p, const T_* q, const T_* k, const T_* v, const int* length,
                       const AttentionDims& dims);
/// The definition, in loops.
template <class T_>
void attention_forward_plain(T_* out, T_* p, const T_* q, const T_* k, const T_* v,
                             const int* length, const AttentionDims& dims);
/// dp[t,j] = dout[t] . v[j],  ds = p (dp - sum_j p dp) / sqrt(HS),
/// dq[t] += sum_j ds[t,j] k[j],  dk[j] += sum_t ds[t,j] q[t],  dv[j] += sum_t p[t,j] dout[t]
template <class T_>
void attention_backward(T_* dq, T_* dk, T_* dv, const T_* p, const T_* q, const T_* k, const T_* v,
                        const T_* dout, const int* length, const AttentionDims& dims);

/// One new token per sequence against cached keys and values (decoding): q, out (B, NH*HS); k, v
/// point to (B, capacity, NKV*HS); sequence b attends to the first length[b] cached rows, its own
/// included.
template <class T_>
void attention_cached(T_* out, const T_* q, const T_* k, const T_* v, const int* length,
                      int capacity, const AttentionDims& dims);

}  // namespace ramoe
