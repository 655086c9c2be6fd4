#include "ch07_divergence/forced_routing.h"

#include <algorithm>
#include <cmath>

#include "support/error.h"
#include "support/stop.h"

namespace ramoe {
namespace {

constexpr double least_share = 1e-12;  // of an expert, so that logarithms are finite

/// mean[e] = mean over the rows of softmax(z[n,:] + b)[e].
void mean_softmax(std::vector<double>& mean, const std::vector<double>& z,
                  const std::vector<double>& b) {
  const std::size_t E = b.size(), N = z.size() / E;
  std::vector<double> p(E);
  std::fill(mean.begin(), mean.end(), 0.0);
  for (std::size_t n = 0; n < N; ++n) {
    double largest = -INFINITY, sum = 0;
    for (std::size_t e = 0; e < E; ++e) largest = std::max(largest, z[n * E + e] + b[e]);
    for (std::size_t e = 0; e < E; ++e) sum += p[e] = std::exp(z[n * E + e] + b[e] - largest);
    for (std::size_t e = 0; e < E; ++e) mean[e] += p[e] / sum / double(N);
  }
}

}  // namespace

double match_mean(std::vector<double>& z, const std::vector<double>& q, const MatchLimits& limits) {
  const std::size_t E = q.size();
  check(E > 0 && !z.empty() && z.size() % E == 0, "match_mean: ", z.size(), " logits for ", E,
        " experts.");
  std::vector<double> b(E, 0.0), mean(E);
  double distance = 0;
  for (int round = 0;; ++round) {
    mean_softmax(mean, z, b);
    distance = 0;
    for (std::size_t e = 0; e < E; ++e) distance = std::max(distance, std::abs(mean[e] - q[e]));
    if (distance <= limits.tolerance || round == limits.rounds) break;
    for (std::size_t e = 0; e < E; ++e)
      b[e] += std::log(std::max(q[e], least_share)) - std::log(std::max(mean[e], least_share));
  }
  for (std::size_t i = 0; i < z.size(); ++i) z[i] += b[i % E];
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
