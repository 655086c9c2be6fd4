#include "ch07_divergence/forced_routing.h"

#include <algorithm>
#include <cmath>

#include "support/error.h"
#include "support/stop.h"

namespace ramoe {
namespace {

constexpr double least_share = 1e-12;  // of an expert, so that quotients are finite

/// mean[e] = mean over the rows of softmax(z[n,:] + b)[e], from exp(z) and exp(b).
void mean_softmax(std::vector<double>& mean, const std::vector<double>& exp_z,
                  const std::vector<double>& exp_b) {
  const std::size_t E = exp_b.size(), N = exp_z.size() / E;
  std::fill(mean.begin(), mean.end(), 0.0);
  for (std::size_t n = 0; n < N; ++n) {
    const double* row = exp_z.data() + n * E;
    double sum = 0;
    for (std::size_t e = 0; e < E; ++e) sum += row[e] * exp_b[e];
    for (std::size_t e = 0; e < E; ++e) mean[e] += row[e] * exp_b[e] / (sum * double(N));
  }
}

}  // namespace

double match_mean(std::vector<double>& z, const std::vector<double>& q, const MatchLimits& limits) {
  const std::size_t E = q.size();
  check(E > 0 && !z.empty() && z.size() % E == 0, "match_mean: ", z.size(), " logits for ", E,
        " experts.");
  std::vector<double> exp_z(z.size()), exp_b(E, 1.0), mean(E);
  for (std::size_t n = 0; n < z.size(); n += E) {
    const double largest = *std::max_element(z.data() + n, z.data() + n + E);
    for (std::size_t e = 0; e < E; ++e) exp_z[n + e] = std::exp(z[n + e] - largest);
  }
  double distance = 0;
  for (int round = 0;; ++round) {
    mean_softmax(mean, exp_z, exp_b);
    distance = 0;
    for (std::size_t e = 0; e < E; ++e) distance = std::max(distance, std::abs(mean[e] - q[e]));
    if (distance <= limits.tolerance || round == limits.rounds) break;
    for (std::size_t e = 0; e < E; ++e)
      exp_b[e] *= std::max(q[e], least_share) / std::max(mean[e], least_share);
  }
  for (std::size_t i = 0; i < z.size(); ++i) z[i] += std::log(exp_b[i % E]);
  return distance;
}

template <class T>
void ForcedRouting<T>::change(T* z, int i, int N, int E) const {
  const std::vector<Row>& rows = rows_[std::size_t(i)];
  const std::vector<Mean>& means = means_[std::size_t(i)];
  if (rows.empty() && means.empty()) return;
  const std::size_t width = std::size_t(E);
  std::vector<Number<T>> all(std::size_t(N) * width);
  copy_out(all.data(), z, all.size());
  for (const Row& one : rows) std::copy_n(one.z, E, row(all.data(), one.n, E));
  for (const Mean& one : means) {
    stop_point();
    std::vector<double> part;
    for (const int n : one.rows)
      part.insert(part.end(), row(all.data(), n, E), row(all.data(), n + 1, E));
    farthest_ = std::max(farthest_, match_mean(part, *one.q, limits_));
    for (std::size_t r = 0; r < one.rows.size(); ++r)
      for (std::size_t e = 0; e < width; ++e)
        row(all.data(), one.rows[r], E)[e] = static_cast<Number<T>>(part[r * width + e]);
  }
  copy_in(z, all.data(), all.size());
}

#define RAMOE_INSTANTIATE(T) template class ForcedRouting<T>;
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
