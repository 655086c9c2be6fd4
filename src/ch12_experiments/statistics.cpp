#include "ch12_experiments/statistics.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>
#include <numeric>

#include "ch01_tensor/philox.h"
#include "ch07_divergence/divergence.h"
#include "support/error.h"
#include "support/order.h"
#include "support/stop.h"

namespace ramoe {
namespace {

constexpr double nan = std::numeric_limits<double>::quiet_NaN();
// Streams of the bootstraps, so that two statistics with the same seed do not share draws.
constexpr std::uint64_t mean_stream = 1201, grand_stream = 1202, correlation_stream = 1203;

void check_finite(const std::vector<double>& values, const char* what) {
  for (std::size_t i = 0; i < values.size(); ++i)
    check(std::isfinite(values[i]), what, ": value ", i, " is ", values[i],
          "; expected finite numbers. Leave out what was not measured.");
}

void check_config(const BootstrapConfig& config) {
  check(config.resamples >= 1 && config.level > 0 && config.level < 1, "bootstrap with ",
        config.resamples, " resamples and level ", config.level,
        "; expected at least 1 resample and a level between 0 and 1.");
}

std::size_t draw(Random& random, std::size_t count) {
  stop_point();
  return random.below(static_cast<std::uint32_t>(count));
}

/// The middle `level` of the resampled values.
Interval middle(const std::vector<double>& resampled, double level) {
  return {quantile(resampled, (1 - level) / 2), quantile(resampled, (1 + level) / 2)};
}

/// The continued fraction of DLMF 8.17.22 by Lentz's method; converges fast for x < (a+1)/(a+b+2).
double beta_fraction(double x, double a, double b) {
  constexpr double tiny = 1e-300;
  const auto away_from_zero = [](double v) { return std::abs(v) < tiny ? tiny : v; };
  double c = 1, d = 1 / away_from_zero(1 - (a + b) * x / (a + 1)), fraction = d;
  for (int m = 1; m <= 1000; ++m) {
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    double step = 1;
    for (const double term : {even, odd}) {
      d = 1 / away_from_zero(1 + term * d);
      c = away_from_zero(1 + term / c);
      step = c * d;
      fraction *= step;
    }
    if (std::abs(step - 1) < 1e-15) break;
  }
  return fraction;
}

/// I_x(a,b), the regularised incomplete beta function.
double incomplete_beta(double x, double a, double b) {
  if (x <= 0) return 0;
  if (x >= 1) return 1;
  const double front = std::exp(std::lgamma(a + b) - std::lgamma(a) - std::lgamma(b) +
                                a * std::log(x) + b * std::log1p(-x));
  if (x < (a + 1) / (a + b + 2)) return front * beta_fraction(x, a, b) / a;
  return 1 - front * beta_fraction(1 - x, b, a) / b;
}

}  // namespace

Interval unknown_interval() {
  return {nan, nan};
}

bool all_same(const std::vector<double>& values) {
  if (values.size() < 2) return true;
  const auto [low, high] = std::minmax_element(values.begin(), values.end());
  return *high - *low <= 1e-12 * std::max(std::abs(*low), std::abs(*high));
}

double mean(const std::vector<double>& values) {
  if (values.empty()) return nan;
  return std::accumulate(values.begin(), values.end(), 0.0) / static_cast<double>(values.size());
}

double sample_deviation(const std::vector<double>& values) {
  if (values.size() < 2) return nan;
  const double centre = mean(values);
  double squares = 0;
  for (const double value : values) squares += (value - centre) * (value - centre);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

double quantile(std::vector<double> values, double p) {
  check(p >= 0 && p <= 1, "quantile ", p, "; expected a share from 0 to 1.");
  if (values.empty()) return nan;
  std::sort(values.begin(), values.end());
  const double position = p * static_cast<double>(values.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  const std::size_t above = std::min(below + 1, values.size() - 1);
  return values[below] + (position - static_cast<double>(below)) * (values[above] - values[below]);
}

double student_quantile(double p, double degrees) {
  check(p > 0 && p < 1 && degrees >= 1, "quantile ", p, " of Student's t with ", degrees,
        " degrees of freedom; expected a share between 0 and 1, and at least 1 degree.");
  if (p < 0.5) return -student_quantile(1 - p, degrees);
  if (p == 0.5) return 0;
  // P(T > t) = I_x(v/2, 1/2) / 2 with x = v/(v+t^2). It falls with t, so bisect.
  const double tail = 1 - p;
  const auto above = [&](double t) {
    return 0.5 * incomplete_beta(degrees / (degrees + t * t), degrees / 2, 0.5);
  };
  double low = 0, high = 1;
  while (above(high) > tail && high < 1e150) high *= 2;
  for (int i = 0; i < 200 && high - low > 1e-15 * high; ++i) {
    const double centre = 0.5 * (low + high);
    (above(centre) > tail ? low : high) = centre;
  }
  return 0.5 * (low + high);
}

Interval student_interval(const std::vector<double>& values, double level) {
  check(level > 0 && level < 1, "interval of level ", level, "; expected between 0 and 1.");
  check_finite(values, "Student's interval");
  if (all_same(values)) return unknown_interval();
  const double n = static_cast<double>(values.size());
  const double half =
      student_quantile((1 + level) / 2, n - 1) * sample_deviation(values) / std::sqrt(n);
  return {mean(values) - half, mean(values) + half};
}

Interval bootstrap_interval(const std::vector<double>& values, const BootstrapConfig& config) {
  check_config(config);
  check_finite(values, "bootstrap");
  if (all_same(values)) return unknown_interval();
  Random random(config.seed, mean_stream);
  std::vector<double> means(static_cast<std::size_t>(config.resamples));
  for (double& resampled : means) {
    double sum = 0;
    for (std::size_t i = 0; i < values.size(); ++i) sum += values[draw(random, values.size())];
    resampled = sum / static_cast<double>(values.size());
  }
  return middle(means, config.level);
}

Interval paired_bootstrap_interval(const std::vector<double>& a, const std::vector<double>& b,
                                   const BootstrapConfig& config) {
  check(a.size() == b.size(), "paired bootstrap of ", a.size(), " and ", b.size(),
        " values; expected one of each for every pair.");
  std::vector<double> differences(a.size());
  for (std::size_t i = 0; i < a.size(); ++i) differences[i] = a[i] - b[i];
  return bootstrap_interval(differences, config);
}

GrandMean grand_mean(const std::vector<std::vector<double>>& cells, const BootstrapConfig& config) {
  check_config(config);
  std::vector<double> cell_means, all;
  for (const std::vector<double>& cell : cells) {
    check(!cell.empty(), "grand mean: cell ", cell_means.size(), " has no values; leave it out.");
    check_finite(cell, "grand mean");
    cell_means.push_back(mean(cell));
    all.insert(all.end(), cell.begin(), cell.end());
  }
  GrandMean result{mean(cell_means), unknown_interval()};
  if (all_same(all)) return result;
  Random random(config.seed, grand_stream);
  std::vector<double> means(static_cast<std::size_t>(config.resamples));
  for (double& resampled : means) {
    double sum = 0;
    for (std::size_t c = 0; c < cells.size(); ++c) {
      const std::vector<double>& cell = cells[draw(random, cells.size())];
      double of_cell = 0;
      for (std::size_t i = 0; i < cell.size(); ++i) of_cell += cell[draw(random, cell.size())];
      sum += of_cell / static_cast<double>(cell.size());
    }
    resampled = sum / static_cast<double>(cells.size());
  }
  result.interval = middle(means, config.level);
  return result;
}

double sign_flip_p_value(const std::vector<double>& differences, std::uint64_t seed) {
  const std::size_t n = differences.size();
  double sum = 0, sizes = 0;
  for (const double d : differences) {
    check(std::isfinite(d), "a difference is not finite; leave it out before.");
    sum += d;
    sizes += std::abs(d);
  }
  // Sums in another order differ in their last bits, so compare up to rounding.
  const double as_far = std::abs(sum) - 1e-12 * sizes;
  const bool exact = n <= 16;
  const std::uint64_t rounds = exact ? std::uint64_t{1} << n : 100'000;
  Random random(seed, 55);
  std::uint64_t far = 0;
  for (std::uint64_t round = 0; round < rounds; ++round) {
    double flipped = 0;
    std::uint64_t signs = round;
    for (std::size_t i = 0; i < n; ++i) {
      const bool minus = exact ? (signs >> i & 1) != 0 : random.next_u32() >> 31 != 0;
      flipped += minus ? -differences[i] : differences[i];
    }
    far += std::abs(flipped) >= as_far;
  }
  // The signs as observed are one of the combinations, so the share is never 0.
  return exact ? double(far) / double(rounds) : double(far + 1) / double(rounds + 1);
}

std::vector<double> holm_adjusted(const std::vector<double>& p) {
  const std::vector<int> order = order_by(p.size(), [&](int i) { return p[std::size_t(i)]; });
  std::vector<double> adjusted(p.size());
  double largest = 0;
  for (std::size_t i = 0; i < order.size(); ++i) {
    const std::size_t at = std::size_t(order[i]);
    const double value = p[at];
    check(value >= 0 && value <= 1, "p = ", value, " is no probability.");
    largest = std::max(largest, std::min(1.0, value * double(order.size() - i)));
    adjusted[at] = largest;
  }
  return adjusted;
}

std::vector<double> centred(const std::vector<double>& values, const std::vector<int>& groups) {
  check(values.size() == groups.size(), "centring of ", values.size(), " values in groups of ",
        groups.size(), "; expected the group of each.");
  struct Group {
    double sum = 0, low = 0, high = 0;
    int count = 0;
  };
  std::map<int, Group> by_number;
  double largest = 0;
  for (std::size_t i = 0; i < values.size(); ++i) {
    Group& g = by_number[groups[i]];
    g.low = g.count ? std::min(g.low, values[i]) : values[i];
    g.high = g.count ? std::max(g.high, values[i]) : values[i];
    g.sum += values[i];
    ++g.count;
    largest = std::max(largest, std::abs(values[i]));
  }
  std::vector<double> result(values.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    const Group& g = by_number[groups[i]];
    // Values that differ in their last bits alone have no spread, but would correlate anyway.
    result[i] = g.high - g.low <= 1e-12 * largest ? 0 : values[i] - g.sum / g.count;
  }
  return result;
}

namespace {

using Values = std::vector<double>;

double grouped_correlation(const Values& x, const Values& y, const std::vector<int>& groups) {
  return groups.empty() ? correlation(x, y) : correlation(centred(x, groups), centred(y, groups));
}

/// For each side, its r with y in every resample, NaN if there is none. A point is replaced by one
/// of its own group, so that groups[i] remains the group of point i.
std::vector<Values> resampled_correlations(const std::vector<const Values*>& sides, const Values& y,
                                           const BootstrapConfig& config,
                                           const std::vector<int>& groups) {
  std::map<int, std::vector<std::size_t>> members;
  for (std::size_t i = 0; i < y.size(); ++i) members[groups.empty() ? 0 : groups[i]].push_back(i);
  Random random(config.seed, correlation_stream);
  std::vector<Values> rs(sides.size()), drawn(sides.size(), Values(y.size()));
  Values y_drawn(y.size());
  for (int sample = 0; sample < config.resamples; ++sample) {
    for (std::size_t i = 0; i < y.size(); ++i) {
      const std::vector<std::size_t>& group = members[groups.empty() ? 0 : groups[i]];
      const std::size_t point = group[draw(random, group.size())];
      for (std::size_t s = 0; s < sides.size(); ++s) drawn[s][i] = (*sides[s])[point];
      y_drawn[i] = y[point];
    }
    for (std::size_t s = 0; s < sides.size(); ++s)
      rs[s].push_back(grouped_correlation(drawn[s], y_drawn, groups));
  }
  return rs;
}

/// Unknown if more than half of the resamples have no value, or all have the same one.
Interval middle_of_known(Values resampled, const BootstrapConfig& config, std::size_t points) {
  std::erase_if(resampled, [](double value) { return !std::isfinite(value); });
  if (2 * resampled.size() < static_cast<std::size_t>(config.resamples) || points < fewest_points)
    return unknown_interval();
  const auto [low, high] = std::minmax_element(resampled.begin(), resampled.end());
  if (*high - *low <= 1e-9) return unknown_interval();  // r lies in [-1,1]
  return middle(resampled, config.level);
}

void check_sides(const Values& x, const Values& y, const std::vector<int>& groups) {
  check_finite(x, "correlation, first side");
  check_finite(y, "correlation, second side");
  check(x.size() == y.size() && (groups.empty() || groups.size() == x.size()), "correlation of ",
        x.size(), " with ", y.size(), " values in groups of ", groups.size(),
        "; expected as many of each.");
}

}  // namespace

CorrelationEstimate estimate_correlation(const std::vector<double>& x, const std::vector<double>& y,
                                         const BootstrapConfig& config,
                                         const std::vector<int>& groups) {
  check_config(config);
  check_sides(x, y, groups);
  CorrelationEstimate result{grouped_correlation(x, y, groups), unknown_interval(),
                             static_cast<int>(x.size())};
  if (std::isfinite(result.r))
    result.interval =
        middle_of_known(resampled_correlations({&x}, y, config, groups)[0], config, x.size());
  return result;
}

CorrelationDifference compare_correlations(const std::vector<double>& x,
                                           const std::vector<double>& other,
                                           const std::vector<double>& y,
                                           const BootstrapConfig& config,
                                           const std::vector<int>& groups) {
  check_config(config);
  check_sides(x, y, groups);
  check_sides(other, y, groups);
  const int points = static_cast<int>(y.size());
  const double r = grouped_correlation(x, y, groups),
               r_other = grouped_correlation(other, y, groups);
  CorrelationDifference result{{r, unknown_interval(), points},
                               {r_other, unknown_interval(), points},
                               r - r_other,
                               unknown_interval()};
  const std::vector<Values> rs = resampled_correlations({&x, &other}, y, config, groups);
  if (std::isfinite(r)) result.first.interval = middle_of_known(rs[0], config, y.size());
  if (std::isfinite(r_other)) result.second.interval = middle_of_known(rs[1], config, y.size());
  if (!std::isfinite(result.value)) return result;
  Values differences(rs[0].size());
  for (std::size_t i = 0; i < differences.size(); ++i) differences[i] = rs[0][i] - rs[1][i];
  result.interval = middle_of_known(differences, config, y.size());
  return result;
}

}  // namespace ramoe
