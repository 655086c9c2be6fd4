#include "ch10_alignment/alignment_term.h"

#include <algorithm>

#include "ch02_autograd/basic_ops.h"

namespace ramoe {

template <class T>
AlignmentTerm<T>::AlignmentTerm(Model<T>& model, const AlignmentConfig& config,
                                const StageResults& stages,
                                const std::vector<FinetuneExample>& examples, int steps,
                                std::uint64_t seed)
    : model_(model),
      config_(config),
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
  if (config.english_side == EnglishSide::current) return;
  std::vector<int> wanted;
  for (std::size_t i = 0; i < examples.size(); ++i)
    if (aligned_[i]) wanted.push_back(static_cast<int>(i));
  std::vector<SequenceRouting> routing = english_routing(wanted);
  for (std::size_t i = 0; i < wanted.size(); ++i)
    q_star_[std::size_t(wanted[i])] = std::move(routing[i].q);
}

template <class T>
int AlignmentTerm<T>::aligned_count() const {
  return static_cast<int>(std::count(aligned_.begin(), aligned_.end(), true));
}

template <class T>
std::vector<SequenceRouting> AlignmentTerm<T>::english_routing(
    const std::vector<int>& examples) const {
  std::vector<std::vector<int>> sequences;
  std::vector<TokenSpan> spans;
  for (const int i : examples) {
    const TrainingSequence& english = examples_[std::size_t(i)].english;
    sequences.push_back(english.tokens);
    spans.push_back(aligned_span(config_.span, english.prompt));
  }
  return sequence_routing(model_, sequences, spans);
}

template <class T>
int AlignmentTerm<T>::count(const TrainingBatch& batch) const {
  return static_cast<int>(std::count_if(batch.example.begin(), batch.example.end(),
                                        [&](int i) { return i >= 0 && aligned_[std::size_t(i)]; }));
}

/// The same logits, from an input without gradient: the loss changes the router's weights alone.
template <class T>
Routing<T> AlignmentTerm<T>::with_router_alone(Tape<T>& tape, const Routing<T>& routing) const {
  Routing<T> alone = routing;
  Parameter<T>& router = *model_.layer(routing.layer).router;
  alone.logits.z = linear_fp32(tape, tape.detach(routing.input), tape.leaf(router));
  return alone;
}

template <class T>
Tensor<T> AlignmentTerm<T>::add(Tape<T>& tape, const TrainingBatch& batch,
                                const ForwardResult<T>& forward, int step) {
  last_ = {};
  const double lambda = lambda_at(config_, step, steps_);
  std::vector<AlignedSequence> sequences;
  std::vector<int> members;
  for (int b = 0; b < batch.tokens.B; ++b) {
    const int i = batch.example[std::size_t(b)];
    if (i < 0 || !aligned_[std::size_t(i)]) continue;
    sequences.push_back({b, aligned_span(config_.span, batch.prompt[std::size_t(b)]),
                         &q_star_[std::size_t(i)], &support_.at(examples_[std::size_t(i)].task)});
    members.push_back(i);
  }
  if (sequences.empty() || lambda == 0) return {};
  std::vector<SequenceRouting> current;
  if (config_.english_side == EnglishSide::current) {
    current = english_routing(members);
    for (std::size_t s = 0; s < sequences.size(); ++s) sequences[s].q_star = &current[s].q;
  }
  std::vector<Routing<T>> routing = forward.routing;
  if (config_.gradient_scope == GradientScope::router)
    for (const int l : layers_)
      routing[std::size_t(l)] = with_router_alone(tape, routing[std::size_t(l)]);
  const AlignmentMeasure measure{config_.divergence, config_.mass_weight,
                                 config_.allocation_weight};
  last_ = alignment_loss(tape, routing, batch.tokens, sequences, layers_, measure);
  return weighted_sum<T>(tape, {{last_, lambda}});
}

#define RAMOE_INSTANTIATE(T) template class AlignmentTerm<T>;
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
