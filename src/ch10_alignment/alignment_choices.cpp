#include "ch10_alignment/alignment_choices.h"

#include <algorithm>
#include <numeric>

#include "ch01_tensor/philox.h"

namespace ramoe {

void AlignmentConfig::list(FieldList& f) {
  f.add("lambda", &lambda, "weight of the alignment loss; 0 is plain SFT", {0, 1e6});
  f.add("lambda_schedule", &lambda_schedule, "lambda over the steps");
  f.add("signal", &signal,
        "what is aligned: routing, or as a control the hidden state that each router reads (mean "
        "square difference)");
  f.add("divergence", &divergence, "how routings are compared");
  f.add("mass_weight", &mass_weight, "weight of the total mass in mass_allocation", {0, 1e6});
  f.add("allocation_weight", &allocation_weight, "weight of the allocation in mass_allocation",
        {0, 1e6});
  f.add("support", &support,
        "experts that are compared; chosen: the K that the followed side uses most");
  f.add("layers", &layers, "layers that are aligned");
  f.add("examples", &examples, "pairs that are aligned");
  f.add("english_side", &english_side,
        "whose English routing is followed; controls: shuffled, of another item; own, the target's "
        "of the base model");
  f.add("span", &span,
        "tokens that are compared; last: of the prompt the last; tokens: each prompt token with "
        "its English counterpart");
  f.add("gradient_scope", &gradient_scope, "what the alignment loss may change");
}

std::vector<int> alignment_layers(AlignedLayers which, Zone zone, int layers, std::uint64_t seed) {
  std::vector<int> all(static_cast<std::size_t>(layers));
  std::iota(all.begin(), all.end(), 0);
  const std::ptrdiff_t count = std::clamp(zone.size(), 1, layers);
  if (which == AlignedLayers::all) return all;
  if (which == AlignedLayers::early) return {all.begin(), all.begin() + count};
  if (which == AlignedLayers::late) return {all.end() - count, all.end()};
  if (which == AlignedLayers::random) {
    Random(seed, 31).shuffle(all);
    all.resize(static_cast<std::size_t>(count));
    std::sort(all.begin(), all.end());
    return all;
  }
  check(zone.first >= 0 && zone.last < layers && zone.size() >= 1, "the alignment zone ",
        zone.first, " to ", zone.last, " does not lie within the model's ", layers, " layers.");
  return {all.begin() + zone.first, all.begin() + zone.last + 1};
}

ExpertSets alignment_support(AlignedExperts which, const ExpertSets& task_experts, int experts,
                             std::uint64_t seed) {
  if (which == AlignedExperts::task || which == AlignedExperts::chosen) return task_experts;
  ExpertSets support;
  Random random(seed, 32);
  for (const std::vector<int>& layer : task_experts) {
    std::vector<int> chosen(static_cast<std::size_t>(experts));
    std::iota(chosen.begin(), chosen.end(), 0);
    if (which == AlignedExperts::random) {
      random.shuffle(chosen);
      chosen.resize(layer.size());
      std::sort(chosen.begin(), chosen.end());
    }
    support.push_back(std::move(chosen));
  }
  return support;
}

ExpertSets chosen_experts(const PerLayer& q, int K) {
  ExpertSets support;
  for (const std::vector<double>& layer : q) {
    std::vector<int> order(layer.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(),
                     [&](int a, int b) { return layer[std::size_t(a)] > layer[std::size_t(b)]; });
    order.resize(std::min(order.size(), std::size_t(K)));
    std::sort(order.begin(), order.end());
    support.push_back(std::move(order));
  }
  return support;
}

std::vector<bool> aligned_examples(AlignedExamples which,
                                   const std::vector<FinetuneExample>& examples,
                                   std::uint64_t seed) {
  std::vector<bool> aligned(examples.size());
  std::vector<int> order;  // of the labelled
  std::size_t ci = 0;
  for (std::size_t i = 0; i < examples.size(); ++i) {
    if (!examples[i].labelled) continue;
    order.push_back(static_cast<int>(i));
    const PairType type = examples[i].type;
    ci += type == PairType::ci;
    aligned[i] = which == AlignedExamples::all || type == PairType::ci ||
                 (which == AlignedExamples::cc_ci && type == PairType::cc);
  }
  if (which == AlignedExamples::random) {
    aligned.assign(examples.size(), false);
    Random(seed, 33).shuffle(order);
    for (std::size_t i = 0; i < ci; ++i) aligned[std::size_t(order[i])] = true;
  }
  for (std::size_t i = 0; i < examples.size(); ++i)
    if (!examples[i].labelled) aligned[i] = true;
  return aligned;
}

double lambda_at(const AlignmentConfig& config, int step, int steps) {
  const double done = steps > 1 ? static_cast<double>(step) / (steps - 1) : 1.0;
  switch (config.lambda_schedule) {
    case LambdaSchedule::warmup:
      return config.lambda * std::min(1.0, 2 * done);
    case LambdaSchedule::decay:
      return config.lambda * (1 - done);
    default:
      return config.lambda;
  }
}

TokenSpan aligned_span(AlignedTokens which, int prompt) {
  if (which == AlignedTokens::prompt || which == AlignedTokens::tokens) return {0, prompt};
  if (which == AlignedTokens::last) return {prompt - 1, prompt};
  if (which == AlignedTokens::answer) return {prompt, TokenSpan{}.end};
  return {};
}

void check_alignment(const AlignmentConfig& config) {
  check(config.signal != AlignedSignal::hidden || config.gradient_scope == GradientScope::all,
        "signal = hidden with gradient_scope = router: the state that a router reads does not "
        "depend on the router; expected gradient_scope = all, or signal = routing.");
  check(config.signal != AlignedSignal::hidden ||
            (config.divergence == AlignmentForm::lumped && config.support == AlignedExperts::task),
        "signal = hidden with divergence = ", name_of(config.divergence),
        " and support = ", name_of(config.support),
        ": hidden states are compared by their mean square difference and have no experts; leave "
        "out divergence and support, or take signal = routing.");
}

}  // namespace ramoe
