#include "ch07_divergence/divergence.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

namespace ramoe {

double entropy(const std::vector<double>& q) {
  double h = 0;
  for (const double value : q)
    if (value > 0) h -= value * std::log(value);
  return h;
}

double routing_divergence(const std::vector<double>& q, const std::vector<double>& other) {
  check(q.size() == other.size() && !q.empty(), "routing_divergence: ", q.size(), " and ",
        other.size(), " experts.");
  std::vector<double> middle(q.size());
  for (std::size_t e = 0; e < q.size(); ++e) middle[e] = (q[e] + other[e]) / 2;
  const double mean_entropy = (entropy(q) + entropy(other)) / 2;
  const double most = std::log(static_cast<double>(q.size())) - mean_entropy;
  if (most < 1e-12) return 0;
  return std::clamp((entropy(middle) - mean_entropy) / most, 0.0, 1.0);
}

std::vector<double> mean_divergence(const std::vector<SequenceRouting>& english,
                                    const std::vector<SequenceRouting>& target) {
  check(english.size() == target.size() && !english.empty(), "divergence needs parallel texts; ",
        english.size(), " English and ", target.size(), " target sequences were given.");
  std::vector<double> mean(english[0].q.size(), 0.0);
  for (std::size_t i = 0; i < english.size(); ++i)
    for (std::size_t l = 0; l < mean.size(); ++l)
      mean[l] +=
          routing_divergence(english[i].q[l], target[i].q[l]) / static_cast<double>(english.size());
  return mean;
}

void ZoneConfig::list(FieldList& f) {
  f.add("zone", &rule, "how the alignment zone is found");
  f.add("zone_begin", &begin, "with zone=depth: where it begins, share of the depth", {0, 1});
  f.add("zone_end", &end, "with zone=depth: where it ends, share of the depth", {0, 1});
}

Zone find_zone(const ZoneConfig& config, const std::vector<double>& divergence) {
  return config.rule == ZoneRule::curve
             ? zone_from_curve(divergence)
             : zone_from_depth(static_cast<int>(divergence.size()), config.begin, config.end);
}

Zone zone_from_curve(const std::vector<double>& divergence) {
  check(!divergence.empty(), "the alignment zone of a curve without layers was asked for.");
  const auto [low, high] = std::minmax_element(divergence.begin(), divergence.end());
  const double middle = (*low + *high) / 2;
  Zone best{0, -1};
  double best_mean = 0;
  const int L = static_cast<int>(divergence.size());
  for (int first = 0; first < L; ++first) {
    if (divergence[std::size_t(first)] > middle) continue;
    int last = first;
    double sum = divergence[std::size_t(first)];
    while (last + 1 < L && divergence[std::size_t(last + 1)] <= middle)
      sum += divergence[std::size_t(++last)];
    const Zone run{first, last};
    const double mean = sum / run.size();
    if (run.size() > best.size() || (run.size() == best.size() && mean < best_mean)) {
      best = run;
      best_mean = mean;
    }
    first = last;
  }
  return best;
}

Zone zone_from_depth(int layers, double begin, double end) {
  check(layers > 0 && begin >= 0 && begin < end && end <= 1, "zone by depth from ", begin, " to ",
        end, " of ", layers, " layers; expected 0 <= begin < end <= 1.");
  Zone zone{layers, -1};
  for (int l = 0; l < layers; ++l) {
    const double centre = (l + 0.5) / layers;
    if (centre < begin || centre > end) continue;
    zone.first = std::min(zone.first, l);
    zone.last = std::max(zone.last, l);
  }
  if (zone.size() < 1)  // the range lies between two centres
    zone.first = zone.last =
        std::min(layers - 1, static_cast<int>((begin + end) / 2 * static_cast<double>(layers)));
  return zone;
}

bool is_u_shaped(const std::vector<double>& divergence, Zone zone, double margin) {
  const int L = static_cast<int>(divergence.size());
  if (zone.first == 0 || zone.last == L - 1) return false;
  double mean = 0;
  for (int l = zone.first; l <= zone.last; ++l) mean += divergence[std::size_t(l)] / zone.size();
  return divergence.front() > mean + margin && divergence.back() > mean + margin;
}

double correlation(const std::vector<double>& x, const std::vector<double>& y) {
  check(x.size() == y.size(), "correlation of ", x.size(), " with ", y.size(), " values.");
  const double n = static_cast<double>(x.size());
  if (x.size() < 3) return std::numeric_limits<double>::quiet_NaN();
  const double mean_x = std::accumulate(x.begin(), x.end(), 0.0) / n;
  const double mean_y = std::accumulate(y.begin(), y.end(), 0.0) / n;
  double xy = 0, xx = 0, yy = 0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    xy += (x[i] - mean_x) * (y[i] - mean_y);
    xx += (x[i] - mean_x) * (x[i] - mean_x);
    yy += (y[i] - mean_y) * (y[i] - mean_y);
  }
  if (xx <= 0 || yy <= 0) return std::numeric_limits<double>::quiet_NaN();
  return xy / std::sqrt(xx * yy);
}

}  // namespace ramoe
