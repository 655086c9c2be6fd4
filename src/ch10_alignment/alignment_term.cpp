#include "ch10_alignment/alignment_term.h"

#include <algorithm>
#include <numeric>

#include "ch01_tensor/philox.h"
#include "ch02_autograd/basic_ops.h"

namespace ramoe {

void AlignmentConfig::list(FieldList& f) {
  f.add("lambda", &lambda, "weight of the alignment loss; 0 is plain SFT", {0, 1e6});
  f.add("lambda_schedule", &lambda_schedule, "lambda over the steps");
  f.add("divergence", &divergence, "how routings are compared");
  f.add("mass_weight", &mass_weight, "weight of the total mass in mass_allocation", {0, 1e6});
  f.add("allocation_weight", &allocation_weight, "weight of the allocation in mass_allocation",
        {0, 1e6});
  f.add("support", &support, "experts that are compared");
  f.add("layers", &layers, "layers that are aligned");
  f.add("examples", &examples, "pairs that are aligned");
  f.add("english_side", &english_side, "whose English routing is followed");
  f.add("span", &span, "tokens that are compared");
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

std::vector<std::vector<int>> alignment_support(AlignedExperts which,
                                                const std::vector<std::vector<int>>& task_experts,
                                                int experts, std::uint64_t seed) {
  if (which == AlignedExperts::task) return task_experts;
  std::vector<std::vector<int>> support;
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

std::vector<bool> aligned_examples(AlignedExamples which,
                                   const std::vector<FinetuneExample>& examples,
                                   std::uint64_t seed) {
  std::vector<bool> aligned(examples.size());
  std::vector<int> order(examples.size());
  std::iota(order.begin(), order.end(), 0);
  std::size_t ci = 0;
  for (std::size_t i = 0; i < examples.size(); ++i) {
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
  return aligned;
}

double lambda_at(const AlignmentConfig& config, int step, int steps) {
  const double done = steps > 1 ? static_cast<double>(step) / (steps - 1) : 1.0;
  if (config.lambda_schedule == LambdaSchedule::warmup) return config.lambda * std::min(1.0, 2 * done);
  if (config.lambda_schedule == LambdaSchedule::decay) return config.lambda * (1 - done);
  return config.lambda;
}

namespace {
TokenSpan span_of(AlignedTokens which, int prompt) {
  if (which == AlignedTokens::prompt) return {0, prompt};
  if (which == AlignedTokens::answer) return {prompt, 1 << 30};
  return {};
}
}  // namespace

AlignmentTerm::AlignmentTerm(Model<float>& model, const AlignmentConfig& config,
                             const StageResults& stages,
                             const std::vector<FinetuneExample>& examples, int steps,
                             std::uint64_t seed)
    : model_(model),
      config_(config),
      measure_{config.divergence, config.mass_weight, config.allocation_weight},
      steps_(steps),
      layers_(alignment_layers(config.layers, stages.zone, model.config().moe_layer_count(), seed)),
      examples_(examples),
      aligned_(aligned_examples(config.examples, examples, seed)),
      q_star_(examples.size()) {
  for (const auto& [task, experts] : stages.experts)
    support_[task] = alignment_support(config.support, experts, model.config().num_experts, seed);
  for (const FinetuneExample& example : examples)
    check(support_.contains(example.task), "there are no task experts of ", example.task,
          "; run `ramoe experts` with the same tasks.");
  if (config_.english_side == EnglishSide::current) return;
  std::vector<int> wanted;
  for (std::size_t i = 0; i < examples.size(); ++i)
    if (aligned_[i]) wanted.push_back(static_cast<int>(i));
  const std::vector<SequenceRouting> routing = english_routing(wanted);
  for (std::size_t i = 0; i < wanted.size(); ++i) q_star_[std::size_t(wanted[i])] = routing[i].q;
}

int AlignmentTerm::aligned_count() const {
  return static_cast<int>(std::count(aligned_.begin(), aligned_.end(), true));
}

std::vector<SequenceRouting> AlignmentTerm::english_routing(
    const std::vector<int>& examples) const {
  std::vector<std::vector<int>> sequences;
  std::vector<TokenSpan> spans;
  for (const int i : examples) {
    const TrainingSequence& english = examples_[std::size_t(i)].english;
    sequences.push_back(english.tokens);
    spans.push_back(span_of(config_.span, english.prompt));
  }
  return sequence_routing(model_, sequences, spans);
}

int AlignmentTerm::count(const TrainingBatch& batch) const {
  return static_cast<int>(std::count_if(batch.example.begin(), batch.example.end(),
                                        [&](int i) { return i >= 0 && aligned_[std::size_t(i)]; }));
}

Tensor<float> AlignmentTerm::add(Tape<float>& tape, const TrainingBatch& batch,
                                 const ForwardResult<float>& forward, int step) {
  last_value_ = 0;
  const double lambda = lambda_at(config_, step, steps_);
  std::vector<AlignedSequence> sequences;
  std::vector<int> members;
  for (int b = 0; b < batch.tokens.B; ++b) {
    const int i = batch.example[std::size_t(b)];
    if (i < 0 || !aligned_[std::size_t(i)]) continue;
    sequences.push_back({b, span_of(config_.span, batch.prompt[std::size_t(b)]),
                         &q_star_[std::size_t(i)], &support_.at(examples_[std::size_t(i)].task)});
    members.push_back(i);
  }
  if (sequences.empty() || lambda == 0) return {};
  std::vector<SequenceRouting> current;
  if (config_.english_side == EnglishSide::current) {
    current = english_routing(members);
    for (std::size_t s = 0; s < sequences.size(); ++s) sequences[s].q_star = &current[s].q;
  }
  std::vector<Routing<float>> routing = forward.routing;
  if (config_.gradient_scope == GradientScope::router)
    // The same logits from an input that learns nothing: only the router's weights feel the loss.
    for (const int l : layers_) {
      Routing<float>& r = routing[std::size_t(l)];
      r.logits.z =
          linear_fp32(tape, tape.detach(r.input), tape.leaf(*model_.layer(r.layer).router));
    }
  const Tensor<float> loss =
      alignment_loss(tape, routing, batch.tokens, sequences, layers_, measure_);
  last_value_ = double(loss.data[0]);
  return weighted_sum<float>(tape, {{loss, lambda}});
}

}  // namespace ramoe
