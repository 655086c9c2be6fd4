// Hidden checks of lab 12: task experts by every rule. Keys: seed L E tau fallback cumulative ties.
#include <cmath>

#include "ch09_task_experts/task_experts.h"
#include "labs/hidden/hidden.h"

using namespace ramoe;

void hidden::check(const Case& given) {
  const int L = given.number("L"), E = given.number("E");
  PerLayer usage, general;
  for (int l = 0; l < L; ++l) {
    usage.push_back(given.normals(std::size_t(E), 10 + std::uint64_t(l)));
    general.push_back(given.normals(std::size_t(E), 1000 + std::uint64_t(l)));
    for (auto* layer : {&usage.back(), &general.back()})
      for (double& value : *layer) value = std::abs(value) / 4;
  }
  for (const ExpertRule rule : {ExpertRule::usage, ExpertRule::esft, ExpertRule::contrast}) {
    ExpertConfig config;
    config.rule = rule;
    config.tau = given.real("tau", 0.1);
    config.cumulative = given.real("cumulative", 0.5);
    config.fallback = given.number("fallback", 2);
    const bool alone = rule == ExpertRule::esft;
    const TaskExperts found = select_experts("t", config, usage, alone ? PerLayer{} : general);
    for (int l = 0; l < L; ++l) {
      const std::string at = "_" + std::to_string(int(rule)) + "_" + std::to_string(l);
      print("score" + at, found.score.at(std::size_t(l)));
      print_all("experts" + at, found.experts.at(std::size_t(l)));
    }
    print("mass_" + std::to_string(int(rule)), mass_of(general, found.experts));
  }
}
