// The operations of chapters 1 and 2, as chapter 2 puts them on the tape.
#pragma once

#include "support/op_case.h"

namespace ramoe {

/// x w or x w^T with `out` columns. Backward reads x, w and dy, and reads and writes dw.
inline OpAtStep linear_at_step(const char* name, const Shape& x, const Shape& w, int out) {
  const double product = 2.0 * double(x.count()) * out, y = 1.0 * x[0] * out;
  const double nx = double(x.count()), nw = double(w.count());
  return {name,
          cat(x, " ", w),
          {{x, w}, {}},
          {product, nx + nw + y},
          {2 * product, 2 * nx + 3 * nw + y},
          {1}};
}

inline std::vector<OpCase> op_cases_ch01() {
  return {
      OpCase("add", [](auto& tape, const auto& in) { return add(tape, in[0], in[1]); })
          .covers({"add_forward", "copy_values", "axpy"})
          .size({{3, 17}, {3, 17}})
          .size({{1}, {1}})
          .size({{}, {}})
          .large({{16385}, {16385}})
          .within(1e-6, "one addition, and one of the gradient")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            const double nc = 1.0 * s.N * s.C;  // one gradient is handed over
            const Shape x{s.N, s.C};
            return {{"add", cat(x), {{x, x}, {}}, {0, 3 * nc}, {0, 2 * nc}}};
          }),
      OpCase("add_twice", [](auto& tape, const auto& in) { return add(tape, in[0], in[0]); })
          .covers({})
          .size({{3, 17}})
          .within(1e-6, "one addition, and two of the gradient"),
      OpCase("softmax", [](auto& tape, const auto& in) { return softmax(tape, in[0]); })
          .size({{3, 8}})
          .size({{1, 1}})
          .size({{1, 17}})
          .size({{4, 2}})
          .size({{2, 33}})
          .large({{300, 129}})
          .within(2e-6, "z - top, below 8, is rounded to 5e-7; exp, the sum and products add 3e-7")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            const double ne = 1.0 * s.N * s.E;
            const Shape z{s.N, s.E};
            return {{"softmax", cat(z), {{z}, {}}, {0, 2 * ne}, {0, 3 * ne}}};
          }),
      OpCase("linear",
             [](auto& tape, const auto& in) {
               return in.size() > 2 ? linear(tape, in[0], in[1], in[2])
                                    : linear(tape, in[0], in[1]);
             })
          .covers({"gemm", "add_bias_forward", "add_bias_backward"})
          .size({{4, 5}, {5, 17}, {17}})
          .size({{1, 1}, {1, 1}, {1}})
          .size({{1, 17}, {17, 3}, {3}})
          .size({{5, 1}, {1, 2}, {2}})
          .large({{130, 70}, {70, 67}, {67}})
          .within(2e-5, "sums of up to 130 products, rounded to 1e-7 of their size, about 20")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            return {linear_at_step("linear q", {s.N, s.C}, {s.C, s.NH * s.HS}, s.NH * s.HS),
                    linear_at_step("linear lm_head", {s.R, s.C}, {s.C, s.V}, s.V)};
          }),
      OpCase("linears",
             []<class T>(Tape<T>& tape, const Inputs<T>& in) {
               const auto y =
                   linears(tape, in[0], std::array{Linear<T>{in[1]}, Linear<T>{in[2], in[3]}});
               return linear_plus(tape, y[0], y[1], in[4]);
             })
          .covers({})
          .size({{4, 5}, {5, 17}, {5, 3}, {3}, {3, 17}})
          .size({{1, 1}, {1, 1}, {1, 1}, {1}, {1, 1}})
          .size({{3, 2}, {2, 1}, {2, 4}, {4}, {4, 1}})
          .size({{280, 4}, {4, 8}, {4, 4}, {4}, {4, 8}})
          .large({{600, 70}, {70, 66}, {70, 34}, {34}, {34, 66}})
          .within(2e-4, "sums of up to 600 products of sums of 70"),
      OpCase("linear_transposed",
             [](auto& tape, const auto& in) { return linear_transposed(tape, in[0], in[1]); })
          .covers({"gemm"})
          .size({{4, 5}, {17, 5}})
          .size({{1, 1}, {1, 1}})
          .size({{3, 2}, {1, 2}})
          .large({{130, 70}, {67, 70}})
          .within(2e-5, "as linear")
          .at_step([](const StepSizes& s) -> std::vector<OpAtStep> {
            return {linear_at_step("linear_transposed", {s.R, s.C}, {s.V, s.C}, s.V)};
          }),
      OpCase("weighted_sum",
             []<class T>(Tape<T>& tape, const Inputs<T>& in) {
               return weighted_sum<T>(tape, {{in[0], 2.0}, {{}, 9.0}, {in[1], -0.5}, {in[0], 3.0}});
             })
          .size({{}, {1}})
          .within(1e-6, "three products, added up in double"),
  };
}

}  // namespace ramoe
