#include "ch11_baselines/steering.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ch01_tensor/philox.h"
#include "support/config.h"

namespace ramoe {

void SteeringConfig::list(FieldList& f) {
  f.add("steering", &form, "Routing Steering towards the task experts in the zone");
  f.add("steering_strength", &strength, "soft: push in standard deviations of the logits",
        {0, 1000});
  f.add("steering_seed", &seed, "hard: seed of the noise between the forced experts");
}

RoutingSteering::RoutingSteering(const SteeringConfig& config, Zone zone,
                                 const TaskExperts& experts, int most)
    : config_(config), experts_(experts.experts.size()), noise_(experts_.size()) {
  const int layers = static_cast<int>(experts.experts.size());
  check(zone.first >= 0 && zone.last < layers, "steering: the zone ", zone.first, " to ", zone.last,
        " does not lie within the ", layers, " layers of the task experts.");
  for (int i = zone.first; i <= zone.last; ++i) {
    std::vector<int>& chosen = experts_[std::size_t(i)];
    const std::vector<double>& score = experts.score[std::size_t(i)];
    chosen = experts.experts[std::size_t(i)];
    std::stable_sort(chosen.begin(), chosen.end(),
                     [&](int a, int b) { return score[std::size_t(a)] > score[std::size_t(b)]; });
    chosen.resize(std::min(chosen.size(), static_cast<std::size_t>(most)));
    std::sort(chosen.begin(), chosen.end());
    Random noise(config.seed, 8000 + std::uint64_t(i));
    for (std::size_t j = 0; j < chosen.size(); ++j)
      noise_[std::size_t(i)].push_back(static_cast<float>(noise.uniform()));
  }
}

void RoutingSteering::push(float* z, const std::vector<int>& experts, int E) const {
  double mean = 0, squares = 0;
  for (int e = 0; e < E; ++e) mean += double(z[e]) / E;
  for (int e = 0; e < E; ++e) squares += (z[e] - mean) * (z[e] - mean);
  const double deviation = std::sqrt(squares / E);
  for (const int e : experts) z[e] = static_cast<float>(z[e] + config_.strength * deviation);
}

void RoutingSteering::force(float* z, const std::vector<int>& experts,
                            const std::vector<float>& noise, int E) const {
  const float largest = *std::max_element(z, z + E);
  // Where a float cannot hold the small difference, the next one above must do: a forced expert is
  // never merely as large as one that is not.
  const float above = std::nextafter(largest, std::numeric_limits<float>::infinity());
  for (std::size_t j = 0; j < experts.size(); ++j)
    z[experts[j]] = std::max(above, largest + 1e-6f * noise[j]);
}

void RoutingSteering::change(float* z, int i, int N, int E) const {
  const std::vector<int>& experts = experts_[std::size_t(i)];
  if (experts.empty()) return;
  for (int n = 0; n < N; ++n) {
    if (config_.form == Steering::hard)
      force(row(z, n, E), experts, noise_[std::size_t(i)], E);
    else if (config_.form == Steering::soft)
      push(row(z, n, E), experts, E);
  }
}

}  // namespace ramoe
