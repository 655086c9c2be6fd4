// Chapter 3.1 - the layers of a transformer as functions over pointers and dims
//
//   B T N=B*T  batch, tokens, rows   C model width   V vocabulary   H hidden width   HS head size
//
// op_forward(outputs, inputs, dims) and, under it in the source, op_backward(input gradients, saved
// values, output gradient, dims). Gradients accumulate; a null gradient pointer is skipped. Where
// there is a last argument `accumulate`, false overwrites the input's gradient instead. T is float
// or double. The *_plain functions are the definitions, for reading and for the tests.
// Tests: tests/ch03_transformer/layer_ops_test.cpp
#pragma once

namespace ramoe {

/// out[n,:] = table[token[n],:]
template <class T>
void embedding_forward(T* out, const T* table, const int* token, int N, int C);
/// dtable[token[n],:] += dout[n,:]
template <class T>
void embedding_backward(T* dtable, const int* token, const T* dout, int N, int C);

/// out[i,:] = x[index[i],:] for i < R.
template <class T>
void gather_rows_forward(T* out, const T* x, const int* index, int R, int C);
/// dx[index[i],:] += dout[i,:]
template <class T>
void gather_rows_backward(T* dx, const int* index, const T* dout, int R, int C);

/// RMSNorm (Zhang and Sennrich, arXiv 1910.07467): out[n,:] = x[n,:] * rstd[n] * w[:],
/// rstd[n] = 1 / sqrt(mean_c x[n,c]^2 + eps). rstd (N) is kept for backward.
template <class T>
void rmsnorm_forward(T* out, T* rstd, const T* x, const T* w, int N, int C, double eps);
template <class T>
void rmsnorm_forward_plain(T* out, T* rstd, const T* x, const T* w, int N, int C, double eps);
/// dw[c] += sum_n dout[n,c] x[n,c] rstd[n]
/// dx[n,c] += rstd[n] (g[c] - x[n,c] rstd[n]^2 mean_j g[j] x[n,j]),  g = dout[n,:] * w
template <class T>
void rmsnorm_backward(T* dx, T* dw, const T* x, const T* w, const T* rstd, const T* dout, int N,
                      int C, bool accumulate = true);

/// Rotary positions (Su et al., arXiv 2104.09864), half-rotation layout: the pair of element i <
/// HS/2 is i + HS/2. For row n with position t = position[n]: angle = t * theta^(-2i/HS),
///   out[i] = x[i] cos - x[i+HS/2] sin,   out[i+HS/2] = x[i+HS/2] cos + x[i] sin.
/// x, out (N, heads*HS).
template <class T>
void rope_forward(T* out, const T* x, const int* position, int N, int heads, int HS, double theta);
/// dx += the rotation by the negative angle of dout.
template <class T>
void rope_backward(T* dx, const int* position, const T* dout, int N, int heads, int HS,
                   double theta, bool accumulate = true);

/// out[i] = x[i], but at most `limit` > 0 in size (OLMoE's clip_qkv). NaN stays NaN.
template <class T>
void clip_forward(T* out, const T* x, T limit, int n);
/// dx[i] += dout[i] where |x[i]| <= limit
template <class T>
void clip_backward(T* dx, const T* x, T limit, const T* dout, int n);

/// SwiGLU (Shazeer, arXiv 2002.05202): out[n,h] = silu(gu[n,h]) * gu[n,H+h], silu(a) = a
/// sigmoid(a). gu (N,2H): gate in the first half of a row, up in the second.
template <class T>
void swiglu_forward(T* out, const T* gu, int N, int H);
template <class T>
void swiglu_forward_plain(T* out, const T* gu, int N, int H);
/// dgate += dout up s (1 + gate (1 - s)),  dup += dout gate s,  s = sigmoid(gate)
template <class T>
void swiglu_backward(T* dgu, const T* gu, const T* dout, int N, int H, bool accumulate = true);

/// A target with this value does not count.
inline constexpr int kIgnore = -100;

/// loss[n] = logsumexp_v z[n,v] - z[n,target[n]], 0 where ignored; lse (N) is kept for backward.
template <class T>
void cross_entropy_forward(T* loss, T* lse, const T* z, const int* target, int N, int V);
template <class T>
void cross_entropy_forward_plain(T* loss, T* lse, const T* z, const int* target, int N, int V);
/// dz[n,v] += scale (exp(z[n,v] - lse[n]) - [v == target[n]]) for rows that count.
template <class T>
void cross_entropy_backward(T* dz, const T* z, const T* lse, const int* target, T scale, int N,
                            int V, bool accumulate = true);

}  // namespace ramoe
