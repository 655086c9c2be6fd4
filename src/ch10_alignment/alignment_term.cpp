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
      sides_(followed_sides(config, examples, aligned_, seed)),
      followed_(examples.size()) {
  check_alignment(config);
  for (const auto& [task, experts] : stages.experts)
    support_[task] = alignment_support(config.support, experts, model.config().num_experts, seed);
  for (const FinetuneExample& example : examples)
    check(support_.contains(example.task), "there are no task experts of ", example.task,
          "; run `ramoe experts` with the same tasks.");
  if (config.english_side == EnglishSide::current) return;
  std::vector<int> wanted;
  for (std::size_t i = 0; i < examples.size(); ++i)
    if (aligned_[i]) wanted.push_back(static_cast<int>(i));
  std::vector<Followed> followed = follow(wanted);
  for (std::size_t i = 0; i < wanted.size(); ++i)
    followed_[std::size_t(wanted[i])] = std::move(followed[i]);
}

/// What these examples follow, as the model is now.
template <class T>
std::vector<typename AlignmentTerm<T>::Followed> AlignmentTerm<T>::follow(
    const std::vector<int>& examples) const {
  std::vector<const FollowedSide*> sides;
  for (const int i : examples) sides.push_back(&sides_[std::size_t(i)]);
  std::vector<Followed> followed;
  for (std::vector<PerLayer>& places : read_sides(model_, config_.signal, layers_, sides)) {
    followed.push_back({std::move(places), {}});
    if (config_.support != AlignedExperts::chosen) continue;
    for (const PerLayer& q_star : followed.back().q_star)
      followed.back().chosen.push_back(chosen_experts(q_star, model_.config().num_experts_per_tok));
  }
  return followed;
}

template <class T>
int AlignmentTerm<T>::count(const TrainingBatch& batch) const {
  std::size_t count = 0;
  for (const int i : batch.example)
    if (i >= 0) count += sides_[std::size_t(i)].places.size();
  return static_cast<int>(count);
}

/// The same logits, from an input without gradient: the loss changes the router's weights alone.
template <class T>
Routing<T> AlignmentTerm<T>::with_router_alone(Tape<T>& tape, const Routing<T>& routing) const {
  Routing<T> alone = routing;
  Parameter<T>& router = *model_.layer(routing.layer).router;
  alone.logits.z = linear_fp32(tape, tape.detach(routing.input), tape.leaf(router));
  return alone;
}

namespace {
/// All tokens but BOS are scored: rows for the alignment alone are not, in their batch, so that the
/// router losses leave them out.
TokenBatch with_all_scored(TokenBatch batch, int bos) {
  for (std::size_t n = 0; n < batch.token.size(); ++n)
    batch.scored[n] = batch.is_token[n] && batch.token[n] != bos;
  return batch;
}
}  // namespace

template <class T>
std::optional<std::vector<double>> AlignmentTerm<T>::place(Tape<T>& tape,
                                                           const TrainingBatch& batch, int step) {
  lambda_ = lambda_at(config_, step, steps_);
  std::vector<int> rows, members;
  for (int b = 0; b < batch.tokens.B; ++b)
    if (const int i = batch.example[std::size_t(b)]; i >= 0 && aligned_[std::size_t(i)]) {
      rows.push_back(b);
      members.push_back(i);
    }
  if (lambda_ == 0) rows.clear();
  const bool is_current = config_.english_side == EnglishSide::current && !rows.empty();
  current_ = is_current ? follow(members) : std::vector<Followed>{};
  sequences_.clear();
  for (std::size_t r = 0; r < rows.size(); ++r) {
    const std::size_t i = std::size_t(members[r]);
    const Followed& followed = current_.empty() ? followed_[i] : current_[r];
    for (std::size_t place = 0; place < sides_[i].places.size(); ++place)
      sequences_.push_back(
          {rows[r], sides_[i].places[place].target, &followed.q_star[place],
           followed.chosen.empty() ? &support_.at(examples_[i].task) : &followed.chosen[place]});
  }
  tokens_ = with_all_scored(batch.tokens, model_.config().bos_token_id);
  if (config_.signal == AlignedSignal::hidden) return {};
  const ModelConfig& c = model_.config();
  placed_ = ramoe::place(tape, tokens_, sequences_, layers_, c.moe_layer_count(), c.num_experts);
  return {{double(placed_.S), lambda_}};
}

template <class T>
Tensor<T> AlignmentTerm<T>::add(Tape<T>& tape, const TrainingBatch&,
                                const ForwardResult<T>& forward, int) {
  last_ = {};
  if (sequences_.empty()) return {};
  std::vector<Routing<T>> routing = forward.routing;
  if (config_.gradient_scope == GradientScope::router)
    for (const int l : layers_)
      routing[std::size_t(l)] = with_router_alone(tape, routing[std::size_t(l)]);
  const AlignmentMeasure measure{config_.divergence, config_.mass_weight,
                                 config_.allocation_weight};
  last_ = config_.signal == AlignedSignal::hidden
              ? hidden_loss(tape, routing, tokens_, sequences_, layers_)
              : alignment_loss(tape, routing, placed_, layers_, measure);
  return weighted_sum<T>(tape, {{last_, lambda_}});
}

#define RAMOE_INSTANTIATE(T) template class AlignmentTerm<T>;
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
