// Chapter 12.2 - how sure is a mean: intervals from few seeds and many cells
//
//   Student's t   mean +- t(1 - a/2, n-1) s / sqrt(n)           few values, nearly normal: seeds
//   bootstrap     draw n of the n values with replacement, 10,000 times; the interval holds the
//                 middle 95 % of the resampled means (percentile method)
//   hierarchical  draw cells (language x task) first, then seeds inside each cell drawn
//
// Sources: Efron and Tibshirani, "An Introduction to the Bootstrap" (1993), chapter 13; the t
// distribution by the regularised incomplete beta function (DLMF 8.17). Ours: differences are
// paired by seed, and cells are drawn before seeds. All draws are Philox: the same values, seed and
// config give the same bits. A value that is not finite is an Error; the caller leaves it out.
// Tests: tests/ch12_experiments/statistics_test.cpp
#pragma once

#include <cstdint>
#include <vector>

namespace ramoe {

/// [low, high]; both are NaN if there are too few values. Values that are all the same count as too
/// few, however many there are: a width of 0 would claim that chance plays no part.
struct Interval {
  double low, high;
  bool known() const { return low <= high; }  // false for NaN
};
Interval unknown_interval();
/// Whether all values are the same up to rounding; true for fewer than 2.
bool all_same(const std::vector<double>& values);

struct BootstrapConfig {
  int resamples = 10000;
  double level = 0.95;
  std::uint64_t seed = 1;
};

/// NaN for no values.
double mean(const std::vector<double>& values);
/// sqrt( sum (x - mean)^2 / (n-1) ); NaN for fewer than 2 values.
double sample_deviation(const std::vector<double>& values);
/// The p-quantile: position p (n-1) of the sorted values, linear between two of them. The values
/// need not be sorted. NaN for no values. Error: p outside [0,1].
double quantile(std::vector<double> values, double p);

/// The p-quantile of Student's t with `degrees` >= 1 (not necessarily whole) degrees of freedom, p
/// in (0,1). Agrees with the tables to 1e-9, relative.
double student_quantile(double p, double degrees);

/// Student's interval of the mean; unknown without 2 different values.
Interval student_interval(const std::vector<double>& values, double level = 0.95);

/// Percentile bootstrap of the mean; unknown without 2 different values.
Interval bootstrap_interval(const std::vector<double>& values, const BootstrapConfig& config = {});
/// The same for the mean of a[i] - b[i], where i is one item or seed under both methods.
/// Error: different numbers of values.
Interval paired_bootstrap_interval(const std::vector<double>& a, const std::vector<double>& b,
                                   const BootstrapConfig& config = {});

/// Mean over cells of the cells' means, with its hierarchical bootstrap. cells[c] holds the values
/// of cell c by seed; cells may differ in size. The interval is unknown if all values of all cells
/// are the same. Error: a cell without values.
struct GrandMean {
  double mean;
  Interval interval;
};
GrandMean grand_mean(const std::vector<std::vector<double>>& cells,
                     const BootstrapConfig& config = {});

/// Fisher's paired permutation test, two-sided: the probability of a mean at least as far from 0 as
/// this one if each difference had either sign with equal chance. It takes all 2^n combinations of
/// signs for n <= 16, else 100,000 drawn ones. 1 for no values.
double sign_flip_p_value(const std::vector<double>& differences, std::uint64_t seed = 1);

/// Several tests at once: p adjusted so that the chance of even one false finding among them is at
/// most the level that the results are compared with (Holm 1979: step-down, any dependence). The
/// order of the tests is kept. Error: a value outside [0,1].
std::vector<double> holm_adjusted(const std::vector<double>& p);

/// With fewer points a correlation has no interval. By chance, n points all rise or all fall with
/// probability 2/n!, which is over 5 % for n = 4, and then so do the points of every resample.
inline constexpr int fewest_points = 5;

/// Pearson's r of chapter 7.2 with its bootstrap over points. Resamples in which a side is constant
/// have no r and are left out. The interval is unknown if more than half of the resamples are left
/// out, if all have the same r, or if there are fewer than fewest_points points.
struct CorrelationEstimate {
  double r;
  Interval interval;
  int points;
};
///
/// `groups`: the group of each point, or empty for none. With groups, both sides are first centred
/// within each group, so that only differences within groups count. A resample then draws the
/// points of each group from that group and is centred again: centring is part of the estimate.
CorrelationEstimate estimate_correlation(const std::vector<double>& x, const std::vector<double>& y,
                                         const BootstrapConfig& config = {},
                                         const std::vector<int>& groups = {});

/// r(x,y) minus r(other,y) over the same points. Both take the same resamples, so that variation
/// they have in common cancels. Error: different numbers of values.
struct CorrelationDifference {
  CorrelationEstimate first, second;
  double value;
  Interval interval;
};
CorrelationDifference compare_correlations(const std::vector<double>& x,
                                           const std::vector<double>& other,
                                           const std::vector<double>& y,
                                           const BootstrapConfig& config = {},
                                           const std::vector<int>& groups = {});

/// The values minus the mean of their group; exactly 0 in a group whose values are the same up to
/// rounding.
std::vector<double> centred(const std::vector<double>& values, const std::vector<int>& groups);

}  // namespace ramoe
