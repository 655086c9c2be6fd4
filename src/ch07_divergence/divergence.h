// Chapter 7.2 - routing divergence and the alignment zone                          [paper fact 1]
//
//   D(q,q') = [ H((q+q')/2) - (H(q)+H(q'))/2 ] / [ log E - (H(q)+H(q'))/2 ]      in [0,1]
//   Div_l(lang) = mean over parallel pairs of D(q_l(x_en), q_l(x_lang))
//
// H is the entropy with natural logarithm: a Jensen-Shannon divergence, divided by the largest
// value it could have between distributions of these entropies. Source: Multilingual Routing in
// Mixture-of-Experts (arXiv 2510.04694). Its published shape is a U over depth. That the zone M is
// the longest run of layers whose mean Div is under the mid-point between the curve's minimum and
// maximum is our choice. Tests: tests/ch07_divergence/divergence_test.cpp
#pragma once

#include <string>
#include <vector>

#include "ch07_divergence/routing_stats.h"
#include "support/config.h"

namespace ramoe {

/// Entropy of a distribution, natural logarithm, 0 log 0 = 0.
double entropy(const std::vector<double>& q);

/// D(q,q'). 0 if both are the same. Where the denominator vanishes (both uniform) D is 0.
double routing_divergence(const std::vector<double>& q, const std::vector<double>& other);

/// Mean D per layer over pairs. Error: different numbers of sequences, or none.
std::vector<double> mean_divergence(const std::vector<SequenceRouting>& english,
                                    const std::vector<SequenceRouting>& target);

/// The layers of the alignment zone.
struct Zone {
  int first = 0, last = 0;  // both belong to it
  bool contains(int layer) const { return first <= layer && layer <= last; }
  int size() const { return last - first + 1; }
};

/// How the zone is found.
enum class ZoneRule { curve, depth };
constexpr auto names(ZoneRule) {
  return std::array{"curve", "depth"};
}
struct ZoneConfig {
  ZoneRule rule = ZoneRule::curve;
  double begin = 0.2, end = 0.7;  // of depth

  void list(FieldList& fields);
};
Zone find_zone(const ZoneConfig& config, const std::vector<double>& divergence);

/// Read off the curve: the longest run under the mid-point; of equals the one with the lower mean.
Zone zone_from_curve(const std::vector<double>& divergence);

/// By depth: the layers whose centre (l + 0.5) / L lies in [begin, end]; the published default
/// range is 0.2 to 0.7. At least one layer. Error: not 0 <= begin < end <= 1.
Zone zone_from_depth(int layers, double begin, double end);

/// Whether the curve falls and rises again: both ends lie above the zone's mean by more than the
/// given margin. Said in words by the report, never assumed.
bool is_u_shaped(const std::vector<double>& divergence, Zone zone, double margin = 0.0);

/// Pearson's correlation; NaN if fewer than 3 pairs or a side is constant.
double correlation(const std::vector<double>& x, const std::vector<double>& y);

}  // namespace ramoe
