#include "ch11_baselines/steering.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "ch01_tensor/philox.h"
#include "support/order.h"

namespace ramoe {

void SteeringConfig::list(FieldList& f) {
  f.add("steering", &form, "Routing Steering towards the task experts in the zone");
  f.add("steering_strength", &strength, "soft: push in standard deviations of the logits",
        {0, 1000});
  f.add("steering_seed", &seed, "hard: seed of the noise between the forced experts");
}

template <>
void steer_soft(double* z, const int* experts, int count, double strength, int N, int E) {
  for (int n = 0; n < N; ++n) {
    double* z_n = row(z, n, E);
    double mean = 0, squares = 0;
    for (int e = 0; e < E; ++e) mean += z_n[e] / E;
    for (int e = 0; e < E; ++e) squares += (z_n[e] - mean) * (z_n[e] - mean);
    const double deviation = std::sqrt(squares / E);
    for (int j = 0; j < count; ++j) z_n[experts[j]] += strength * deviation;
  }
}

template <>
void steer_hard(double* z, const int* experts, const double* noise, int count, int N, int E) {
  for (int n = 0; n < N; ++n) {
    double* z_n = row(z, n, E);
    const double largest = *std::max_element(z_n, z_n + E);
    const double above = std::nextafter(largest, std::numeric_limits<double>::infinity());
    for (int j = 0; j < count; ++j) z_n[experts[j]] = std::max(above, largest + 1e-6 * noise[j]);
  }
}

template <class T>
RoutingSteering<T>::RoutingSteering(const SteeringConfig& config, Zone zone,
                                    const TaskExperts& experts, int most)
    : config_(config),
      experts_(experts.experts.size()),
      placed_(experts_.size()),
      noise_(experts_.size()) {
  const int layers = static_cast<int>(experts.experts.size());
  check(zone.first >= 0 && zone.last < layers, "steering: the zone ", zone.first, " to ", zone.last,
        " does not lie within the ", layers, " layers of the task experts.");
  for (int l = zone.first; l <= zone.last; ++l) {
    const std::size_t i = std::size_t(l);
    const std::vector<int>& all = experts.experts[i];
    const std::vector<double>& score = experts.score[i];
    std::vector<int>& chosen = experts_[i];
    for (const int j :
         order_by(all.size(), [&](int k) { return -score[std::size_t(all[std::size_t(k)])]; }))
      if (chosen.size() < std::size_t(most)) chosen.push_back(all[std::size_t(j)]);
    std::sort(chosen.begin(), chosen.end());
    std::vector<Number<T>> noise;
    Random random(config.seed, 8000 + std::uint64_t(i));
    for (std::size_t j = 0; j < chosen.size(); ++j)
      noise.push_back(static_cast<Number<T>>(random.uniform()));
    placed_[i].resize(chosen.size());
    noise_[i].resize(chosen.size());
    copy_in(placed_[i].data(), chosen.data(), chosen.size());
    copy_in(noise_[i].data(), noise.data(), noise.size());
  }
}

template <class T>
void RoutingSteering<T>::change(T* z, int i, int N, int E) const {
  const std::size_t l = std::size_t(i);
  const int count = static_cast<int>(experts_[l].size());
  if (count == 0) return;
  if (config_.form == Steering::soft)
    steer_soft(z, placed_[l].data(), count, config_.strength, N, E);
  else if (config_.form == Steering::hard)
    steer_hard(z, placed_[l].data(), noise_[l].data(), count, N, E);
}

#define RAMOE_INSTANTIATE(T) template class RoutingSteering<T>;
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
