// Chapter 3.4 - the layers of a transformer on the tape
//
// Each function checks its shapes, computes, and records its backward. Index arrays (tokens,
// positions, lengths, targets) are read again in backward and must outlive the tape's step.
// Tests: tests/ch03_transformer/transformer_ops_test.cpp
#pragma once

#include "ch02_autograd/tape.h"
#include "ch03_transformer/attention.h"
#include "ch03_transformer/layer_ops.h"

namespace ramoe {

/// Rows of table (V,C) for N tokens -> (N,C). Error for a token outside [0, V).
template <class T>
Tensor<T> embedding(Tape<T>& tape, const Tensor<T>& table, const int* token, int N);

/// Rows index[0..R) of x (N,C) -> (R,C).
template <class T>
Tensor<T> gather_rows(Tape<T>& tape, const Tensor<T>& x, const int* index, int R);

/// RMSNorm of each row of x (N,C) with weight w (C).
template <class T>
Tensor<T> rmsnorm(Tape<T>& tape, const Tensor<T>& x, const Tensor<T>& w, double eps);

/// RMSNorm of each head of x (N, heads*HS) with one weight w (HS) for all heads.
template <class T>
Tensor<T> rmsnorm_heads(Tape<T>& tape, const Tensor<T>& x, const Tensor<T>& w, double eps);

/// Rotary positions on x (N, heads*HS); HS even, position (N).
template <class T>
Tensor<T> rope(Tape<T>& tape, const Tensor<T>& x, const int* position, int HS, double theta);

/// x with every value clipped to [-limit, limit], limit > 0.
template <class T>
Tensor<T> clip(Tape<T>& tape, const Tensor<T>& x, double limit);

/// Causal attention of q (N,NH*HS) over k, v (N,NKV*HS) -> (N,NH*HS).
template <class T>
Tensor<T> attention(Tape<T>& tape, const Tensor<T>& q, const Tensor<T>& k, const Tensor<T>& v,
                    const int* length, const AttentionDims& dims);

/// silu(gate) * up of gu (N,2H) -> (N,H).
template <class T>
Tensor<T> swiglu(Tape<T>& tape, const Tensor<T>& gu);

/// Mean over the rows that count of -log softmax(z)[target], z (N,V); a scalar. With no row that
/// counts the loss is 0 and has no gradient.
template <class T>
Tensor<T> cross_entropy(Tape<T>& tape, const Tensor<T>& z, const int* target);

}  // namespace ramoe
