#include "ch11_baselines/method.h"

namespace ramoe {

void MethodConfig::list(FieldList& f) {
  f.add("rise_share", &rise_share, "rise: share of all experts that is trained", {0.001, 1});
  f.add("sara_weight", &sara_weight, "sara: weight of its divergence", {0, 1e6});
}

void choose_trained(Model<float>& model, const MethodRun& run, const MethodInputs& inputs) {
  if (run.method == Method::rise) {
    const RiseScores scores = rise_scores(inputs.usage(), run.language);
    return train_only_experts(model, rise_experts(scores, run.keys.rise_share));
  }
  for (const auto& parameter : model.parameters()) {
    parameter->trainable = true;
    parameter->trained_blocks.clear();
  }
}

std::unique_ptr<ExtraLoss<float>> extra_loss(Model<float>& model, const MethodRun& run,
                                      const MethodInputs& inputs) {
  AlignmentConfig config = run.alignment;
  if (run.method == Method::sara) {
    config = {};
    config.lambda = run.keys.sara_weight;
    config.divergence = AlignmentForm::js;
    config.support = AlignedExperts::all;
    config.examples = AlignedExamples::all;
    config.span = AlignedTokens::both;
  } else if (run.method != Method::ramoe) {
    return nullptr;
  }
  return std::make_unique<AlignmentTerm>(model, config, inputs.stages, inputs.examples,
                                         run.train.steps, run.seed);
}

namespace {
std::unique_ptr<ExtraLoss<float>> prepared(Model<float>& model, const MethodRun& run,
                                    const MethodInputs& inputs) {
  choose_trained(model, run, inputs);
  return extra_loss(model, run, inputs);
}
}  // namespace

MethodTraining::MethodTraining(Model<float>& model, const MethodRun& run,
                               const MethodInputs& inputs)
    : config_(run.train),
      extra_(prepared(model, run, inputs)),
      trainer_(model, run.train),
      batches_(inputs.examples, run.train.batch, run.train.accumulate, model.config().pad_token_id,
               model.config().bos_token_id, run.seed) {}

bool MethodTraining::run(const std::function<bool(int step, const StepReport&)>& after_step) {
  finetune(trainer_, batches_, config_, extra_.get(), after_step);
  return trainer_.steps_done() == config_.steps;
}

}  // namespace ramoe
