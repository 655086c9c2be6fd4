// Hidden checks of lab 14: quantiles, bootstrap, Holm. Keys: seed n resamples tests ties.
#include "ch12_experiments/statistics.h"
#include "labs/hidden/hidden.h"

using namespace ramoe;

namespace {

void print_interval(const std::string& name, const Interval& interval) {
  hidden::print(name, std::vector<double>{interval.low, interval.high});
}

}  // namespace

void hidden::check(const Case& given) {
  const std::size_t n = std::size_t(given.number("n"));
  const auto values = given.normals(n, 1), other = given.normals(n, 2);
  std::vector<double> quantiles;
  for (const double p : {0.0, 0.1, 0.25, 0.5, 0.9, 1.0}) quantiles.push_back(quantile(values, p));
  print("quantiles", quantiles);
  print("same", all_same(values));
  print("same_up_to_rounding", all_same(std::vector<double>(n, 0.1)));
  const BootstrapConfig config = {given.number("resamples"), 0.9, 5};
  print_interval("bootstrap", bootstrap_interval(values, config));
  print_interval("paired", paired_bootstrap_interval(values, other, config));
  print_interval("of_equal_values", bootstrap_interval(std::vector<double>(n, 2.5), config));
  Random draws = given.random(3);
  std::vector<double> p;
  for (int i = 0; i < given.number("tests"); ++i) p.push_back(draws.uniform() * draws.uniform());
  print("holm", holm_adjusted(p));
  print("holm_of_none", holm_adjusted({}));
  print_refusal("quantile_beyond_1", [] { quantile({1, 2}, 1.5); });
}
