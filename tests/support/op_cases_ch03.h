// The operations of chapter 3.
#pragma once

#include "ch03_transformer/transformer_ops.h"
#include "support/op_case.h"

namespace ramoe {

/// Dims: B, T, NH, NKV, HS, then the lengths.
template <class T>
auto attention_case(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
  const Index<T>* length = kept_indices(tape, Dims(d.begin() + 5, d.end()));
  return [=, &tape] {
    return attention(tape, in[0], in[1], in[2], length, {d[0], d[1], d[2], d[3], d[4]});
  };
}

/// Attention reads q, k and v and keeps its probabilities.
inline OpAtStep attention_at_step(const StepSizes& s) {
  const double cells = 1.0 * s.N * s.T * s.NH, products = 2 * cells * s.HS;
  const double nq = 1.0 * s.N * s.NH * s.HS, nk = 1.0 * s.N * s.NKV * s.HS;
  const Shape q{s.N, s.NH * s.HS}, k{s.N, s.NKV * s.HS};
  Dims dims = {s.B, s.T, s.NH, s.NKV, s.HS};
  dims.insert(dims.end(), std::size_t(s.B), s.T);
  return {"attention",
          cat("B=", s.B, " T=", s.T, " NH=", s.NH, " HS=", s.HS),
          {{q, k, k}, dims},
          {2 * products, 2 * nq + 2 * nk + cells},
          {4 * products, 3 * nq + 4 * nk + cells}};
}

inline std::vector<OpCase> op_cases_ch03() {
  return {
      OpCase("embedding",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               const Index<T>* token = random_indices(tape, d[0], in[0].rows(), 1);
               return [=, &tape] { return embedding(tape, in[0], token, d[0]); };
             })
          .size({{5, 3}}, {9})
          .size({{1, 1}}, {1})
          .large({{40, 129}}, {300})
          .within(1e-6, "copies; the gradients of up to 15 equal tokens are added")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            const double nc = 1.0 * s.N * s.C, vc = 1.0 * s.V * s.C;
            const Shape table{s.V, s.C};
            return {{"embedding",
                     cat("(", s.N, ") of ", table),
                     {{table}, {s.N}},
                     {0, 2 * nc},
                     {0, nc + 2 * vc},
                     {0}}};
          }),
      OpCase("gather_rows",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               const Index<T>* index = random_indices(tape, d[0], in[0].rows(), 2);
               return [=, &tape] { return gather_rows(tape, in[0], index, d[0]); };
             })
          .size({{4, 17}}, {3})
          .size({{3, 1}}, {1})
          .size({{500, 1}}, {4200})  // a GPU merges so many indices
          .large({{300, 129}}, {200})
          .within(1e-6, "copies; a few gradients are added")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            const double nc = 1.0 * s.N * s.C, rc = 1.0 * s.R * s.C;
            return {{"gather_rows",
                     cat("(", s.R, ",", s.C, ")"),
                     {{{s.N, s.C}}, {s.R}},
                     {0, 2 * rc},
                     {0, rc + nc}}};
          }),
      OpCase("rmsnorm",
             [](auto& tape, const auto& in) { return rmsnorm(tape, in[0], in[1], 1e-5); })
          .size({{5, 8}, {8}})
          .size({{1, 1}, {1}})
          .size({{7, 17}, {17}})
          .size({{4, 33}, {33}})
          .large({{300, 129}, {129}})
          .within(5e-6, "dw sums 300 products, rounded to 1e-7 of the sum's size, about 20")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            const double nc = 1.0 * s.N * s.C;
            const Shape x{s.N, s.C};
            return {{"rmsnorm", cat(x), {{x, {s.C}}, {}}, {0, 2 * nc}, {0, 3 * nc}, {1}}};
          }),
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
          .within(2e-6, "as rmsnorm")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            const double nq = 1.0 * s.N * s.NH * s.HS;
            const Shape x{s.N, s.NH * s.HS};
            return {{"rmsnorm_heads",
                     cat(x, " by ", s.HS),
                     {{x, {s.HS}}, {}},
                     {0, 2 * nq},
                     {0, 3 * nq},
                     {1}}};
          }),
      OpCase("rmsnorms",
             [](auto& tape, const auto& in) {
               const auto out =
                   rmsnorms(tape, std::array{in[0], in[1]}, std::array{in[2], in[3]}, 1e-5);
               return add(tape, out[0], tape.reshape(out[1], in[0].shape));
             })
          .covers({})
          .size({{5, 8}, {10, 4}, {8}, {4}})
          .size({{1, 1}, {1, 1}, {1}, {1}})
          .size({{3, 34}, {6, 17}, {34}, {17}})
          .large({{300, 128}, {1200, 32}, {128}, {32}})
          .within(2e-5, "dw sums up to 1200 products"),
      OpCase("rope_of_queries_and_keys",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               const Index<T>* position = random_indices(tape, in[0].rows(), 101, 3);
               const std::array qk{add(tape, in[0], in[1]), add(tape, in[1], in[2])};
               const auto out = ropes_over(tape, qk, position, d[0], 10000);
               return add(tape, out[0], out[1]);
             })
          .covers({})
          .size({{4, 6}, {4, 6}, {4, 6}}, {2})
          .size({{1, 2}, {1, 2}, {1, 2}}, {2})
          .large({{300, 128}, {300, 128}, {300, 128}}, {32})
          .within(4e-6, "as rope, and a sum of two"),
      OpCase("rope",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               const Index<T>* position = random_indices(tape, in[0].rows(), 101, 3);
               const Tensor<T> sum = add(tape, in[0], in[1]);  // it is rotated where it lies
               return [=, &tape] { return rope_over(tape, sum, position, d[0], 10000); };
             })
          .size({{4, 6}, {4, 6}}, {2})
          .size({{4, 18}, {4, 18}}, {6})
          .size({{1, 2}, {1, 2}}, {2})
          .large({{300, 128}, {300, 128}}, {32})
          .within(2e-6, "cosine and sine rounded, two products and a sum")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            const double nq = 1.0 * s.N * s.NH * s.HS;
            const Shape x{s.N, s.NH * s.HS};
            return {{"rope", cat(x), {{x, x}, {s.HS}}, {0, 2 * nq}, {0, 2 * nq}}};
          }),
      OpCase("clip", [](auto& tape, const auto& in) { return clip(tape, in[0], 0.7); })
          .size({{3, 17}})
          .size({{1, 1}})
          .within(1e-6, "0.7 is rounded to float")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            const double nq = 1.0 * s.N * s.NH * s.HS;
            const Shape x{s.N, s.NH * s.HS};
            return {{"clip", cat(x), {{x}, {}}, {0, 2 * nq}, {0, 3 * nq}}};
          }),
      OpCase("attention", []<class T>(Tape<T>& tape, const Inputs<T>& in,
                                      const Dims& d) { return attention_case(tape, in, d); })
          .size({{8, 8}, {8, 4}, {8, 4}}, {2, 4, 4, 2, 2, 4, 3})
          .size({{1, 2}, {1, 2}, {1, 2}}, {1, 1, 1, 1, 2, 1})
          .size({{6, 8}, {6, 8}, {6, 8}}, {2, 3, 2, 2, 4, 0, 3})
          .size({{6, 6}, {6, 2}, {6, 2}}, {1, 6, 3, 1, 2, 5})
          .large({{66, 60}, {66, 10}, {66, 10}}, {2, 33, 6, 1, 10, 33, 20})
          .large({{51, 32}, {51, 32}, {51, 32}}, {3, 17, 2, 2, 16, 1, 17, 9})
          .large({{65, 512}, {65, 256}, {65, 256}}, {1, 65, 8, 4, 64, 64})
          .within(1e-5, "sums of up to 65 x group products of normal values")
          .at_step(
              [](const StepSizes& s) -> std::vector<OpAtStep> { return {attention_at_step(s)}; }),
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
          .within(1e-6, "exp within 1.6e-7, and about five roundings")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            const double sh = 1.0 * s.N * s.K * s.H;
            const Shape gu{s.N * s.K, 2 * s.H};
            return {{"swiglu", cat(gu), {{gu}, {}}, {0, 3 * sh}, {0, 5 * sh}}};
          }),
      OpCase("cross_entropy",
             []<class T>(Tape<T>& tape, const Inputs<T>& in, const Dims& d) {
               const Count<T> scored =
                   tape.keep_count(in[0].rows() - int(std::count(d.begin(), d.end(), kIgnore)));
               const Index<T>* target = kept_indices(tape, d);
               return [=, &tape] { return cross_entropy(tape, in[0], target, scored); };
             })
          .size({{4, 17}}, {3, kIgnore, 0, 1})
          .size({{1, 1}}, {0})
          .size({{1, 4}}, {2})
          .size({{2, 4}}, {kIgnore, kIgnore})
          .size({{5, 65}}, {kIgnore, 2, 2, 64, 1})
          .large({{3, 2048}}, {2047, 0, 1000})
          .within(3e-6, "lse, up to 8, is rounded to 5e-7, and the loss is a difference of two")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            const double rv = 1.0 * s.R * s.V;
            const Shape z{s.R, s.V};
            Dims target;
            for (int r = 0; r < s.R; ++r) target.push_back(r % s.V);
            return {{"cross_entropy", cat(z), {{z}, target}, {0, rv}, {0, 2 * rv}}};
          }),
  };
}

}  // namespace ramoe
