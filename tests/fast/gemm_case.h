// A matrix product with its matrices, for the tests of all its versions.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "ch01_tensor/gemm.h"
#include "ch01_tensor/philox.h"
#include "support/compare.h"

namespace ramoe {

inline constexpr float kFence = -12345.678f;  // stands wherever C must not be written

inline std::size_t at(std::ptrdiff_t i) {
  return static_cast<std::size_t>(i);
}

/// A product with its matrices: rows longer than needed and starting off any vector's alignment.
struct Case {
  Gemm<float> g{};
  std::vector<float> a, b, c;

  Case(GemmForm form, int M, int N, int K, bool accumulate, std::uint64_t seed = 1) {
    Random random(seed, static_cast<std::uint64_t>(M * 1000 + N));
    const int a_rows = form == GemmForm::TN ? K : M, a_cols = form == GemmForm::TN ? M : K;
    const int b_rows = form == GemmForm::NT ? N : K, b_cols = form == GemmForm::NT ? K : N;
    g = {form, M, N, K, nullptr, a_cols + 3, nullptr, b_cols + 5, nullptr, N + 7, accumulate};
    auto fill = [&random](std::vector<float>& v, int rows, int cols, int ld) {
      v.assign(at(1 + std::ptrdiff_t{rows} * ld), kNan);  // NaN wherever nothing may be read
      for (int i = 0; i < rows; ++i)
        for (int j = 0; j < cols; ++j)
          v[at(1 + std::ptrdiff_t{i} * ld + j)] =
              static_cast<float>(random.next_u32() >> 8) * 0x1p-23f - 1.0f;
    };
    fill(a, a_rows, a_cols, g.lda);
    fill(b, b_rows, b_cols, g.ldb);
    c.assign(at(2 + std::ptrdiff_t{M} * g.ldc), kFence);
    for (int i = 0; i < M; ++i)
      for (int j = 0; j < N; ++j)
        c[at(1 + i * g.ldc + j)] = accumulate ? 0.01f * float(i - j) : kNan;
    point();
  }
  Case(const Case& other) : g(other.g), a(other.a), b(other.b), c(other.c) { point(); }
  Case& operator=(const Case& other) {
    g = other.g, a = other.a, b = other.b, c = other.c;
    point();
    return *this;
  }

  void point() { g.A = a.data() + 1, g.B = b.data() + 1, g.C = c.data() + 1; }
  std::string name() const {
    static const char* forms[] = {"NN", "NT", "TN"};
    return cat(forms[static_cast<int>(g.form)], " M=", g.M, " N=", g.N, " K=", g.K,
               g.accumulate ? " +=" : " =");
  }
};

inline bool same_bits(const std::vector<float>& x, const std::vector<float>& y) {
  return x.size() == y.size() && std::memcmp(x.data(), y.data(), x.size() * sizeof(float)) == 0;
}

}  // namespace ramoe
