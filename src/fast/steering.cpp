// The operations of chapter 11.2 for float: the definition, its sums in double.
#include "ch11_baselines/steering.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace ramoe {

template <>
void steer_soft(float* z, const int* experts, int count, double strength, int N, int E) {
  for (int n = 0; n < N; ++n) {
    float* z_n = row(z, n, E);
    double mean = 0, squares = 0;
    for (int e = 0; e < E; ++e) mean += double(z_n[e]) / E;
    for (int e = 0; e < E; ++e) squares += (z_n[e] - mean) * (z_n[e] - mean);
    const double push = strength * std::sqrt(squares / E);
    for (int j = 0; j < count; ++j) z_n[experts[j]] = static_cast<float>(z_n[experts[j]] + push);
  }
}

template <>
void steer_hard(float* z, const int* experts, const float* noise, int count, int N, int E) {
  for (int n = 0; n < N; ++n) {
    float* z_n = row(z, n, E);
    const float largest = *std::max_element(z_n, z_n + E);
    const float above = std::nextafter(largest, std::numeric_limits<float>::infinity());
    for (int j = 0; j < count; ++j) z_n[experts[j]] = std::max(above, largest + 1e-6f * noise[j]);
  }
}

}  // namespace ramoe
