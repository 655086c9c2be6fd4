#include "ch09_task_experts/task_experts.h"

#include <algorithm>
#include <numeric>

#include "support/error.h"

namespace ramoe {
namespace {

/// Experts by falling score, ties to the lower index.
std::vector<int> by_score(const std::vector<double>& score) {
  std::vector<int> order(score.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(),
                   [&](int a, int b) { return score[std::size_t(a)] > score[std::size_t(b)]; });
  return order;
}

std::size_t chosen_count(const ExpertConfig& config, const std::vector<double>& score,
                         const std::vector<int>& order) {
  std::size_t count = 0;
  if (config.rule == ExpertRule::esft) {
    const double total = std::accumulate(score.begin(), score.end(), 0.0);
    double sum = 0;
    while (count < order.size() && sum < config.cumulative * total)
      sum += score[std::size_t(order[count++])];
  } else {
    while (count < order.size() && score[std::size_t(order[count])] > config.tau) ++count;
  }
  if (count == 0) count = std::size_t(std::max(1, config.fallback));
  return std::min(count, std::max<std::size_t>(1, order.size() - 1));
}

}  // namespace

void ExpertConfig::list(FieldList& f) {
  f.add("rule", &rule, "how task experts are selected");
  f.add("tau", &tau, "threshold of usage and contrast", {-1, 1});
  f.add("cumulative", &cumulative, "esft: share of the selections to be covered", {0, 1});
  f.add("fallback", &fallback, "experts taken in a layer where none passes", {1, 4096});
}

TaskExperts select_experts(const std::string& task, const ExpertConfig& config, const PerLayer& usage,
                           const PerLayer& reference) {
  const bool difference = config.rule != ExpertRule::esft;
  check(!difference || reference.size() == usage.size(), "the rule ", name_of(config.rule),
        " compares with a second set of texts; ", reference.size(), " layers of it for ",
        usage.size(), " were given.");
  TaskExperts result{task, usage, {}};
  for (std::size_t l = 0; l < usage.size(); ++l) {
    std::vector<double>& score = result.score[l];
    if (difference) {
      check(reference[l].size() == score.size(), "layer ", l, ": the usage of ", score.size(),
            " experts is compared with that of ", reference[l].size(), " experts.");
      for (std::size_t e = 0; e < score.size(); ++e) score[e] -= reference[l][e];
    }
    std::vector<int> order = by_score(score);
    order.resize(chosen_count(config, score, order));
    std::sort(order.begin(), order.end());
    result.experts.push_back(std::move(order));
  }
  return result;
}

Json to_json(const TaskExperts& experts) {
  return {{"task", experts.task}, {"score", experts.score}, {"experts", experts.experts}};
}

TaskExperts task_experts_from_json(const Json& json, const std::string& where, int layers,
                                   int experts) {
  TaskExperts result;
  try {
    result.task = json.at("task").get<std::string>();
    result.score = json.at("score").get<PerLayer>();
    result.experts = json.at("experts").get<std::vector<std::vector<int>>>();
  } catch (const Json::exception& error) {
    fail(where, ": not the task experts that `ramoe experts` writes (", error.what(), ").");
  }
  check(static_cast<int>(result.experts.size()) == layers, where, ": task experts of ",
        result.experts.size(), " layers; the model has ", layers, ".");
  for (const std::vector<int>& layer : result.experts) {
    check(!layer.empty(), where, ": a layer without task experts; every layer needs one.");
    for (const int e : layer)
      check(e >= 0 && e < experts, where, ": expert ", e, " is not one of the model's ", experts,
            ".");
  }
  return result;
}

}  // namespace ramoe
