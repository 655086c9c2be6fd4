// Chapter 2.2 - the operations of chapter 1 on the tape
//
// Shapes are checked here, at the tensor level; the functions underneath trust their dims.
// Tests: tests/ch02_autograd/basic_ops_test.cpp
#pragma once

#include <initializer_list>

#include "ch02_autograd/tape.h"

namespace ramoe {

/// a + b, equal shapes.
template <class T>
Tensor<T> add(Tape<T>& tape, const Tensor<T>& a, const Tensor<T>& b);
/// a + b in the memory of b, whose values are lost. For b out of an operation whose backward does
/// not read its own output, such as linear, and that nothing else has read.
template <class T>
Tensor<T> add_over(Tape<T>& tape, const Tensor<T>& a, const Tensor<T>& b);

/// x (N,I) times w (I,O), plus bias (O) if it has data.
template <class T>
Tensor<T> linear(Tape<T>& tape, const Tensor<T>& x, const Tensor<T>& w, const Tensor<T>& bias = {});

/// x (N,I) times the transpose of w (O,I): for an output layer tied to the embedding.
template <class T>
Tensor<T> linear_transposed(Tape<T>& tape, const Tensor<T>& x, const Tensor<T>& w);

/// softmax over the columns of z (N,E).
template <class T>
Tensor<T> softmax(Tape<T>& tape, const Tensor<T>& z);

/// Sum of weight * value over scalar tensors; terms whose tensor has no data are left out.
template <class T>
struct WeightedTerm {
  Tensor<T> value;
  double weight;
};
template <class T>
Tensor<T> weighted_sum(Tape<T>& tape, std::initializer_list<WeightedTerm<T>> terms);

}  // namespace ramoe
