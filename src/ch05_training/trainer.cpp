#include "ch05_training/trainer.h"

#include <cmath>
#include <utility>

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
  f.add("adam_eps", &adam_eps, "AdamW's epsilon", {1e-30, 1});  // with 0: 0/0 where g is 0
  f.add("clip", &clip, "largest global gradient norm; 0: no limit", {0, 1e9});
  f.add("balance", &balance, "alpha, weight of the balance loss (mean over layers)", {0, 100});
  f.add("balance_form", &balance_form,
        "f and P of the balance loss: of each layer, or pooled over layers as in transformers");
  f.add("z_loss", &z_loss, "weight of the router z-loss (mean over layers)", {0, 100});
  f.add("precision", &precision,
        "of the matrix products of linear layers and experts while training: bf16 rounds what is "
        "multiplied, sums and weights stay fp32");
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

template <class T>
Trainer<T>::Trainer(Model<T>& model, const TrainConfig& config)
    : model_(model),
      config_(config),
      optimiser_(model.parameters(),
                 {config.beta1, config.beta2, config.adam_eps, config.weight_decay}),
      tape_(arena_, config.precision),
      losses_(static_cast<std::size_t>(config.accumulate) * std::size_t(kLosses)),
      pending_losses_(kMostPending * losses_.size()),
      pending_outcomes_(kMostPending) {}

namespace {

/// The mean of a router loss over the layers, or no data if its weight is 0.
template <class T, class Loss>
Tensor<T> mean_over_layers(Tape<T>& tape, const std::vector<Routing<T>>& routing, double weight,
                           const Loss& loss) {
  Tensor<T> total;
  if (weight == 0) return total;
  const double share = 1.0 / static_cast<double>(routing.size());
  std::vector<WeightedTerm<T>> terms;  // summed when there are as many as a sum takes
  for (std::size_t l = 0; l < routing.size(); ++l) {
    if (terms.empty()) terms.push_back({total, 1.0});
    terms.push_back({loss(routing[l], l), share});
    if (terms.size() < std::size_t(ScalarTerms<T>::most) && l + 1 < routing.size()) continue;
    total = weighted_sum(tape, terms);
    terms.clear();
  }
  return total;
}

/// The weight of a batch that has `part` of the `whole` items of a step.
double share_of(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

}  // namespace

template <class T>
typename Trainer<T>::StepTotals Trainer<T>::totals(const std::vector<TrainingBatch>& batches,
                                                   const ExtraLoss<T>* extra) {
  StepTotals totals;
  for (const TrainingBatch& batch : batches) {
    totals.targets += batch.targets();
    totals.rows += batch.tokens.scored_rows();
    if (extra) totals.examples += extra->count(batch);
  }
  if (batches.size() > 1 && config_.balance > 0) step_shares(batches, totals);
  return totals;
}

/// f of the balance loss over all batches, from a pass that computes only their routing.
template <class T>
void Trainer<T>::step_shares(const std::vector<TrainingBatch>& batches, StepTotals& totals) {
  const typename Tape<T>::NoGrad no_grad(tape_);
  const bool pooled = config_.balance_form == BalanceForm::pooled;
  const std::size_t E = std::size_t(model_.config().num_experts);
  const std::size_t L = std::size_t(model_.config().moe_layer_count());
  typename Lives<T>::template Vector<Index<T>> choices((pooled ? 1 : L) * E);
  for (const TrainingBatch& batch : batches) {
    tape_.reset();
    const ForwardResult<T> forward = model_.forward(tape_, batch.tokens, {.routing_only = true});
    for (std::size_t l = 0; l < L; ++l) {
      const Routing<T>& r = forward.routing[l];
      add_choices<T>(choices.data() + (pooled ? 0 : l) * E, r.chosen.expert, forward.batch.scored,
                     r.N, r.K);
    }
  }
  totals.f.resize(choices.size());
  const double rows = totals.rows * (pooled ? double(L) : 1);
  choice_shares(totals.f.data(), choices.data(), rows, static_cast<int>(choices.size()));
}

template <class T>
typename Trainer<T>::Shares Trainer<T>::shares(const TrainingBatch& batch, const StepTotals& totals,
                                               const ExtraLoss<T>* extra) const {
  return {share_of(batch.targets(), totals.targets),
          share_of(batch.tokens.scored_rows(), totals.rows),
          extra ? share_of(extra->count(batch), totals.examples) : 0};
}

template <class T>
std::optional<std::vector<double>> Trainer<T>::place_batch(const TrainingBatch& batch,
                                                           const Shares& share,
                                                           ExtraLoss<T>* extra) {
  tape_.reset();
  placed_ = model_.place_batch(tape_, batch.tokens, batch.logit_rows);
  check_targets(batch.target.data(), placed_.R, model_.config().vocab_size);
  target_ = place(tape_, batch.target);
  targets_ = tape_.keep_count(batch.targets());
  // All that accumulate() and the update take from the host, but for the configuration.
  std::vector<double> key = {double(placed_.B),
                             double(placed_.T),
                             double(placed_.R),
                             share.targets,
                             share.rows,
                             share.examples,
                             double(optimiser_.lists_placed())};
  if (!extra) return key;
  const auto of_extra = extra->place(tape_, batch, optimiser_.steps_done());
  if (!of_extra) return {};
  key.insert(key.end(), of_extra->begin(), of_extra->end());
  return key;
}

template <class T>
void Trainer<T>::accumulate(const TrainingBatch& batch, const StepTotals& totals,
                            const Shares& share, ExtraLoss<T>* extra, T* losses) {
  const ForwardResult<T> forward = model_.forward(tape_, placed_);
  const Flag<T>* scored = placed_.scored;
  const Count<T> rows = placed_.scored_rows;
  const auto f = [&](std::size_t l) {
    return totals.f.empty() ? nullptr
                            : totals.f.data() + l * std::size_t(model_.config().num_experts);
  };
  const Tensor<T> ce = cross_entropy(tape_, forward.logits, target_, targets_);
  const Tensor<T> balance =
      config_.balance > 0 && config_.balance_form == BalanceForm::pooled
          ? pooled_balance_loss(tape_, forward.routing, scored, rows, f(0))
          : mean_over_layers(tape_, forward.routing, config_.balance,
                             [&](const Routing<T>& r, std::size_t l) {
                               return balance_loss(tape_, r, scored, rows, f(l));
                             });
  const Tensor<T> z = mean_over_layers(
      tape_, forward.routing, config_.z_loss,
      [&](const Routing<T>& r, std::size_t) { return ramoe::z_loss(tape_, r, scored, rows); });
  const Tensor<T> other =
      extra ? extra->add(tape_, batch, forward, optimiser_.steps_done()) : Tensor<T>{};
  const Tensor<T> loss = weighted_sum<T>(tape_, {{ce, share.targets},
                                                 {balance, config_.balance * share.rows},
                                                 {z, config_.z_loss * share.rows},
                                                 {other, share.examples}});
  gather_scalars<T>(losses, {kLosses, {ce.data, balance.data, z.data, other.data, loss.data}});
  tape_.backward(loss);
}

template <class T>
StepReport Trainer<T>::step(const std::function<TrainingBatch(int micro)>& next,
                            ExtraLoss<T>* extra) {
  Pending pending;
  StepReport& report = pending.report;
  report.step = steps_done() + 1;
  report.rate = learning_rate(config_.schedule(), steps_done());
  std::vector<TrainingBatch> batches;
  for (int micro = 0; micro < config_.accumulate; ++micro)
    if (TrainingBatch batch = next(micro); batch.tokens.B > 0) batches.push_back(std::move(batch));
  check(!batches.empty(), "step ", report.step, ": none of its batches has a row.");
  const StepTotals whole = totals(batches, extra);
  for (const TrainingBatch& batch : batches) {
    pending.shares.push_back(shares(batch, whole, extra));
    report.tokens += batch.tokens.token.size();
  }
  const int losses = static_cast<int>(batches.size()) * kLosses;
  optimiser_.prepare(report.rate, config_.clip);
  if (batches.size() == 1) {
    replay_step(batches[0], whole, pending.shares[0], extra);
  } else {
    for (std::size_t i = 0; i < batches.size(); ++i) {
      place_batch(batches[i], pending.shares[i], extra);
      accumulate(batches[i], whole, pending.shares[i], extra,
                 losses_.data() + i * std::size_t(kLosses));
    }
    const StopScope uninterrupted(nullptr);  // the weights are never left half updated
    optimiser_.update(losses_.data(), losses);
  }
  optimiser_.count_step();
  copy_within(pending_losses_.data() + pending_.size() * losses_.size(), losses_.data(),
              losses_.size());
  copy_within(pending_outcomes_.data() + pending_.size(), optimiser_.outcome(), 1);
  pending_.push_back(std::move(pending));
  return must_read() ? settle() : last_;
}

template <class T>
void Trainer<T>::replay_step(const TrainingBatch& batch, const StepTotals& totals,
                             const Shares& share, ExtraLoss<T>* extra) {
  TrainingBatch padded;
  if constexpr (Lives<T>::on_gpu)
    padded = padded_to_common_sizes(batch, config_.batch, model_.config().pad_token_id);
  const TrainingBatch& taken = Lives<T>::on_gpu ? padded : batch;
  padding_.tokens += double(batch.tokens.token.size());
  padding_.targets += double(batch.target.size());
  padding_.padded_tokens += double(taken.tokens.token.size());
  padding_.padded_targets += double(taken.target.size());
  const auto key = place_batch(taken, share, extra);
  const auto work = [&] {
    accumulate(taken, totals, share, extra, losses_.data());
    const StopScope uninterrupted(nullptr);  // the weights are never left half updated
    optimiser_.update(losses_.data(), kLosses);
  };
  if (key)
    replay_.run(*key, work);
  else
    work();
}

template <class T>
bool Trainer<T>::must_read() const {
  const int step = steps_done();
  return pending_.size() == kMostPending || step % config_.log_every == 0 ||
         step % config_.save_every == 0 || step >= config_.steps;
}

template <class T>
const StepReport& Trainer<T>::settle() {
  if (pending_.empty()) return last_;
  // The only place where the host waits for a step.
  std::vector<Number<T>> losses(pending_.size() * losses_.size());
  std::vector<AdamWOutcome> outcomes(pending_.size());
  copy_out(losses.data(), pending_losses_.data(), losses.size());
  copy_out(outcomes.data(), pending_outcomes_.data(), outcomes.size());
  const std::vector<Pending> steps = std::exchange(pending_, {});
  for (std::size_t i = 0; i < steps.size(); ++i)
    last_ = read(steps[i], losses.data() + i * losses_.size(), outcomes[i]);
  return last_;
}

template <class T>
StepReport Trainer<T>::read(const Pending& step, const Number<T>* losses,
                            const AdamWOutcome& outcome) {
  StepReport report = step.report;
  report.gradient_norm = outcome.norm;
  for (std::size_t i = 0; i < step.shares.size(); ++i) {
    const Number<T>* of_batch = losses + i * std::size_t(kLosses);
    const Shares& share = step.shares[i];
    report.loss += share.targets * double(of_batch[0]);
    report.balance += share.rows * double(of_batch[1]);
    report.z_loss += share.rows * double(of_batch[2]);
    report.extra += share.examples * double(of_batch[3]);
  }
  if (!outcome.done) {
    optimiser_.set_steps_done(report.step - 1);
    if (!all_finite(losses, step.shares.size() * std::size_t(kLosses))) give_up("the loss", report);
    if (!std::isfinite(outcome.norm)) give_up("the gradient norm", report);
    give_up("the update of " + optimiser_.spoilt(outcome)->name, report);
  }
  tokens_ += static_cast<double>(report.tokens);
  return report;
}

template <class T>
void Trainer<T>::give_up(const std::string& what, const StepReport& r) {
  for (const auto& p : model_.parameters()) clear(p->gradient.data(), p->gradient.size());
  std::string advice =
      "The weights before this step are kept, and so are files already saved, but the same "
      "settings lead here again: begin another run with a lower learning_rate, clip or weight of "
      "the losses, or a larger adam_eps.";
  for (const auto& p : model_.parameters()) {
    std::vector<Number<T>> values(p->value.size());
    copy_out(values.data(), p->value.data(), values.size());
    if (!all_finite(values.data(), values.size()))
      advice = "The weights of " + p->name +
               " were not finite before this step; begin from another model or checkpoint.";
  }
  fail("step ", r.step, ": ", what, " is not finite (cross-entropy ", r.loss, ", balance ",
       r.balance, ", z-loss ", r.z_loss, ", extra ", r.extra, ", gradient norm ", r.gradient_norm,
       ", learning rate ", r.rate, "). ", advice);
}

template <class T>
double Trainer<T>::tokens_per_step() const {
  return steps_done() > 0 ? tokens_ / steps_done() : 0;
}

#define RAMOE_INSTANTIATE(T) template class Trainer<T>;
RAMOE_FOR_EACH_TYPE(RAMOE_INSTANTIATE)
#undef RAMOE_INSTANTIATE

}  // namespace ramoe
