// The operations of chapter 3.
#pragma once

#include "ch03_transformer/transformer_ops.h"
#include "support/op_case.h"

namespace ramoe {

/// Dims: B, T, NH, NKV, HS, then the lengths.
template <class T>
Tensor<T> attention_case(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
  const Index<T>* length = kept_indices(tape, Dims(d.begin() + 5, d.end()));
  return attention(tape, in[0], in[1], in[2], length, {d[0], d[1], d[2], d[3], d[4]});
}

inline std::vector<OpCase> op_cases_ch03() {
  return {
      OpCase("embedding",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               return embedding(tape, in[0], random_indices(tape, d[0], in[0].rows(), 1), d[0]);
             })
          .size({{5, 3}}, {9})
          .size({{1, 1}}, {1})
          .large({{40, 129}}, {300})
          .within(1e-6, "copies; the gradients of up to 15 equal tokens are added"),
      OpCase("gather_rows",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               return gather_rows(tape, in[0], random_indices(tape, d[0], in[0].rows(), 2), d[0]);
             })
          .size({{4, 17}}, {3})
          .size({{3, 1}}, {1})
          .large({{300, 129}}, {200})
          .within(1e-6, "copies; a few gradients are added"),
      OpCase("rmsnorm",
             [](auto& tape, const auto& in) { return rmsnorm(tape, in[0], in[1], 1e-5); })
          .size({{5, 8}, {8}})
          .size({{1, 1}, {1}})
          .size({{7, 17}, {17}})
          .size({{4, 33}, {33}})
          .large({{300, 129}, {129}})
          .within(5e-6, "dw sums 300 products, rounded to 1e-7 of the sum's size, about 20"),
      OpCase("rmsnorm_with_large_eps",
             [](auto& tape, const auto& in) { return rmsnorm(tape, in[0], in[1], 0.5); })
          .covers({})
          .size({{4, 8}, {8}})
          .size({{5, 1}, {1}})
          .within(1e-6, "sums of 8 products"),
      OpCase("rmsnorm_heads",
             [](auto& tape, const auto& in) { return rmsnorm_heads(tape, in[0], in[1], 1e-5); })
          .covers({})
          .size({{2, 6}, {6}})
          .size({{2, 18}, {6}})
          .within(2e-6, "as rmsnorm"),
      OpCase("rope",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               const Index<T>* position = random_indices(tape, in[0].rows(), 101, 3);
               return rope_over(tape, add(tape, in[0], in[1]), position, d[0], 10000);
             })
          .size({{4, 6}, {4, 6}}, {2})
          .size({{4, 18}, {4, 18}}, {6})
          .size({{1, 2}, {1, 2}}, {2})
          .large({{300, 128}, {300, 128}}, {32})
          .within(2e-6, "cosine and sine rounded, two products and a sum"),
      OpCase("clip", [](auto& tape, const auto& in) { return clip(tape, in[0], 0.7); })
          .size({{3, 17}})
          .size({{1, 1}})
          .within(1e-6, "0.7 is rounded to float"),
      OpCase("attention", []<class T>(Tape<T>& tape, const Inputs<T>& in,
                                      const Dims& d) { return attention_case(tape, in, d); })
          .size({{8, 8}, {8, 4}, {8, 4}}, {2, 4, 4, 2, 2, 4, 3})
          .size({{1, 2}, {1, 2}, {1, 2}}, {1, 1, 1, 1, 2, 1})
          .size({{6, 8}, {6, 8}, {6, 8}}, {2, 3, 2, 2, 4, 0, 3})
          .size({{6, 6}, {6, 2}, {6, 2}}, {1, 6, 3, 1, 2, 5})
          .large({{66, 60}, {66, 10}, {66, 10}}, {2, 33, 6, 1, 10, 33, 20})
          .large({{51, 32}, {51, 32}, {51, 32}}, {3, 17, 2, 2, 16, 1, 17, 9})
          .large({{65, 512}, {65, 256}, {65, 256}}, {1, 65, 8, 4, 64, 64})
          .within(1e-5, "sums of up to 65 x group products of normal values"),
      OpCase("attention_of_one_tensor",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               return attention_case(tape, {in[0], in[0], in[0]}, d);
             })
          .covers({})
          .size({{4, 4}}, {1, 4, 2, 2, 2, 4})
          .within(1e-5, "as attention"),
      OpCase("swiglu", [](auto& tape, const auto& in) { return swiglu(tape, in[0]); })
          .size({{5, 8}})
          .size({{1, 2}})
          .size({{3, 34}})
          .large({{300, 258}})
          .within(1e-6, "exp within 1.6e-7, and about five roundings"),
      OpCase("cross_entropy",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               const int scored = in[0].rows() - int(std::count(d.begin(), d.end(), kIgnore));
               return cross_entropy(tape, in[0], kept_indices(tape, d), scored);
             })
          .size({{4, 17}}, {3, kIgnore, 0, 1})
          .size({{1, 1}}, {0})
          .size({{1, 4}}, {2})
          .size({{2, 4}}, {kIgnore, kIgnore})
          .size({{5, 65}}, {kIgnore, 2, 2, 64, 1})
          .large({{3, 2048}}, {2047, 0, 1000})
          .within(3e-6, "lse, up to 8, is rounded to 5e-7, and the loss is a difference of two"),
  };
}

}  // namespace ramoe
