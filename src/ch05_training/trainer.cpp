#include "ch05_training/trainer.h"

#include <cmath>
#include <set>

#include "ch02_autograd/basic_ops.h"
#include "ch03_transformer/transformer_ops.h"
#include "ch05_training/run_folder.h"
#include "support/stop.h"

namespace ramoe {

void TrainConfig::list(FieldList& f) {
  f.add("steps", &steps, "optimiser steps", {0, 1e9});
  f.add("batch", &batch, "sequences per batch", {1, 1 << 20});
  f.add("accumulate", &accumulate, "batches per optimiser step", {1, 1 << 20});
  f.add("learning_rate", &learning_rate, "peak learning rate", {0, 10});
  f.add("warmup_share", &warmup_share, "share of the steps that warm up linearly", {0, 1});
  f.add("least_rate", &least_rate, "share of the peak where the cosine ends", {0, 1});
  f.add("weight_decay", &weight_decay, "AdamW's decay of matrices", {0, 10});
  f.add("beta1", &beta1, "AdamW's decay of the first moment", {0, 0.999999});
  f.add("beta2", &beta2, "AdamW's decay of the second moment", {0, 0.999999});
  f.add("adam_eps", &adam_eps, "AdamW's epsilon", {0, 1});
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
  for (const Routing<float>& layer : routing)
    total = weighted_sum<float>(tape, {{total, 1.0}, {loss(layer), share}});
  return total;
}

double value_of(const Tensor<float>& scalar) {
  return scalar.data ? double(scalar.data[0]) : 0.0;
}

}  // namespace

double Trainer::accumulate(const TrainingBatch& batch, ExtraLoss* extra, StepReport& report) {
  tape_.reset();
  const ForwardResult<float> forward =
      model_.forward(tape_, batch.tokens, {.logit_rows = &batch.logit_rows});
  const unsigned char* counts = batch.tokens.counts.data();
  const Tensor<float> ce = cross_entropy(tape_, forward.logits, batch.target.data());
  const Tensor<float> balance =
      config_.balance > 0 && config_.balance_form == "pooled"
          ? pooled_balance_loss(tape_, forward.routing, counts)
          : mean_over_layers(tape_, forward.routing, config_.balance, [&](const Routing<float>& r) {
              return balance_loss(tape_, r, counts);
            });
  const Tensor<float> z =
      mean_over_layers(tape_, forward.routing, config_.z_loss,
                       [&](const Routing<float>& r) { return ramoe::z_loss(tape_, r, counts); });
  const Tensor<float> other =
      extra ? extra->add(tape_, batch, forward, optimiser_.steps_done()) : Tensor<float>{};
  const Tensor<float> loss = weighted_sum<float>(
      tape_, {{ce, 1.0}, {balance, config_.balance}, {z, config_.z_loss}, {other, 1.0}});
  const double share = 1.0 / config_.accumulate;
  report.loss += share * value_of(ce);
  report.balance += share * value_of(balance);
  report.z_loss += share * value_of(z);
  report.extra += share * value_of(other);
  report.tokens += batch.tokens.token.size();
  if (std::isfinite(value_of(loss))) tape_.backward(loss);
  return value_of(loss);
}

StepReport Trainer::step(const std::function<TrainingBatch(int micro)>& next, ExtraLoss* extra) {
  StepReport report;
  const int step = optimiser_.steps_done();
  report.rate = learning_rate(config_.schedule(), step);
  bool finite = true;
  for (int micro = 0; micro < config_.accumulate && finite; ++micro)
    finite = std::isfinite(accumulate(next(micro), extra, report));
  if (finite) {
    const StopScope whole(nullptr);  // the weights are never left half updated
    report.gradient_norm = optimiser_.step(report.rate, 1.0 / config_.accumulate, config_.clip);
    finite = std::isfinite(report.gradient_norm);
  }
  if (!finite) {
    for (const auto& p : model_.parameters())
      std::fill(p->gradient.begin(), p->gradient.end(), 0.f);
    fail("step ", step + 1, ": ",
         std::isfinite(report.loss + report.extra + report.balance + report.z_loss)
             ? "the gradient norm"
             : "the loss",
         " is not finite (cross-entropy ", report.loss, ", balance ", report.balance, ", z-loss ",
         report.z_loss, ", extra ", report.extra, ", gradient norm ", report.gradient_norm,
         "). The weights before this step are kept; lower learning_rate or clip and resume.");
  }
  tokens_ += static_cast<double>(report.tokens);
  return report;
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
