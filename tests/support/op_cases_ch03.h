// The operations of chapter 3.
#pragma once

#include "ch03_transformer/transformer_ops.h"
#include "support/op_case.h"

namespace ramoe {

inline std::vector<OpCase> op_cases_ch03() {
  return {
      OpCase("rmsnorm",
             [](auto& tape, const auto& in) { return rmsnorm(tape, in[0], in[1], 1e-5); })
          .size({{5, 8}, {8}})
          .size({{1, 1}, {1}})
          .size({{7, 17}, {17}})
          .size({{4, 33}, {33}})
          .large({{300, 129}, {129}})
          .within(5e-6, "dw sums 300 products, each sum rounded to 1e-7 of its size, which is "
                        "about 20"),
  };
}

}  // namespace ramoe
