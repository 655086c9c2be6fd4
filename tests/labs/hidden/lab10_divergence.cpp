// Hidden checks of lab 10: divergence of routings, and zones. Keys: seed E L pairs, zeros (1: some
// experts are never visited), ties (of the curves).
#include <cmath>

#include "ch07_divergence/divergence.h"
#include "labs/hidden/hidden.h"

using namespace ramoe;

namespace {

std::vector<double> routing(Random& draws, int E, bool zeros) {
  std::vector<double> q;
  double sum = 0;
  for (int e = 0; e < E; ++e) {
    q.push_back(zeros && e > 0 && draws.below(3) == 0 ? 0 : draws.uniform() + 0.01);
    sum += q.back();
  }
  for (double& value : q) value /= sum;
  return q;
}

void print_zone(const std::string& name, const Zone& zone) {
  hidden::print(name, std::vector<double>{double(zone.first), double(zone.last)});
}

}  // namespace

void hidden::check(const Case& given) {
  const int E = given.number("E"), L = given.number("L");
  Random draws = given.random(1);
  std::vector<SequenceRouting> english, target;
  std::vector<double> entropies, divergences;
  for (int i = 0; i < given.number("pairs"); ++i) {
    english.emplace_back(), target.emplace_back();
    for (int l = 0; l < L; ++l) {
      english.back().q.push_back(routing(draws, E, given.number("zeros", 0) != 0));
      target.back().q.push_back(routing(draws, E, given.number("zeros", 0) != 0));
      entropies.push_back(entropy(english.back().q.back()));
      divergences.push_back(routing_divergence(english.back().q.back(), target.back().q.back()));
    }
  }
  print("entropy", entropies);
  print("divergence", divergences);
  print("mean_divergence", mean_divergence(english, target));
  print("of_uniform", routing_divergence(std::vector<double>(std::size_t(E), 1.0 / E),
                                         std::vector<double>(std::size_t(E), 1.0 / E)));
  for (int i = 0; i < 8; ++i) {
    auto curve = given.normals(std::size_t(L), 100 + std::uint64_t(i));
    for (double& value : curve) value = std::abs(value);
    const Zone zone = zone_from_curve(curve);
    print_zone("zone" + std::to_string(i), zone);
    print("u_shaped" + std::to_string(i), is_u_shaped(curve, zone, 0.1));
  }
  print_zone("by_depth", zone_from_depth(L, 0.2, 0.7));
  print_zone("by_depth_narrow", zone_from_depth(L, 0.41, 0.42));
  print_refusal("no_pairs", [] { mean_divergence({}, {}); });
}
