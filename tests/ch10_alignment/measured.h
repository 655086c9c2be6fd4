// D and g of one sequence over a support given as a list, by the definition.
#pragma once

#include <vector>

#include "ch10_alignment/divergences.h"

namespace ramoe {

inline double alignment_divergence(const AlignmentMeasure& measure,
                                   const std::vector<double>& q_star, const std::vector<double>& q,
                                   const std::vector<int>& support, std::vector<double>& g) {
  std::vector<unsigned char> in_support(q.size());
  for (const int e : support) in_support[std::size_t(e)] = 1;
  g.resize(q.size());
  double D = 0;
  alignment_divergence_forward(&D, g.data(), q_star.data(), q.data(), in_support.data(), measure, 1,
                               static_cast<int>(q.size()));
  return D;
}

}  // namespace ramoe
