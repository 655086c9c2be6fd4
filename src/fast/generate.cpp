// What chapter 3.5 asks of floats: rows into the key/value cache.
#include "ch03_transformer/generate.h"

#include <algorithm>

#include "ch01_tensor/tensor.h"

namespace ramoe {

template <>
void append_rows(float* cache, const float* rows, const int* cached, const int* length, int B,
                 int T, int capacity, int width) {
  for (int b = 0; b < B; ++b)
    std::copy_n(row(rows, b * T, width), std::size_t(length[b]) * std::size_t(width),
                row(cache, b * capacity + cached[b], width));
}

}  // namespace ramoe
