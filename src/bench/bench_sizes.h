// Bench - the sizes of the matrix products that are timed, here and against other libraries
//
// A product belongs to a linear layer  x (tokens,in)  W (in,out)  y (tokens,out). The form says
// which of the three products of the layer it is. M, N and K are those of chapter 1.5:
//
//   NN   y  = x W       M = tokens   N = out   K = in        forward
//   NT   dx = dy W^T    M = tokens   N = in    K = out       gradient of the input
//   TN   dW = x^T dy    M = in       N = out   K = tokens    gradient of the weight
//
// 3 forms, 3 numbers of tokens, 8 layers: 72 products. Tests: tests/app/bench_test.cpp
#pragma once

#include <vector>

#include "ch01_tensor/gemm.h"

namespace ramoe {

struct GemmSize {
  GemmForm form;
  int tokens, in, out;

  int M() const { return form == GemmForm::TN ? in : tokens; }
  int N() const { return form == GemmForm::NT ? in : out; }
  int K() const { return form == GemmForm::NN ? in : form == GemmForm::NT ? out : tokens; }
  /// A multiply-add counts as two.
  double flops() const { return 2.0 * tokens * in * out; }
};

inline const char* form_name(GemmForm form) {
  return form == GemmForm::NN ? "NN" : form == GemmForm::NT ? "NT" : "TN";
}

/// The 72 products, form by form, then by tokens, then by layer.
inline std::vector<GemmSize> gemm_sizes() {
  struct Layer {
    int in, out;
  };
  constexpr Layer layers[] = {{64, 64},   {128, 128}, {128, 512},  {512, 128},
                              {256, 256}, {512, 512}, {1024, 256}, {1024, 1024}};
  std::vector<GemmSize> sizes;
  for (const GemmForm form : {GemmForm::NN, GemmForm::NT, GemmForm::TN})
    for (const int tokens : {256, 1024, 4096})
      for (const Layer& layer : layers) sizes.push_back({form, tokens, layer.in, layer.out});
  return sizes;
}

}  // namespace ramoe
