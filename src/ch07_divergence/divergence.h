// Chapter 7.2 - routing divergence and the alignment zone                          [paper fact 1]
//
//   D(q,q') = [ H((q+q')/2) - (H(q)+H(q'))/2 ] / [ log E - (H(q)+H(q'))/2 ]      in [0,1]
//   Div_l(lang) = mean over parallel pairs of D(q_l(x_en), q_l(x_lang))
//
// H is the entropy with natural logarithm. D is the Jensen-Shannon divergence, divided by a bound
// of it: no mixture of E experts has more entropy than log E. Source: Multilingual Routing in
// Mixture-of-Experts (arXiv 2510.04694). The published curve of Div over depth is a U.
// Ours: the zone M is the longest run of layers in which the curve, the mean of Div over languages,
// is at most the mid-point between its minimum and its maximum.
// Tests: tests/ch07_divergence/divergence_test.cpp
#pragma once

#include <vector>

#include "ch07_divergence/routing_stats.h"
#include "support/config.h"

namespace ramoe {

/// Entropy of a distribution, natural logarithm, 0 log 0 = 0.
double entropy(const std::vector<double>& q);

/// D(q,q'). 0 if both are the same. If the denominator is 0 (both uniform), D is 0.
double routing_divergence(const std::vector<double>& q, const std::vector<double>& other);

/// Mean D over pairs, by layer. Error: different numbers of sequences, or none.
std::vector<double> mean_divergence(const std::vector<SequenceRouting>& english,
                                    const std::vector<SequenceRouting>& target);

/// The layers of the alignment zone.
struct Zone {
  int first = 0, last = 0;  // both included
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

/// From the curve: the longest run that is at most the mid-point; of runs of the same length, the
/// one with the lower mean.
Zone zone_from_curve(const std::vector<double>& divergence);

/// By depth: the layers whose centre (l + 0.5) / L lies in [begin, end]; the published default
/// range is 0.2 to 0.7. At least one layer. Error: not 0 <= begin < end <= 1.
Zone zone_from_depth(int layers, double begin, double end);

/// Whether the curve falls and rises again: the zone touches neither end, and both ends lie above
/// the mean of the zone by more than the margin. The report states the result; nothing assumes it.
bool is_u_shaped(const std::vector<double>& divergence, Zone zone, double margin = 0.0);

/// Pearson's correlation; NaN if there are fewer than 3 pairs or a side is constant.
double correlation(const std::vector<double>& x, const std::vector<double>& y);

}  // namespace ramoe
