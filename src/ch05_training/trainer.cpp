#include "ch05_training/trainer.h"

#include <algorithm>
#include <cmath>
#include <set>

#include "ch01_tensor/vector_ops.h"
#include "ch02_autograd/basic_ops.h"
#include "ch03_transformer/transformer_ops.h"
#include "runs/run_folder.h"
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

Trainer::Trainer(Model<float>& model, const TrainConfig& config)
    : model_(model),
      config_(config),
      optimiser_(model.parameters(),
                 {config.beta1, config.beta2, config.adam_eps, config.weight_decay}),
      tape_(arena_, config.precision == "bf16" ? Precision::bf16 : Precision::fp32) {}

namespace {

/// The mean of a router loss over the layers, or no data if its weight is 0.
template <class Loss>
Tensor<float> mean_over_layers(Tape<float>& tape, const std::vector<Routing<float>>& routing,
                               double weight, const Loss& loss) {
  Tensor<float> total;
  if (weight == 0) return total;
  const double share = 1.0 / static_cast<double>(routing.size());
  for (std::size_t l = 0; l < routing.size(); ++l)
    total = weighted_sum<float>(tape, {{total, 1.0}, {loss(routing[l], l), share}});
  return total;
}

double value_of(const Tensor<float>& scalar) {
  return scalar.data ? double(scalar.data[0]) : 0.0;
}

double rows_of(const TrainingBatch& batch) {
  const std::vector<unsigned char>& counts = batch.tokens.counts;
  return static_cast<double>(counts.size()) -
         static_cast<double>(std::count(counts.begin(), counts.end(), 0));
}

/// The weight of a batch that has `part` of the `whole` that a loss is a mean over.
double share_of(double part, double whole) {
  return whole > 0 ? part / whole : 0;
}

}  // namespace

Trainer::StepTotals Trainer::totals(const std::vector<TrainingBatch>& batches,
                                    const ExtraLoss* extra) {
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
std::vector<std::vector<float>> Trainer::step_shares(const std::vector<TrainingBatch>& batches,
                                                     double rows) {
  const Tape<float>::NoGrad no_grad(tape_);
  const bool pooled = config_.balance_form == "pooled";
  std::vector<std::vector<double>> choices;
  double layers = 0;
  for (const TrainingBatch& batch : batches) {
    tape_.reset();
    const std::vector<Routing<float>> routing =
        model_.forward(tape_, batch.tokens, {.routing_only = true}).routing;
    layers = static_cast<double>(routing.size());
    choices.resize(pooled ? 1 : routing.size());
    for (std::size_t l = 0; l < routing.size(); ++l) {
      const Routing<float>& r = routing[l];
      std::vector<double>& sum = choices[pooled ? 0 : l];
      sum.resize(std::size_t(r.E));
      add_choices(sum.data(), r.chosen.expert, batch.tokens.counts.data(), r.N, r.K);
    }
  }
  std::vector<std::vector<float>> f;
  for (const std::vector<double>& sum : choices) {
    f.emplace_back();
    for (const double chosen : sum)
      f.back().push_back(static_cast<float>(share_of(chosen, rows * (pooled ? layers : 1))));
  }
  return f;
}

double Trainer::accumulate(const TrainingBatch& batch, const StepTotals& totals, ExtraLoss* extra,
                           StepReport& report) {
  tape_.reset();
  const ForwardResult<float> forward =
      model_.forward(tape_, batch.tokens, {.logit_rows = &batch.logit_rows});
  const unsigned char* counts = batch.tokens.counts.data();
  const auto f = [&](std::size_t l) { return totals.f.empty() ? nullptr : totals.f[l].data(); };
  const Tensor<float> ce = cross_entropy(tape_, forward.logits, batch.target.data());
  const Tensor<float> balance =
      config_.balance > 0 && config_.balance_form == "pooled"
          ? pooled_balance_loss(tape_, forward.routing, counts, f(0))
          : mean_over_layers(tape_, forward.routing, config_.balance,
                             [&](const Routing<float>& r, std::size_t l) {
                               return balance_loss(tape_, r, counts, f(l));
                             });
  const Tensor<float> z = mean_over_layers(
      tape_, forward.routing, config_.z_loss,
      [&](const Routing<float>& r, std::size_t) { return ramoe::z_loss(tape_, r, counts); });
  const Tensor<float> other =
      extra ? extra->add(tape_, batch, forward, optimiser_.steps_done()) : Tensor<float>{};
  const double targets = share_of(static_cast<double>(batch.target.size()), totals.targets);
  const double rows = share_of(rows_of(batch), totals.rows);
  const double examples = extra ? share_of(extra->count(batch), totals.examples) : 0;
  const Tensor<float> loss = weighted_sum<float>(tape_, {{ce, targets},
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

StepReport Trainer::step(const std::function<TrainingBatch(int micro)>& next, ExtraLoss* extra) {
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
  const AdamWStep update = [&] {
    const StopScope uninterrupted(nullptr);  // the weights are never left half updated
    return optimiser_.step(report.rate, config_.clip);
  }();
  report.gradient_norm = update.norm;
  if (!std::isfinite(update.norm)) give_up("the gradient norm", report);
  if (!update.done()) give_up("the update of " + update.spoilt->name, report);
  tokens_ += static_cast<double>(report.tokens);
  return report;
}

void Trainer::give_up(const std::string& what, const StepReport& r) {
  for (const auto& p : model_.parameters()) std::fill(p->gradient.begin(), p->gradient.end(), 0.f);
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

double Trainer::tokens_per_step() const {
  return steps_done() > 0 ? tokens_ / steps_done() : 0;
}

void Trainer::save_checkpoint(const std::string& path, const CheckpointNotes& notes) const {
  const StopScope whole(nullptr);
  std::vector<const std::vector<float>*> values, m, v;
  for (std::size_t i = 0; i < model_.parameters().size(); ++i) {
    values.push_back(&model_.parameters()[i]->value);
    m.push_back(&optimiser_.m(i));
    v.push_back(&optimiser_.v(i));
  }
  std::vector<TensorToWrite> tensors = tensors_to_write(model_, "", values);
  for (const auto& [prefix, arrays] : {std::pair{"adamw.m.", &m}, std::pair{"adamw.v.", &v}})
    for (TensorToWrite& t : tensors_to_write(model_, prefix, *arrays))
      tensors.push_back(std::move(t));
  SafetensorsMetadata metadata = {{"step", std::to_string(optimiser_.steps_done())}};
  if (!std::isnan(tokens_)) metadata["tokens"] = std::to_string(std::llround(tokens_));
  if (notes.metrics_lines >= 0) metadata["metrics_lines"] = std::to_string(notes.metrics_lines);
  if (!notes.run.is_null()) metadata["run"] = notes.run.dump();
  write_safetensors(path, tensors, with_checksum(std::move(metadata)));
}

namespace {

/// A whole number of at least 0 among the metadata; -1 if there is none.
std::int64_t whole_number(const SafetensorsMetadata& metadata, const char* key) {
  const auto found = metadata.find(key);
  if (found == metadata.end() || found->second.empty() || found->second.size() > 18 ||
      found->second.find_first_not_of("0123456789") != std::string::npos)
    return -1;
  return std::stoll(found->second);
}

}  // namespace

CheckpointNotes Trainer::load_checkpoint(const std::string& path, const Json& run) {
  const WeightFiles file(path);
  CheckpointNotes notes;
  notes.checked = file.files().front()->check_whole();
  const SafetensorsMetadata& metadata = file.metadata();
  const std::int64_t step = whole_number(metadata, "step");
  check(step >= 0 && step < 1'000'000'000, path,
        ": the metadata has no whole number \"step\"; this is not a training checkpoint.");
  if (metadata.contains("run") && !run.is_null()) {
    notes.run = Json::parse(metadata.at("run"), nullptr, false);
    check(notes.run.is_object(), path, ": the metadata \"run\" is not a JSON object.");
    const std::string different = identity_differences(notes.run, run);
    check(different.empty(), path, " is the checkpoint of another run (", different, ").");
  }
  notes.metrics_lines = static_cast<int>(whole_number(metadata, "metrics_lines"));
  const std::int64_t tokens = whole_number(metadata, "tokens");
  std::vector<std::vector<float>*> values, m, v;
  for (std::size_t i = 0; i < model_.parameters().size(); ++i) {
    values.push_back(&model_.parameters()[i]->value);
    m.push_back(&optimiser_.m(i));
    v.push_back(&optimiser_.v(i));
  }
  // What is missing is found by reading; what is too much, as of a deeper model, by its name.
  std::set<std::string> wanted;
  for (const StoredTensor& t : stored_tensors(model_)) {
    wanted.insert(t.name);
    if (m[t.parameter]->empty()) continue;
    wanted.insert("adamw.m." + t.name);
    wanted.insert("adamw.v." + t.name);
  }
  for (const std::string& name : file.names())
    check(wanted.contains(name), path, ": the tensor ", name,
          " belongs to no trained part of this model; is it the checkpoint of another one?");
  // All is checked before anything is overwritten: a file that does not fit changes nothing.
  const auto each = [&](const auto& act) {
    act("", values), act("adamw.m.", m), act("adamw.v.", v);
  };
  each(
      [&](const char* prefix, const auto& arrays) { check_tensors(file, model_, prefix, arrays); });
  each([&](const char* prefix, const auto& arrays) { read_tensors(file, model_, prefix, arrays); });
  optimiser_.set_steps_done(static_cast<int>(step));
  tokens_ = tokens >= 0 ? static_cast<double>(tokens) : std::nan("");
  return notes;
}

}  // namespace ramoe
