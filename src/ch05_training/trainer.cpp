#include "ch05_training/trainer.h"

#include <algorithm>
#include <cmath>

#include "ch01_tensor/vector_ops.h"
#include "ch02_autograd/basic_ops.h"
#include "ch03_transformer/transformer_ops.h"
#include "support/stop.h"

namespace ramoe {

void TrainConfig::list(FieldList& f) {
  f.add("steps", &steps, "optimiser steps", {0, 1e9});
  f.add("batch", &batch, "sequences per batch", {1, 1 << 20});
  f.add("accumulate", &accumulate,
        "batches that the rows of an optimiser step are cut into; every cut of the same rows is "
        "the same step",
        {1, 1 << 20});
  f.add("learning_rate", &learning_rate, "peak learning rate", {0, 10});
  f.add("warmup_share", &warmup_share, "share of the steps that warm up linearly", {0, 1});
  f.add("least_rate", &least_rate, "share of the peak where the cosine ends", {0, 1});
  f.add("weight_decay", &weight_decay, "AdamW's decay of matrices", {0, 10});
  f.add("beta1", &beta1, "AdamW's decay of the first moment", {0, 0.999999});
  f.add("beta2", &beta2, "AdamW's decay of the second moment", {0, 0.999999});
  f.add("adam_eps", &adam_eps, "AdamW's epsilon", {1e-30, 1});  // 0: 0/0 where g is 0
  f.add("clip", &clip, "largest global gradient norm; 0: no limit", {0, 1e9});
  f.add("balance", &balance, "alpha, weight of the balance loss (mean over layers)", {0, 100});
  f.add("balance_form", &balance_form,
        "f and P of the balance loss: of each layer, or pooled over layers as in transformers",
        {.choices = {"layer", "pooled"}});
  f.add("z_loss", &z_loss, "weight of the router z-loss (mean over layers)", {0, 100});
  f.add("precision", &precision,
        "of the matrix products of linear layers and experts while training: bf16 rounds what is "
        "multiplied, sums and weights stay fp32",
        {.choices = {"fp32", "bf16"}});
  f.add("log_every", &log_every, "steps between lines of metrics.jsonl", {1, 1e9});
  f.add("save_every", &save_every, "steps between checkpoints", {1, 1e9});
}

Schedule TrainConfig::schedule() const {
  Schedule s;
  s.peak = learning_rate;
  s.steps = steps;
  s.warmup = static_cast<std::int64_t>(std::ceil(warmup_share * steps));
  s.least = least_rate;
  return s;
}

TrainingBatch make_training_batch(const std::vector<TrainingSequence>& sequences, int pad,
                                  int bos) {
  std::vector<std::vector<int>> tokens;
  for (const TrainingSequence& sequence : sequences) tokens.push_back(sequence.tokens);
  TrainingBatch batch;
  batch.tokens = make_batch(tokens, pad, bos);
  for (std::size_t b = 0; b < sequences.size(); ++b) {
    const TrainingSequence& s = sequences[b];
    check(s.prompt >= 1, "a training sequence needs a prompt of at least its BOS token.");
    batch.prompt.push_back(s.prompt);
    batch.example.push_back(s.example);
    for (int t = s.prompt; t < static_cast<int>(s.tokens.size()); ++t) {
      batch.logit_rows.push_back(static_cast<int>(b) * batch.tokens.T + t - 1);
      batch.target.push_back(s.tokens[std::size_t(t)]);
    }
  }
  return batch;
}

template <class T>
Trainer<T>::Trainer(Model<T>& model, const TrainConfig& config)
    : model_(model),
      config_(config),
      optimiser_(model.parameters(),
                 {config.beta1, config.beta2, config.adam_eps, config.weight_decay}),
      tape_(arena_, config.precision == "bf16" ? Precision::bf16 : Precision::fp32) {}

namespace {

/// The mean of a router loss over the layers, or no data if its weight is 0.
template <class T, class Loss>
Tensor<T> mean_over_layers(Tape<T>& tape, const std::vector<Routing<T>>& routing, double weight,
                           const Loss& loss) {
  Tensor<T> total;
  if (weight == 0) return total;
  const double share = 1.0 / static_cast<double>(routing.size());
  for (std::size_t l = 0; l < routing.size(); ++l)
    total = weighted_sum<T>(tape, {{total, 1.0}, {loss(routing[l], l), share}});
  return total;
}

template <class T>
double value_of(const Tensor<T>& scalar) {
  return scalar.data ? double(scalar.data[0]) : 0.0;
}

double rows_of(const TrainingBatch& batch) {
  const std::vector<unsigned char>& scored = batch.tokens.scored;
  return static_cast<double>(scored.size()) -
         static_cast<double>(std::count(scored.begin(), scored.end(), 0));
}

/// The weight of a batch that has `part` of the `whole` that a loss is a mean over.
double share_of(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

}  // namespace

template <class T>
typename Trainer<T>::StepTotals Trainer<T>::totals(const std::vector<TrainingBatch>& batches,
                                                   const ExtraLoss<T>* extra) {
  StepTotals totals;
  for (const TrainingBatch& batch : batches) {
    totals.targets += static_cast<double>(batch.target.size());
    totals.rows += rows_of(batch);
    if (extra) totals.examples += extra->count(batch);
  }
  if (batches.size() > 1 && config_.balance > 0) totals.f = step_shares(batches, totals.rows);
  return totals;
}

/// f of the balance loss over all batches, from a pass that computes their routing alone.
template <class T>
std::vector<std::vector<T>> Trainer<T>::step_shares(const std::vector<TrainingBatch>& batches,
                                                    double rows) {
  const typename Tape<T>::NoGrad no_grad(tape_);
  const bool pooled = config_.balance_form == "pooled";
  std::vector<std::vector<double>> choices;
  double layers = 0;
  for (const TrainingBatch& batch : batches) {
    tape_.reset();
    const std::vector<Routing<T>> routing =
        model_.forward(tape_, batch.tokens, {.routing_only = true}).routing;
    layers = static_cast<double>(routing.size());
    choices.resize(pooled ? 1 : routing.size());
    for (std::size_t l = 0; l < routing.size(); ++l) {
      const Routing<T>& r = routing[l];
      std::vector<double>& sum = choices[pooled ? 0 : l];
      sum.resize(std::size_t(r.E));
      add_choices(sum.data(), r.chosen.expert, batch.tokens.scored.data(), r.N, r.K);
    }
  }
  std::vector<std::vector<T>> f;
  for (const std::vector<double>& sum : choices) {
    f.emplace_back();
    for (const double chosen : sum)
      f.back().push_back(static_cast<T>(share_of(chosen, rows * (pooled ? layers : 1))));
  }
  return f;
}

template <class T>
double Trainer<T>::accumulate(const TrainingBatch& batch, const StepTotals& totals,
                              ExtraLoss<T>* extra, StepReport& report) {
  tape_.reset();
  const ForwardResult<T> forward =
      model_.forward(tape_, batch.tokens, {.logit_rows = &batch.logit_rows});
  const unsigned char* scored = batch.tokens.scored.data();
  const auto f = [&](std::size_t l) { return totals.f.empty() ? nullptr : totals.f[l].data(); };
  const Tensor<T> ce = cross_entropy(tape_, forward.logits, batch.target.data());
  const Tensor<T> balance = config_.balance > 0 && config_.balance_form == "pooled"
                                ? pooled_balance_loss(tape_, forward.routing, scored, f(0))
                                : mean_over_layers(tape_, forward.routing, config_.balance,
                                                   [&](const Routing<T>& r, std::size_t l) {
                                                     return balance_loss(tape_, r, scored, f(l));
                                                   });
  const Tensor<T> z = mean_over_layers(
      tape_, forward.routing, config_.z_loss,
      [&](const Routing<T>& r, std::size_t) { return ramoe::z_loss(tape_, r, scored); });
  const Tensor<T> other =
      extra ? extra->add(tape_, batch, forward, optimiser_.steps_done()) : Tensor<T>{};
  const double targets = share_of(static_cast<double>(batch.target.size()), totals.targets);
  const double rows = share_of(rows_of(batch), totals.rows);
  const double examples = extra ? share_of(extra->count(batch), totals.examples) : 0;
  const Tensor<T> loss = weighted_sum<T>(tape_, {{ce, targets},
                                                 {balance, config_.balance * rows},
                                                 {z, config_.z_loss * rows},
                                                 {other, examples}});
  report.loss += targets * value_of(ce);
  report.balance += rows * value_of(balance);
  report.z_loss += rows * value_of(z);
  report.extra += examples * value_of(other);
  report.tokens += batch.tokens.token.size();
  if (std::isfinite(value_of(loss))) tape_.backward(loss);
  return value_of(loss);
}

template <class T>
StepReport Trainer<T>::step(const std::function<TrainingBatch(int micro)>& next,
                            ExtraLoss<T>* extra) {
  StepReport report;
  const int step = optimiser_.steps_done();
  report.rate = learning_rate(config_.schedule(), step);
  std::vector<TrainingBatch> batches;
  for (int micro = 0; micro < config_.accumulate; ++micro)
    if (TrainingBatch batch = next(micro); batch.tokens.B > 0) batches.push_back(std::move(batch));
  check(!batches.empty(), "step ", step + 1, ": none of its batches has a row.");
  const StepTotals whole = totals(batches, extra);
  bool finite = true;
  for (std::size_t i = 0; i < batches.size() && finite; ++i)
    finite = std::isfinite(accumulate(batches[i], whole, extra, report));
  if (!finite) give_up("the loss", report);
  const AdamWStep<T> update = [&] {
    const StopScope uninterrupted(nullptr);  // the weights are never left half updated
    return optimiser_.step(report.rate, config_.clip);
  }();
  report.gradient_norm = update.norm;
  if (!std::isfinite(update.norm)) give_up("the gradient norm", report);
  if (!update.done()) give_up("the update of " + update.spoilt->name, report);
  tokens_ += static_cast<double>(report.tokens);
  return report;
}

template <class T>
void Trainer<T>::give_up(const std::string& what, const StepReport& r) {
  for (const auto& p : model_.parameters()) std::fill(p->gradient.begin(), p->gradient.end(), T(0));
  std::string advice =
      "The weights before this step are kept, and so are files already saved, but the same "
      "settings lead here again: begin another run with a lower learning_rate, clip or weight of "
      "the losses, or a larger adam_eps.";
  for (const auto& p : model_.parameters())
    if (!all_finite(p->value.data(), p->value.size()))
      advice = "The weights of " + p->name +
               " were not finite before this step; begin from another model or checkpoint.";
  fail("step ", steps_done() + 1, ": ", what, " is not finite (cross-entropy ", r.loss,
       ", balance ", r.balance, ", z-loss ", r.z_loss, ", extra ", r.extra, ", gradient norm ",
       r.gradient_norm, ", learning rate ", r.rate, "). ", advice);
}

template <class T>
double Trainer<T>::tokens_per_step() const {
  return steps_done() > 0 ? tokens_ / steps_done() : 0;
}

#define RAMOE_INSTANTIATE(T) template class Trainer<T>;
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
